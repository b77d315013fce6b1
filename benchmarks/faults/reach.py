"""Which tests run a line: measured once for every file of tests, and kept for as long as nothing changes."""

from __future__ import annotations

import ast
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .mutations import Fault
from .plugins import Measured
from .scratch import Scratch, run_tests

MEASURE_LIMIT_S = 900


def digest(root: Path, paths: Sequence[str]) -> str:
    """A hash of files: names and content."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.encode() + b"\0" + hashlib.sha256((root / path).read_bytes()).digest())
    return found.hexdigest()[:16]


def test_files(root: Path, chosen: Sequence[str] = ()) -> list[str]:
    """Files with tests: under ``tests`` all called ``test_*.py``, under ``src`` all with a doctest."""
    found = [path.relative_to(root).as_posix() for path in sorted((root / "tests").rglob("test_*.py"))]
    found += [
        path.relative_to(root).as_posix()
        for path in sorted((root / "src").rglob("*.py"))
        if ">>> " in path.read_text(encoding="utf-8")
    ]
    return [path for path in found if not chosen or any(word in path for word in chosen)]


class Reach:
    """Tests by line.

    Args:
        root: the repository.
        cache: folder for what was measured.
        files: the files of tests that count.
    """

    def __init__(self, root: Path, cache: Path, files: Sequence[str]) -> None:
        support = [path.relative_to(root).as_posix() for path in (root / "tests").rglob("*.py")]
        support = [path for path in support if not Path(path).name.startswith("test_")]
        sources = [path.relative_to(root).as_posix() for path in (root / "src").rglob("*.py")]
        base = digest(root, [*support, *sources])
        cache.mkdir(parents=True, exist_ok=True)
        self._places = {path: cache / f"{base}-{digest(root, [path])}.json" for path in files}
        self.tests_hash = hashlib.sha256(repr(sorted(self._places.items())).encode()).hexdigest()[:16]
        self._root = root
        self.seconds: dict[str, float] = {}
        self.left_out: list[str] = []
        self.known: set[str] = set()
        self._size: dict[str, int] = {}
        self._tests: dict[tuple[str, int], list[str]] = defaultdict(list)
        self._users: dict[str, list[tuple[str, int]]] | None = None

    def missing(self) -> list[str]:
        """Files of tests that were not measured yet."""
        return [path for path, place in self._places.items() if not place.is_file()]

    def measure(self, path: str, scratch: Scratch) -> str:
        """Runs one file of tests under coverage; gives a line to print."""

        def work() -> dict[str, Any]:
            seen = Measured(scratch.root, scratch.folder / "tmp" / "coverage")
            run_tests([path], [seen], stop=False)
            return {"failed": [], "tests": seen.finish()}

        outcome = scratch.run(work, MEASURE_LIMIT_S)
        if outcome.said is None:
            return f"{path}: {outcome.kind}, see {scratch.folder / 'log.txt'}"
        tests = outcome.said["tests"]
        part = self._places[path].with_suffix(".part")
        part.write_text(json.dumps(tests))
        part.replace(self._places[path])
        return f"{path}: {len(tests)} tests, {sum(test['seconds'] for test in tests.values()):.0f} s"

    def load(self) -> None:
        """Reads what was measured; tests that fail or skip without a fault are left out."""
        for place in self._places.values():
            if not place.is_file():
                continue
            for test, found in json.loads(place.read_text()).items():
                self.known.add(test)
                if found["outcome"] != "passed":
                    self.left_out.append(f"{test} ({found['outcome']})")
                    continue
                self.seconds[test] = found["seconds"]
                self._size[test] = sum(map(len, found["lines"].values()))
                for path, lines in found["lines"].items():
                    for line in lines:
                        self._tests[path, line].append(test)

    def tests_of(self, fault: Fault) -> list[str]:
        """Tests that run the place of a fault, nearest first."""
        lines = [(fault.path, line) for line in range(fault.reach[0], fault.reach[1] + 1)]
        if fault.names:
            lines = [place for name in fault.names for place in self._uses().get(name, [])] or self._inside(fault.path)
        return self._nearest(fault.path, {test for place in lines for test in self._tests.get(place, ())})

    def near(self, fault: Fault) -> list[str]:
        """Tests that run anything in the same file, or stand in one that is called as it, nearest first."""
        found = {test for place in self._inside(fault.path) for test in self._tests[place]}
        return self._nearest(fault.path, found | {test for test in self.seconds if _distance(fault.path, test) < 2})

    def _nearest(self, path: str, tests: set[str]) -> list[str]:
        """The nearest first; the second case of one test comes after the first of every other."""
        turns: Counter[str] = Counter()
        keys = {}
        for test in sorted(tests, key=lambda test: (self._size[test], self.seconds[test], test)):
            keys[test] = (turns[test.partition("[")[0]], _distance(path, test), len(keys))
            turns[test.partition("[")[0]] += 1
        return sorted(keys, key=keys.__getitem__)

    def _inside(self, path: str) -> list[tuple[str, int]]:
        return [place for place in self._tests if place[0] == path]

    def _uses(self) -> dict[str, list[tuple[str, int]]]:
        """Lines of functions by the names that stand on them."""
        if self._users is None:
            self._users = defaultdict(list)
            for path in (self._root / "src").rglob("*.py"):
                name = path.relative_to(self._root).as_posix()
                for function in ast.walk(ast.parse(path.read_bytes())):
                    if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                        for node in (item for statement in function.body for item in ast.walk(statement)):
                            if isinstance(node, ast.Name | ast.Attribute):
                                word = node.id if isinstance(node, ast.Name) else node.attr
                                self._users[word].append((name, node.lineno))
        return self._users


def _distance(path: str, test: str) -> int:
    """0 for doctests of the file and tests called as it, 1 for tests called as its folder or a part of it, else 2."""
    file = test.split("::", maxsplit=1)[0]
    stem = Path(file).stem.removeprefix("test_")
    if file == path or stem == Path(path).stem:
        return 0
    return 1 if stem in Path(path).parts or set(stem.split("_")) & {Path(path).stem, *Path(path).parts[2:-1]} else 2
