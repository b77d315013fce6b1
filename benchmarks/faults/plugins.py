"""What pytest is told: to keep to some tests in some order, and to note which test runs which line."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

COVERAGE = """\
[run]
data_file = {folder}/data
parallel = true
context = ${{FAULTS_CONTEXT-}}
source = {source}
sigterm = true
"""


class Calm:
    """Property tests draw the same examples in every run, and do not shrink what they find."""

    def pytest_sessionstart(self) -> None:
        """Changes the settings that the suite has chosen for itself."""
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "faults",
            settings(),
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("faults")


class Chosen(Calm):
    """Keeps the chosen tests, in their order, and notes what fails.

    Args:
        tests: their names.
        known: all there are without a fault; another case of a chosen test, which a fault brings about, is kept too.
    """

    def __init__(self, tests: list[str], known: Collection[str]) -> None:
        self._known, self._stems = known, {test.partition("[")[0] for test in tests}
        self.order = {test: number for number, test in enumerate(tests)}
        self.failed: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Drops and orders."""
        kept = [item for item in items if item.nodeid in self.order or self._is_new(item.nodeid)]
        items[:] = sorted(kept, key=lambda item: self.order.get(item.nodeid, len(self.order)))

    def _is_new(self, test: str) -> bool:
        return test not in self._known and test.partition("[")[0] in self._stems

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes a failure."""
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file of tests that cannot be imported has failed."""
        if report.failed:
            self.failed.append(f"import of {report.nodeid}")


class Measured(Calm):
    """Notes for every test the lines it runs, itself, in what it shares with others, and in processes it starts."""

    def __init__(self, root: Path, folder: Path) -> None:
        import coverage

        self._source, self._folder = root / "src" / "gerund", folder
        folder.mkdir(exist_ok=True)
        self._config = folder / "coverage.ini"
        self._config.write_text(COVERAGE.format(folder=folder, source=self._source))
        (folder / "sitecustomize.py").write_text("import coverage\n\ncoverage.process_startup()\n")
        os.environ["COVERAGE_PROCESS_START"] = str(self._config)
        os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])
        self._coverage = coverage.Coverage(config_file=str(self._config))
        self._coverage.start()
        self._shared: dict[str, list[str]] = {}
        self._tests: dict[str, dict[str, Any]] = {}
        self._root = root

    def _turn(self, context: str) -> None:
        os.environ["FAULTS_CONTEXT"] = context
        self._coverage.switch_context(context)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Lines that run now are this test's."""
        self._shared[item.nodeid] = list(getattr(item, "fixturenames", ()))
        self._tests[item.nodeid] = {"seconds": 0.0, "outcome": "passed"}
        self._turn(item.nodeid)
        begun = time.monotonic()
        answer = yield
        self._tests[item.nodeid]["seconds"] = round(time.monotonic() - begun, 3)
        self._turn("")
        return answer

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Any:
        """What several tests share is made in the first, and belongs to all."""
        if fixturedef.scope == "function":
            return (yield)
        outer = os.environ.get("FAULTS_CONTEXT", "")
        self._turn(f"fixture {fixturedef.argname}")
        answer = yield
        self._turn(outer)
        return answer

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes what does not pass."""
        if report.nodeid in self._tests and not report.passed:
            self._tests[report.nodeid]["outcome"] = report.outcome

    def finish(self) -> dict[str, dict[str, Any]]:
        """What was seen: for every test its seconds, its outcome and its lines of each file."""
        self._coverage.stop()
        self._coverage.save()
        import coverage

        merged = coverage.Coverage(config_file=str(self._config))
        merged.combine([str(self._folder)], strict=False)
        data = merged.get_data()
        seen: dict[str, dict[str, set[int]]] = defaultdict(dict)
        for name in data.measured_files():
            path = Path(name).relative_to(self._root).as_posix()
            for line, contexts in data.contexts_by_lineno(name).items():
                for context in contexts:
                    seen[context].setdefault(path, set()).add(line)
        for test, found in self._tests.items():
            lines: dict[str, set[int]] = {}
            for context in (test, *(f"fixture {name}" for name in self._shared[test])):
                for path, numbers in seen.get(context, {}).items():
                    lines.setdefault(path, set()).update(numbers)
            found["lines"] = {path: sorted(numbers) for path, numbers in lines.items()}
        return self._tests
