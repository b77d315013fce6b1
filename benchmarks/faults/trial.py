"""One fault: planted, met by the tests that run its place, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from .mutations import Fault
from .plugins import Chosen
from .reach import Reach
from .scratch import Outcome, Scratch, run_tests

FIRST = 12
"""Tests that are run before the others are even imported: most faults are noticed here."""
NEAR = 40
"""Tests of the same file that come behind: what runs on import, or in a process that was killed, is no test's line."""


@dataclass(frozen=True)
class Verdict:
    """What came of a fault.

    Attributes:
        fault: its short name.
        verdict: ``"noticed"``, ``"survived"`` or ``"not covered"``.
        by: the test that failed, or how the run ended.
        ran: how many tests were given to it.
    """

    fault: str
    verdict: str
    by: str
    ran: int


class Trials:
    """Tries faults in one copy.

    Args:
        scratch: the copy.
        reach: tests by line.
        most: tests that a fault meets at most.
        limit_s: seconds that these tests may take together without a fault; a run may take this much longer with one.
    """

    def __init__(self, scratch: Scratch, reach: Reach, *, most: int = 60, limit_s: float = 60) -> None:
        self._scratch, self._reach, self._most, self._limit_s = scratch, reach, most, limit_s
        self._trusted: dict[tuple[str, ...], bool] = {}

    def attempt(self, fault: Fault) -> Verdict:
        """Plants a fault and runs its tests."""
        tests = self._reach.tests_of(fault)[: self._most]
        covered = bool(tests)
        near = [test for test in self._reach.near(fault) if test not in tests]
        tests = self._affordable([*tests, *near[:NEAR]])
        for batch in (tests[:FIRST], tests[FIRST:]):
            left = list(batch)
            while left:
                with self._scratch.planted(fault):
                    outcome = self._run(left)
                if outcome.kind == "passed":
                    break
                if self._holds(outcome, left):
                    return Verdict(fault.id, "noticed", outcome.test or outcome.kind, len(tests))
                if outcome.test not in left:
                    break
                left.remove(outcome.test)
        return Verdict(fault.id, "survived" if covered else "not covered", "", len(tests))

    def _affordable(self, tests: Sequence[str]) -> list[str]:
        chosen, spent = list[str](), 0.0
        for test in tests:
            spent += self._reach.seconds[test]
            if chosen and spent > self._limit_s:
                spent -= self._reach.seconds[test]
                continue
            chosen.append(test)
        return chosen

    def _run(self, tests: Sequence[str]) -> Outcome:
        chosen = Chosen(list(tests), self._reach.known)
        root = self._scratch.root

        def work() -> dict[str, list[str]]:
            code = run_tests([*dict.fromkeys(test.split("::")[0] for test in tests)], [chosen], root=root)
            return {"failed": chosen.failed or ([f"pytest ended with {code}"] if code not in (0, 5) else [])}

        return self._scratch.run(work, self._limit_s + 3 * sum(self._reach.seconds[test] for test in tests))

    def _holds(self, outcome: Outcome, tests: Sequence[str]) -> bool:
        """Whether the same passes without the fault: a test that is ill by itself notices nothing."""
        again = (outcome.test,) if outcome.test in tests else tuple(tests)
        if again not in self._trusted:
            self._trusted[again] = self._run(again).kind == "passed"
        return self._trusted[again]


def as_record(fault: Fault, verdict: Verdict, room: str, tests_hash: str) -> dict[str, object]:
    """One line of the results."""
    said = asdict(fault)
    kept = {name: said[name] for name in ("path", "where", "operator", "line", "old", "new")}
    return {**asdict(verdict), "room": room, **kept, "tests": tests_hash}
