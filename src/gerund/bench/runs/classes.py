"""Class by class: how often its videos were answered right, and what they were taken for instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from gerund.bench.runs.answers import Answers, RecognitionAnswers
from gerund.bench.runs.schema import ExamClasses, SplitResult
from gerund.metrics.accuracy import confusion, per_class_accuracy


def classes_of(answers: Sequence[Answers]) -> list[ExamClasses]:
    """What a report keeps of the answers to the exams of one split; nothing of localization, nor without videos."""
    return [_exam(answer) for answer in answers if isinstance(answer, RecognitionAnswers) and answer.num_videos]


def _exam(answer: RecognitionAnswers) -> ExamClasses:
    given = answer.scores.argmax(axis=1)
    counts = confusion(answer.labels, given, len(answer.classes))
    shares = per_class_accuracy(answer.labels, given, len(answer.classes))
    rows = [" ".join(f"{place}:{row[place]}" for place in np.flatnonzero(row)) for row in counts]
    accuracy = [None if np.isnan(share) else 100 * float(share) for share in shares]
    return ExamClasses(answer.paper, int(answer.is_seen.sum()), dict(zip(answer.classes, accuracy, strict=True)), rows)


@dataclass(frozen=True)
class Mistake:
    """Videos of one class that were taken for another."""

    true: str
    given: str
    count: int
    of: int


@dataclass
class Confusion:
    """The answers to one exam, over all splits.

    Classes keep the order in which they first appear. What was seen in one split may be unseen in another, so seen and
    unseen are counted split by split.

    Attributes:
        exam: its name.
        num_splits: how many were added up.
        counts: how often videos of one class were given one, by both names.
        totals: videos of each class; 0 for one that was a candidate only.
        crossings: videos of seen classes, those of them that were given an unseen one, and the other way round.
    """

    exam: str
    num_splits: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    crossings: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    def add(self, one: ExamClasses) -> None:
        """Adds what one split has."""
        self.num_splits += 1
        names = list(one.accuracy)
        for true, row in enumerate(one.rows()):
            self.totals[names[true]] += sum(row.values())
            side = 0 if true < one.num_seen else 2
            for given, count in row.items():
                self.counts[names[true], names[given]] += count
                self.crossings[side] += count
                self.crossings[side + 1] += count * ((true < one.num_seen) != (given < one.num_seen))

    @cached_property
    def ranked(self) -> list[tuple[str, float]]:
        """Classes that have videos with their accuracy in percent, worst first, then by name."""
        shares = {name: 100 * self.counts[name, name] / total for name, total in self.totals.items() if total}
        return sorted(shares.items(), key=lambda item: (item[1], item[0]))

    def mistakes(self, most: int) -> list[Mistake]:
        """The most frequent ones, then those of the largest share of their class, then by name."""
        found = [
            Mistake(true, given, count, self.totals[true])
            for (true, given), count in self.counts.items()
            if true != given and count
        ]
        return sorted(found, key=lambda one: (-one.count, -one.count / one.of, one.true, one.given))[:most]

    def taken_for(self, name: str) -> str:
        """What videos of a class were taken for most often, with the number; ``""`` where they were all right."""
        count, given = self._wrong.get(name, (0, ""))
        return f"{given} ({count})" if count else ""

    @cached_property
    def _wrong(self) -> dict[str, tuple[int, str]]:
        """For each class its most frequent mistake; of equal ones the first by name."""
        found: dict[str, tuple[int, str]] = {}
        for (true, given), count in self.counts.items():
            best = found.get(true, (0, ""))
            if true != given and (-count, given) < (-best[0], best[1]):
                found[true] = (count, given)
        return found


def confusions(splits: Sequence[SplitResult]) -> list[Confusion]:
    """One for each exam, over the splits that have it."""
    found: dict[str, Confusion] = {}
    for split in splits:
        for one in split.classes:
            found.setdefault(one.exam, Confusion(one.exam)).add(one)
    return list(found.values())
