"""Reports: whatever a file holds, reading it is an answer or one line; figures are proved, and new ones do no harm."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import zipfile
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gerund.bench.runs import proving, report, schema
from gerund.bench.runs.answers import LocalizationAnswers, RecognitionAnswers, load_answers, save_answers
from gerund.bench.runs.measuring import measure
from gerund.bench.runs.proving import differences, new_figures, recompute
from gerund.bench.runs.report import Report, split_result, summarise
from gerund.bench.runs.schema import requested
from gerund.bench.runs.toyworld import ToyWorld
from gerund.cli import app
from gerund.errors import GerundError, UsageError

BENCHMARK = ToyWorld().generalised


def gerund(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A report of two settings of ESZSL on the toy world, with its answers beside it."""
    path = tmp_path_factory.mktemp("report") / "r.json"
    words = ("evaluate", "eszsl", "--on", "toyworld-gzsl", "--set", "alpha=0,6", "--splits", "0,1", "--out", path, "-q")
    assert gerund(*words).exit_code == 0
    return path


def places(content, path=()):
    """Every key and place in a report, of long lists and mappings the first two."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(items)[: 40 if len(path) < 2 else 1]:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(content, path, value):
    """The same with another value at a place; ``...`` takes it out."""
    content = copy.deepcopy(content)
    inside = content
    for key in path[:-1]:
        inside = inside[key]
    if value is ...:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return content


def try_all(path, *, prove):
    """All that is done with a report; gerund's own errors are answers."""
    try:
        read = Report.read(path)
    except UsageError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return str(error)
    assert read.to_text() and read.to_markdown() and read.to_html()
    for use in (requested, lambda data: recompute(read, path.parent, BENCHMARK))[: 1 + prove]:
        try:
            use(read.data)
        except GerundError as error:
            assert "\n" not in str(error)
    return ""


def test_any_field_may_be_missing_or_wrong(real):
    """Each field of a real report, taken out or replaced by another kind of value, is an answer or one line."""
    content = json.loads(real.read_text())
    path = real.with_name("odd.json")
    refused = 0
    for place in places(content):
        for value in (..., None, "x", -1, 1.5, [], {}, True):
            path.write_text(json.dumps(changed(content, place, value)))
            refused += bool(try_all(path, prove=value in (..., "x") or value == []))
    assert refused > 300


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("splits", 1, "num_train"), "many", "Expected `int`, got `str` - at `$.splits[1].num_train`"),
        (("splits", 0, "num_test"), -3, "`$.splits[0].num_test`"),
        (("splits", 0, "wall_s"), -1.0, "`$.splits[0].wall_s`"),
        (("splits", 0, "missing"), {"test": -1}, "`$.splits[0].missing[...]`"),
        (("splits", 0, "metrics"), ..., "missing required field `metrics` - at `$.splits[0]`"),
        (("splits", 0, "metrics"), {"H": "1"}, "`$.splits[0].metrics[...]`"),
        (("splits", 0, "metrics"), {"H": None}, "`$.splits[0].metrics[...]`"),
        (("benchmark", "tious"), 0.5, "`$.benchmark.tious`"),
        (("summary",), [], "`$.summary`"),
        (("summary", "H", "sample_std"), ..., "missing required field `sample_std`"),
        (("same_actions",), [["one"]], "`$.same_actions[0]`"),
        (("seed",), 1.5, "`$.seed`"),
        (("seed",), 1 << 60, "`$.seed`"),
        (("report_format",), 3, "its report_format is 3"),
        (("report_format",), True, "its report_format is True"),
        (("report_format",), ..., "its report_format is none"),
        (("report_format",), "x" * 1000, "its report_format is 'xxx"),
    ],
)
def test_the_field_is_named(real, place, value, said):
    """One line on standard error with the file and the field, and exit status 2, for report and rerun."""
    path = real.with_name("odd.json")
    path.write_text(json.dumps(changed(json.loads(real.read_text()), place, value)))
    for command in ("report", "rerun"):
        found = gerund(command, path)
        lines = found.output.strip().splitlines()
        assert found.exit_code == 2 and len(lines) == 1 and len(lines[0]) < 400
        assert said in lines[0] and str(path) in lines[0]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda text: text[: len(text) // 2], "truncated"),
        (lambda text: b"", "truncated"),
        (lambda text: b"[1, 2]", "Expected `object`"),
        (lambda text: b"null", "Expected `object`"),
        (lambda text: b"\xff\xfe" + text, "line 1"),
        (lambda text: text.replace(b'"mean":', b'"mean": NaN, "x":', 1), '"mean": NaN'),
        (lambda text: text.replace(b'"mean":', b'"mean": Infinity, "x":', 1), '"mean": Infinity'),
        (lambda text: text.replace(b'"mean":', b'"mean": 1e999, "x":', 1), "`$.summary[...].mean`"),
        (lambda text: text.replace(b'"seed": ', b'"seed": 1' + b"0" * 5000, 1), "`$.seed`"),
        (lambda text: text.replace(b'"features": ', b'"features": ' + b'{"a":' * 5000, 1), "too deep"),
        (lambda text: text.replace(b'"unit": "', b'"unit": "\\ud800', 1), "hex escape"),
        (lambda text: b"\x1b[31m" + text, "line 1: ?[31m"),
    ],
)
def test_what_is_no_json_is_told_with_its_line(real, make, said):
    """Truncated, not finite, nested without end, of another encoding: one line, no traceback, nothing raw."""
    path = real.with_name("odd.json")
    path.write_bytes(make(real.read_bytes()))
    found = gerund("report", path)
    lines = found.output.strip().splitlines()
    assert found.exit_code == 2 and len(lines) == 1, found.output
    assert said in lines[0] and str(path) in lines[0] and "\x1b" not in lines[0]


def test_a_huge_report_is_not_read(real, monkeypatch):
    """Beyond 64 MiB a file is no report; a folder and a missing file are said to be that."""
    with (sparse := real.with_name("sparse.json")).open("wb") as file:
        file.truncate(64 * 2**20 + 1)
    with pytest.raises(UsageError, match="larger than"):
        Report.read(sparse)
    monkeypatch.setattr(schema, "_MOST_BYTES", real.stat().st_size - 1)
    with pytest.raises(UsageError, match="larger than"):
        Report.read(real)
    monkeypatch.setattr(schema, "_MOST_BYTES", real.stat().st_size)
    assert Report.read(real).data.report_format == 2
    for path, said in ((real.parent, "Is a directory"), (real.with_name("gone"), "No such file")):
        with pytest.raises(UsageError, match=said):
            Report.read(path)


def test_reports_of_before_are_read(real):
    """Fields that were added since may be missing, and unknown ones are passed over."""
    content = json.loads(real.read_text())
    del content["stopped"], content["method"]["file_sha256"]
    content["from the future"] = {"a": [1]}
    content["splits"][0]["overlap_free"] = {}
    path = real.with_name("old.json")
    path.write_text(json.dumps(content))
    read = Report.read(path)
    assert read.data.stopped == "" and read.data.method.file_sha256 == ""
    assert "not checked" in read.to_text()


def test_a_report_is_the_same_after_reading_and_writing(real):
    """Nothing is lost or changed on the way."""
    path = real.with_name("again.json")
    Report.read(real).write(path)
    assert json.loads(path.read_text()) == json.loads(real.read_text())


def test_a_new_metric_does_not_invalidate_a_report(real, monkeypatch):
    """What the report has is compared; figures that it has not are listed, by report and by rerun."""
    honest = measure

    def more(*given):
        return honest(*given) | {"a new figure": 1.0}

    for module in (report, proving):
        if hasattr(module, "measure"):
            monkeypatch.setattr(module, "measure", more)
    for words in (("report", real, "--recompute"), ("rerun", real, "-q")):
        found = gerund(*words)
        assert found.exit_code == 0, found.output
        assert "not in the report, so not compared: a new figure" in " ".join(found.output.split())


def test_a_figure_that_does_not_follow_is_an_error(real):
    """A figure that the report claims and the answers do not give is found, also one of another name."""
    content = json.loads(real.read_text())
    path = real.with_name("odd.json")
    path.write_text(json.dumps(changed(content, ("splits", 0, "metrics", "made up"), 99.0)))
    found = gerund("report", path, "--recompute")
    assert found.exit_code == 1 and "metrics made up 99.0 in the report, None from the answers" in found.output
    assert gerund("rerun", path, "-q").exit_code == 1
    path.write_text(json.dumps(changed(content, ("summary", "made up"), content["summary"]["H"])))
    assert gerund("report", path, "--recompute").exit_code == 1


def edited(real, **changes):
    data = Report.read(real).data
    return Report(msgspec.structs.replace(data, **changes))


def test_rounding_is_no_difference_and_more_is(real):
    """Figures may differ by a billionth of themselves, and by no more."""
    before = Report.read(real)
    figure = before.data.summary["H"]
    for mean, same in ((figure.mean * (1 + 1e-11), True), (figure.mean * (1 + 1e-7), False)):
        after = edited(real, summary=before.data.summary | {"H": msgspec.structs.replace(figure, mean=mean)})
        assert (differences(before, after) == []) is same
        assert (differences(after, before) == []) is same


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("features", {}), ("texts", {"kind": "others"}), ("trained_on", ["hmdb51"]), ("same_actions", [("a", "b")]),
        ("splits", []), ("summary", {}),
    ],
)  # fmt: skip
def test_reports_differ_in_what_they_rest_on(real, key, value):
    """Features, texts, what was trained on, pairs of classes, splits: another one is told by its name."""
    before, after = Report.read(real), edited(real, **{key: value})
    assert any(line.startswith(key.removesuffix("s")) for line in differences(before, after))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_train", 1), ("num_test", 1), ("missing", {"test": 7}), ("settings", {}), ("batch_independent", False),
        ("metrics", {}), ("overlap_free", schema.OverlapFree()),
    ],
)  # fmt: skip
def test_splits_differ_in_what_they_rest_on(real, key, value):
    """Numbers of videos, what was missing, settings, figures: another one is told with its split."""
    before = Report.read(real)
    splits = [msgspec.structs.replace(before.data.splits[0], **{key: value}), before.data.splits[1]]
    lines = differences(before, edited(real, splits=splits))
    assert lines and all(line.startswith(f"split 0: {key}") for line in lines)


def test_new_figures_are_those_of_splits_in_both(real):
    """A figure is new where the split of before has it not; a whole split that is new is a difference instead."""
    after = Report.read(real)
    splits = [msgspec.structs.replace(split, metrics={"H": split.metrics["H"]}) for split in after.data.splits]
    before = edited(real, splits=splits[:1])
    assert new_figures(before, after) == tuple(n for n in after.data.splits[0].metrics if n != "H")
    assert any(line.startswith("split 1: metrics") for line in differences(before, after))


def test_a_split_that_is_not_the_benchmarks_is_refused(real):
    """A report with an unknown split, or with one twice, is not recomputed."""
    data = Report.read(real).data
    strange = msgspec.structs.replace(data.splits[0], name="9")
    for splits in ([strange], [data.splits[0], data.splits[0]]):
        with pytest.raises(UsageError, match="has not, or has it twice"):
            recompute(edited(real, splits=splits), real.parent, BENCHMARK)


def test_without_answers_nothing_is_recomputed(real):
    """A report that was made without saving answers, or whose file of answers is gone, says so."""
    with pytest.raises(UsageError, match="without saving answers"):
        recompute(edited(real, predictions=schema.SavedAnswers()), real.parent, BENCHMARK)
    with pytest.raises(UsageError, match="are not there"):
        recompute(Report.read(real), real.parent.parent, BENCHMARK)


def test_a_request_that_is_not_known_is_not_run(real):
    """A later gerund's option is refused and not passed over; a value of another type is named."""
    for change, said in (({"depth": 3}, "depth"), ({"paper": "yes"}, "paper"), ({"seed": 1.5}, "seed")):
        after = edited(real, request=Report.read(real).data.request | change)
        with pytest.raises(UsageError, match=said):
            requested(after.data)


def test_words_of_a_report_do_nothing(real):
    """Control characters reach no rendering, and markup no page and no Markdown."""
    content = json.loads(real.read_text())
    evil = "a\x1b[2Jb\n<script>alert(1)</script>\u202e|\x9b"
    content["method"]["name"] = content["benchmark"]["note"] = content["splits"][0]["name"] = evil
    content["texts"][evil] = content["stopped"] = content["features"]["test"]["encoder"] = evil
    content["published"] = [
        {"benchmark": "b", "method": evil, "metrics": {evil: [1.0, None]}, "source": evil, "mark": "?", "note": evil}
    ]
    path = real.with_name("odd.json")
    path.write_text(json.dumps(content))
    read = Report.read(path)
    for text in (read.to_text(), read.to_markdown(), read.to_html()):
        assert not set(text) & {"\x1b", "\x9b", "\u202e", "\r", "\x00"}
    assert "<script" not in read.to_html() and "<script" not in read.to_markdown()
    assert "\n<" not in read.to_text()


def test_a_report_has_seed_0_unless_it_is_told():
    """Where nobody names a seed, the first is what `gerund evaluate` takes too."""
    assert report.make_report(BENCHMARK, [report.SplitRun("0")], method="m", features={}, texts={}).data.seed == 0


def test_why_a_run_stopped_is_in_its_report(real):
    """The reason stands at the head of every rendering."""
    stopped = edited(real, stopped="KeyError: 'x'")
    assert "stopped: KeyError: 'x'" in stopped.to_text()
    assert "stopped" not in Report.read(real).to_text()


RECOGNISED = RecognitionAnswers(
    split="0",
    paper="",
    videos=("a", "b", "c"),
    labels=np.array([0, 1, 1]),
    classes=("x", "y"),
    is_seen=np.array([False, False]),
    scores=np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], np.float32),
    logit_scale=2.0,
)
LOCATED = LocalizationAnswers("1", "", ("x",), (("a", 0.0, 1.0, "x"),), (("a", 0.5, 1.0, "x", 0.25),))


def test_answers_come_back_as_they_were(tmp_path):
    """Arrays, times and names are the same from the file."""
    save_answers([RECOGNISED, LOCATED], tmp_path / "a.npz")
    one, other = load_answers(tmp_path / "a.npz")
    assert other == LOCATED
    for name in ("labels", "is_seen", "scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(RECOGNISED, name))
    assert (one.videos, one.classes, one.logit_scale) == (("a", "b", "c"), ("x", "y"), 2.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scores": RECOGNISED.scores * np.nan}, "not finite"),
        ({"scores": RECOGNISED.scores[:2]}, r"0/scores is float32 \[2, 2\]"),
        ({"scores": RECOGNISED.scores.astype(np.float64)}, "0/scores is float64"),
        ({"labels": np.array([0, 1, 2])}, "a label is none"),
        ({"labels": np.array([0, -1, 1])}, "a label is none"),
        ({"labels": RECOGNISED.labels[:2]}, "0/labels is"),
        ({"is_seen": np.array([True])}, "0/is_seen is"),
        ({"videos": ("a",)}, "0/scores is"),
        ({"classes": ("x", 3)}, "classes"),
        ({"logit_scale": -1.0}, "logit scale"),
        ({"logit_scale": "x"}, "logit_scale"),
        ({"split": None}, "split"),
    ],
)
def test_answers_that_do_not_go_together_are_refused(tmp_path, changes, said):
    """Scores, labels and classes of other shapes or kinds are an error that names them."""
    save_answers([replace(RECOGNISED, **changes)], tmp_path / "a.npz")
    with pytest.raises(UsageError, match=said):
        load_answers(tmp_path / "a.npz")


def test_segments_of_another_shape_are_refused(tmp_path):
    """A found segment needs a video, two times, a label and a score."""
    save_answers([replace(LOCATED, found=(("a", 0.5, 1.0, "x"),))], tmp_path / "a.npz")
    with pytest.raises(UsageError, match="found"):
        load_answers(tmp_path / "a.npz")


def test_answers_that_ask_for_memory_get_none(tmp_path, monkeypatch):
    """An array that says it is huge is refused before it is made; so is one that unfolds without end."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (1 << 50,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("heads.npy", head.getvalue())
    with pytest.raises(UsageError, match="does not fit"):
        load_answers(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "b.npz", heads=np.zeros(1 << 20, np.uint8))
    monkeypatch.setattr("gerund.reading.MOST_UNFOLDED_BYTES", 1 << 16)
    with pytest.raises(UsageError, match=r"heads\.npy unfolds to"):
        load_answers(tmp_path / "b.npz")


@given(st.data())
def test_damaged_answers_are_one_line(real, data):
    """A file of answers with a byte changed, or cut, is read or refused in words."""
    whole = (real.parent / "r.answers.npz").read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole[: data.draw(st.sampled_from([place, len(whole)]))] or b"x")
    damaged[min(place, len(damaged) - 1)] ^= data.draw(st.integers(1, 255))
    path = real.parent / "damaged.npz"
    path.write_bytes(damaged)
    try:
        load_answers(path)
    except UsageError as error:
        assert str(path) in str(error)


def test_other_answers_are_found_by_their_hash(real):
    """Answers that are read well but are not those of the report are refused."""
    path = real.parent / "r.answers.npz"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == Report.read(real).data.predictions.sha256
    other = edited(real, predictions=schema.SavedAnswers(path.name, "0" * 64))
    with pytest.raises(GerundError, match="sha256 differs"):
        recompute(other, real.parent, BENCHMARK)


def test_the_mean_is_over_the_splits_that_have_a_figure(real):
    """A figure that only one split has is its own mean, with no sample deviation."""
    data = Report.read(real).data
    alone = msgspec.structs.replace(data.splits[0], metrics={"H": 3.0, "rare": 5.0})
    found = summarise([alone, msgspec.structs.replace(data.splits[1], metrics={"H": 1.0})])
    assert found["H"] == schema.Figure(2.0, 1.0, pytest.approx(2**0.5), 2)
    assert found["rare"] == schema.Figure(5.0, 0.0, None, 1)


def test_overlap_is_not_checked_where_nothing_is_known():
    """Without seen classes and without a data set that was trained on, no class is said to be free of overlap."""
    split = replace(BENCHMARK.splits[0], seen=(), test_list="")
    benchmark = replace(BENCHMARK, splits=(split,), task="recognition")
    done = report.SplitRun("0")
    assert split_result(benchmark, done, [], []).overlap_free.of == 0
    checked = split_result(benchmark, done, ["hmdb51"], []).overlap_free
    assert checked.of == checked.num_classes == len(split.unseen)
