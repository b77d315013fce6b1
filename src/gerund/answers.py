"""What gerund answers about a video: which actions it shows, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import Any

from gerund.errors import UsageError
from gerund.types import Segments, html_table, share_of

_SHOWN = 3


@dataclass(frozen=True)
class ActionScore:
    """One action with how well it fits.

    Attributes:
        action: its name.
        score: what ranks it; not bounded, see the method.
        probability: softmax of the scores over the listed actions; None where the method does not say how its scores
            become probabilities.

    Raises:
        UsageError: a number is not finite, or the probability is not between 0 and 1.
    """

    action: str
    score: float
    probability: float | None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.score) and 0 <= (0 if self.probability is None else self.probability) <= 1):
            raise UsageError(
                f"the action {self.action!r} needs a finite score and a probability from 0 to 1, got {self.score} and "
                f"{self.probability}"
            )


@dataclass(frozen=True, repr=False)
class Classification:
    """What a video shows: the best actions first.

    Raises:
        UsageError: there is no action, or a duration that is not finite.

    Example:
        >>> answer = Classification("a.mp4", 2.0, "i3d-minilm", (ActionScore("waving", 0.5, 0.8),))
        >>> answer.best.action
        'waving'
        >>> answer
        Classification('a.mp4', 2.00 s, i3d-minilm: 'waving' 80%)
    """

    video: str
    duration_s: float
    model: str
    actions: tuple[ActionScore, ...]
    time_error_s: float = 0.0
    num_frames: int = field(default=0, compare=False)  # 0 where only a track was asked about
    method: str = "similarity"
    is_tied: bool = False  # all actions that were asked about have one score, and no probability says so

    def __post_init__(self) -> None:
        if not self.actions:
            raise UsageError("a classification names at least one action")
        _require_seconds(self.duration_s, self.time_error_s)

    @property
    def note(self) -> str | None:
        """What to know about the answer, such as that it is about a still picture; else None."""
        tied = ["all actions score alike, so none stands out and their order means nothing"] if self.is_tied else []
        return "; ".join([*tied, *filter(None, [_note(self.num_frames, self.time_error_s)])]) or None

    @property
    def best(self) -> ActionScore:
        """The action that fits best."""
        return self.actions[0]

    def to_dict(self) -> dict[str, Any]:
        """A plain dict, ready for JSON."""
        return {
            "video": self.video,
            "duration_s": round(self.duration_s, 3),
            "model": self.model,
            "method": self.method,
            "actions": [
                {
                    "action": a.action,
                    "score": round(a.score, 6),
                    "probability": None if a.probability is None else round(a.probability, 6),
                }
                for a in self.actions
            ],
            "error": None,
        }

    def __repr__(self) -> str:
        shown = [
            f"{a.action!r} {share_of(a.probability) if a.probability is not None else f'{a.score:+.3f}'}"
            for a in self.actions[:_SHOWN]
        ]
        more = [f"{len(self.actions) - len(shown)} more"] if len(self.actions) > len(shown) else []
        said = ", ".join(shown + more) + _behind(self.note)
        return f"Classification({self.video!r}, {self.duration_s:.2f} s, {self.model}: {said})"

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        rows = [[a.action, f"{a.score:.3f}", share_of(a.probability, 1)] for a in self.actions]
        return _caption(self) + html_table(["action", "score", "probability"], rows)


@dataclass(frozen=True, repr=False)
class Location:
    """When actions happen in a video.

    Raises:
        UsageError: a duration is not finite.

    Example:
        >>> Location("a.mp4", 2.0, "i3d-minilm", Segments())
        Location('a.mp4', 2.00 s, i3d-minilm, Segments(none))
    """

    video: str
    duration_s: float
    model: str
    segments: Segments
    time_error_s: float = 0.0
    num_frames: int = field(default=0, compare=False)  # 0 where only a track was asked about
    method: str = "contrast"

    def __post_init__(self) -> None:
        _require_seconds(self.duration_s, self.time_error_s)

    @property
    def note(self) -> str | None:
        """What to know about the answer, such as that it is about a still picture; else None."""
        return _note(self.num_frames, self.time_error_s)

    def to_dict(self) -> dict[str, Any]:
        """A plain dict, ready for JSON."""
        return {
            "video": self.video,
            "duration_s": round(self.duration_s, 3),
            "model": self.model,
            "method": self.method,
            "segments": self.segments.to_dicts(),
            "error": None,
        }

    def __repr__(self) -> str:
        said = f"{self.segments!r}{_behind(self.note)}"
        return f"Location({self.video!r}, {self.duration_s:.2f} s, {self.model}, {said})"

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        return _caption(self) + self.segments._repr_html_()


def _note(num_frames: int, time_error_s: float) -> str | None:
    notes = []
    if num_frames == 1:
        notes.append("one frame only: this says what a still picture looks like, not what happens")
    if time_error_s:
        notes.append(f"frames up to {time_error_s:.2f} s beside those asked for")
    return "; ".join(notes) or None


def _behind(note: str | None) -> str:
    return f"; {note}" if note else ""


def _caption(answer: Classification | Location) -> str:
    """What an answer is about, as a table for notebooks, with its note below."""
    row = [answer.video, f"{answer.duration_s:.2f}", answer.model, answer.method]
    return html_table(["video", "duration_s", "model", "method"], [row]) + (
        f"<p>{escape(answer.note)}</p>" if answer.note else ""
    )


def _require_seconds(*values: float) -> None:
    for value in values:
        if not 0 <= value < math.inf:
            raise UsageError(f"an answer needs a finite number of seconds that is not negative, got {value}")
