"""Every recognizer locates, and every localizer classifies: two adapters between the two questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.base import Localizer, Recognizer
from gerund.methods.card import require_takes
from gerund.methods.localizers.contrast import suppress_overlaps
from gerund.methods.questions import ask_scores, ask_segments, logit_scale_of
from gerund.metrics.calibration import softmax
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, FloatArray64, IntArray, Segment, Segments, Track

_BATCH = 256

Windows = list[tuple[int, int]]
"""Half-open ranges of places in a track, in order of time."""


@dataclass(frozen=True)
class Sliding:
    """A recognizer that locates: it is asked about windows of the track, and neighbours that it names alike are joined.

    An action is in play where it is the best of all in some window; of several, those stay that fit the whole video
    best. Every stretch of windows of one length that an action wins is a segment; its score is the mean of the
    recognizer's own scores over these windows. With one action alone, windows above its mean count as won. So unlike
    `contrast` it always finds something: whether any of the actions is there at all, a ranking does not say.

    Args:
        recognizer: ready to answer.
        window_s: lengths of the windows, at half their length; those that the video does not fill are left out, and
            where that is all, the whole video is the one window. The default is neutral: it was tuned on no data set.
        max_classes: at most so many actions a video.
        nms_tiou: of two segments of one action that overlap more than this, the lower is dropped.
        max_segments: at most so many segments a video.
        objects: of the video, for a recognizer that looks at them, ``[K]``.

    Raises:
        UsageError: the recognizer takes decoded frames, which a track does not have; or a setting is out of range.
    """

    takes: ClassVar[str] = "track"

    recognizer: Recognizer
    window_s: float | Sequence[float] = (2.0, 4.0, 8.0)
    max_classes: int = 3
    nms_tiou: float = 0.7
    max_segments: int = 100
    objects: IntArray | None = None

    def __post_init__(self) -> None:
        if require_takes(self.recognizer) == "clip":
            raise UsageError(
                f"{type(self.recognizer).__name__} takes decoded frames, and windows are cut out of a track; it cannot "
                "locate"
            )
        if not (np.atleast_1d(self.window_s) > 0).all() or self.max_classes < 1:
            raise UsageError(f"window_s is above 0 and max_classes at least 1, got {self.window_s}, {self.max_classes}")

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """The recognizer learns."""
        self.recognizer.fit(examples, classes)
        return self

    def locate(self, track: Track, classes: ClassSpace) -> Segments:
        """Segments of the actions that win windows of the track, best first.

        `confidence` is the probability of the action in the whole video, where the recognizer's scores become
        probabilities; else None.
        """
        whole = self._scores([track], classes)[0]
        scale = logit_scale_of(self.recognizer)
        shares = softmax(scale * whole.astype(np.float64)) if scale else None
        by_length = [cut_windows(track.spans_s, float(length)) for length in np.atleast_1d(self.window_s)]
        by_length = [windows for windows in by_length if windows] or [[(0, len(track))]]
        scores = self._scores([_part(track, *of) for windows in by_length for of in windows], classes)
        bounds = np.cumsum([0, *map(len, by_length)])
        rows = [scores[a:b] for a, b in pairwise(bounds)]
        won = [winners(row) for row in rows]
        named = {int(place) for of in won for place in of if place >= 0}
        in_play = sorted(named, key=lambda place: (-whole[place], place))[: self.max_classes]
        found: list[Segment] = []
        for place in in_play:
            confidence = None if shares is None else float(shares[place])
            proposals = [
                Segment(start_s, end_s, classes.names[place], score, confidence)
                for windows, row, of in zip(by_length, rows, won, strict=True)
                for start_s, end_s, score in _stretches(track, windows, row[:, place], of == place)
            ]
            found += suppress_overlaps(proposals, self.nms_tiou)
        return Segments(found).top(self.max_segments)

    def _scores(self, tracks: Sequence[Track], classes: ClassSpace) -> FloatArray:
        rows = [
            ask_scores(self.recognizer, self._inputs(tracks[start : start + _BATCH]), classes)
            for start in range(0, len(tracks), _BATCH)
        ]
        return np.concatenate(rows)

    def _inputs(self, tracks: Sequence[Track]) -> Inputs:
        return Inputs(tracks, None if self.objects is None else np.tile(self.objects, (len(tracks), 1)))


@dataclass(frozen=True)
class Pooled:
    """A localizer that classifies: an action scores as its best segment does.

    An action without a segment scores 1 less than the lowest segment of the video, or than 0 where that is lower. Where
    nothing at all was found all actions score 0, for none stands out.

    Args:
        localizer: ready to answer.
    """

    takes: ClassVar[str] = "track"

    localizer: Localizer

    def __post_init__(self) -> None:
        require_takes(self.localizer)

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """The localizer learns."""
        self.localizer.fit(examples, classes)
        return self

    def score(self, inputs: Inputs, classes: ClassSpace) -> FloatArray:
        """Scores ``[N, C]``: of the best segment of each action."""
        return np.stack([self._pooled(ask_segments(self.localizer, track, classes), classes) for track in inputs])

    def _pooled(self, segments: Segments, classes: ClassSpace) -> FloatArray:
        if not len(segments):
            return np.zeros(len(classes), np.float32)
        best = {item.action: item.score for item in reversed(list(segments))}
        nothing = min(0.0, *best.values(), *(item.score for item in segments)) - 1
        return np.array([best.get(name, nothing) for name in classes.names], np.float32)


def cut_windows(spans_s: FloatArray64, length_s: float) -> Windows:
    """Windows of one length at half of it over a track, the last one ending with it; none where it is not that long.

    A vector belongs to a window when its middle does; windows without a vector, or with the same ones, are left out.

    Example:
        >>> spans_s = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [3.0, 4.0], [4.0, 5.0]])
        >>> cut_windows(spans_s, 2.0), cut_windows(spans_s, 6.0)
        ([(0, 2), (1, 3), (2, 4), (3, 5)], [])
    """
    start_s, last_s = float(spans_s[0, 0]), float(spans_s[-1, 1]) - length_s
    if last_s < start_s:
        return []
    begins_s = np.append(np.arange(start_s, last_s, length_s / 2), last_s)
    middles_s = spans_s.mean(axis=1)
    edges = np.searchsorted(middles_s, np.stack([begins_s, begins_s + length_s]))
    return sorted({(int(first), int(end)) for first, end in edges.T if end > first})


def winners(scores: FloatArray) -> npt.NDArray[np.int64]:
    """The best class of each window ``[W]``; with one class alone, 0 where it is not below its mean, else -1.

    Example:
        >>> winners(np.array([[1.0, 2.0], [3.0, 0.0]])).tolist(), winners(np.array([[1.0], [3.0]])).tolist()
        ([1, 0], [-1, 0])
    """
    if scores.shape[1] > 1:
        return np.asarray(scores.argmax(axis=1), np.int64)
    return np.asarray(np.where(scores[:, 0] >= np.float32(scores.astype(np.float64).mean()), 0, -1), np.int64)


def _stretches(
    track: Track, windows: Windows, scores: FloatArray, won: npt.NDArray[np.bool_]
) -> list[tuple[float, float, float]]:
    """Start, end and mean score of every run of windows that were won."""
    found = []
    for is_won, group in groupby(range(len(windows)), key=lambda place: bool(won[place])):
        if is_won:
            places = list(group)
            first, end = windows[places[0]][0], windows[places[-1]][1]
            score = float(scores[places].astype(np.float64).mean())
            found.append((float(track.spans_s[first, 0]), float(track.spans_s[end - 1, 1]), score))
    return found


def _part(track: Track, first: int, end: int) -> Track:
    spans_s = track.spans_s[first:end]
    return Track(track.vectors[first:end], spans_s, track.encoder, True, float(spans_s[-1, 1] - spans_s[0, 0]))
