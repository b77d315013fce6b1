"""What Python users call, on videos whose answer is known by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

import gerund
from gerund import ClassSpace, UsageError, VideoError
from gerund.api import Model
from stub import ColourEncoder, write_colours

ACTIONS = ["showing red", "showing green", "showing blue"]


@pytest.fixture
def model():
    """A model that sees colours."""
    return Model(ColourEncoder())


def test_classify_ranks_by_hand(tmp_path, model):
    """Two seconds of red and one of green: red first, then green; probabilities are the softmax of the scores."""
    answer = model.classify(write_colours(tmp_path / "a.mp4", ["red", "green", "red"]), ACTIONS)
    assert [item.action for item in answer.actions] == ["showing red", "showing green", "showing blue"]
    assert answer.duration_s == pytest.approx(3)
    assert answer.actions[0].score > 2 / math.sqrt(5) * 0.9
    logits = np.array([item.score for item in answer.actions]) * 10
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose([item.probability for item in answer.actions], expected, rtol=1e-5)


def test_order_of_actions_does_not_matter(tmp_path, model):
    """The same scores come out whatever the order in which actions are listed."""
    path = write_colours(tmp_path / "a.mp4", ["red", "green", "green"])
    one = {item.action: item.score for item in model.classify(path, ACTIONS).actions}
    two = {item.action: item.score for item in model.classify(path, ACTIONS[::-1]).actions}
    assert one == pytest.approx(two, abs=1e-6)


def test_top_cuts_the_list_not_the_probabilities(tmp_path, model):
    """`top` shortens the answer; the probability still speaks of all listed actions."""
    path = write_colours(tmp_path / "a.mp4", ["red"])
    best, whole = model.classify(path, ACTIONS, top=1), model.classify(path, ACTIONS, top=None)
    assert len(best.actions) == 1
    assert len(whole.actions) == 3
    assert best.best == whole.best
    assert sum(item.probability for item in whole.actions) == pytest.approx(1)
    with pytest.raises(UsageError, match="top"):
        model.classify(path, ACTIONS, top=0)


def test_five_actions_are_named_unless_more_are_asked_for(model):
    """Without `top` the best five of seven are given, for one video and for each of several."""
    track = model.encode(np.zeros((8, 32, 32, 3), np.uint8), fps=4)
    names = [f"showing {name}" for name in ("red", "green", "blue", "a", "b", "c", "d")]
    assert len(model.classify(track, names).actions) == 5
    assert [len(answer.actions) for answer in model.classify([track, track], names)] == [5, 5]


def test_locate_finds_the_seconds(tmp_path, model):
    """Green in seconds 4 to 8 of 16 is found there, to the quarter of a second that segments are widened by."""
    path = write_colours(tmp_path / "a.mp4", ["red"] * 4 + ["green"] * 4 + ["red"] * 8)
    found = model.locate(path, ["showing green"])
    assert (found[0].start_s, found[0].end_s) == pytest.approx((3.75, 8.25))
    assert found[0].action == "showing green"
    assert found[0].confidence == 1


def test_baselines(tmp_path, model):
    """The whole video is one segment; uniform windows cover it and the best of them lies on the action."""
    path = write_colours(tmp_path / "a.mp4", ["red"] * 2 + ["green"] * 6)
    (whole,) = model.locate(path, ACTIONS, method="whole")
    assert (whole.start_s, whole.end_s, whole.action) == (0, pytest.approx(8), "showing green")
    windows = model.locate(path, ACTIONS, method="uniform").by_time()
    assert windows[0].start_s == 0
    assert windows[-1].end_s == pytest.approx(8)
    assert all(b.start_s <= a.end_s for a, b in pairwise(windows))
    assert max(windows, key=lambda item: item.score).start_s >= 2
    with pytest.raises(UsageError, match="similarity, tear, whole, uniform, contrast"):
        model.locate(path, ACTIONS, method="magic")


def test_a_localizer_of_your_own(tmp_path, model):
    """Anything with `locate` may stand in for the built-in methods, and gets the track and the classes."""
    seen = []

    class Mine:
        def locate(self, track, classes):
            seen.append((len(track), track.encoder, classes.names))
            return gerund.Segments()

    assert len(model.locate(write_colours(tmp_path / "a.mp4", ["red"]), ACTIONS, method=Mine())) == 0
    assert seen == [(2, "colour-stub-1", tuple(ACTIONS))]


def test_a_track_of_another_encoder_is_refused(tmp_path, model):
    """No method compares vectors that another encoder made."""
    from dataclasses import replace

    from gerund.features import extract
    from gerund.methods import Contrast, Similarity, UniformWindows, WholeVideo

    video = gerund.Video(write_colours(tmp_path / "a.mp4", ["red", "green"]))
    track = replace(extract(video, model.encoder, dense=True), encoder="other-2")
    space = ClassSpace(tuple(ACTIONS))
    with pytest.raises(UsageError, match="other-2"):
        Similarity(model.encoder).score([track], space)
    for method in (Contrast, WholeVideo, UniformWindows):
        with pytest.raises(UsageError, match="extract it again"):
            method(model.encoder).locate(track, space)


def test_progress_reaches_the_end(tmp_path, model):
    """Progress ascends and ends with all frames done."""
    steps = []
    model.locate(write_colours(tmp_path / "a.mp4", ["red"] * 3), ACTIONS, progress=lambda a, b: steps.append((a, b)))
    assert steps == sorted(steps)
    assert steps[-1] == (24, 24)


def test_a_broken_file_is_a_video_error(tmp_path, model):
    """A file that is no video raises one error type that carries path and reason."""
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing")
    with pytest.raises(VideoError) as caught:
        model.classify(bad, ACTIONS)
    assert caught.value.path == str(bad)
    assert "bad.mp4" not in caught.value.reason


def test_texts_of_a_class_are_averaged(tmp_path, model):
    """A class may stand on several texts."""
    space = ClassSpace(("warm", "cold"), (("red", "red and green"), ("blue",)))
    answer = model.classify(write_colours(tmp_path / "a.mp4", ["red"]), space)
    assert answer.best.action == "warm"


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"model": "nope"}, "i3d-minilm"), ({"device": "cuda"}, "cuda"), ({"threads": -1}, "threads")],
)
def test_load_refuses_what_is_not_there(settings, message):
    """An unknown model or device is refused before anything is fetched, and the message says what there is."""
    with pytest.raises(UsageError, match=message):
        gerund.load(**settings)


def test_public_names_exist():
    """Everything in `__all__` can be had, and nothing else pretends to."""
    for name in gerund.__all__:
        assert getattr(gerund, name) is not None
    with pytest.raises(AttributeError, match="nope"):
        _ = gerund.nope
