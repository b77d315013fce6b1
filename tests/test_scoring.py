"""Scoring files of predictions through the command line: published figures, other people's files, and mistakes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from statistics import fmean, pstdev, stdev

import numpy as np
import pytest
from typer.testing import CliRunner

from gerund.cli import app

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FREEZAD = DATA / "predictions" / "freezad_thumos14"
needs_data = pytest.mark.skipif(not FREEZAD.is_dir(), reason=f"the shared predictions are not here ({FREEZAD})")

COLUMNS = ["video-id", "t-start", "t-end", "label", "score"]
TRUTH = [("v1", 0, 10, "a"), ("v1", 20, 30, "a"), ("v2", 5, 15, "a")]
PROPOSALS = [
    ("v1", 0, 10, "a", 0.9),
    ("v1", 1, 10, "a", 0.8),
    ("v1", 19, 31, "a", 0.7),
    ("v2", 6, 20, "a", 0.6),
    ("v2", 5, 15, "a", 0.4),
]
FOUND = [*PROPOSALS[:4], ("v3", 0, 5, "a", 0.5), PROPOSALS[4]]
TOYS = {
    "six detections": (
        TRUTH,
        FOUND,
        "0.3,0.5,0.6,0.75,0.9,0.95",
        [83.33333, 83.33333, 83.33333, 72.22222, 44.44444, 44.44444],
    ),
    "second best": (
        [("v", 0, 10, "a"), ("v", 4, 14, "a")],
        [("v", 0, 10, "a", 0.9), ("v", 1, 11, "a", 0.8)],
        "0.3,0.5,0.6,0.75",
        [100, 100, 50, 50],
    ),
    "tie, true first": ([("v", 0, 10, "a")], [("v", 0, 10, "a", 0.5), ("v", 20, 30, "a", 0.5)], "0.5", [50]),
    "tie, true last": ([("v", 0, 10, "a")], [("v", 20, 30, "a", 0.5), ("v", 0, 10, "a", 0.5)], "0.5", [100]),
    "zero length": ([("v", 3, 3, "a")], [("v", 3, 3, "a", 0.5)], "0.5:0.95:0.05", [100] * 10),
    "interpolation": (
        [("v", 10 * i, 10 * i + 5, "a") for i in range(6)],
        [
            ("v" if hit else "w", 10 * i, 10 * i + 5, "a", 1 - rank / 10)
            for rank, (hit, i) in enumerate(zip([1, 0, 1, 1, 0, 0, 1, 0], [0, 0, 1, 2, 0, 0, 3, 0], strict=True))
        ],
        "0.5",
        [51.19047619],
    ),
}


def run(*words):
    """Types a command."""
    return CliRunner().invoke(app, [str(word) for word in words])


def score(*words, command="score-detections"):
    """What a command that must succeed writes as JSON."""
    result = run(command, *words, "--json", "-")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def as_csv(path, rows, columns=None):
    """Rows as a table, in the order of columns asked for."""
    columns = columns or COLUMNS[: len(rows[0])]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows([row[COLUMNS.index(name)] if name in COLUMNS else "x" for name in columns] for row in rows)
    return path


def as_truth_json(path, rows, subset="validation"):
    """Rows as ActivityNet's ground truth with all the keys that its evaluation asks for."""
    database = {}
    for video, start, end, label in rows:
        entry = database.setdefault(video, {"subset": subset, "annotations": []})
        entry["annotations"].append({"segment": [start, end], "label": label})
    path.write_text(json.dumps({"database": database, "taxonomy": [], "version": "1"}))
    return path


def as_found_json(path, rows, prefix=""):
    """Rows as ActivityNet's predictions with all the keys that its evaluation asks for."""
    results = {}
    for video, start, end, label, value in rows:
        results.setdefault(prefix + video, []).append({"segment": [start, end], "label": label, "score": value})
    path.write_text(json.dumps({"results": results, "version": "1", "external_data": {}}))
    return path


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("name", TOYS)
def test_toys(name, form, tmp_path):
    """The toys of the evaluation come out the same from tables and from ActivityNet's JSON."""
    truth, found, tious, expected = TOYS[name]
    if form == "csv":
        files = as_csv(tmp_path / "t.csv", truth), as_csv(tmp_path / "p.csv", found)
    else:
        files = as_truth_json(tmp_path / "t.json", truth), as_found_json(tmp_path / "p.json", found)
    report = score("--truth", files[0], "--predictions", files[1], "--tiou", tious)
    assert report["unit"] == "percent"
    np.testing.assert_allclose(report["mAP"], expected, atol=1e-5)
    assert report["average_mAP"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_toy_of_recall(tmp_path):
    """AR at 1, 2, 3, 5 and 100 proposals and the area are those of the released proposal evaluation."""
    files = as_csv(tmp_path / "t.csv", TRUTH), as_csv(tmp_path / "p.csv", PROPOSALS)
    report = score("--truth", files[0], "--predictions", files[1], "--recall")
    picked = [report["AR"][number - 1] for number in (1, 2, 3, 5, 100)]
    np.testing.assert_allclose(picked, [33.33333, 43.33333, 90, 90, 90], atol=1e-5)
    assert report["AUC"] == pytest.approx(88.35)
    table = run("score-detections", "--truth", files[0], "--predictions", files[1], "--recall").stdout
    assert "33.33333" in table
    assert "88.35000" in table


PUBLISHED = {
    "75_0": 13.98664,
    "75_1": 8.0947,
    "75_2": 5.3470,
    "75_3": 7.2693,
    "75_4": 14.7809,
    "50_0": 11.3586,
    "50_3": 7.9483,
}
SIZES = {"75_0": (1326, 104, 2792), "75_1": (1263, 114, 2035), "75_2": (1864, 140, 2406)}
SIZES |= {"75_3": (1172, 107, 1816), "75_4": (1730, 115, 3075)}
AT_EACH = {
    "75_0": [26.84118, 19.15611, 11.95891, 7.71805, 4.25894],
    "50_3": [17.57171, 10.83597, 6.26437, 3.31820, 1.75110],
}


def freezad(split):
    return "--truth", FREEZAD / f"gt_{split}.csv", "--predictions", FREEZAD / f"predict_{split}.csv"


@needs_data
@pytest.mark.parametrize("split", PUBLISHED)
def test_freezad(split):
    """FreeZAD's released predictions have their figures to 1e-4 points, with THUMOS14's thresholds by default."""
    report = score(*freezad(split))
    assert report["tiou"] == [0.3, 0.4, 0.5, 0.6, 0.7]
    assert report["average_mAP"] == pytest.approx(PUBLISHED[split], abs=1e-4)
    if split in AT_EACH:
        np.testing.assert_allclose(report["mAP"], AT_EACH[split], atol=1e-5)
    if split in SIZES:
        assert (report["num_annotations"], report["num_videos"], report["num_predictions"]) == SIZES[split]
    assert report["dropped"] == {}
    np.testing.assert_allclose(np.mean(list(report["per_class_AP"].values()), axis=0), report["mAP"], atol=1e-9)


@needs_data
def test_freezad_over_splits():
    """Several pairs give mean and both deviations of the splits, in JSON and in the table."""
    splits = [split for split in PUBLISHED if split.startswith("75")]
    words = [word for split in splits for word in freezad(split)]
    report, figures = score(*words), [PUBLISHED[split] for split in splits]
    assert report["average_mAP"] == pytest.approx(fmean(figures), abs=1e-4)
    assert report["average_mAP_population_std"] == pytest.approx(pstdev(figures), abs=1e-4)
    assert report["average_mAP_sample_std"] == pytest.approx(stdev(figures), abs=1e-4)
    assert report["mAP"] == pytest.approx(np.mean([pair["mAP"] for pair in report["pairs"]], axis=0))
    lines = {line.split("  ")[0]: line.split() for line in run("score-detections", *words).stdout.splitlines()}
    assert float(lines["predict_75_3.csv"][-1]) == pytest.approx(7.2693, abs=1e-4)
    assert float(lines["mean"][-1]) == pytest.approx(fmean(figures), abs=1e-4)
    assert float(lines["sample std"][-1]) == pytest.approx(stdev(figures), abs=1e-4)


@needs_data
def test_variants_on_freezad():
    """Its predictions are only on videos with unseen classes, so GAP's rule drops none; T3AL's rounds each class."""
    plain = score(*freezad("75_0"))
    assert score(*freezad("75_0"), "--variant", "gap")["mAP"] == plain["mAP"]
    rounded = score(*freezad("75_0"), "--variant", "t3al")
    expected = [fmean(round(values[i], 1) for values in plain["per_class_AP"].values()) for i in range(5)]
    np.testing.assert_allclose(rounded["mAP"], expected, atol=1e-9)
    assert score(*freezad("75_0"), "--variant", "opentad")["mAP"] == pytest.approx(plain["mAP"])


@needs_data
def test_activitynets_sample_is_perfect():
    """Its sample file copies the validation annotations, three without length among them: 100 at every threshold."""
    truth = DATA / "annotations" / "activitynet13_train_val_from_tsp.json"
    found = DATA / "predictions" / "activitynet" / "sample_detection_prediction.json"
    report = score("--truth", truth, "--predictions", found)
    assert report["subset"] == "validation"
    assert report["tiou"] == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    assert report["mAP"] == [100.0] * 10
    assert (report["num_videos"], report["num_annotations"], len(report["per_class_AP"])) == (4926, 7654, 200)
    assert score("--truth", truth, "--predictions", found, "--zero-length", "guarded")["average_mAP"] == 100


@needs_data
def test_thumos_json_asks_for_its_subset():
    """THUMOS14 is evaluated on one subset or both; which must be said, and both hold 412 videos."""
    truth = DATA / "annotations" / "thumos14_tsp.json"
    words = ["--truth", truth, "--predictions", FREEZAD / "predict_75_0.csv"]
    result = run("score-detections", *words)
    assert result.exit_code == 2
    assert "validation (200 videos), test (212 videos)" in result.stderr
    classes = "BaseballPitch,HammerThrow,PoleVault,SoccerPenalty,ThrowDiscus"
    report = score(*words, "--subset", "validation,test", "--classes", classes)
    assert report["tiou"] == [0.3, 0.4, 0.5, 0.6, 0.7]
    assert (report["num_videos"], sorted(report["per_class_AP"])) == (104, classes.split(","))


def test_columns_in_any_order_and_gerunds_own_table(tmp_path):
    """FreeZAD puts the score before the label; 'gerund locate' has other names, paths for ids, and more columns."""
    truth = as_csv(tmp_path / "t.csv", TRUTH, ["label", "t-end", "t-start", "video-id", "unused"])
    freezads = as_csv(tmp_path / "p.csv", FOUND, ["video-id", "t-start", "t-end", "score", "label"])
    expected = score("--truth", truth, "--predictions", freezads)["mAP"]
    own = tmp_path / "own.csv"
    rows = [f"films/{v}.mp4,{s},{e},{label},{value},0.5" for v, s, e, label, value in FOUND]
    own.write_text("\ufeff" + "\n".join(["video,start_s,end_s,action,score,confidence", *rows, "", ""]), "utf-8")
    assert score("--truth", truth, "--predictions", own)["mAP"] == expected
    assert "such as films/v1.mp4 for v1" in run("score-detections", "--truth", truth, "--predictions", own).stderr


def test_prefixed_ids_and_misleading_suffixes(tmp_path):
    """Ids with v_ are found under those without, a note says so, and what a file holds decides, not its suffix."""
    truth = as_truth_json(tmp_path / "t.csv", TRUTH)
    plain = score("--truth", truth, "--predictions", as_found_json(tmp_path / "p.txt", FOUND))["mAP"]
    result = run("score-detections", "--truth", truth, "--predictions", as_found_json(tmp_path / "v", FOUND, "v_"))
    assert "v_v1 for v1" in result.stderr
    assert score("--truth", truth, "--predictions", tmp_path / "v")["mAP"] == plain


def test_videos_of_a_subset_without_annotations_are_known(tmp_path):
    """A video of the subset where nothing happens can only be wrong officially, and is forgiven by GAP."""
    content = json.loads(as_truth_json(tmp_path / "t.json", TRUTH).read_text())
    content["database"]["quiet"] = {"subset": "validation", "annotations": []}
    content["database"]["other"] = {"subset": "training", "annotations": [{"segment": [0, 5], "label": "b"}]}
    del content["taxonomy"], content["version"]
    (tmp_path / "t.json").write_text(json.dumps(content))
    found = as_csv(tmp_path / "p.csv", [("v_quiet", 0, 5, "a", 1.0), *PROPOSALS])
    words = ["--truth", tmp_path / "t.json", "--predictions", found, "--tiou", "0.5"]
    # flags 0 1 0 1 1 0: every true one has the envelope 3/5
    assert score(*words)["average_mAP"] == pytest.approx(60)
    # without it 1 0 1 1 0: 1 and twice 3/4
    assert score(*words, "--variant", "gap")["average_mAP"] == pytest.approx(100 * (1 + 3 / 4 + 3 / 4) / 3)


def test_only_subsets_with_annotations_are_offered(tmp_path):
    """A wrong subset is answered with those there are and their annotated videos; one without any is none."""
    subsets = [("training", 1), ("validation", 1), ("validation", 1), ("validation", 0), ("testing", 0)]
    database = {
        f"v{number}": {"subset": subset, "annotations": [{"segment": [0, 1], "label": "a"}] * count}
        for number, (subset, count) in enumerate(subsets)
    }
    truth, found = tmp_path / "t.json", as_csv(tmp_path / "p.csv", [("v1", 0, 1, "a", 0.5)])
    truth.write_text(json.dumps({"database": database}))
    for asked in ("testing", "x"):
        result = run("score-detections", "--truth", truth, "--predictions", found, "--subset", asked)
        assert result.exit_code == 2
        said = " ".join(result.stderr.split())
        assert f"no annotated subset '{asked}'; there are training (1 videos), validation (2 videos)" in said
    usual = score("--truth", truth, "--predictions", found)
    assert usual["num_annotations"] == 2


def test_classes_and_excluded_videos_from_files(tmp_path):
    """Lists with a name a line restrict both sides, as split files do; a class without annotations is told of."""
    truth = as_csv(tmp_path / "t.csv", [*TRUTH, ("v1", 0, 9, "b")])
    found = as_csv(tmp_path / "p.csv", [*FOUND, ("v1", 0, 9, "b", 1)])
    (tmp_path / "split_0.list").write_text("a\nc\n\n")
    (tmp_path / "blocked.txt").write_text("v2\nv3\n")
    words = ["--truth", truth, "--predictions", found, "--classes", tmp_path / "split_0.list", "--tiou", "0.5"]
    result = run("score-detections", *words)
    assert "nothing is annotated of c" in result.stderr
    report = score(*words, "--exclude", tmp_path / "blocked.txt")
    assert list(report["per_class_AP"]) == ["a"]
    assert report["dropped"] == {"annotations of other classes": 1, "detections of other classes": 1}
    assert report["average_mAP"] == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert (report["num_videos"], report["num_excluded_videos"]) == (1, 2)


def test_one_truth_for_several_predictions(tmp_path):
    """One ground truth serves them all; other numbers of files do not pair."""
    truth, found = as_csv(tmp_path / "t.csv", TRUTH), as_csv(tmp_path / "p.csv", FOUND)
    report = score("--truth", truth, "--predictions", found, "--predictions", found)
    assert report["num_pairs"] == 2
    assert report["average_mAP_sample_std"] == 0
    result = run("score-detections", *["--truth", truth] * 2, *["--predictions", found] * 3)
    assert result.exit_code == 2


def test_no_detection_scores_zero_and_strangers_are_pointed_out(tmp_path):
    """A table with headings alone is an answer; detections in unknown videos only are a likely mistake."""
    truth = as_csv(tmp_path / "t.csv", TRUTH)
    (tmp_path / "p.csv").write_text(",".join(COLUMNS) + "\n")
    assert score("--truth", truth, "--predictions", tmp_path / "p.csv", "--recall")["average_mAP"] == 0
    strangers = as_csv(tmp_path / "s.csv", [("x", 0, 10, "a", 1)])
    result = run("score-detections", "--truth", truth, "--predictions", strangers)
    assert result.exit_code == 0
    assert "none of its videos is in the ground truth: it has 'x', the truth has 'v1'" in result.stderr


def test_json_file_and_table_agree(tmp_path):
    """The file holds unrounded numbers, the terminal five decimals, and per-class lines on demand."""
    truth, found = as_csv(tmp_path / "t.csv", TRUTH), as_csv(tmp_path / "p.csv", FOUND)
    out = tmp_path / "out.json"
    result = run("score-detections", "--truth", truth, "--predictions", found, "--json", out, "--per-class")
    report = json.loads(out.read_text())
    assert report["average_mAP"] != round(report["average_mAP"], 6)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[2] == ["p.csv", *(f"{value:.5f}" for value in report["mAP"]), f"{report['average_mAP']:.5f}"]
    assert ["a", *lines[2][1:]] in lines
    assert "later in the file" in report["tie_rule"]


BAD_FOUND = {
    "no score": ("video-id,t-start,t-end,label\nv1,0,1,a\n", "no column score"),
    "no headings": ("v1,0,1,a,0.5\n", "line 1: no column"),
    "not a number": (
        "video-id,t-start,t-end,label,score\nv1,0,1,a,0.5\nv1,zero,1,a,0.5\n",
        "line 3: t-start is 'zero'",
    ),
    "NaN": ("video-id,t-start,t-end,label,score\nv1,0,1,a,nan\n", "line 2: score is 'nan'"),
    "infinite": ("video-id,t-start,t-end,label,score\nv1,0,1,a,-inf\n", "line 2: score is '-inf'"),
    "backwards": ("video-id,t-start,t-end,label,score\n\nv1,2,1,a,1\n", "line 3: a segment ends at 1 s"),
    "short row": ("video-id,t-start,t-end,label,score\nv1,2,1,a\n", "line 2: 4 cells"),
    "no label": ("video-id,t-start,t-end,label,score\nv1,2,3,,1\n", "line 2: the column label is empty"),
    "unknown label": ("video-id,t-start,t-end,label,score\nv1,0,1,Zumba,1\n", "not in the ground truth: Zumba"),
    "empty": ("", "is empty"),
    "blank cells": (" , ,\n", "no column"),
    "broken JSON": ('{"results": {\n"v1": [}\n', "line 2: broken JSON"),
    "JSON lines": ('{"video": "a"}\n{"video": "b"}\n', "line 2: broken JSON"),
    "the other file": ('{"database": {}}', "it seems to hold ground truth"),
    "other JSON": ('{"a": 1}', "an object 'results'"),
    "a JSON list": ("[1]", "expected a JSON object"),
    "video twice": ('{"results": {"v0": [], "v1": [], "v1": []}}', "'v1' stands twice"),
    "no JSON score": ('{"results": {"v1": [{"segment": [0, 1], "label": "a"}]}}', "no 'score'"),
    "JSON NaN": ('{"results": {"v1": [{"segment": [0, 1], "label": "a", "score": NaN}]}}', "expected a finite number"),
    "JSON text": ('{"results": {"v1": [{"segment": [0, "b"], "label": "a", "score": 1}]}}', "an end of v1 is 'b'"),
    "JSON bool": ('{"results": {"v1": [{"segment": [0, true], "label": "a", "score": 1}]}}', "an end of v1 is True"),
    "JSON backwards": ('{"results": {"v1": [{"segment": [1, 0], "label": "a", "score": 1}]}}', "before it starts"),
    "JSON segment": ('{"results": {"v1": [{"segment": [1], "label": "a", "score": 1}]}}', "'segment': [start, end]"),
    "JSON label": ('{"results": {"v1": [{"segment": [0, 1], "score": 1}]}}', "expected a 'label'"),
    "JSON items": ('{"results": {"v1": {"segment": [0, 1]}}}', "expected a list of segments for 'v1'"),
}


@pytest.mark.parametrize("name", BAD_FOUND)
def test_bad_predictions_are_one_line_and_status_2(name, tmp_path):
    """Whatever is wrong, the message names the file and the place, nothing is written, and no traceback is shown."""
    text, message = BAD_FOUND[name]
    truth, found, out = as_csv(tmp_path / "t.csv", TRUTH), tmp_path / "p.dat", tmp_path / "out.json"
    found.write_text(text)
    result = run("score-detections", "--truth", truth, "--predictions", found, "--json", out)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count(str(found)) == (name != "unknown label")
    assert len(result.stderr.splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfev\x00", "not UTF-8"), (b"PK\x03\x04", "archive"), (b"\n \n", "is empty"), (None, "cannot read")],
)
def test_files_that_are_no_text(content, message, tmp_path):
    """Other encodings, archives, blank files and missing ones are told apart."""
    truth, found = as_csv(tmp_path / "t.csv", TRUTH), tmp_path / "p.csv"
    if content is not None:
        found.write_bytes(content)
    result = run("score-detections", "--truth", truth, "--predictions", found)
    assert (result.exit_code, message in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tiou", "0.3:0.7"], "first:last:step"),
        (["--tiou", "0.7:0.3:0.1"], "low to high"),
        (["--tiou", "0.5,0.50"], "each once"),
        (["--tiou", "0"], "above 0"),
        (["--tiou", "50"], "not above 1"),
        (["--tiou", "nan"], "expected numbers"),
        (["--tiou", ""], "expected numbers"),
        (["--subset", "validation"], "has no subset"),
        (["--classes", "b"], "nothing is annotated"),
        (["--classes", "lists/none.txt"], "cannot read"),
        (["--classes", " , "], "names nothing"),
        (["--json", "no/such/folder/out.json"], "cannot write"),
        (["--variant", "voc"], "voc"),
    ],
)
def test_settings_that_cannot_be_right(words, message, tmp_path):
    """They end with status 2 and say what is expected."""
    truth, found = as_csv(tmp_path / "t.csv", TRUTH), as_csv(tmp_path / "p.csv", FOUND)
    result = run("score-detections", "--truth", truth, "--predictions", found, *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_unknown_labels_can_be_dropped(tmp_path):
    """With the option they are counted, and OpenTAD's rules always do so."""
    truth, found = as_csv(tmp_path / "t.csv", TRUTH), as_csv(tmp_path / "p.csv", [*FOUND, ("v1", 0, 10, "b", 1)])
    words = ["--truth", truth, "--predictions", found, "--tiou", "0.5"]
    for option in (["--unknown-labels", "drop"], ["--variant", "opentad"]):
        report = score(*words, *option)
        assert report["dropped"] == {"detections with unknown labels": 1}
        assert report["average_mAP"] == pytest.approx(250 / 3)


@needs_data
def test_gpt4v_on_kinetics():
    """Top-1 is 58.80 % of the 19,739 videos that were answered, 58.63 % of all 19,796; the table shows both."""
    words = ["--truth", DATA / "predictions/gpt4vis/k400_gt.json"]
    words += ["--predictions", DATA / "predictions/gpt4vis/k400.json"]
    report = score(*words, command="score-labels")
    assert report["top-1"] == pytest.approx(100 * 11607 / 19739)
    assert report["of_expected"]["top-1"] == pytest.approx(100 * 11607 / 19796)
    assert (report["num_answered"], report["num_expected"], report["num_classes"]) == (19739, 19796, 400)
    result = run("score-labels", *words)
    assert result.stdout.splitlines()[1].split() == ["top-1", "58.80237", "58.63306"]
    assert "57 of 19796 videos are not answered" in result.stderr


@needs_data
@pytest.mark.parametrize(("scores", "top1"), [("rgb", 71), ("flow", 68), ("rgb+flow", 79), ("flow + rgb", 79)])
def test_tsn_on_kinetics(scores, top1):
    """Of 100 videos colour alone gets 71, flow alone 68 and their sum 79."""
    file = DATA / "predictions" / "k400_tsn_100val_scores.npz"
    report = score("--predictions", file, "--scores", scores, command="score-labels")
    assert report["top-1"] == top1


def test_labels_from_tables(tmp_path):
    """Rows in any order are ranked by their scores, equal ones in the order of the file; failures are no answers."""
    (tmp_path / "t.csv").write_text("label,video\nrun,a\njump,b\nrun,c\nsit,d\n")
    (tmp_path / "p.csv").write_text(
        "video,rank,action,score,error\n"
        "a.mp4,2,jump,0.1,\na.mp4,1,run,0.9,\nx/v_b.avi,1,run,0.5,\nx/v_b.avi,2,jump,0.5,\nc,,,,cannot be read\n"
    )
    report = score("--truth", tmp_path / "t.csv", "--predictions", tmp_path / "p.csv", command="score-labels")
    assert (report["top-1"], report["top-5"], report["num_answered"], report["num_expected"]) == (50, 100, 2, 4)
    assert report["of_expected"] == {"top-1": 25, "top-5": 50}
    assert report["mean class top-1"] == 50
    (tmp_path / "one.csv").write_text("video,label\na,run\nb,run\nc,run\nd,run\nz,run\n")
    words = ["--truth", tmp_path / "t.csv", "--predictions", tmp_path / "one.csv"]
    report = score(*words, "--top", "1", command="score-labels")
    assert (report["top-1"], report["num_unknown_videos"]) == (50, 1)
    assert report["mean class top-1"] == pytest.approx(100 / 3)


def test_labels_from_json(tmp_path):
    """Lists are ranked already, objects by their scores, single labels stand alone, empty lists are no answer."""
    (tmp_path / "t.json").write_text(json.dumps({"a": "run", "b": "jump", "c": "sit", "d": 7}))
    answers = {"a": ["jump", "run"], "b": {"run": 0.1, "jump": 0.2}, "c": [], "d": 7}
    (tmp_path / "p.json").write_text(json.dumps(answers))
    report = score("--truth", tmp_path / "t.json", "--predictions", tmp_path / "p.json", command="score-labels")
    assert report["hits"] == {"top-1": 2, "top-5": 3}
    assert report["num_answered"] == 3


BAD_LABELS = {
    "two labels": ("video,label\na,run\na,sit\n", "video,label,score\na,run,1\n", "is 'sit' here and 'run' before"),
    "no score": ("video,label\na,run\n", "video,label\na,run\na,sit\n", "line 3: a has several labels"),
    "bad score": ("video,label\na,run\n", "video,label,score\na,run,x\n", "line 2: score is 'x'"),
    "other videos": ("video,label\na,run\n", "video,label\nb,run\n", "answers no video"),
    "other labels": ("video,label\na,run\n", "video,label\na,Jog\n", "it has 'Jog', the truth has 'run'"),
    "no video": ("video,label\n", "video,label\na,run\n", "there is no video"),
    "same video": ("video,label\na,run\n", "video,label\na,run\nv_a,run\n", "are one video"),
    "a list": ('{"a": ["run"]}', "video,label\na,run\n", "expected one label for 'a'"),
    "no labels": ('{"a": "run"}', '{"a": [["run"]]}', "expected a list of labels"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_labels(name, tmp_path):
    """Each mistake ends with status 2 and a line that names it."""
    truth, found, message = BAD_LABELS[name]
    (tmp_path / "t").write_text(truth)
    (tmp_path / "p").write_text(found)
    result = run("score-labels", "--truth", tmp_path / "t", "--predictions", tmp_path / "p")
    assert result.exit_code == 2
    assert message in result.stderr


def test_score_files(tmp_path):
    """One matrix needs no name, several do; labels come with it, and pickled objects are not opened."""
    one, two, bad, odd, other = (tmp_path / f"{name}.npz" for name in ("one", "two", "bad", "odd", "other"))
    scores, labels = np.array([[0.1, 0.9], [0.6, 0.4], [0.5, 0.5]]), np.array([1, 1, 0])
    np.savez(one, scores=scores, label=labels)
    np.savez(two, rgb=scores, flow=scores[:, ::-1], label=labels)
    np.savez(bad, scores=scores, label=np.array([{}], dtype=object))
    np.savez(odd, scores=scores[:2], label=labels)
    np.savez(other, rgb=scores, flow=scores[:, :1] * [1, 2, 3], label=labels)
    report = score("--predictions", one, command="score-labels")
    assert (report["top-1"], report["top-5"]) == (pytest.approx(200 / 3), 100)
    assert score("--predictions", two, "--scores", "flow", command="score-labels")["top-1"] == pytest.approx(200 / 3)
    (tmp_path / "t.csv").write_text("video,label\na,1\n")
    for words, message in (
        ([two], "there are rgb, flow"),
        ([two, "--scores", "depth"], "no scores 'depth'"),
        ([one, "--truth", tmp_path / "t.csv"], "brings its own labels"),
        ([bad], "without pickled objects"),
        ([odd], "expected scores [3, C]"),
        ([other, "--scores", "rgb+flow"], "rgb and flow differ in shape"),
        ([tmp_path / "t.csv"], "--truth"),
        ([tmp_path / "t.csv", "--scores", "rgb"], "no .npz"),
        ([one, "--top", "0"], "whole numbers"),
    ):
        result = run("score-labels", "--predictions", *words)
        assert result.exit_code == 2
        assert message in result.stderr


def test_labels_in_words_are_those_of_the_data_set(tmp_path):
    """Segments labelled as 'gerund locate' writes them are scored against the data set's own spelling."""
    truth, found = tmp_path / "t.csv", tmp_path / "p.csv"
    truth.write_text("video-id,t-start,t-end,label\nv1,0,10,ThrowDiscus\n")
    found.write_text("video,start_s,end_s,action,score\nv1.mp4,0,10,throw discus,0.5\n")
    done = CliRunner().invoke(app, ["score-detections", "--truth", str(truth), "--predictions", str(found)])
    assert done.exit_code == 0 and "100.00000" in done.output
    assert "1 labels are spelt another way, such as throw discus for ThrowDiscus" in " ".join(done.output.split())


def test_tables_without_rows_are_told(tmp_path):
    """A table of nothing but a header scores 0 with a note, or is refused where there is nothing to score."""
    truth, found = tmp_path / "t.csv", tmp_path / "p.csv"
    truth.write_text("video-id,t-start,t-end,label\nv1,0,10,Diving\n")
    found.write_text("video-id,t-start,t-end,label,score\n")
    done = CliRunner().invoke(app, ["score-detections", "--truth", str(truth), "--predictions", str(found)])
    assert done.exit_code == 0 and "it holds no detection" in done.output
    truth.write_text("video,label\nv1,Diving\n")
    found.write_text("video,label,score\n")
    done = CliRunner().invoke(app, ["score-labels", "--truth", str(truth), "--predictions", str(found)])
    assert done.exit_code == 2 and "Traceback" not in done.output
