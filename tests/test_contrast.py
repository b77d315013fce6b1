"""The training-free localizer: reference values of its specification, hand-worked steps, properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.methods.localizers.contrast import (
    contrast_segments,
    outer_inner_contrast,
    overlap,
    runs,
    shorter_windows,
    smoothed,
    suppress_overlaps,
    video_classes,
)
from gerund.types import Segment


def recipe():
    """The specification's fixture: 120 vectors at 4 a second, 3 classes, two stretches of class 1, one of class 2."""
    t, j, c = np.arange(120)[:, None], np.arange(8), np.arange(3)[:, None]
    texts = np.cos(0.8 * c * (j + 1) + 0.3 * j)
    units = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    vectors = (-1.0) ** j + 0.10 * np.sin(0.37 * t * (j + 1))
    vectors[20:32] += units[1]
    vectors[60:90] += units[1]
    vectors[100:104] += 1.2 * units[2]
    spans_s = np.stack([np.arange(120) / 4, np.arange(1, 121) / 4], axis=1)
    return vectors, spans_s, texts


def test_recipe_is_the_specified_one():
    """The fixture's input has the printed values, so that its output may be compared."""
    np.testing.assert_allclose(recipe()[0][25, :3], [1.38085, -1.202903, 0.533601], atol=1e-6)


def test_reference_segments_with_background_removal():
    """All 18 segments of the specification come out in order, to 1e-5 in score and exactly in time."""
    found = contrast_segments(*recipe(), ["0", "1", "2"], scale=20, remove_background=True)
    expected = [
        ("1", 14.75, 22.75, 28.209200),
        ("1", 4.75, 8.5, 26.728924),
        *(("1", start, start + 3, 8.462760) for start in (14.75, 16.25, 17.75, 19.25)),
        ("2", 22.25, 30, 7.261296),
        ("2", 7.75, 15, 4.139873),
        ("2", 0, 5, 4.070845),
        *(("2", start, start + 3, 2.178389) for start in (22.25, 23.75, 25.25, 26.75)),
        *(("2", start, start + 3, 1.241962) for start in (7.75, 9.25, 10.75)),
        *(("2", start, start + 3, 1.221253) for start in (0, 1.5)),
    ]
    assert [(s.action, s.start_s, s.end_s) for s in found] == [row[:3] for row in expected]
    np.testing.assert_allclose([s.score for s in found], [row[3] for row in expected], atol=1e-5)
    assert {s.action: s.confidence for s in found} == pytest.approx({"1": 0.651299, "2": 0.327022}, abs=1e-6)


def test_steps_of_the_reference():
    """Raw curve, smoothed curve, its mean, and the runs have the printed values for class 1."""
    vectors, _, texts = recipe()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = unit - unit.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    raw = 20 * centred @ (texts[1] / np.linalg.norm(texts[1]))
    smooth = smoothed(raw, 3)
    np.testing.assert_allclose(raw[[0, 30, 60]], [-18.304834, 18.546249, 18.56061], atol=1e-5)
    np.testing.assert_allclose(smooth[[0, 30, 60]], [-17.343378, 18.098616, 6.206334], atol=1e-5)
    assert smooth.mean() == pytest.approx(-3.740356, abs=1e-5)
    assert runs(smooth > smooth.mean(), gap=3, shortest=2) == [(20, 32), (60, 89)]


@pytest.mark.parametrize(
    ("width", "expected"),
    [(3, {0: 1 / 3, 1: 1, 2: 2, 49: 48 + 2 / 3}), (5, {0: 0.6, 1: 1.2, 2: 2, 49: 48.4}), (1, {0: 0, 25: 25, 49: 49})],
)
def test_moving_average_reference(width, expected):
    """A ramp of 50 values gives the specification's averages, ends continued by their own value."""
    smooth = smoothed(np.arange(50.0), width)
    assert len(smooth) == 50
    assert {place: smooth[place] for place in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("gap", "expected"),
    [(20, [(10, 32), (90, 95)]), (10, [(10, 14), (30, 32), (90, 95)]), (5, [(10, 14), (30, 32), (90, 95)])],
)
def test_runs_reference(gap, expected):
    """Ones at 10-14, 30-32, 60 and 90-95 join over the gap, and the lonely one is dropped."""
    mask = np.zeros(100, bool)
    mask[[*range(10, 15), *range(30, 33), 60, *range(90, 96)]] = True
    assert runs(mask, gap=gap, shortest=2) == expected


@pytest.mark.parametrize(("start", "stop", "expected"), [(4, 12, 12.0547411), (0, 16, 10.0), (6, 9, 12.6666667)])
def test_outer_inner_contrast_reference(start, stop, expected):
    """The specification's curve gives its three scores; context outside the video counts nothing."""
    curve = np.array([0, 0, 0.5, 1, 4, 5, 6, 7, 7, 6, 5, 4, 2, 0.5, 0, 0])
    assert outer_inner_contrast(curve, start, stop) == pytest.approx(expected, abs=1e-6)


def test_classes_near_the_best_stay_in_play():
    """Classes below a fifth of the best probability are dropped, at most three stay, one alone has probability 1."""
    texts = np.eye(4)
    mean = np.log(np.array([0.5, 0.3, 0.15, 0.05]))
    scale = float(np.linalg.norm(mean))  # cosine times this is the logarithm itself
    kept = video_classes(mean, texts, 0.0, scale=scale, keep_share=0.2, max_classes=3)
    assert [place for place, _ in kept] == [0, 1, 2]
    np.testing.assert_allclose([p for _, p in kept], [0.5, 0.3, 0.15])
    assert [c for c, _ in video_classes(mean, texts, 0.0, scale=scale, keep_share=0.5, max_classes=3)] == [0, 1]
    assert video_classes(mean, texts[:1], 0.0, scale=scale, keep_share=0.2, max_classes=3) == [(0, 1.0)]


def test_a_hub_has_to_earn_its_place():
    """Hubness is taken from the cosines before the classes are chosen."""
    texts, mean = np.eye(2), np.array([0.8, 0.6])
    assert video_classes(mean, texts, 0.0, scale=10, keep_share=1, max_classes=1)[0][0] == 0
    assert video_classes(mean, texts, np.array([0.3, 0.0]), scale=10, keep_share=1, max_classes=1)[0][0] == 1


def test_windows_fill_a_long_segment():
    """A segment above 1.5 window lengths gets windows at half a length for 0.3 of its score; a short one none."""
    windows = shorter_windows(Segment(1.0, 7.0, "a", 10.0, 0.5), 3.0)
    assert [(w.start_s, w.end_s, w.score) for w in windows] == [(1, 4, 3), (2.5, 5.5, 3), (4, 7, 3)]
    assert shorter_windows(Segment(0.0, 4.5, "a", 1.0, 0.5), 3.0) == []
    ladder = shorter_windows(Segment(0.0, 5.0, "a", 1.0, 0.5), (2, 4, 8))
    assert {w.end_s - w.start_s for w in ladder} == {2}


segments = st.builds(
    lambda start, length, score: Segment(start, start + length, "a", score, 0.5),
    st.floats(0, 50),
    st.floats(0, 20),
    st.floats(0, 10),
)


@given(st.lists(segments, max_size=12))
def test_suppression_keeps_the_best_and_no_overlapping_pair(found):
    """The best segment survives, survivors overlap by at most 0.7, and every dropped one overlaps a better survivor."""
    kept = suppress_overlaps(found, 0.7)
    assert all(overlap(a, b) <= 0.7 for i, a in enumerate(kept) for b in kept[:i])
    if found:
        assert kept[0].score == max(item.score for item in found)
    for item in found:
        if item not in kept:
            assert any(overlap(item, better) > 0.7 and better.score >= item.score for better in kept)


@given(segments, segments)
def test_overlap_is_a_symmetric_share(a, b):
    """Overlap is symmetric, in [0, 1], and 1 for a segment with itself unless it is empty."""
    assert overlap(a, b) == overlap(b, a)
    assert 0 <= overlap(a, b) <= 1 + 1e-9
    if a.end_s > a.start_s:
        assert overlap(a, a) == pytest.approx(1)


def test_order_of_classes_does_not_matter():
    """Permuting the classes permutes nothing but their place in the list."""
    vectors, spans_s, texts = recipe()
    plain = contrast_segments(vectors, spans_s, texts, ["0", "1", "2"], scale=20)
    turned = contrast_segments(vectors, spans_s, texts[[2, 0, 1]], ["2", "0", "1"], scale=20)
    assert [(s.action, s.start_s, s.end_s) for s in plain] == [(s.action, s.start_s, s.end_s) for s in turned]


def test_scores_grow_with_the_scale():
    """Twice the factor gives twice the logits and scores; where none is named it is CLIP's, 100."""
    vectors, spans_s, texts = recipe()
    named, usual, twice = (
        contrast_segments(vectors, spans_s, texts[:1], ["0"], **given)
        for given in ({"scale": 100.0}, {}, {"scale": 200})
    )
    assert len(named) > 0 and list(named) == list(usual)
    assert [item.score for item in twice] == pytest.approx([2 * item.score for item in usual])


def test_length_of_vectors_does_not_matter():
    """Embeddings and texts may have any norm."""
    vectors, spans_s, texts = recipe()
    plain = contrast_segments(vectors, spans_s, texts, ["0", "1", "2"], scale=20)
    scaled = contrast_segments(vectors * 7, spans_s, texts * 0.1, ["0", "1", "2"], scale=20)
    np.testing.assert_allclose([s.score for s in plain], [s.score for s in scaled])


@given(st.integers(1, 40), st.integers(1, 5), st.booleans(), st.integers(0, 2**31))
def test_segments_stay_inside_the_video(length, num_classes, background, seed):
    """Whatever the track, segments lie in the video, are ordered by score, and scores are not negative."""
    rng = np.random.default_rng(seed)
    spans_s = np.stack([np.arange(length) * 0.3, np.arange(1, length + 1) * 0.3], axis=1)
    names = [str(c) for c in range(num_classes)]
    found = contrast_segments(
        rng.normal(size=(length, 6)), spans_s, rng.normal(size=(num_classes, 6)), names, remove_background=background
    )
    assert all(0 <= s.start_s < s.end_s <= length * 0.3 for s in found)
    assert all(a.score >= b.score >= 0 for a, b in zip(found, list(found)[1:], strict=False))
    assert len(found) <= 100


def test_a_still_video_has_no_segments():
    """Where every moment looks alike nothing stands out."""
    spans_s = np.stack([np.arange(20.0), np.arange(1, 21.0)], axis=1)
    assert len(contrast_segments(np.ones((20, 4)), spans_s, np.eye(4)[:2], ["a", "b"])) == 0
