"""Detection: published toys, and the definition written out in plain loops against the fast code."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gerund.errors import UsageError
from gerund.metrics.detection import average_precision, mean_average_precision
from gerund.metrics.recall import GAP_RECALL_TIOUS, average_recall
from gerund.metrics.segments import Annotations, Detections, temporal_overlap

TRUTH = Annotations.of([("v1", 0, 10, "a"), ("v1", 20, 30, "a"), ("v2", 5, 15, "a")])
FOUND = Detections.of(
    [
        ("v1", 0, 10, "a", 0.9),
        ("v1", 1, 10, "a", 0.8),
        ("v1", 19, 31, "a", 0.7),
        ("v2", 6, 20, "a", 0.6),
        ("v3", 0, 5, "a", 0.5),
        ("v2", 5, 15, "a", 0.4),
    ]
)
"""The first toy of the evaluation; its precisions come from ActivityNet's released code."""


def plain_overlap(a, b):
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (b[1] - b[0]) + (a[1] - a[0]) - shared
    return shared / union if union else math.nan


def descending(values):
    """Places by descending value, NaN first, of equal ones the last first: a stable ascending sort, reversed."""
    return sorted(range(len(values)), key=lambda i: (math.isnan(values[i]), 0 if math.isnan(values[i]) else values[i]))[
        ::-1
    ]


def plain_precision(annotations, detections, tiou):
    if not detections:
        return 0.0
    taken, flags = set(), []
    for place in descending([score for *_, score in detections]):
        video, start, end, _ = detections[place]
        mine = [i for i, annotation in enumerate(annotations) if annotation[0] == video]
        overlaps = [plain_overlap((start, end), annotations[i][1:3]) for i in mine]
        flag = False
        for best in descending(overlaps):
            if overlaps[best] < tiou:
                break
            if mine[best] not in taken:
                taken.add(mine[best])
                flag = True
                break
        flags.append(flag)
    recall, precision, hits = [0.0], [0.0], 0
    for rank, flag in enumerate(flags, 1):
        hits += flag
        recall.append(hits / len(annotations))
        precision.append(hits / rank)
    recall.append(1.0)
    precision.append(0.0)
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    steps = range(1, len(recall))
    return sum((recall[i] - recall[i - 1]) * precision[i] for i in steps if recall[i] != recall[i - 1])


def plain_table(annotations, detections, tious):
    labels = list(dict.fromkeys(row[3] for row in annotations))
    return [
        [
            plain_precision(
                [row for row in annotations if row[3] == label],
                [(v, s, e, score) for v, s, e, name, score in detections if name == label],
                tiou,
            )
            for label in labels
        ]
        for tiou in tious
    ]


def plain_recall(annotations, proposals, tious, most=100):
    """AR at 1, ..., 100 % of `most` proposals a video, and the area below it."""
    videos = list(dict.fromkeys(row[0] for row in annotations))
    ratio = most * len(videos) / len(proposals)
    kept = {}
    for video in videos:
        mine = [row for row in proposals if row[0] == video]
        ordered = [mine[i] for i in descending([row[4] for row in mine])]
        kept[video] = ordered[: min(int(len(mine) * ratio), len(mine))]
    total = sum(map(len, kept.values()))
    curve, numbers = [], []
    for step in range(1, 101):
        fraction = step / 100 * (most * len(videos) / total)
        hits = 0
        for tiou in tious:
            for video, start, end, _ in annotations:
                some = kept[video][: min(int(len(kept[video]) * fraction), len(kept[video]))]
                hits += any(plain_overlap((start, end), row[1:3]) >= tiou for row in some)
        curve.append(hits / len(tious) / len(annotations))
        numbers.append(step * most / 100)
    area = sum((curve[i] + curve[i + 1]) / 2 * (numbers[i + 1] - numbers[i]) for i in range(99)) / numbers[-1]
    return curve, area


def test_the_first_toy():
    """Precisions at six thresholds are those of ActivityNet's released code."""
    found = mean_average_precision(TRUTH, FOUND, (0.3, 0.5, 0.6, 0.75, 0.9, 0.95))
    expected = [0.8333333, 0.8333333, 0.8333333, 0.7222222, 0.4444444, 0.4444444]
    np.testing.assert_allclose(found.mAP, expected, atol=1e-7)
    assert found.average == pytest.approx(np.mean(expected), abs=1e-7)
    assert found.classes == ("a",)


def test_a_detection_may_claim_its_second_best():
    """The best annotation of the second detection is taken; its overlap with the other one decides."""
    truth = Annotations.of([("v", 0, 10, "a"), ("v", 4, 14, "a")])
    found = Detections.of([("v", 0, 10, "a", 0.9), ("v", 1, 11, "a", 0.8)])
    np.testing.assert_allclose(
        temporal_overlap(truth.start_s, truth.end_s, 1, 11), [float(Fraction(9, 11)), float(Fraction(7, 13))]
    )
    assert mean_average_precision(truth, found, (0.3, 0.5, 0.6, 0.75)).mAP.tolist() == [1, 1, 0.5, 0.5]


def test_of_equal_scores_the_later_counts_first():
    """A false detection after the true one with its score comes before it."""
    truth = Annotations.of([("v", 0, 10, "a")])
    right, wrong = ("v", 0, 10, "a", 0.5), ("v", 50, 60, "a", 0.5)
    assert mean_average_precision(truth, Detections.of([right, wrong]), (0.5,)).average == 0.5
    assert mean_average_precision(truth, Detections.of([wrong, right]), (0.5,)).average == 1


def test_zero_length_segments():
    """0/0 reaches every threshold in the released code, wherever the two lie; guarded it must be the same moment."""
    truth = Annotations.of([("v", 3, 3, "a")])
    here, there = (Detections.of([("v", at, at, "a", 1)]) for at in (3, 7))
    for found, released, guarded in ((here, 1, 1), (there, 1, 0)):
        assert mean_average_precision(truth, found, (0.5, 1)).average == released
        assert mean_average_precision(truth, found, (0.5, 1), zero_length="guarded").average == guarded
    long = Annotations.of([("v", 2, 4, "a")])
    assert mean_average_precision(long, here, (0.5,)).average == 0


def test_interpolation():
    """The envelope of precision counts at every recall that is reached."""
    assert average_precision([1, 0, 1, 0], 4) == pytest.approx(0.4166667, abs=1e-7)
    assert average_precision([1, 0, 1, 1, 0, 0, 1, 0], 6) == pytest.approx(0.5119047619, abs=1e-10)
    assert average_precision([], 3) == average_precision([0, 0], 3) == 0


def test_a_class_without_detections_counts_zero():
    """The mean is over the classes of the ground truth."""
    truth = Annotations.of([("v", 0, 1, "a"), ("v", 0, 1, "b")])
    found = Detections.of([("v", 0, 1, "a", 1)])
    assert mean_average_precision(truth, found, (0.5,)).ap.tolist() == [[1, 0]]
    assert mean_average_precision(truth, Detections.of([]), (0.5,)).average == 0


numbers = st.integers(0, 6)
segments = st.tuples(st.sampled_from(["v1", "v2", "v3"]), numbers, numbers, st.sampled_from("ab")).map(
    lambda row: (row[0], min(row[1:3]), max(row[1:3]), row[3])
)
scored = st.tuples(segments, st.integers(0, 3)).map(lambda pair: (*pair[0], pair[1]))
TIOUS = (0.2, 0.3, 0.5, 0.75, 1.0)


@settings(max_examples=300)
@given(st.lists(segments, min_size=1, max_size=14), st.lists(scored, max_size=25))
def test_precisions_equal_the_plain_loops(annotations, detections):
    """With ties in scores, in overlaps and at thresholds, repeated and zero-length segments, all come out the same."""
    known = {row[3] for row in annotations}
    detections = [row for row in detections if row[3] in known]
    found = mean_average_precision(Annotations.of(annotations), Detections.of(detections), TIOUS)
    np.testing.assert_allclose(found.ap, plain_table(annotations, detections, TIOUS), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_crowded_videos_equal_the_plain_loops(seed):
    """Many overlapping annotations in one video, as in sports: long chains of second choices are settled rightly."""
    rng = np.random.default_rng(seed)
    spans = np.cumsum([rng.uniform(0, 30, 360).round(1), rng.uniform(1, 6, 360).round(1)], axis=0).T.tolist()
    annotations = [("v", start, end, "a") for start, end in spans[:60]]
    detections = [("v", start, end, "a", round(rng.random(), 2)) for start, end in spans[60:]]
    found = mean_average_precision(Annotations.of(annotations), Detections.of(detections), TIOUS)
    np.testing.assert_allclose(found.ap, plain_table(annotations, detections, TIOUS), atol=1e-12)


def test_blocks_of_pairs_change_nothing(monkeypatch):
    """Too many pairs to hold at once are looked at in blocks, with the same result."""
    rng = np.random.default_rng(7)
    rows = [("v", s, s + 2.0, "a") for s in rng.uniform(0, 30, 40).tolist()]
    found = Detections.of([(*row, score) for row, score in zip(rows, rng.random(40).round(1), strict=True)])
    whole = mean_average_precision(Annotations.of(rows[::2]), found, TIOUS).ap
    monkeypatch.setattr("gerund.metrics.detection._MOST_PAIRS", 17)
    np.testing.assert_array_equal(mean_average_precision(Annotations.of(rows[::2]), found, TIOUS).ap, whole)


@given(
    st.lists(segments, min_size=1, max_size=10), st.lists(scored, min_size=1, max_size=20), st.sampled_from([3, 100])
)
def test_recall_equals_the_plain_loops(annotations, proposals, most):
    """Every point of the curve and the area, with videos on one side only and more proposals than are wanted."""
    curve = average_recall(Annotations.of(annotations), Detections.of(proposals), TIOUS, most=most)
    videos = {row[0] for row in annotations}
    ratio = most * len(videos) / len(proposals)
    kept = sum(min(int(sum(r[0] == v for r in proposals) * ratio), sum(r[0] == v for r in proposals)) for v in videos)
    if not kept:
        assert curve.mean.max() == 0
        return
    expected, area = plain_recall(annotations, proposals, TIOUS, most)
    np.testing.assert_allclose(curve.mean, expected, atol=1e-12)
    assert curve.area == pytest.approx(area, abs=1e-12)


def test_recall_of_the_toy():
    """The numbers that the released proposal evaluation gives."""
    proposals = FOUND.rows(FOUND.video != "v3")
    curve = average_recall(TRUTH, proposals)
    assert [round(curve.at(n), 7) for n in (1, 2, 3, 5, 100)] == [0.3333333, 0.4333333, 0.9, 0.9, 0.9]
    assert curve.area == pytest.approx(0.8835)
    assert curve.num_videos == 2


def test_recall_at_a_full_overlap():
    """GAP's thresholds end at 1, which only exact proposals reach: 11 of 11 for two segments, 7 of 11 for 10/12."""
    proposals = FOUND.rows(FOUND.video != "v3")
    curve = average_recall(TRUTH, proposals, GAP_RECALL_TIOUS)
    assert curve.at(100) == pytest.approx((11 + 11 + 7) / 33)


def test_recall_without_proposals_is_zero():
    """No proposal at all, and none in a video with annotations, are no error."""
    assert average_recall(TRUTH, Detections.of([])).area == 0
    elsewhere = average_recall(TRUTH, FOUND.rows(FOUND.video == "v1"), (0.5,))
    assert elsewhere.at(100) == pytest.approx(2 / 3)
    with pytest.raises(UsageError, match="no point"):
        elsewhere.at(2.5)


def test_gap_forgives_other_videos():
    """The false detection in v3 is dropped, so the last one is the 5th, and at 0.75 AP is (1 + 2/3 + 3/5) / 3."""
    found = mean_average_precision(TRUTH, FOUND, (0.75,), variant="gap")
    assert found.average == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert found.dropped == {"detections in videos without annotations": 1}
    assert mean_average_precision(TRUTH, FOUND, (0.75,)).average == pytest.approx((1 + 2 / 3 + 3 / 6) / 3)


def test_t3al_rounds_every_class():
    """AP of 1/3 and 1 become 33.3 % and 100 % before they are averaged; the label -1 is nobody's."""
    truth = Annotations.of([("v", 0, 1, "a"), ("v", 5, 6, "a"), ("v", 8, 9, "a"), ("v", 0, 1, "b")])
    found = Detections.of([("v", 0, 1, "a", 1), ("v", 0, 1, "b", 1), ("v", 0, 1, -1, 9), ("w", 0, 1, "a", 9)])
    scores = mean_average_precision(truth, found, (0.5,), variant="t3al")
    np.testing.assert_allclose(scores.ap, [[0.333, 1.0]], atol=1e-12)
    assert scores.average == pytest.approx(0.6665)
    assert scores.dropped == {"detections labelled -1": 1, "detections in videos without annotations": 1}


def test_opentad_drops_repeated_and_empty_annotations():
    """Two ends within 1 ms repeat a label of a video; other labels, 2 ms and other videos do not."""
    kept = [("v", 0, 1, "a"), ("v", 0.002, 1, "a"), ("v", 0, 1, "b"), ("w", 0, 1, "a")]
    truth = Annotations.of([*kept, ("v", 0.0005, 1.0005, "a"), ("v", 7, 7, "a")])
    exactly = Annotations.of([("u", 0, 1, "a"), ("u", 0.001, 1, "a"), ("t", 0, 0.001, "a"), ("t", 0, 0.002, "a")])
    dropped = mean_average_precision(exactly, Detections.of([]), (0.5,), variant="opentad").dropped
    assert dropped["repeated annotations"] == 2, "a difference of exactly 1 ms is none"
    found = Detections.of([("v", 0, 1, "a", 1), ("v", 0, 1, "c", 1), ("v", 7, 7, "a", 0)])
    scores = mean_average_precision(truth, found, (0.5,), variant="opentad")
    assert scores.ap.tolist() == [[1 / 3, 0]]
    assert scores.dropped == {
        "detections with unknown labels": 1,
        "repeated annotations": 1,
        "annotations without length": 1,
    }


def test_opentad_floors_the_union():
    """A detection without length never matches one, since their union is taken as 1e-8 s."""
    assert temporal_overlap(7, 7, 7, 7, zero_by_zero="floored") == 0
    assert math.isnan(temporal_overlap(7, 7, 7, 7))
    assert temporal_overlap(7, 7, 7, 7, zero_by_zero="guarded") == 1


def test_unknown_labels():
    """They are named in an error, as in the released code, or dropped on purpose."""
    found = Detections.of([("v1", 0, 10, "a", 1), ("v1", 0, 10, "Aa", 1)])
    with pytest.raises(UsageError, match="Aa"):
        mean_average_precision(TRUTH, found)
    scores = mean_average_precision(TRUTH, found, unknown_labels="drop")
    assert scores.average == pytest.approx(1 / 3)
    assert scores.dropped == {"detections with unknown labels": 1}


def test_only_some_classes():
    """Both sides are restricted before anything else, and a class that is not annotated leaves the mean alone."""
    truth = Annotations.of([("v", 0, 1, "a"), ("w", 0, 1, "b")])
    found = Detections.of([("v", 0, 1, "a", 1), ("w", 0, 1, "a", 2), ("w", 0, 1, "b", 1), ("v", 0, 1, "c", 1)])
    scores = mean_average_precision(truth, found, (0.5,), classes=("a", "c"))
    assert (scores.classes, scores.average) == (("a",), 0.5)
    assert scores.dropped == {
        "annotations of other classes": 1,
        "detections of other classes": 1,
        "detections of classes without annotations": 1,
    }
    assert mean_average_precision(truth, found, (0.5,), classes=("a", "c"), variant="gap").average == 1
    with pytest.raises(UsageError, match="nothing is annotated"):
        mean_average_precision(truth, found, (0.5,), classes=("c",))


@pytest.mark.parametrize("tious", [(), (0.0,), (1.1,), (2.0,), (0.5, 1.5), (math.nan,)])
def test_thresholds_that_mean_nothing(tious):
    """None, 0, above 1 and NaN are refused by both measures."""
    with pytest.raises(UsageError, match="thresholds"):
        mean_average_precision(TRUTH, FOUND, tious)
    with pytest.raises(UsageError, match="thresholds"):
        average_recall(TRUTH, FOUND, tious)


@pytest.mark.parametrize(
    "rows", [[("v", 2, 1, "a")], [("v", math.nan, 1, "a")], [("v", 0, math.inf, "a")], [("v", 0, 1)]]
)
def test_segments_that_are_none(rows):
    """An end before its start, numbers that are not finite, and rows of another length are refused."""
    with pytest.raises(UsageError):
        Annotations.of(rows)
    with pytest.raises(UsageError):
        Detections.of([(*row, 1.0) for row in rows])
    with pytest.raises(UsageError, match="score"):
        Detections.of([("v", 0, 1, "a", math.nan)])
