"""Evaluation from the command line: reports that can be repeated, computed again, and read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gerund.bench.protocols.benchmarks import find_benchmark
from gerund.bench.runs import evaluate
from gerund.bench.runs.request import Request
from gerund.cli import app
from gerund.errors import UsageError

SHARED = Path(__file__).parents[2] / "shared" / "data"
FREEZAD = SHARED / "predictions" / "freezad_thumos14"
needs_predictions = pytest.mark.skipif(not FREEZAD.is_dir(), reason=f"{FREEZAD} is not here")

OWN_METHOD = '''
import numpy as np

class Mine:
    """Least squares on the toy world's texts."""

    takes = "vector"

    def __init__(self, texts, ridge=1.0):
        self.texts, self.ridge = texts, ridge

    def fit(self, examples, classes):
        x, y = examples.inputs.vectors, self.texts.encode_classes(classes)[examples.labels]
        self.map_ = np.linalg.solve(x.T @ x + self.ridge * np.eye(x.shape[1]), x.T @ y)
        return self

    def score(self, inputs, classes):
        return inputs.vectors @ self.map_ @ self.texts.encode_classes(classes).T
'''

STYLED_METHOD = '''
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass
class Styled:
    """The same in the house style."""

    takes: ClassVar[str] = "vector"

    texts: object
    ridge: float = 1.0

    def fit(self, examples, classes):
        x, y = examples.inputs.vectors, self.texts.encode_classes(classes)[examples.labels]
        self.map_ = np.linalg.solve(x.T @ x + self.ridge * np.eye(x.shape[1]), x.T @ y)
        return self

    def score(self, inputs, classes):
        return inputs.vectors @ self.map_ @ self.texts.encode_classes(classes).T

    def state(self):
        return {"map": self.map_}

    def restore(self, state):
        self.map_ = state["map"]
'''


def gerund(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def toy_report(tmp_path_factory):
    """A report of ESZSL on the toy world, with its answers beside it."""
    path = tmp_path_factory.mktemp("report") / "eszsl.json"
    done = gerund("evaluate", "eszsl", "--on", "toyworld-gzsl", "--set", "alpha=0,6", "--out", path)
    assert done.exit_code == 0, done.output
    return path, done.output


def test_a_report_says_what_it_rests_on(toy_report):
    """Hash of the protocol, settings and how they were chosen, features, texts, seed, versions: all are there."""
    content = json.loads(toy_report[0].read_text())
    assert len(content["benchmark"]["sha256"]) == 64
    assert content["method"]["protocol"] == "inductive"
    assert content["method"]["settings"]["gamma"] == 0.0
    assert content["splits"][0]["settings"] == {"alpha": 0}
    assert set(content["splits"][0]["held_out"]) == {"{'alpha': 0}", "{'alpha': 6}"}
    assert content["features"]["test"]["encoder"] == "toyworld"
    assert {"numpy", "gerund"} <= set(content["environment"]["versions"])
    assert content["request"]["benchmark"] == "toyworld-gzsl"
    assert content["splits"][0]["batch_independent"] is True


def test_mean_and_spread_are_those_of_the_splits(toy_report):
    """The summary is the mean with both deviations, each over the splits listed."""
    content = json.loads(toy_report[0].read_text())
    values = [split["metrics"]["H"] for split in content["splits"]]
    assert content["summary"]["H"] == pytest.approx(
        {
            "mean": np.mean(values),
            "population_std": np.std(values),
            "sample_std": np.std(values, ddof=1),
            "num_splits": 3,
        }
    )


def test_figures_are_computed_again_from_the_answers(toy_report):
    """--recompute finds the same figures; a changed figure or a changed file of answers is found out."""
    path, _ = toy_report
    assert "all the same" in gerund("report", path, "--recompute").output
    content = json.loads(path.read_text())
    content["splits"][1]["metrics"]["H"] += 0.01
    forged = path.with_name("forged.json")
    forged.write_text(json.dumps(content))
    found = gerund("report", forged, "--recompute")
    assert found.exit_code == 1 and "split 1, metrics H" in found.output
    answers = path.parent / content["predictions"]["file"]
    whole = answers.read_bytes()
    answers.write_bytes(whole[:-1] + b"x")
    try:
        found = gerund("report", path, "--recompute")
    finally:
        answers.write_bytes(whole)
    assert found.exit_code == 1 and "sha256 differs" in found.output


def test_a_report_can_be_run_again(toy_report):
    """Rerun repeats every figure, and ends with 1 where one differs from the report."""
    path, _ = toy_report
    same = gerund("rerun", path, "-q")
    assert same.exit_code == 0 and "the same: 3 splits" in same.output
    content = json.loads(path.read_text())
    content["splits"][2]["metrics"]["seen"] = 12.5
    forged = path.with_name("other.json")
    forged.write_text(json.dumps(content))
    differs = gerund("rerun", forged, "-q")
    assert differs.exit_code == 1 and "split 2: metrics seen 12.5 before" in differs.output


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("summary", "H", "mean"), 99.99, "the summary H mean 99.99 in the report"),
        (("benchmark", "sha256"), "0" * 64, "under another toyworld-gzsl"),
        (("splits", 0, "overlap_free", "names"), [], "overlap_free"),
        (("splits", 0, "num_test"), 5, "num_test 5 in the report"),
    ],
)
def test_forged_reports_are_found_out(toy_report, where, value, said):
    """The mean, the protocol's hash, the classes without overlap and the counts are proved too."""
    content = json.loads(toy_report[0].read_text())
    place = content
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    forged = toy_report[0].with_name("forged.json")
    forged.write_text(json.dumps(content))
    found = gerund("report", forged, "--recompute")
    assert found.exit_code == 1 and said in " ".join(found.output.split())
    assert gerund("rerun", forged, "-q").exit_code == 1


def test_rerun_compares_the_method(toy_report):
    """A report that names other settings or another protocol than the run has is not the same."""
    content = json.loads(toy_report[0].read_text())
    content["method"] |= {"settings": content["method"]["settings"] | {"gamma": -7}, "protocol": "training-free"}
    forged = toy_report[0].with_name("method.json")
    forged.write_text(json.dumps(content))
    found = gerund("rerun", forged, "-q")
    assert found.exit_code == 1 and "method:" in found.output


def test_three_renderings_have_the_same_figures(toy_report, tmp_path):
    """Terminal, Markdown and HTML show the same mean, and the page loads nothing."""
    path, shown = toy_report
    done = gerund("report", path, "--markdown", tmp_path / "r.md", "--html", tmp_path / "r.html")
    assert done.exit_code == 0
    mean = f"{json.loads(path.read_text())['summary']['AUSUC']['mean']:.2f}"
    page = (tmp_path / "r.html").read_text()
    for text in (shown, (tmp_path / "r.md").read_text(), page):
        assert "method settings: " in text, "the first line of what it rests on"
        assert mean in text and "eszsl on toyworld-gzsl" in text
    assert "http" not in page and "<script" not in page and "src=" not in page


def test_a_method_in_a_file_of_its_own(tmp_path):
    """One file with a class is enough to be evaluated."""
    file = tmp_path / "mine.py"
    file.write_text(OWN_METHOD)
    done = gerund("evaluate", f"{file}:Mine", "--on", "toyworld", "--set", "ridge=2", "--out", tmp_path / "r.json")
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["method"]["name"] == "mine" and content["method"]["settings"]["ridge"] == 2
    assert content["summary"]["top-1"]["mean"] > 5 * 100 / 16


def test_train_then_evaluate_is_evaluate(tmp_path):
    """What was trained and kept answers like what is trained on the spot."""
    settings = ("--on", "toyworld", "--splits", "0,2")
    assert gerund("train", "eszsl", *settings, "--out", tmp_path / "t", "-q").exit_code == 0
    kept = gerund("evaluate", "eszsl", *settings, "--trained", tmp_path / "t", "-q", "--out", tmp_path / "a.json")
    assert kept.exit_code == 0, kept.output
    assert gerund("evaluate", "eszsl", *settings, "-q", "--out", tmp_path / "b.json").exit_code == 0
    a, b = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    assert [s["metrics"] for s in a["splits"]] == [s["metrics"] for s in b["splits"]]
    assert "trained elsewhere" in a["method"]["protocol"]


def test_a_trained_method_is_not_asked_about_what_it_knows(tmp_path):
    """A method trained on split 0 is refused on split 1, whose unseen classes it has learned; so is another method."""
    assert gerund("train", "eszsl", "--on", "toyworld", "--splits", "0", "--out", tmp_path, "-q").exit_code == 0
    one = tmp_path / "split-0"
    wrong = gerund("evaluate", "eszsl", "--on", "toyworld", "--splits", "1", "--trained", one)
    assert wrong.exit_code == 2 and "has learned from" in wrong.output
    other = gerund("evaluate", "dem", "--on", "toyworld", "--splits", "0", "--trained", one)
    assert other.exit_code == 2 and "not a Dem" in other.output
    settings = gerund("evaluate", "eszsl", "--on", "toyworld", "--trained", one, "--set", "alpha=1")
    assert settings.exit_code == 2 and "leave --set and --paper out" in settings.output


def test_the_card_is_that_of_the_trained_method(tmp_path):
    """Settings in the report are those of the method that was loaded."""
    train = ("train", "eszsl", "--on", "toyworld", "--set", "alpha=1.5", "--splits", "0", "--out", tmp_path / "t", "-q")
    assert gerund(*train).exit_code == 0
    out = tmp_path / "r.json"
    run = ("evaluate", "eszsl", "--on", "toyworld", "--splits", "0", "--trained", tmp_path / "t", "--out", out, "-q")
    assert gerund(*run).exit_code == 0
    assert json.loads(out.read_text())["method"]["settings"]["alpha"] == 1.5


def test_a_dataclass_in_a_file_is_a_method_too(tmp_path):
    """A method written in the house style, a dataclass with postponed annotations, is trained, kept and asked."""
    file = tmp_path / "styled.py"
    file.write_text(STYLED_METHOD)
    mine = (f"{file}:Styled", "--on", "toyworld", "--splits", "0")
    assert gerund("train", *mine, "--out", tmp_path / "t", "-q").exit_code == 0
    done = gerund("evaluate", *mine, "--trained", tmp_path / "t", "-q")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evaluate", "eszls", "--on", "toyworld"), "did you mean eszsl"),
        (("evaluate", "eszsl", "--on", "ucf101-50-51"), "ucf101-50-50"),
        (("evaluate", "eszsl", "--on", "toyworld", "--set", "beta=1"), "has no setting 'beta'; it has alpha"),
        (("evaluate", "eszsl", "--on", "toyworld", "--set", "alpha"), "expected name=value"),
        (("evaluate", "eszsl", "--on", "toyworld", "--set", " =1"), "expected name=value"),
        (("evaluate", "eszsl", "--on", "toyworld", "--set", "alpha="), "expected name=value"),
        (("evaluate", "eszsl", "--on", "toyworld", "--splits", "9"), "has no split 9; there are 0, 1, 2"),
        (("evaluate", "eszsl", "--on", "ucf101-50-50"), "needs --features DIR"),
        (("evaluate", "contrast", "--on", "toyworld"), "does localization, and toyworld asks for recognition"),
        (("evaluate", "gone.py:Mine", "--on", "toyworld"), "gone.py: no such file"),
        (("evaluate", "eszsl", "--on", "toyworld", "--out", "/no/such/folder/r.json"), "does not exist"),
        (("evaluate", "x", "--on", "toyworld", "--predictions", "p.csv"), "no benchmark 'toyworld'"),
        (("report", "/no/such/report.json"), "expected a report"),
        (("train", "similarity", "--on", "toyworld", "--out", "t", "--model", "i3d-minilm"), "training-free"),
    ],
)
def test_mistakes_are_named(words, said):
    """A wrong name, setting, split or place ends with 2 and says what there is."""
    found = gerund(*words)
    assert found.exit_code == 2, found.output
    assert said in " ".join(found.output.split())


@needs_predictions
@pytest.mark.parametrize("truth", ["files", "lists"])
def test_freezad_table_from_its_predictions(tmp_path, truth):
    """The published segments give FreeZAD's figures on splits 0 to 4, from its own annotations or from THUMOS14's."""
    where = ("--truth", FREEZAD / "gt_75_{split}.csv") if truth == "files" else ("--data", SHARED)
    found = ("--predictions", FREEZAD / "predict_75_{split}.csv", *where)
    done = gerund("evaluate", "FreeZAD", "--on", "thumos14-75-25-freezad", *found, "--out", tmp_path / "r.json")
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "r.json").read_text())
    wanted = {"0": 13.98664, "1": 8.0947, "2": 5.3470, "3": 7.2693, "4": 14.7809}
    for split in content["splits"]:  # each class is rounded to 0.1 before the mean, five classes by five thresholds
        assert split["metrics"]["average mAP"] == pytest.approx(wanted[split["name"]], abs=0.05)
    assert content["splits"][0]["metrics"]["mAP@0.3"] == pytest.approx(26.84, abs=0.05)
    assert content["summary"]["average mAP"]["num_splits"] == 5
    assert any(row["method"].startswith("FreeZAD") for row in content["published"])
    assert "split 9: no" in done.output


@needs_predictions
def test_annotations_of_another_split_are_refused(tmp_path):
    """Scoring split 1 against the annotations of split 0 is an error, not a low score."""
    done = gerund(
        "evaluate", "FreeZAD", "--on", "thumos14-75-25-freezad", "--splits", "1",
        "--predictions", FREEZAD / "predict_75_1.csv", "--truth", FREEZAD / "gt_75_0.csv",
    )  # fmt: skip
    assert done.exit_code == 2 and "belongs to another split" in " ".join(done.output.split())


def test_segments_of_other_videos_are_refused(tmp_path):
    """Predictions that share no video with the annotations are an error, not a score of 0; one shared is enough."""
    truth, found, out = tmp_path / "t.csv", tmp_path / "p.csv", tmp_path / "r.json"
    label = find_benchmark("thumos14-75-25").splits[0].unseen[0]
    truth.write_text(f"video-id,t-start,t-end,label\nv1,0,5,{label}\n")
    run = ("evaluate", "X", "--on", "thumos14-75-25", "--splits", "0", "--predictions", found, "--truth", truth)
    found.write_text(f"video-id,t-start,t-end,label,score\nv8,0,5,{label},0.5\nv9,0,5,{label},0.5\n")
    refused = gerund(*run, "--out", out)
    assert refused.exit_code == 2 and not out.exists()
    assert "none of its videos is annotated in split 0; it belongs to other videos" in " ".join(refused.output.split())
    found.write_text(f"video-id,t-start,t-end,label,score\nv1,0,5,{label},0.5\nv9,0,5,{label},0.4\n")
    assert gerund(*run, "--out", out).exit_code == 0
    assert json.loads(out.read_text())["splits"][0]["metrics"]["mAP@0.3"] == 100


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_what_is_not_typed_is_not_asked_for(monkeypatch, tmp_path, command):
    """A bare command asks for its method and protocol and for nothing else: no leave is given, no setting made."""
    asked = []

    def stop(request, *_, **__):
        asked.append(request)
        raise UsageError("enough")

    monkeypatch.setattr(evaluate, "train_and_save", stop)
    monkeypatch.setattr(evaluate, "evaluate", stop)
    gerund(command, "eszsl", "--on", "toyworld", "--out", tmp_path / "new")
    (said,), bare = asked, Request("eszsl", "toyworld")
    assert {k: v for k, v in said.to_dict().items() if v} == {k: v for k, v in bare.to_dict().items() if v}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("alpha=hello", "alpha is a number, got 'hello'"),
        ("alpha=NaN", "alpha is a number, got nan"),
        ("normalize_texts=maybe", "normalize_texts is true or false, got 'maybe'"),
        ("device=cpu", "device is no setting"),
    ],
)
def test_settings_of_another_kind_are_refused(setting, said):
    """A word for a number, and what has an option of its own, are errors; no traceback."""
    found = gerund("evaluate", "eszsl", "--on", "toyworld", "--set", setting)
    assert found.exit_code == 2 and said in " ".join(found.output.split())


def test_no_is_false(tmp_path):
    """Truth values may be written as people do."""
    out = tmp_path / "r.json"
    run = ("evaluate", "eszsl", "--on", "toyworld", "--splits", "0", "--set", "normalize_texts=No", "--out", out, "-q")
    assert gerund(*run).exit_code == 0
    assert json.loads(out.read_text())["method"]["settings"]["normalize_texts"] is False


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("        raise KeyError('oops')", "Bad.fit fails in {file}, line 6: KeyError: 'oops'"),
        ("        pass", "Bad.fit must return the method (return self), it gave None"),
    ],
)
def test_faults_of_a_users_method_are_told_with_their_line(tmp_path, body, said):
    """What goes wrong in a user's file is one line with its place, and the exit status is 1."""
    file = tmp_path / "bad.py"
    head = "class Bad:\n    takes = 'vector'\n    def __init__(self, texts):\n        pass\n"
    rest = "    def score(self, inputs, classes):\n        pass\n"
    file.write_text(f"{head}    def fit(self, examples, classes):\n{body}\n{rest}")
    found = gerund("evaluate", f"{file}:Bad", "--on", "toyworld")
    assert found.exit_code == 1 and said.format(file=file) in " ".join(found.output.split())


def test_a_method_in_a_file_is_run_again_when_it_is_the_same(tmp_path):
    """With leave, rerun repeats a user's method, from any folder; when the file has changed it does not run it."""
    file, out = tmp_path / "mine.py", tmp_path / "r.json"
    file.write_text(OWN_METHOD)
    assert gerund("evaluate", f"{file}:Mine", "--on", "toyworld", "--splits", "0", "--out", out, "-q").exit_code == 0
    content = json.loads(out.read_text())
    assert content["method"]["file_sha256"] == hashlib.sha256(OWN_METHOD.encode()).hexdigest()
    same = gerund("rerun", out, "-q", "--allow-code")
    assert same.exit_code == 0 and "the same" in same.output, same.output
    file.write_text(OWN_METHOD + "\n# changed\n")
    found = gerund("rerun", out, "-q", "--allow-code")
    assert found.exit_code == 2 and "is not the code that was run then" in " ".join(found.output.split())


def test_a_file_is_named_by_its_whole_path(tmp_path, monkeypatch):
    """A method given by a relative path is found again from another folder."""
    (tmp_path / "mine.py").write_text(OWN_METHOD)
    monkeypatch.chdir(tmp_path)
    assert gerund("evaluate", "mine.py:Mine", "--on", "toyworld", "--splits", "0", "--out", "r.json").exit_code == 0
    assert json.loads((tmp_path / "r.json").read_text())["request"]["method"] == f"{tmp_path / 'mine.py'}:Mine"


def test_reports_of_other_formats_and_damaged_ones_are_refused(tmp_path, toy_report):
    """A report of another version, or without its splits, is an error with what to do."""
    content = json.loads(toy_report[0].read_text())
    for change, said in (({"report_format": 1}, "evaluate again"), ({"splits": 3}, "got `int` - at `$.splits`")):
        path = tmp_path / "r.json"
        path.write_text(json.dumps(content | change))
        found = gerund("report", path)
        assert found.exit_code == 2 and said in " ".join(found.output.split())


def test_a_report_never_overwrites_what_it_is_made_from(tmp_path, toy_report):
    """Not the predictions, not the report itself, and not the answers of another report."""
    path, _ = toy_report
    assert gerund("report", path, "--html", path).exit_code == 2
    found = tmp_path / "p.csv"
    found.write_text("video-id,t-start,t-end,label,score\n")
    run = ("evaluate", "X", "--on", "thumos14-75-25", "--splits", "0", "--predictions", found, "--truth", found)
    assert gerund(*run, "--out", found).exit_code == 2
    for name in ("exp-0.5", "exp-0.7"):
        assert (
            gerund("evaluate", "eszsl", "--on", "toyworld", "--splits", "0", "--out", tmp_path / name, "-q").exit_code
            == 0
        )
    assert gerund("report", tmp_path / "exp-0.5", "--recompute").exit_code == 0


def test_finished_splits_are_kept_when_a_later_one_fails(tmp_path):
    """A method that breaks on its second split leaves the report of the first, and the exit status is 1."""
    file, out = tmp_path / "late.py", tmp_path / "r.json"
    file.write_text(
        OWN_METHOD.replace("    def fit(self", "    fits = 0\n\n    def fit(self", 1).replace(
            "        x, y =", "        Mine.fits += 1\n        assert Mine.fits < 2, 'enough'\n        x, y =", 1
        )
    )
    found = gerund("evaluate", f"{file}:Mine", "--on", "toyworld", "--out", out)
    assert found.exit_code == 1 and "stopped after 1 splits, which are kept" in found.output
    content = json.loads(out.read_text())
    assert [split["name"] for split in content["splits"]] == ["0"]
    assert "NOT the whole benchmark: without 2 splits" in found.output
    assert gerund("report", out, "--recompute").exit_code == 0
