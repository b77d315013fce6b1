"""The script that plants faults: what it can plant, how it draws, and that its verdicts are right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from benchmarks.faults.drawing import draw, room_of, shares
from benchmarks.faults.mutations import OPERATORS, faults_of
from benchmarks.faults.summary import read_equivalent, report

ROOT = Path(__file__).resolve().parents[1]


def planted(tmp_path, source):
    """All faults of a text, as operator and changed line."""
    (tmp_path / "file.py").write_text(source)
    return {(fault.operator, fault.new) for fault in faults_of(tmp_path, "file.py")}


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("f(a < b)", {("comparison", "f(a <= b)")}),
        ("f(a not in b)", {("comparison", "f(a in b)")}),
        ("f(a is  not None)", {("comparison", "f(a is None)")}),
        ("f(a[:n])", {("bound", "f(a[:n - 1])")}),
        (
            "f(a[b + 1 :])",
            {("bound", "f(a[(b + 1) + 1 :])"), ("arithmetic", "f(a[b - 1 :])"), ("constant", "f(a[b + 2 :])")},
        ),
        ("f(a[-1])", {("bound", "f(a[-2])")}),
        ("f(range(3))", {("bound", "f(range(2))")}),
        ("f(min(a, b))", {("bound", "f(max(a, b))")}),
        ("f(-a)", {("sign", "f(a)")}),
        ("a += b", {("sign", "a -= b")}),
        ("f(a * (b))", {("arithmetic", "f(a / (b))")}),
        ("f(a, axis=1)", {("axis", "f(a, axis=0)")}),
        ("f(a, dim=(2, 3))", {("axis", "f(a, dim=2)")}),
        ("f(a.T)", {("axis", "f(a)")}),
        ("f(a, b)", {("arguments", "f(b, a)")}),
        ("f(a and b and c)", {("boolean", "f(a or b and c)"), ("boolean", "f(a and b or c)")}),
        ("f(any(a))", {("boolean", "f(all(a))")}),
        ("f(not a)", {("negation", "f(a)")}),
        ("f(a, key=2.5)", {("constant", "f(a, key=5.0)")}),
        ("f(a, key=True)", {("constant", "f(a, key=False)")}),
        ("f([a for a in b if a])", {("branch", "f([a for a in b if True])")}),
        ("f(a if b else c)", {("branch", "f(a if False else c)")}),
    ],
)
def test_every_operator_changes_what_it_says(tmp_path, line, faults):
    """One line and all that can go wrong with it; that the whole line may be missing comes on top."""
    assert planted(tmp_path, line + "\n") == faults | {("statement", "pass")}


def test_faults_of_blocks(tmp_path):
    """Defaults, guards, handlers, loops and what is returned."""
    source = """def f(a: int = 2, b: bool = False, c: Literal["x", "y"] = "x", d: float | None = None) -> int:
    if a:
        raise ValueError(f"{a + 1}")
    for e in g():
        try:
            break
        except OSError:
            continue
    return a
"""
    header = source.splitlines()[0]
    assert planted(tmp_path, source) == {
        ("default", header.replace("= 2", "= 3")),
        ("default", header.replace("= False", "= True")),
        ("default", header.replace('= "x"', '= "y"')),
        ("default", header.replace("= None", "= 1")),
        ("guard", "if False:"),
        ("loop", "pass"),
        ("guard", "except ():"),
        ("return", "return (a) + 1"),
    }


def test_words_and_types_are_left_alone(tmp_path):
    """Nothing that only people or the type checker read."""
    source = '''"""1 < 2."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    LIMIT = 3
x: Literal[1, 2]
class C:
    def __repr__(self) -> str:
        return f(1 < 2, 3)
    def g(self, a: int = 3) -> int:
        """Nothing to run."""
        ...
    @decorated(1 < 2)
    def h(self):
        raise ValueError(1 < 2, f"{-self}")
'''
    assert planted(tmp_path, source) == set()


def test_a_fault_changes_its_place_alone(tmp_path):
    """Every fault of a file compiles to something else, and the text before and after it is the same."""
    path = "src/gerund/metrics/calibration.py"
    source = (ROOT / path).read_bytes()
    found = faults_of(ROOT, path)
    assert len(found) > 20
    for fault in found:
        new = fault.planted(source)
        assert fault.is_real(source)
        assert new[: fault.start] == source[: fault.start]
        assert new[len(new) - (len(source) - fault.end) :] == source[fault.end :]
        assert source.splitlines()[fault.line - 1].split()[0] == fault.old.encode().split()[0]


def test_what_does_not_compile_or_changes_nothing_is_no_fault(tmp_path):
    """A fault that is none is said to be none."""
    (tmp_path / "file.py").write_text("f(a < b)\n")
    fault = next(fault for fault in faults_of(tmp_path, "file.py") if fault.operator == "comparison")
    assert fault.is_real(b"f(a < b)\n")
    assert not fault.is_real(b"f(a <=b)\n"[: fault.start] + b"<=)\n")
    assert not type(fault)(**{**vars(fault), "text": " <"}).is_real(b"f(a < b)\n")


def test_shares_follow_the_lines_and_sum_up():
    """Rounded fairly, and a room of one line is not left out."""
    assert shares({"a": 500, "b": 300, "c": 199, "d": 1}, 10) == {"a": 5, "b": 3, "c": 1, "d": 1}
    assert sum(shares({"a": 333, "b": 333, "c": 334}, 100).values()) == 100


def test_the_draw_is_that_of_its_seed():
    """The same seed gives the same faults, another one others; more of them begin with these; all operators appear."""
    settings = ((6, 0), (6, 0), (18, 0), (6, 1))
    first, again, more, other = (draw(ROOT, count, seed, ["video", "metrics"])[:count] for count, seed in settings)
    assert first == again != other
    for room in ("video", "metrics"):
        few, many = ([fault for fault in found if room_of(fault.path) == room] for found in (first, more))
        assert 0 < len(few) < len(many)
        assert many[: len(few)] == few
    assert max(Counter((fault.path, fault.line) for fault in more).values()) == 1
    assert {fault.operator for fault in draw(ROOT, 1, 0, ["metrics"])} == set(OPERATORS)


def test_one_file_is_drawn_from_as_in_the_draw_of_its_room():
    """``--only`` with a file goes through the same sequence, and keeps that file's."""
    room = [fault for fault in draw(ROOT, 40, 0, ["metrics"])[:40] if fault.path.endswith("recall.py")]
    assert len(room) > 2
    assert draw(ROOT, len(room), 0, ["metrics/recall"])[: len(room)] == room


MODULE = """
def larger(a: int, b: int) -> int:
    return a if a > b else b


def count_down(number: int) -> None:
    while number:
        number -= 1
        if number < 0:
            raise ValueError


CASES = {"one": 1, "two": 2}


def case(name: str) -> int:
    return CASES[name]


def never(a: float) -> float:
    return a - 4
"""

TESTS = """
import pytest

from gerund.module import CASES, case, count_down, larger


def test_larger():
    assert larger(2, 1) == larger(1, 2) == 2


def test_count_down():
    assert count_down(3) is None


@pytest.mark.parametrize("number", CASES.values())
def test_cases(number):
    assert number in (1, 2) and case("one")


def test_that_fails_without_a_fault():
    assert larger(1, 1) == 3
"""

RUN = """
import sys
from pathlib import Path
from benchmarks.faults import __main__, scratch
scratch.HEAVY = ("pytest", "coverage", "hypothesis")
__main__.ROOT = Path(sys.argv[1])
print(__main__.main(sys.argv[2:]), __main__.main(sys.argv[2:]))
"""


def test_verdicts_of_a_small_repository(tmp_path):
    """What a test checks is noticed, also by never ending; what it only runs survives; what nothing runs is said."""
    repository = tmp_path / "repository"
    for name, text in {"src/gerund/__init__.py": "", "src/gerund/module.py": MODULE, "tests/test_it.py": TESTS}.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    wanted = {
        ("larger", "return a if a >= b else b"): ("survived", ""),
        ("larger", "return a if False else b"): ("noticed", "tests/test_it.py::test_larger"),
        ("count_down", "pass"): ("noticed", "timeout"),
        ("", 'CASES = {"one": 2, "two": 2}'): ("survived", ""),
        ("", 'CASES = {"one": 1, "two": 3}'): ("noticed", "tests/test_it.py::test_cases[3]"),
        ("never", "return a + 4"): ("not covered", ""),
    }
    found = faults_of(repository, "src/gerund/module.py")
    chosen = {fault.id: (fault.where, fault.new) for fault in found if (fault.where, fault.new) in wanted}
    results = tmp_path / "results.jsonl"
    command = [sys.executable, "-c", RUN, str(repository), "--limit", "2", "--resume", str(results)]
    command += [word for name in chosen for word in ("--id", name)]
    command += [
        "--kept",
        str(tmp_path / "kept"),
        "--shared",
        str(tmp_path / "none"),
        "--weights",
        str(tmp_path / "none"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.endswith("1 1\n"), done.stdout + done.stderr
    assert "test_that_fails_without_a_fault (failed)" in done.stdout
    assert "6 faults: 50.0 % noticed" in done.stdout
    records = [json.loads(line) for line in results.read_text().splitlines()]
    assert len(records) == len(wanted), "the second time nothing is tried again, because the tests are the same"
    assert {chosen[record["fault"]]: (record["verdict"], record["by"]) for record in records} == wanted
    assert (repository / "src/gerund/module.py").read_text() == MODULE


def test_equivalent_faults_are_counted_apart(tmp_path):
    """They leave the rate, with their reason; one that is noticed after all stays in."""
    (tmp_path / "list.txt").write_text("# a comment\n\na.py: f: bound\n- x[0]\n+ x[1]\nboth are\nthe same\n\n")
    listed = read_equivalent(tmp_path / "list.txt")
    assert listed == {("a.py", "f", "bound", "x[0]", "x[1]"): "both are the same"}

    def record(verdict, old):
        return {
            "verdict": verdict, "path": "a.py", "where": "f", "operator": "bound", "old": old, "new": "x[1]", "line": 3,
            "room": "a", "ran": 2, "fault": old,
        }  # fmt: skip

    text, share = report([record("survived", "x[0]"), record("noticed", "x[2]"), record("not covered", "x[3]")], listed)
    assert share == 1 / 2
    assert "3 faults: 33.3 % noticed; 50.0 % without the 1 that are equivalent." in text
    assert "both are the same" in text
    assert report([record("noticed", "x[0]")], listed)[1] == 1


def test_a_malformed_list_is_refused(tmp_path):
    """A reason is not optional."""
    (tmp_path / "list.txt").write_text("a.py: f: bound\n- x[0]\n+ x[1]\n")
    with pytest.raises(SystemExit, match="a reason"):
        read_equivalent(tmp_path / "list.txt")
