"""What may be asked about: files, frames in memory and tracks, alone and in lists."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import gerund
from gerund import Clip, MemoryVideo, Segment, Segments, Track, UnreadableWarning, UsageError, Video, VideoError
from gerund.api import Model
from gerund.methods import Contrast
from stub import ColourEncoder, write_colours

ACTIONS = ["showing red", "showing green", "showing blue"]


class Reader(ColourEncoder):
    """Cannot read what is not ASCII."""

    def unreadable(self, classes):
        return [name for name in classes.names if not name.isascii()]


@pytest.fixture
def model():
    return Model(Reader())


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Four seconds of red, four of green, eight of red: 128 frames, 8 a second."""
    return write_colours(tmp_path_factory.mktemp("asking") / "a.mp4", ["red"] * 4 + ["green"] * 4 + ["red"] * 8)


def same(answer, other):
    """Equal but for the name of the video."""
    return replace(answer, video="") == replace(other, video="")


def test_every_form_of_a_video_has_one_answer(model, path):
    """A path, a handle, a clip and an array are the same video, to the last bit of the answer."""
    answer, found = model.classify(path, ACTIONS), model.locate(path, ACTIONS)
    video = Video(path)
    clip = video.read()
    for given in (str(path), video, clip, MemoryVideo(clip)):
        assert same(model.classify(given, ACTIONS), answer)
        assert model.locate(given, ACTIONS) == found
    for fps in (8, 8.0, Fraction(8), np.float32(8)):
        assert same(model.classify(clip.frames, ACTIONS, fps=fps), answer)
    assert model.locate(clip.frames, ACTIONS, fps=8) == found


def test_what_is_encoded_once_answers_as_the_video_does(model, path):
    """A track gives the very answers of its video, and names it; it says whether it is dense and how long."""
    few, dense = model.encode(path), model.encode(path, dense=True)
    assert (few.dense, dense.dense, few.duration_s, few.video) == (False, True, pytest.approx(16), str(path))
    assert len(dense) == 32
    assert model.classify(few, ACTIONS) == model.classify(path, ACTIONS)
    for method in ("contrast", "whole", "uniform"):
        assert model.locate(dense, ACTIONS, method=method) == model.locate(path, ACTIONS, method=method)
    ((_, location),) = model.locate_many([dense], ACTIONS)
    assert [location] == [answer for _, answer in model.locate_many([path], ACTIONS)]
    assert model.classify(dense, ACTIONS).best.action == "showing red"
    assert model.encode([path, Video(path)], dense=True) == [dense, dense]


def test_locate_needs_a_dense_track(model, path):
    """A track of a few windows is refused before anything is done; one of unknown kind is taken at its word."""
    with pytest.raises(UsageError, match=r"model\.encode\(video, dense=True\)"):
        model.locate_many([path, model.encode(path)], ACTIONS)
    unknown = replace(model.encode(path, dense=True), dense=None)
    assert model.locate(unknown, ACTIONS) == model.locate(path, ACTIONS)


def test_tracks_that_cannot_be_asked(model, path):
    """Another encoder's, another length's, an empty one and one without end are refused, and so is encoding one."""
    track = model.encode(path, dense=True)
    with pytest.raises(UsageError, match="encoder other"):
        model.classify_many([path, replace(track, encoder="other")], ACTIONS)
    with pytest.raises(UsageError, match="vectors of 3 numbers"):
        model.classify(Track(np.ones((1, 4), np.float32), np.array([[0.0, 1.0]]), track.encoder), ACTIONS)
    with pytest.raises(UsageError, match="empty"):
        model.classify(Track(np.ones((0, 3), np.float32), np.zeros((0, 2)), track.encoder), ACTIONS)
    with pytest.raises(UsageError, match="ends"):
        model.classify(Track(np.ones((1, 3), np.float32), np.array([[0.0, np.inf]]), track.encoder), ACTIONS)
    with pytest.raises(UsageError, match="encoded already"):
        model.encode(track)


def test_a_track_without_a_length_lasts_as_its_spans_do(model, path):
    """Tracks from elsewhere answer, with the time from their first span to their last."""
    track = replace(model.encode(path, dense=True), duration_s=None, video="")
    answer = model.classify(replace(track, spans_s=track.spans_s + 5), ACTIONS)
    assert (answer.duration_s, answer.video) == (pytest.approx(16), "track")


def test_moments_are_in_the_time_of_the_clip(model, path):
    """A clip cut out of a video is located in the video's time, from the clip and from its track."""
    clip = Video(path).read(range(16, 128))
    found = model.locate(clip, ["showing green"])
    assert (found[0].start_s, found[0].end_s) == pytest.approx((3.75, 8.25))
    assert model.locate(model.encode(clip, dense=True), ["showing green"]) == found
    assert model.classify(clip, ACTIONS).duration_s == pytest.approx(14)


def test_whether_a_video_is_short_does_not_depend_on_when_it_begins(model, path):
    """What is taken for background is decided by how long a clip lasts, not by the time at its end."""
    clip = Video(path).read(range(0, 64))
    later = Clip(clip.frames, clip.times_s + 100)
    scores = [[s.score for s in model.locate(given, ACTIONS)] for given in (clip, later)]
    assert scores[0] == pytest.approx(scores[1])


def test_lists_have_lists_of_answers(model, path):
    """Files, clips and tracks in one list are answered in its order; a generator is a list too."""
    clip, track = Video(path).read(range(32, 64)), model.encode(path)
    answers = model.classify([path, clip, track, clip.frames], ACTIONS, fps=8)
    assert [answer.best.action for answer in answers] == [
        "showing red",
        "showing green",
        "showing red",
        "showing green",
    ]
    assert [answer.video for answer in answers] == [str(path), "clip 2", str(path), "array 4"]
    assert model.locate((item for item in [path]), ACTIONS) == [model.locate(path, ACTIONS)]
    pairs = list(model.classify_many([track, path], ACTIONS))
    assert pairs[0][0] is track and pairs[1][0] is path


def test_one_bad_video_in_a_list(model, path, tmp_path):
    """`classify` raises its error, `classify_many` goes on, and nothing at all is no error there."""
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing")
    with pytest.raises(VideoError, match="bad"):
        model.classify([path, bad], ACTIONS)
    answers = [answer for _, answer in model.classify_many([bad, path], ACTIONS)]
    assert isinstance(answers[0], VideoError)
    assert answers[1].best.action == "showing red"
    assert list(model.classify_many([], ACTIONS)) == []


@pytest.mark.parametrize("given", ["http://host/x.mp4", "-", "concat:a.mp4|b.mp4"])
def test_what_is_never_read_is_refused_by_its_name(model, path, given):
    """From Python too addresses and standard input are refused as they were written, and cost themselves alone."""
    for ask in (Video, lambda name: model.classify(name, ACTIONS), lambda name: model.encode([name])):
        with pytest.raises(VideoError, match=r"it is an address|standard input") as caught:
            ask(given)
        assert str(caught.value).startswith(f"{given}: ")
    (_, refused), (_, answer) = model.classify_many([given, path], ACTIONS)
    assert isinstance(refused, VideoError) and answer.best.action == "showing red"


def test_a_file_that_is_called_so_is_a_file(model, tmp_path, monkeypatch):
    """A path is a path: a file named ``-`` or like an address is read."""
    monkeypatch.chdir(tmp_path)
    for name in ("-", "concat:a.mp4"):
        write_colours(tmp_path / "a.mp4", ["red"]).rename(tmp_path / name)
        assert model.classify(Path(name), ACTIONS).best.action == "showing red"


@pytest.mark.parametrize("given", [3, None, b"a.mp4"])
def test_what_names_no_file_or_model_is_gerunds_error(given):
    """`Video` and `load` say what came, in an error of gerund's; so do limits that are none."""
    for ask in (Video, gerund.load):
        with pytest.raises(UsageError, match=f"got {type(given).__name__ if given else None}"):
            ask(given)
    with pytest.raises(UsageError, match=r"gerund\.Limits\(\.\.\.\)"):
        gerund.load(limits=7)


@pytest.mark.parametrize("method", ["contrast", "own"])
def test_nothing_that_stands_out_is_no_segment(model, path, monkeypatch, method):
    """Windows without any score are no answer, unless the method is the user's own; beside others they stay."""
    kept = [Segment(0.0, 1.0, "showing red", 0.0, 0.9)]
    monkeypatch.setattr(Contrast, "locate", lambda *_: Segments(kept))
    asked = method if method == "contrast" else Contrast(model.encoder)
    assert len(model.locate(path, ACTIONS, method=asked)) == (method == "own")
    kept.append(Segment(1.0, 2.0, "showing red", 3.0, 0.9))
    assert len(model.locate(path, ACTIONS, method=asked)) == 2


def test_a_still_picture_says_so_in_python(model):
    """Beside the answer of one frame stands what it is worth: as its note, in a REPL and in a notebook."""
    one = MemoryVideo(PICTURES[:1], fps=8)
    ((_, found),) = model.locate_many([one], ACTIONS)
    for answer in (model.classify(one, ACTIONS), found):
        assert answer.note.startswith("one frame only")
        assert answer.note in repr(answer) and answer.note in answer._repr_html_()
    longer = model.classify(PICTURES, ACTIONS, fps=8)
    assert longer.note is None and "None" not in repr(longer) + longer._repr_html_()
    assert model.classify(model.encode(PICTURES, fps=8), ACTIONS).note is None  # a track does not say how many frames
    assert repr(model) == "Model('colour-stub')"


PICTURES = np.zeros((4, 6, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (5, {}, "got int"),
        (None, {}, "got None"),
        (b"a.mp4", {}, "got bytes"),
        ({"a.mp4": 1}, {}, "got dict"),
        ([], {}, "empty"),
        ("", {}, "empty"),
        ([None], {}, "got None"),
        (["a.mp4", 3], {}, "got int"),
        (PICTURES, {}, "give fps"),
        (PICTURES, {"fps": 0}, "above 0"),
        (PICTURES, {"fps": float("nan")}, "above 0"),
        (PICTURES, {"fps": "25"}, "got str"),
        (PICTURES, {"fps": True}, "got bool"),
        (PICTURES[0], {"fps": 8}, "np.stack"),
        (PICTURES[..., 0], {"fps": 8}, "uint8 [T, H, W, 3], got uint8 [4, 6, 8]"),
        (PICTURES.astype(np.float32), {"fps": 8}, "from 0 to 255"),
        (np.moveaxis(PICTURES, -1, 1), {"fps": 8}, "np.moveaxis"),
        (PICTURES[:0], {"fps": 8}, "at least one frame"),
        (PICTURES[:, :0], {"fps": 8}, "at least one pixel"),
        ("a.mp4", {"fps": 25}, "fps is for arrays"),
        (Clip(PICTURES, np.arange(4.0)), {"fps": 25}, "fps is for arrays"),
        (Clip(PICTURES, np.array([0.0, 1.0, 1.0, 2.0])), {}, "ascend"),
        (Clip(PICTURES, np.array([3.0, 2.0, 1.0, 0.0])), {}, "ascend"),
    ],
)
def test_what_is_no_video_is_refused_at_once(model, given, settings, message):
    """A wrong value is gerund's error, says what came and what to do, and comes before anything is opened."""
    for ask in (model.classify, model.locate):
        with pytest.raises(UsageError) as caught:
            ask(given, ACTIONS, **settings)
        assert message in str(caught.value)


def test_streams_check_before_the_first_answer(model):
    """What cannot be right is refused when the question is put, not when the first answer is fetched."""
    for ask in (model.classify_many, model.locate_many):
        with pytest.raises(UsageError, match="got int"):
            ask([5], ACTIONS)
        with pytest.raises(UsageError, match="empty"):
            ask(["a.mp4"], [])
        with pytest.raises(UsageError, match="put it in a list"):
            ask("a.mp4", ACTIONS)
    for top in (0, 1.5, True):
        with pytest.raises(UsageError, match="top"):
            model.classify_many(["a.mp4"], ACTIONS, top=top)


def test_an_object_that_could_be_an_array(model):
    """Tensors of other libraries are not taken for lists of videos; the error says how to make an array of them."""

    class Tensor(list):
        def __array__(self):
            return PICTURES

    with pytest.raises(UsageError, match=r"np\.asarray"):
        model.classify(Tensor(), ACTIONS)


def test_one_frame_is_a_video(model):
    """A single picture is answered: it lasts a 25th of a second where nothing says more."""
    answer = model.classify(Clip(PICTURES[:1] + np.array([240, 0, 0], np.uint8), np.array([3.0])), ACTIONS)
    assert (answer.best.action, answer.duration_s) == ("showing red", pytest.approx(0.04))


def test_memory_reads_as_a_file_does(path):
    """All that extraction asks of a video has one answer for a file and for its frames."""
    video = Video(path)
    memory = MemoryVideo(video.read(), name="cam")
    assert (memory.num_frames, memory.width, memory.height) == (video.num_frames, video.width, video.height)
    assert (memory.fps, str(memory.path)) == (video.fps, "cam")
    assert memory.duration_s == pytest.approx(video.duration_s)
    np.testing.assert_array_equal(memory.times_s, video.times_s)
    moments_s = [-1.0, 0.0, 0.124999999, 0.5, 3.14, 99.0]
    np.testing.assert_array_equal(memory.frames_at(moments_s), video.frames_at(moments_s))
    assert memory.read([5, 3, 5]) == video.read([5, 3, 5])
    assert memory.read(times_s=moments_s) == video.read(times_s=moments_s)
    assert memory.read() == video.read()
    for (number, picture), (other, expected) in zip(memory.frames([0, 7]), video.frames([0, 7]), strict=True):
        assert number == other
        np.testing.assert_array_equal(picture, expected)
    assert set(video.keyframes) <= set(memory.keyframes)


def test_memory_refuses_what_a_file_refuses():
    """Numbers outside the video, and ones that do not ascend where they must."""
    memory = MemoryVideo(PICTURES, fps=8)
    for ask in (lambda: memory.read([4]), lambda: memory.read([-1]), lambda: list(memory.frames([1, 1]))):
        with pytest.raises(UsageError):
            ask()
    with pytest.raises(UsageError, match="not both"):
        memory.read([1], times_s=[0.1])
    with pytest.raises(UsageError, match="times of its own"):
        MemoryVideo(Clip(PICTURES, np.arange(4.0)), fps=8)


def test_times_of_a_clip_tell_its_rate():
    """A clip of odd times has the average rate, and lasts one average frame after its last."""
    memory = MemoryVideo(Clip(PICTURES, np.array([10.0, 10.5, 10.6, 11.5])))
    assert (memory.fps, memory.start_s, memory.duration_s) == (2, 10.0, 2.0)
    assert MemoryVideo(PICTURES, fps=30000 / 1001).fps == Fraction(30000, 1001)
    assert repr(memory) == "MemoryVideo(Clip(4 frames of 8 x 6 pixels, 10.00 to 11.50 s), 2 frames a second)"


def test_names_that_cannot_be_read_are_said(model, path):
    """Some: a warning that names them, in the user's own line; none left: an error; readable ones: silence."""
    track = model.encode(path)
    with pytest.warns(UnreadableWarning, match="'弹吉他'") as caught:
        model.classify(track, ["弹吉他", "showing red"])
    assert caught[0].filename == __file__
    for ask in (model.classify, model.locate):
        with pytest.raises(UsageError, match=r"cannot read '弹吉他', '打鼓'.*in English"):
            ask(path, ["弹吉他", "打鼓"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.classify(track, ACTIONS)
    assert model.unreadable(["弹吉他", "waving"]) == model.require_readable(["弹吉他", "waving"]) == ["弹吉他"]
    assert model.unfamiliar(["弹吉他", "waving"]) == ["waving"]


def test_an_encoder_from_before_that_question(path):
    """An encoder of a user's own that knows nothing of scripts is taken to read all of them."""
    assert Model(ColourEncoder()).unreadable(["弹吉他"]) == []
    assert math.isfinite(Model(ColourEncoder()).classify(path, ["弹吉他"]).best.score)


def test_the_module_shows_what_there_is():
    """`dir` lists every public name, loaded or not, and answers are exported."""
    assert set(gerund.__all__) <= set(dir(gerund))
    assert {"Location", "Classification", "MemoryVideo", "UnreadableWarning", "__version__"} <= set(dir(gerund))
    assert "Any" not in dir(gerund)
