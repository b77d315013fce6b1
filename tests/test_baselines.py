"""The two baselines of localization, on tracks whose answer can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gerund.encoders.base import unit
from gerund.methods.localizers.baselines import UniformWindows, WholeVideo
from gerund.text.classes import ClassSpace
from gerund.types import Track
from stub import ColourEncoder

CLASSES = ClassSpace(("green", "red"))


def track(colours, *, begin_s=0.0, step_s=1.0):
    """One vector a step: a primary colour each."""
    starts = begin_s + step_s * np.arange(len(colours))
    vectors = np.eye(3, dtype=np.float32)[["rgb".index(colour) for colour in colours]]
    return Track(vectors, np.stack([starts, starts + step_s], axis=1), "colour-stub-1")


def cosine(colours, name):
    """Mean cosine of pure colours with a name's vector."""
    vector = unit(np.array([[colour == name for colour in ("red", "green", "blue")]], np.float32) + 1e-3)[0]
    return float(np.mean([vector["rgb".index(colour)] for colour in colours]))


def test_the_whole_video_is_one_segment():
    """From the first span's start to the last one's end, with the class of the mean vector and its share."""
    (found,) = WholeVideo(ColourEncoder()).fit().locate(track("rrrg", begin_s=2.0), CLASSES)
    assert (found.start_s, found.end_s, found.action) == (2.0, 6.0, "red")
    mean = np.array([0.75, 0.25, 0.0])
    names = ColourEncoder().encode_classes(CLASSES)
    logits = 10 * names @ mean / np.linalg.norm(mean)
    assert found.score == found.confidence == pytest.approx(np.exp(logits[1]) / np.exp(logits).sum(), abs=1e-6)


def test_windows_are_half_a_window_apart_and_the_last_ends_with_the_video():
    """Eight seconds under windows of three: begun at 0, 1.5, 3, 4.5 and 5; each has its steps' mean."""
    found = UniformWindows(ColourEncoder(), window_s=3.0).fit().locate(track("rrrrgrbb"), CLASSES)
    steps = {(0.0, 3.0): "rrr", (1.5, 4.5): "rrr", (3.0, 6.0): "rgr", (4.5, 7.5): "grb", (5.0, 8.0): "rbb"}
    assert {(item.start_s, item.end_s) for item in found} == set(steps)
    for item in found:
        assert item.action == "red"
        assert item.score == pytest.approx(cosine(steps[item.start_s, item.end_s], "red"), abs=1e-6)
    assert len({item.confidence for item in found}) == 1


def test_a_video_shorter_than_a_window_is_one():
    """From its beginning to its end, wherever it begins; parts without a step in them are left out."""
    (found,) = UniformWindows(ColourEncoder(), window_s=9.0).locate(track("gg", begin_s=1.0), CLASSES)
    assert (found.start_s, found.end_s, found.action) == (1.0, 3.0, "green")
    sparse = UniformWindows(ColourEncoder(), window_s=1.0).locate(track("rg", step_s=4.0), CLASSES)
    assert [(item.start_s, item.end_s) for item in sorted(sparse, key=lambda item: item.start_s)] == [
        (1.5, 2.5), (2.0, 3.0), (5.5, 6.5), (6.0, 7.0),
    ]  # fmt: skip
