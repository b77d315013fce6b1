"""Reports side by side: every figure in its place, and nothing unlike compared without a word."""

from __future__ import annotations

import copy
import json
import re

import pytest

from gerund.bench.runs.comparing import NamedReport, SideBySide
from gerund.bench.runs.report import Report
from test_reports import gerund


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three runs: two settings on one protocol, and one of them on a generalised one."""
    folder = tmp_path_factory.mktemp("reports")
    for name, on, alpha in (("one", "toyworld", 0), ("two", "toyworld", 6), ("all", "toyworld-gzsl", 6)):
        words = ("evaluate", "eszsl", "--on", on, "--set", f"alpha={alpha}", "--out", folder / f"{name}.json", "-q")
        assert gerund(*words).exit_code == 0
    return folder


@pytest.fixture
def table(made, tmp_path):
    """Gives the table of reports, some of them with changes: ``(name, {path: value})``."""

    def compared(*wanted, known=None):
        read = []
        for number, (name, changes) in enumerate(wanted):
            content = copy.deepcopy(json.loads((made / f"{name}.json").read_text()))
            for path, value in changes.items():
                inside = content
                *folders, last = path.split("/")
                for key in folders:
                    inside = inside[int(key) if isinstance(inside, list) else key]
                if value is ...:
                    del inside[last]
                else:
                    inside[last] = value
            path = tmp_path / f"{number}.json"
            path.write_text(json.dumps(content))
            read.append(NamedReport(f"{number}.json", Report.read(path).data))
        return SideBySide(read, known or (lambda name, seed: HASHES.get(name, "")))

    HASHES = {
        data.name: data.sha256 for data in (Report.read(made / f"{n}.json").data.benchmark for n in ("one", "all"))
    }
    return compared


def rows_of(text):
    """The cells of the first table."""
    lines = text.split("\n\n")[0].splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("method  "))
    return [re.split(r"\s{2,}", line) for line in lines[begin:]]


def test_methods_are_rows_and_protocols_columns(made, table):
    """One method on two protocols is one row; every cell is the mean and spread of its report."""
    text = table(("one", {}), ("two", {}), ("all", {})).to_text()
    head, first, second = rows_of(text)
    kept = {name: Report.read(made / f"{name}.json").data for name in ("one", "two", "all")}
    of = {name: data.summary["H" if name == "all" else "top-1"] for name, data in kept.items()}
    cell = {name: f"{x.mean:.2f} ± {x.population_std:.2f} (3)" for name, x in of.items()}
    sha = {name: data.benchmark.sha256[:12] for name, data in kept.items()}
    assert head[-2:] == [f"toyworld [{sha['one']}] top-1", f"toyworld-gzsl [{sha['all']}] H"]
    assert first[0] == "eszsl (alpha 0)" and first[-2:] == [cell["one"], "-"]
    assert second[0] == "eszsl (alpha 6)" and second[-2:] == [cell["two"], cell["all"]]
    assert first[5] == "2,048" and "reports: 3; methods: 2; protocols: 2" in text
    assert "NOT the same" not in text and "not alike" not in text and "this gerund" not in text
    for name in ("mean class top-1", "AUSUC"):
        assert name in text, "all figures stand below"


def test_one_name_with_two_hashes_is_two_columns(table):
    """What calls itself the same and is not stands apart, and is said; so is a hash that this gerund does not have."""
    text = table(("one", {}), ("two", {"benchmark/sha256": "0" * 64})).to_text()
    head, first, second = rows_of(text)
    assert len(head) == 10 and first[-1] == "-" == second[-2]
    assert "NOT the same protocol: toyworld stands for 2 different ones" in text
    assert "toyworld [000000000000] is not what this gerund calls so, which is [" in text
    strange = table(("one", {"benchmark/name": "mine"})).to_text()
    assert "is no protocol that this gerund knows" in strange


def test_a_closed_set_is_no_zero_shot(table):
    """Where the tested classes were trained on, the table says so beside the protocol's name and hash."""
    text = table(("one", {"benchmark/task": "closed-set"}), ("all", {})).to_text()
    (line,) = [line for line in text.splitlines() if line.endswith("not a zero-shot result")]
    assert line.startswith("toyworld [") and rows_of(text)[0][-2].endswith("top-1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"features/test/fingerprint": "f00d", "features/train/fingerprint": "f00d"},
            "encoder (toyworld toyworld none;",
        ),
        ({"features/train/sampling": "stride8"}, "train: toyworld toyworld stride8; test: toyworld toyworld none"),
        ({"method/protocol": "class-transductive"}, "kind (inductive; class-transductive)"),
        ({"method/compat": "as-released"}, "compat (none; as-released)"),
        ({"texts/kind": "templates"}, "class texts (the model's own, toyworld; templates, toyworld)"),
        ({"texts/of": {"x": ["y"]}}, "the texts of single classes"),
        ({"trained_on": ["kinetics400"]}, "trained on (nothing known; kinetics400)"),
        ({"seed": 4}, "seed (0; 4)"),
        ({"method/file_sha256": "ab" * 32}, "its file (-; abababababab)"),
    ],
)
def test_what_is_not_alike_is_said(table, changes, said):
    """Another encoder, sampling, kind, switch, text or seed is another row, and told beside the protocol."""
    text = table(("one", {}), ("one", changes)).to_text()
    assert len(rows_of(text)) == 3
    (line,) = [line for line in text.splitlines() if line.startswith("not alike on toyworld: ")]
    assert said in line
    assert "not alike" not in table(("one", {}), ("all", changes)).to_text(), "other protocols are not compared"


def test_the_same_twice_is_told_by_its_file(table):
    """Two reports that differ in nothing that is recorded have a row each, with the names of their files."""
    rows = rows_of(table(("one", {}), ("one", {})).to_text())
    assert [row[0] for row in rows[1:]] == ["eszsl [0.json]", "eszsl [1.json]"]


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"splits/0/missing": {"test": 2}}, "*"),
        ({"stopped": "interrupted"}, "*"),
        ({"benchmark/num_splits": 5}, "*"),
        ({"splits/1/batch_independent": False}, "+"),
    ],
)
def test_figures_that_are_none_of_the_benchmark_are_marked(table, changes, mark):
    """Missing videos or splits, a stopped run and answers that depend on others are marked where they stand."""
    text = table(("one", {}), ("two", changes)).to_text()
    first, second = (row[-1] for row in rows_of(text)[1:])
    assert second.endswith(f"(3){mark}") and not set(first) & set("*+")
    assert re.search(rf"^{re.escape(mark)} (not the whole|answers depend)", text, re.M)


def test_chosen_settings_are_not_fixed_ones(table):
    """A setting that was chosen on held-out classes and the same value given by hand are two methods."""
    chosen = {"splits/0/held_out": {"{'alpha': 0}": 1.0}, "splits/0/settings": {"alpha": 0}}
    rows = rows_of(table(("one", {}), ("one", chosen)).to_text())
    assert [row[0] for row in rows[1:]] == ["eszsl (chosen -)", "eszsl (chosen alpha)"]


def test_a_report_of_before_has_no_costs(table):
    """Without parameters and times a report is compared all the same, with a dash for each."""
    old = {f"splits/{k}/{what}": ... for k in range(3) for what in ("costs", "classes")}
    text = table(("one", {}), ("two", old)).to_text()
    assert rows_of(text)[2][5:8] == ["-", "-", "-"] and rows_of(text)[1][5] == "2,048"


def test_files_of_a_table(made, tmp_path):
    """Markdown and one page without scripts or addresses, with a picture of each protocol."""
    words = ("report", made / "one.json", made / "two.json", made / "all.json")
    done = gerund(*words, "--markdown", tmp_path / "t.md", "--html", tmp_path / "t.html", "--recompute")
    assert done.exit_code == 0, done.output
    assert done.output.count("figures, all the same") == 3
    page, text = (tmp_path / "t.html").read_text(), (tmp_path / "t.md").read_text()
    assert page.count("<svg") == 2 and "<script" not in page
    assert "http" not in page and "src=" not in page
    assert "| eszsl (alpha 6) | inductive |" in text
    assert gerund(*words, "--html", made / "one.json").exit_code == 2, "a report is not written over"


def test_words_of_reports_do_nothing_in_a_table(table):
    """Control characters and markup of a report's words reach neither a terminal nor a page."""
    evil = "a\x1b[2Jb\n<script>alert(1)</script>\u202e|"
    changes = dict.fromkeys(["method/name", "method/compat", "benchmark/source", "features/test/encoder"], evil)
    odd = table(("one", changes), ("two", {"features/test": 3, "features/train": [evil], "texts/kind": {"a": 1}}))
    for text in (odd.to_text(), odd.to_markdown(), odd.to_html()):
        assert not set(text) & {"\x1b", "\u202e"}
    assert "<script" not in odd.to_html() + odd.to_markdown() and "found elsewhere" in odd.to_text()


def test_a_bad_report_costs_itself(made, tmp_path):
    """One that is damaged, old or not there is a line; the others are shown, proved, and the status is 1."""
    old, cut, lie = (tmp_path / f"{name}.json" for name in ("old", "cut", "lie"))
    old.write_text('{"report_format": 1}')
    cut.write_text((made / "one.json").read_text()[:300])
    done = gerund("report", made / "one.json", old, cut, tmp_path / "gone.json", made / "two.json", "--recompute")
    assert done.exit_code == 1
    for path in (old, cut, tmp_path / "gone.json"):
        assert len([line for line in done.stderr.splitlines() if str(path) in line]) == 1
    assert "reports: 2; methods: 2; protocols: 1" in done.stdout and done.stdout.count("all the same") == 2
    alone = gerund("report", old, cut)
    assert alone.exit_code == 1 and not alone.stdout and len(alone.stderr.splitlines()) == 2
    lie.write_text(re.sub(r'"top-1": [\d.]+', '"top-1": 12.5', (made / "two.json").read_text()))
    (tmp_path / "two.answers.npz").write_bytes((made / "two.answers.npz").read_bytes())
    done = gerund("report", lie, made / "one.json", "--recompute")
    assert (
        done.exit_code == 1 and f"{lie}: split 0, metrics top-1" in done.stderr and "one.answers.npz: 12" in done.stdout
    )
