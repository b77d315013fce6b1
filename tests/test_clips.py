"""Clips for methods that see pixels: which frames, drawn by what, how far ahead, and who learns what of the files."""

from __future__ import annotations

import threading
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gerund.errors import UsageError, VideoError
from gerund.examples import Inputs
from gerund.methods.training.order import training_batches
from gerund.types import Track
from gerund.video import Video
from gerund.video.clipping import Consecutive, Spread, Strided
from gerund.video.clips import ClipBatch
from gerund.video.memory import MemoryVideo
from gerund.video.messages import Channel
from gerund.video.sampling import consecutive_clips, segment_draws, strided_views
from gerund.video.transforms import Augmentation, Preparation
from gerund.video.workers import Reading, Workers
from painted import RECIPES, paint, read_paint

WHOLE = Preparation(64, None)
LENGTHS = (40, 25, 90, 7)
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Painted videos of several lengths, at 25 frames a second; the last is a folder of pictures."""
    folder = tmp_path_factory.mktemp("videos")
    made = []
    for count in LENGTHS[:-1]:
        recipe = RECIPES["h264_closed_gop_mp4"]
        shorter = type(recipe)(recipe.ending, recipe.codec, recipe.options, stamps=tuple(range(count)))
        made.append(shorter.write(folder / f"v_Archery_{count}.mp4"))
    pictures = folder / "v_Archery_pictures"
    pictures.mkdir()
    for number in range(LENGTHS[-1]):
        Image.fromarray(paint(number, 40 * number)).save(pictures / f"{number}.png")
    return [*made, pictures]


@pytest.fixture(scope="module")
def workers():
    """Processes that decode, kept for all tests that look at the results alone."""
    with Workers() as kept:
        yield kept


def inputs_of(files, workers, decoders=2):
    return Inputs.of_videos([Video(path) for path in files], workers=workers, decoders=decoders)


def painted_numbers(batch):
    """The frame numbers that are painted into a batch of clips ``[B, C, T]``."""
    found = [read_paint(picture)[0] for picture in batch.frames.reshape(-1, *batch.frames.shape[3:])]
    return np.array(found).reshape(batch.frames.shape[:3])


# which frames


@pytest.mark.parametrize(
    ("num_frames", "length", "count", "starts"),
    [(186, 16, 25, [7 * i for i in range(25)]), (1000, 16, 25, [40 * i for i in range(25)]), (3, 4, 25, [0, 1, 2])],
)
def test_fixed_clips_are_those_of_locate_gat(num_frames, length, count, starts):
    """Clip i begins at i times a period of N // C frames; a shorter video has a clip for each frame."""
    found = consecutive_clips(num_frames, length, count)
    assert found[:, 0].tolist() == starts
    assert found.tolist() == [[min(s + k, num_frames - 1) for k in range(length)] for s in starts]


@given(st.integers(1, 2000), st.integers(1, 32), st.integers(1, 30), st.integers(0, 5))
def test_drawn_clips_stay_in_their_part(num_frames, length, count, seed):
    """Each begins in its own part, where a whole clip fits if any does; frames are consecutive, the last repeats."""
    period = max(num_frames // count, 1)
    found = consecutive_clips(num_frames, length, count, np.random.default_rng(seed))
    offsets = found[:, 0] - period * np.arange(len(found))
    assert ((offsets >= 0) & (offsets < max(1, period - length))).all()
    assert (np.diff(found, axis=1) <= 1).all() and found.max() < num_frames


def test_every_place_is_drawn():
    """A clip of 16 in 20 frames begins at 0 to 3, each now and then; nothing else comes."""
    rng = np.random.default_rng(0)
    assert {int(consecutive_clips(20, 16, 1, rng)[0, 0]) for _ in range(200)} == {0, 1, 2, 3}
    assert {int(strided_views(20, 16, 1, 1, rng)[0, 0]) for _ in range(200)} == {0, 1, 2, 3}
    draws = np.array([segment_draws(8, 4, rng) for _ in range(200)])
    assert [set(draws[:, k].tolist()) for k in range(4)] == [{0, 1}, {2, 3}, {4, 5}, {6, 7}]


def test_views_are_those_of_stdd():
    """8 frames 16 apart at 30 a second, of a video that is just as long, and of longer and shorter ones."""
    assert Strided().numbers(128, 30.0).tolist() == [[0, 18, 36, 54, 72, 90, 108, 127]]
    assert Strided(clips=3).numbers(300, 30.0)[:, 0].tolist() == [0, 86, 172]
    assert Strided(clips=1).numbers(300, 30.0)[0, 0] == 86
    assert Strided().numbers(30, 30.0)[0, -3:].tolist() == [29, 29, 29]


def test_views_last_equally_long_at_any_rate():
    """At 60 frames a second the same moments are twice as many frames apart; without a rate the step is the video's."""
    at_30, at_60 = (Strided(clips=2).numbers(10 * fps, fps) / fps for fps in (30, 60))
    np.testing.assert_allclose(at_30, at_60, atol=0.05)
    assert np.diff(Strided(rate_hz=0, step=4, frames=4).numbers(100, 60.0)[0]).max() == 5


@given(st.integers(1, 500), st.integers(1, 16), st.floats(0.5, 40), st.integers(1, 5), st.booleans())
def test_views_are_in_range_and_in_order(num_frames, length, step, count, drawn):
    """Numbers ascend in a view, views ascend in time, and all are frames of the video."""
    found = strided_views(num_frames, length, step, count, np.random.default_rng(1) if drawn else None)
    assert found.shape == (count, length)
    assert (np.diff(found, axis=1) >= 0).all() and (np.diff(found, axis=0) >= 0).all()
    assert found.min() >= 0 and found.max() < num_frames


def test_a_short_video_is_gone_through_again():
    """Three frames give three clips; of eight that are asked for the fourth is the first again."""
    found = Consecutive(clips=8, frames=4).numbers(3, 25.0)
    assert found[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize("make", [Consecutive, lambda n: Strided(frames=n), Spread])
@pytest.mark.parametrize("number", [0, -1, 2.5, True])
def test_counts_that_cannot_be_are_refused(make, number):
    """A number of clips or frames is a whole number of at least 1."""
    with pytest.raises(UsageError, match="whole number of at least 1"):
        make(number)


# how the picture is cut


def columns(width=300, height=100):
    """A picture whose red is the number of the column and whose green is that of the row."""
    rows, places = np.mgrid[:height, :width]
    return np.stack([places % 256, rows, places // 256], axis=2).astype(np.uint8)


def test_crops_lie_along_the_longer_side():
    """Left, middle and right of a wide picture; top, middle and bottom of a tall one; the other side in the middle."""
    crops = Preparation(80, 100).crops(3)
    assert [tuple(way(columns())[0, 0, :2]) for way in crops] == [(0, 10), (110, 10), (220, 10)]
    tall = columns().transpose(1, 0, 2)
    assert [tuple(way(tall)[0, 0, :2]) for way in crops] == [(0, 10), (110, 10), (220, 10)]
    assert [way(columns()).shape for way in crops] == [(80, 80, 3)] * 3
    with pytest.raises(UsageError, match="squashes"):
        WHOLE.crops(3)


def test_a_mirror_image_swaps_left_and_right():
    """What is cut stays the same."""
    plain, mirrored = Preparation(100, 100, along=0.0), Preparation(100, 100, along=0.0, mirrored=True)
    np.testing.assert_array_equal(mirrored(columns()), plain(columns())[:, ::-1])


def test_augmentation_draws_scale_place_and_mirror():
    """Scales lie in their range with both ends, squares lie everywhere and inside, about half of them mirrored."""
    rng = np.random.default_rng(0)
    varied = Augmentation(Preparation(90, 90), 90, 92, mirror=0.5)
    drawn = [varied.drawn(rng) for _ in range(200)]
    assert {way.short_px for way in drawn} == {90, 91, 92}
    assert 70 < sum(way.mirrored for way in drawn) < 130
    same_scale = Augmentation(Preparation(98, 100), 100, 100, mirror=0)
    begins = {tuple(same_scale.drawn(rng)(columns(102))[0, 0, :2].tolist()) for _ in range(300)}
    assert begins == {(right, down) for right in range(5) for down in range(3)}
    with pytest.raises(UsageError, match="must fit"):
        Augmentation(Preparation(90, 90), 80, 100)
    with pytest.raises(UsageError, match="a chance"):
        Augmentation(Preparation(90, 90), 90, 100, mirror=2)


# clips of files


@pytest.mark.parametrize("sampling", [Consecutive(3, 4), Strided(2, 4, 3, rate_hz=0), Spread(5)])
@pytest.mark.parametrize("seed", [None, 7])
def test_the_frames_are_those_that_were_asked_for(files, workers, sampling, seed):
    """What is painted into each picture is the frame that the sampling names, with its time; for files and folders."""
    draws = np.random.default_rng(seed) if seed is not None else None
    seen = []
    for batch in inputs_of(files, workers).clips(
        sampling, WHOLE, None if seed is None else np.random.default_rng(seed), size=3
    ):
        for place, found, times_s in zip(batch.places, painted_numbers(batch), batch.times_s, strict=True):
            rng = None if draws is None else np.random.default_rng(int(draws.integers(2**63)))
            expected = sampling.numbers(LENGTHS[place], 25.0, rng)
            assert found.tolist() == expected.tolist()
            np.testing.assert_allclose(times_s, expected / 25, atol=1e-9)
            seen.append(int(place))
    assert seen == [0, 1, 2, 3]


def test_the_number_of_workers_changes_no_clip(files, workers):
    """The same seed gives the same clips, drawn crops included, whoever decodes them; another one gives others."""
    varied = Augmentation(Preparation(24, 24), 24, 40)

    def drawn(seed, decoders):
        clips = inputs_of(files, workers, decoders).clips(
            Consecutive(2, 3), varied, np.random.default_rng(seed), batches=[[0, 1], [2, 3], [1, 0], [3, 2]]
        )
        return [(batch.frames.tobytes(), batch.times_s.tobytes(), batch.places.tolist()) for batch in clips]

    alone = drawn(1, 1)
    assert drawn(1, 4) == alone
    assert drawn(2, 1) != alone
    assert [places for _, _, places in alone] == [[0, 1], [2, 3], [1, 0], [3, 2]]


def test_each_epoch_draws_anew(files, workers):
    """The same videos in the next epoch come with other frames, and without a generator with the same ones."""
    for generator, differs in ((np.random.default_rng(3), True), (None, False)):
        first, second = inputs_of(files, workers).clips(Spread(6), WHOLE, generator, batches=[[0, 2], [0, 2]])
        assert (painted_numbers(first).tolist() != painted_numbers(second).tolist()) is differs


def test_crops_follow_each_other_in_a_batch():
    """Clip by clip, each with its crops; the pictures are those that the preparations give."""
    video = MemoryVideo(np.stack([columns() // (1 + n) for n in range(6)]), fps=3)
    (batch,) = Inputs.of_videos([video]).clips(Strided(2, 2, 1, rate_hz=0, crops=3), Preparation(80, 100))
    numbers = strided_views(6, 2, 1, 2)
    assert batch.frames.shape == (1, 6, 2, 80, 80, 3)
    for clip in range(2):
        for cut, way in enumerate(Preparation(80, 100).crops(3)):
            for at, number in enumerate(numbers[clip]):
                expected = way(np.ascontiguousarray(columns() // (1 + number)))
                np.testing.assert_array_equal(batch.frames[0, 3 * clip + cut, at], expected)
            np.testing.assert_allclose(batch.times_s[0, 3 * clip + cut], numbers[clip] / 3)


def test_an_augmentation_is_the_same_for_all_frames_of_a_video():
    """One crop and one mirror image a video, as a network that sees motion needs it; without a generator none."""
    still = MemoryVideo(np.stack([columns()] * 4), fps=4)
    varied = Augmentation(Preparation(50, 50), 60, 90)
    batches = list(Inputs.of_videos([still] * 3).clips(Spread(4), varied, np.random.default_rng(0), size=1))
    assert all((batch.frames == batch.frames[:, :, :1]).all() for batch in batches)
    assert len({batch.frames.tobytes() for batch in batches}) == 3
    (plain,) = Inputs.of_videos([still]).clips(Spread(1), varied)
    np.testing.assert_array_equal(plain.frames[0, 0, 0], Preparation(50, 50)(columns()))


def test_a_broken_video_is_told_when_its_batch_is_due(files, workers, tmp_path):
    """The batches before it come; its own raises, with its name; no thread is left."""
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    clips = inputs_of([files[0], files[1], bad, files[2]], workers).clips(Spread(2), WHOLE, size=1)
    assert [next(clips).places.tolist() for _ in range(2)] == [[0], [1]]
    with pytest.raises(VideoError, match=r"bad\.mp4"):
        next(clips)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("clips_")]


def test_leaving_early_ends_the_threads(files, workers):
    """Who takes one batch and closes leaves no thread behind, and the workers are fit for others."""
    clips = inputs_of(files, workers).clips(Spread(3), WHOLE, batches=[[0, 1, 2, 3]] * 50, size=1)
    next(clips)
    clips.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("clips_")]
    (batch,) = inputs_of(files[:1], workers).clips(Spread(2), WHOLE)
    assert painted_numbers(batch).tolist() == [[[10, 30]]]


def test_clips_are_decoded_ahead_and_not_far(files, workers, monkeypatch):
    """While a batch is used others are read, and never more than there is room for, however many follow."""
    begun = []
    original = Reading.pictures

    def pictures(self, *asked):
        begun.append(1)
        return original(self, *asked)

    monkeypatch.setattr(Reading, "pictures", pictures)
    item = 2 * 64 * 64 * 3
    from gerund.video.ahead import Clips
    from gerund.video.clips import ClipRecipe

    clips = Clips(
        lambda place: Video(files[0]),
        ([place] for place in range(1000)),
        ClipRecipe(Spread(2), WHOLE),
        workers=workers,
        decoders=2,
        most_ahead_bytes=5 * item,
    )
    for taken in range(1, 4):
        next(clips)
        for _ in range(500):
            if len(begun) == taken + 5:
                break
            threading.Event().wait(0.01)
        assert len(begun) == taken + 5  # those ahead are read though nobody asks for them yet
    threading.Event().wait(0.05)
    assert len(begun) == 8
    clips.close()


def test_memory_is_bounded():
    """However many videos follow, no more is held than what may be ahead, the batch and the one before it."""
    from gerund.video.ahead import Clips
    from gerund.video.clips import ClipRecipe

    recipe = ClipRecipe(Spread(8), Preparation(100, None))
    video = MemoryVideo(np.zeros((8, 10, 10, 3), np.uint8), fps=8)
    size, ahead, batch = recipe.num_bytes, 4, 3
    clips = Clips(lambda place: video, [[0] * batch] * 40, recipe, decoders=2, most_ahead_bytes=ahead * size)
    next(clips)
    tracemalloc.start()
    try:
        count = sum(len(of) for of in clips)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 39 * batch
    assert peak < (ahead + 3 * batch + 1) * size  # ahead; read, stacked and used; one in the making
    assert peak < count * size / 5


# a training


def test_a_training_asks_for_the_batches_that_were_read_ahead(files, workers):
    """`take` gives the clips of the places that a run's loss is told, epoch after epoch."""
    order = list(training_batches(4, 3, seed=5, epochs=2))
    clips = inputs_of(files, workers).clips(Spread(4), WHOLE, np.random.default_rng(1), batches=order)
    plain = list(inputs_of(files, workers).clips(Spread(4), WHOLE, np.random.default_rng(1), batches=order))
    for places, expected in zip(order, plain, strict=True):
        found = clips.take(places)
        np.testing.assert_array_equal(found.places, places)
        np.testing.assert_array_equal(found.frames, expected.frames)
    with pytest.raises(UsageError, match="there is none any more"):
        clips.take([3, 3])


def test_a_training_goes_on_with_the_clips_it_would_have_had(files, workers):
    """A run that begins with its third batch gets what a whole run gets there; the first two are not decoded."""
    order = list(training_batches(4, 2, seed=5, epochs=2))
    whole = list(inputs_of(files, workers).clips(Spread(4), WHOLE, np.random.default_rng(1), batches=order))
    later = inputs_of(files, workers).clips(Spread(4), WHOLE, np.random.default_rng(1), batches=order)
    np.testing.assert_array_equal(later.take(order[2]).frames, whole[2].frames)
    np.testing.assert_array_equal(later.take(order[3]).frames, whole[3].frames)


def test_the_last_batch_may_be_asked_for_again(files, workers):
    """A plan that takes its first step twice gets the same clips twice, and then goes on; equal places come anew."""
    order = [[0, 1], [2], [2], [1, 0]]
    clips = inputs_of(files, workers).clips(Spread(4), WHOLE, np.random.default_rng(1), batches=order)
    plain = list(inputs_of(files, workers).clips(Spread(4), WHOLE, np.random.default_rng(1), batches=order))
    for place in (0, 0, 1, 2, 3, 3):
        np.testing.assert_array_equal(clips.take(order[place]).frames, plain[place].frames)
    assert (plain[1].frames != plain[2].frames).any()


def test_another_order_is_an_error(files, workers):
    """Places that are not the next ones are refused, with both; so are places of no batch at all."""
    clips = inputs_of(files, workers).clips(Spread(2), WHOLE, batches=[[0], [1], [2]])
    clips.take([0])
    with pytest.raises(UsageError, match=r"\[2\] is asked for, and the next one is of \[1\]"):
        clips.take([2])
    with pytest.raises(UsageError, match=r"no batch is of the places \[3\]"):
        inputs_of(files, workers).clips(Spread(2), WHOLE, batches=[[0], [1]]).take([3])


def test_the_order_is_that_of_the_training():
    """The places that a run's loss is told, one after the other, are those said beforehand."""
    torch = pytest.importorskip("torch")
    from gerund.methods.training.fitting import fit_network
    from gerund.methods.training.schedule import Schedule

    network, told = torch.nn.Linear(1, 1), []

    def loss(places, generator):
        told.append(places.tolist())
        return network(places[:, None].float()).pow(2).mean()

    fit_network(network, loss, 7, epochs=3, batch=3, schedule=Schedule(1e-3, 0, 9, 3), seed=11)
    assert told == [places.tolist() for places in training_batches(7, 3, seed=11, epochs=3)]
    assert [len(places) for places in training_batches(7, 3, seed=11, epochs=1, drop_last=True)] == [3, 3]
    told.clear()
    fit_network(
        network, loss, 7, epochs=2, batch=4, schedule=Schedule(1e-3, 0, 9, 3), seed=11, drop_last=True, accumulate=2
    )
    expected = training_batches(7, 4, seed=11, epochs=2, drop_last=True, accumulate=2)
    assert told == [places.tolist() for places in expected]


# what methods are given


def reachable(thing, seen=None):
    """Every path and text that attributes, containers and closures lead to."""
    seen = set() if seen is None else seen
    if isinstance(thing, str | Path):
        yield str(thing)
        return
    if id(thing) in seen or isinstance(thing, (int, float, bytes, type, types.ModuleType, np.ndarray, np.generic)):
        return
    seen.add(id(thing))
    parts = [getattr(thing, "__dict__", {})]
    if isinstance(thing, dict):
        parts = [*thing.keys(), *thing.values()]
    elif isinstance(thing, (list, tuple, set, frozenset)):
        parts = list(thing)
    elif isinstance(thing, types.FunctionType):
        parts = [cell.cell_contents for cell in thing.__closure__ or ()]
    elif isinstance(thing, types.MethodType):
        parts = [thing.__self__]
    for part in parts:
        yield from reachable(part, seen)


def test_no_attribute_leads_to_a_file(files, workers):
    """The name of a file says what its video shows, so inputs, some of them, and their clips do not tell it."""
    inputs = inputs_of(files, workers)
    for reached in (inputs, inputs.take([1, 2]), inputs[:2].alone(), inputs.clips(Spread(2), WHOLE)):
        assert not [text for text in reachable(reached) if "Archery" in text]


def test_some_of_the_videos_have_their_own_clips(files, workers):
    """`take` and slices keep the order that they name; batches hold their share."""
    some = inputs_of(files, workers).take([2, 0])
    (batch,) = some.clips(Spread(2), WHOLE)
    assert painted_numbers(batch).tolist() == [[[22, 67]], [[10, 30]]]
    assert batch.places.tolist() == [0, 1]
    assert [len(part) for part in inputs_of(files, workers).batches(3)] == [3, 1]


def test_clips_of_tracks_are_refused():
    """Features alone have no pictures; the message names what to give."""
    with pytest.raises(UsageError, match="--videos DIR"):
        Inputs.of(np.ones((2, 3), np.float32)).clips(Spread(2), WHOLE)


def test_tracks_of_videos_are_refused(files, workers):
    """Pictures alone have no features; the message names what to do."""
    inputs = inputs_of(files, workers)
    for ask in (lambda: inputs.vectors, lambda: inputs[0], lambda: inputs.sampled(Spread(2))):
        with pytest.raises(UsageError, match="gerund extract"):
            ask()


@pytest.mark.parametrize(
    ("batches", "generator", "words"),
    [
        ([[]], None, "of one video or more"),
        ([[-1]], None, "of one video or more"),
        ([[0]], 7, "numpy.random.Generator"),
        ([[0]], np.random.RandomState(0), "numpy.random.Generator"),
    ],
)
def test_questions_that_cannot_be_are_refused(files, workers, batches, generator, words):
    """Batches without a video and generators that are none are named."""
    with pytest.raises(UsageError, match=words):
        next(inputs_of(files, workers).clips(Spread(2), WHOLE, generator, batches=batches))


def test_a_batch_crosses_the_border_of_a_process(files, workers):
    """As a message on the decoders' channel: what comes out is equal to the bit, and what is none is refused."""
    import os

    (batch,) = inputs_of(files[:2], workers).clips(Consecutive(2, 3), Preparation(16, 16))
    read_end, write_end = os.pipe()
    fields, body = batch.to_message()
    threading.Thread(target=lambda: Channel(read_end, write_end).send("clips", body, **fields)).start()
    message = Channel(read_end, write_end).receive()
    found = ClipBatch.from_message(message.fields, message.body)
    for name in ("frames", "times_s", "places"):
        np.testing.assert_array_equal(getattr(found, name), getattr(batch, name))
    for wrong in ({}, {"shape": [1, 2]}, {"shape": [2, 2, 3, 16, 16, 4]}, {"shape": [-2, 2, 3, 16, 16, -3]}):
        with pytest.raises(UsageError, match="no batch of clips"):
            ClipBatch.from_message(wrong, body)
    with pytest.raises(UsageError, match="a batch of clips is"):
        ClipBatch(batch.frames, batch.times_s[:, :1], batch.places)


# vectors of dense tracks


def test_vectors_of_a_track_are_drawn_as_frames_are():
    """The same sampling of the same length takes the same places, anew with each draw, in tracks of any length."""
    tracks = [
        Track(np.arange(n, dtype=np.float32)[:, None], np.arange(2.0 * n).reshape(n, 2) / 50, "") for n in (40, 9)
    ]
    inputs = Inputs(tracks)
    assert inputs.sampled(Consecutive(2, 3))[:, :, 0, 0].tolist() == [[0, 20], [0, 4]]
    rng = np.random.default_rng(0)
    first, second = inputs.sampled(Spread(4), rng), inputs.sampled(Spread(4), rng)
    assert first.shape == (2, 1, 4, 1) and (first != second).any()
    for found in (first, second):
        assert (np.diff(found[0, 0, :, 0]) > 0).all()
        assert (found[0, 0, :, 0] // 10).tolist() == [0, 1, 2, 3]
    with pytest.raises(UsageError, match="squares"):
        inputs.sampled(Spread(4, crops=3))
    with pytest.raises(UsageError, match="without a vector"):
        Inputs([Track(np.zeros((0, 3), np.float32), np.zeros((0, 2)), "")]).sampled(Spread(1))


def test_real_clips(workers):
    """Clips of a real video are those that its frames give, prepared alike."""
    found = sorted(SHARED.rglob("*.avi"))[:1]
    if not found:
        pytest.skip("no ../shared/data/clips")
    way = Preparation(32, 40)
    (batch,) = inputs_of(found, workers).clips(Consecutive(2, 4), way)
    video = Video(found[0])
    numbers = consecutive_clips(video.num_frames, 4, 2)
    expected = [[way(picture) for picture in video.read(row).frames] for row in numbers]
    np.testing.assert_array_equal(batch.frames[0], expected)
    np.testing.assert_array_equal(batch.times_s[0], video.times_s[numbers])
