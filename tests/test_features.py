"""The pipeline: results do not depend on how work is spread, failures stay where they are, memory stays flat."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from gerund.encoders.base import Window
from gerund.errors import VideoError
from gerund.features import extract, extract_many
from gerund.video import Video
from gerund.video.workers import Reading, Workers
from stub import ColourEncoder, write_colours


class Watched(ColourEncoder):
    """A colour encoder that notes the batches it is given."""

    def __init__(self, batch=2, name="colour-stub"):
        self.batch, self.fingerprint, self.batches = batch, name, []

    def encode_windows(self, frames, *, dense):
        self.batches.append(frames.shape[:2])
        return super().encode_windows(frames, dense=dense)


class Half(Watched):
    """The same, looking at every second frame alone."""

    def sample(self, video, *, dense):
        return [Window(np.array([i]), np.array([[i, i + 2]])) for i in range(0, video.num_frames, 2)]


@pytest.fixture(scope="module")
def workers():
    """Processes that decode, kept for all tests that look at the results alone."""
    with Workers() as kept:
        yield kept


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Five short videos of different colours and lengths; each second of eight frames makes two dense windows."""
    folder = tmp_path_factory.mktemp("videos")
    plans = [["red"], ["green", "red"], ["blue"], ["red", "blue", "green"], ["green"]]
    return [write_colours(folder / f"{number}.mp4", colours) for number, colours in enumerate(plans)]


@pytest.mark.parametrize("decoders", [1, 2, 4])
@pytest.mark.parametrize("batch", [1, 3, 50])
def test_spreading_the_work_changes_nothing(paths, workers, decoders, batch):
    """Whatever the batch size and the number of decoders, each video has the track it has alone, in the order given."""
    videos = [Video(p) for p in paths]
    done = list(extract_many(videos, [Watched(batch)], dense=True, decoders=decoders, workers=workers))
    assert [item.video.path for item in done] == paths
    for path, item in zip(paths, done, strict=True):
        alone = extract(Video(path), Watched(1), dense=True, workers=workers)
        np.testing.assert_allclose(item.tracks[0].vectors, alone.vectors, atol=1e-6)
        np.testing.assert_array_equal(item.tracks[0].spans_s, alone.spans_s)


def test_batches_cross_the_borders_of_videos(paths):
    """Sixteen windows of five videos go through in four full batches."""
    encoder = Watched(4)
    list(extract_many([Video(p) for p in paths], [encoder], dense=True))
    assert encoder.batches == [(4, 4)] * 4


def test_windows_of_different_lengths_never_share_a_batch(paths):
    """Whole-video windows of 8, 16 and 24 frames are batched with their like only."""
    encoder = Watched(2)
    done = list(extract_many([Video(p) for p in paths], [encoder], dense=False))
    assert sorted(encoder.batches) == [(1, 8), (1, 16), (1, 24), (2, 8)]
    assert all(item.error is None for item in done)


def test_one_decode_feeds_several_encoders(paths, workers, monkeypatch):
    """Two encoders that want different frames get them from one pass over each file."""
    passes = []
    original = Reading.pictures

    def pictures(self, numbers, preparations):
        passes.append(self.video.path)
        return original(self, numbers, preparations)

    monkeypatch.setattr(Reading, "pictures", pictures)
    first, second = Watched(3, "first"), Half(5, "second")
    done = list(extract_many([Video(p) for p in paths], [first, second], dense=True))
    assert sorted(passes) == sorted(paths)
    for path, item in zip(paths, done, strict=True):
        assert [track.encoder for track in item.tracks] == ["first", "second"]
        for encoder, track in zip((first, second), item.tracks, strict=True):
            alone = extract(Video(path), encoder, dense=True, workers=workers)
            np.testing.assert_allclose(track.vectors, alone.vectors, atol=1e-6)


def test_a_broken_video_costs_only_itself(paths, tmp_path):
    """No video and a missing file among good ones: they carry their errors, the others their tracks."""
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    order = [paths[0], bad, paths[1], tmp_path / "missing.mp4", paths[2]]
    done = list(extract_many([Video(p) for p in order], [Watched(4)], dense=True, decoders=2))
    assert [item.video.path for item in done] == order
    assert [isinstance(item.error, VideoError) for item in done] == [False, True, False, True, False]
    assert [len(item.tracks) for item in done] == [1, 0, 1, 0, 1]


def test_a_video_that_breaks_half_way(paths, monkeypatch):
    """A file whose decoding stops in the middle is an error, also when some of its windows went through."""
    original = Reading.pictures

    def pictures(self, *asked):
        for number, item in enumerate(original(self, *asked)):
            if self.video.path == paths[3] and number == 13:
                raise VideoError(self.video.path, "it breaks here")
            yield item

    monkeypatch.setattr(Reading, "pictures", pictures)
    done = list(extract_many([Video(p) for p in paths], [Watched(1)], dense=True))
    assert [str(item.error or "") for item in done] == ["", "", "", f"{paths[3]}: it breaks here", ""]


def test_an_encoder_that_cannot_prepare_a_picture(paths, monkeypatch):
    """An error that nobody foresaw while pictures are prepared becomes that video's result."""
    original = Watched.prepare

    def prepare(self, picture):
        if picture[0, 0, 2] > 200:  # blue
            raise MemoryError("no memory for blue")
        return original(self, picture)

    monkeypatch.setattr(Watched, "prepare", prepare)
    done = list(extract_many([Video(p) for p in paths], [Watched(2)], dense=True, decoders=2))
    assert [type(item.error) for item in done] == [type(None), type(None), MemoryError, MemoryError, type(None)]


def test_an_engine_that_chokes_on_one_window(paths):
    """A batch that fails is tried window by window; only the video with the poisonous window fails."""

    class Poisoned(Watched):
        def encode_windows(self, frames, *, dense):
            if (frames[..., 2] > 200).all(axis=(1, 2, 3)).any():
                raise RuntimeError("blue chokes the engine")
            return super().encode_windows(frames, dense=dense)

    done = list(extract_many([Video(p) for p in paths], [Poisoned(8)], dense=True))
    assert [item.error is None for item in done] == [True, True, False, False, True]


def test_a_window_that_fails_before_its_video_ends(tmp_path):
    """The engine's error on an early window is kept when the end of its video comes later."""
    long, bad, last = (
        write_colours(tmp_path / f"{n}.mp4", c) for n, c in enumerate((["red"] * 20, ["blue"], ["green"]))
    )

    class Poisoned(Half):
        def encode_windows(self, frames, *, dense):
            if frames[..., 2].mean() > 100:  # blue
                raise RuntimeError("blue chokes the engine")
            return super().encode_windows(frames, dense=dense)

    done = list(extract_many([Video(p) for p in (long, bad, last)], [Poisoned(1)], dense=True, decoders=2))
    assert [str(item.error or "") for item in done] == ["", "blue chokes the engine", ""]


def test_decoding_never_runs_far_ahead(tmp_path):
    """However slow the network, at most the queue, a batch and the windows in hand are waiting."""
    path = write_colours(tmp_path / "long.mp4", ["red"] * 40)
    ahead, most = [0], [0]

    class Slow(Watched):
        def sample(self, video, *, dense):
            return [Window(np.array([i]), np.array([[i, i + 1]])) for i in range(video.num_frames)]

        def prepare(self, picture):
            ahead[0] += 1
            most[0] = max(most[0], ahead[0])
            return super().prepare(picture)

        def encode_windows(self, frames, *, dense):
            threading.Event().wait(0.002)
            ahead[0] -= len(frames)
            return super().encode_windows(frames, dense=dense)

    extract(Video(path), Slow(2), dense=True)
    assert ahead[0] == 0
    assert most[0] <= 2 * 2 + 2 + 2  # queue, batch, and what the two threads have in hand


def test_stopping_early_ends_the_threads(paths):
    """Who takes one result and leaves does not leave decoding threads behind."""
    stream = extract_many([Video(p) for p in paths], [Watched(1)], dense=True, decoders=2)
    next(stream)
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_approximate_frames_are_the_nearest_keyframes(tmp_path, monkeypatch):
    """Only keyframes are decoded, each the nearest to a wanted frame, and the largest distance is told."""
    import av

    path = tmp_path / "gops.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "20", "sc_threshold": "0", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(100):
            picture = np.full((32, 32, 3), 2 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    asked = []
    original = Reading.pictures
    monkeypatch.setattr(Reading, "pictures", lambda self, *given: (asked.extend(given[0]), original(self, *given))[1])
    assert Video(path).keyframes.tolist() == [0, 20, 40, 60, 80]
    (done,) = extract_many([Video(path)], [Half(4)], dense=True, approximate=True)
    assert asked == [0, 20, 40, 60, 80]
    assert len(done.tracks[0]) == 50
    assert done.time_error_s == pytest.approx(1.8)  # frame 98 is shown 18 frames after the last keyframe
    (exact,) = extract_many([Video(path)], [Half(4)], dense=True)
    assert exact.time_error_s == 0


def test_approximate_frames_are_refused_for_motion(paths):
    """An encoder that looks at consecutive frames cannot be given keyframes; the message says why."""
    (done,) = extract_many([Video(paths[0])], [Watched()], dense=True, approximate=True)
    assert "consecutive" in str(done.error)


def test_nothing_to_do(paths):
    """No videos give no results, and no threads hang."""
    assert list(extract_many([], [Watched()], dense=True)) == []
