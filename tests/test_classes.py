"""Every class in a report: its accuracy, what its videos were taken for, pictures of that; and what a method cost."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
import torch

from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.answers import RecognitionAnswers, load_answers
from gerund.bench.runs.classes import Confusion, classes_of, confusions
from gerund.bench.runs.costs import Total, num_parameters
from gerund.bench.runs.pictures import Dot, dots, matrix
from gerund.bench.runs.report import Report, make_report
from gerund.bench.runs.run import run
from gerund.bench.runs.schema import Costs
from test_reports import LOCATED, changed, edited, gerund, real  # noqa: F401  (a fixture)
from toyruns import MATERIAL, WORLD, Least


def answers(labels, given, names, num_seen=0, exam=""):
    """Answers to videos of these classes, by places."""
    return RecognitionAnswers(
        "0",
        exam,
        tuple(f"v{number}" for number in range(len(labels))),
        np.array(labels),
        tuple(names),
        np.arange(len(names)) < num_seen,
        np.eye(len(names), dtype=np.float32)[given],
    )


HAND = answers([0, 0, 1, 2, 2, 2], [0, 1, 1, 0, 0, 1], ["x", "y", "z", "w"], num_seen=2)


def test_classes_by_hand():
    """Half of x right, y right, z never; nobody showed w. The rows say what was answered."""
    (found,) = classes_of([HAND, LOCATED])
    assert found.accuracy == {"x": 50.0, "y": 100.0, "z": 0.0, "w": None}
    assert found.confusion == ["0:1 1:1", "1:1", "0:2 1:1", ""] and found.num_seen == 2
    (both,) = confusions([msgspec.structs.replace(SPLIT, classes=[found])] * 2)
    assert both.num_splits == 2
    assert both.ranked == [("z", 0.0), ("x", 50.0), ("y", 100.0)]
    assert [(m.true, m.given, m.count, m.of) for m in both.mistakes(2)] == [("z", "x", 4, 6), ("x", "y", 2, 4)]
    assert (both.taken_for("z"), both.taken_for("y"), both.taken_for("w")) == ("x (4)", "", "")
    assert both.crossings == [6, 0, 6, 6]


TRAINED = Least()
TRAINED.map_ = np.zeros((64, 32))
SPLIT = make_report(
    WORLD.benchmark, [next(run(WORLD.benchmark, Least, MATERIAL))], method="least", features={}, texts={}
).data.splits[0]


def test_classes_agree_with_the_answers(real):  # noqa: F811
    """Of a generalised run, each class's accuracy and every count are those that its saved answers give."""
    data = Report.read(real).data
    for split, answer in zip(data.splits, load_answers(real.parent / "r.answers.npz"), strict=True):
        (found,) = split.classes
        given = answer.scores.argmax(axis=1)
        assert found.num_seen == answer.is_seen.sum() == 40
        for place, name in enumerate(answer.classes):
            of = given[answer.labels == place]
            assert found.accuracy[name] == pytest.approx(100 * np.mean(of == place))
            assert found.rows()[place] == {int(k): int((of == k).sum()) for k in set(of)}
    assert "of 320 videos of unseen classes" in Report.read(real).to_text()


def test_the_mean_of_classes_is_the_figure():
    """The mean over the classes is what the report calls mean class top-1."""
    shares = [share for share in SPLIT.classes[0].accuracy.values() if share is not None]
    assert np.mean(shares) == pytest.approx(SPLIT.metrics["mean class top-1"])


def test_two_exams_have_classes_each():
    """Base and novel are answered among other classes, so each has a table of its own."""
    benchmark = Benchmark("b2n", "base-to-novel", "toyworld", "toyworld", WORLD.generalised.splits[:1])
    report = make_report(benchmark, list(run(benchmark, Least, MATERIAL)), method="m", features={}, texts={})
    assert [(one.exam, len(one.accuracy)) for one in report.data.splits[0].classes] == [("base", 12), ("novel", 6)]
    assert "Classes (base)" in report.to_text() and "Confusion matrix (novel)" in report.to_html()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("confusion", ["0:1"]),
        ("confusion", ["0:1", "2:1"]),
        ("confusion", ["0:1", "x"]),
        ("confusion", ["0:1", "0:-1"]),
        ("num_seen", 3),
        ("accuracy", {"x": 101.0, "y": None}),
    ],
)
def test_counts_that_do_not_go_together_are_refused(real, field, value):  # noqa: F811
    """Rows of other classes, places of none and shares beyond all: one line that names the field."""
    content = json.loads(real.read_text())
    good = {"exam": "", "num_seen": 0, "accuracy": {"x": 100.0, "y": None}, "confusion": ["0:1", ""]}
    path = real.with_name("odd.json")
    for classes, code in ((good, 0), (good | {field: value}, 2)):
        path.write_text(json.dumps(changed(content, ("splits", 0, "classes"), [classes])))
        found = gerund("report", path)
        assert found.exit_code == code, found.output
    assert "$.splits[0].classes[0]" in found.output and len(found.output.strip().splitlines()) == 1


def test_classes_are_proved_too(real):  # noqa: F811
    """A count that does not follow from the answers fails a report; one of before, without classes, is not failed."""
    content = json.loads(real.read_text())
    (classes,) = content["splits"][1]["classes"]
    name = next(iter(classes["accuracy"]))
    path = real.with_name("odd.json")
    for place, value in ((("accuracy", name), 12.5), (("confusion", 0), "1:2")):
        path.write_text(json.dumps(changed(content, ("splits", 1, "classes", 0, *place), value)))
        found = gerund("report", path, "--recompute")
        assert found.exit_code == 1 and "split 1, classes 0" in found.output and name in found.output
        assert gerund("rerun", path, "-q").exit_code == 1
    for split in content["splits"]:
        del split["classes"], split["costs"]
    path.write_text(json.dumps(content))
    assert gerund("report", path, "--recompute").exit_code == gerund("rerun", path, "-q").exit_code == 0
    old = Report.read(path).to_text()
    assert "Classes" not in old and "costs: not recorded" in old


def spread(count):
    """A run on that many classes: each is right twice and taken for its neighbour once."""
    labels = np.repeat(np.arange(count), 3)
    given = np.where(np.arange(3 * count) % 3 < 2, labels, (labels + 1) % count)
    found = Confusion("")
    found.add(classes_of([answers(labels, given, [f"<b>{n}&" for n in range(count)])])[0])
    return found


@pytest.mark.parametrize("count", [5, 60, 400])
def test_a_matrix_has_every_cell(count):
    """Whatever the number of classes, the picture is whole XML with a cell for each pair, and names where they fit."""
    picture = matrix(spread(count))
    texts = "".join(ElementTree.fromstring(picture).itertext())
    assert ("<b>0&" in texts) == (count <= 60)
    cells = picture.count("<title>") if count <= 60 else len(re.findall(r"M\d+ \d+h1v1h-1z", picture))
    assert cells == 2 * count and len(picture) < 60_000
    if count == 5:
        assert "<b>1& taken for <b>2&: 1 of 3" in texts
        assert re.search(r'fill="#1f5fa8"[^>]*><rect x="0" y="0"', picture)
        assert '<rect x="1" y="0"' in picture and '<rect x="0" y="1"' not in picture


def test_the_worst_classes_come_first(real):  # noqa: F811
    """Of many classes a terminal gets both ends and a page all, with the picture; without classes neither."""
    text, page = Report.read(real).to_text(), Report.read(real).to_html()
    block = text.split("Classes\n=======\n")[1].split("\n\n")[0].splitlines()
    shares = [float(line.split()[2]) for line in block[3:] if not line.startswith("...")]
    assert len(shares) == 10 and shares == sorted(shares) and "..." in block[8]
    assert page.count("<svg") == 1 and "<details><summary>All classes" in page and "All classes" not in text
    bare = [msgspec.structs.replace(split, classes=[]) for split in Report.read(real).data.splits]
    assert "<svg" not in edited(real, splits=bare).to_html()


def test_no_confusion_is_said():
    """Where all answers are right, the list of mistakes is empty and says so."""
    right = classes_of([answers([0, 1], [0, 1], ["x", "y"])])
    report = make_report(WORLD.benchmark, [], method="m", features={}, texts={})
    data = msgspec.structs.replace(report.data, splits=[msgspec.structs.replace(SPLIT, classes=right)])
    assert "Confusions\n==========\nnone\n" in Report(data).to_text()


# what a method costs


class Any:
    def __init__(self, **given):
        self.__dict__ |= given


def test_what_was_learned_is_counted():
    """Arrays of `state`, else of attributes that end in `_`, networks too; not of parts; None where none is shown."""
    arrays = {"a": np.zeros((3, 4)), "b": np.zeros(2)}
    assert num_parameters(Any(state=lambda: arrays, more_=np.zeros(9))) == 14
    assert num_parameters(Any(map_=np.zeros((3, 4)), rest_=[np.zeros(2)], texts=np.zeros(99), name_="x")) == 14
    assert num_parameters(Any(net_=torch.nn.Linear(6, 2))) == 14
    assert num_parameters(Any(training_free=True, map_=np.zeros(3))) == 0
    assert num_parameters(Any(texts=np.zeros(3))) is None
    assert num_parameters(Any(state=lambda: 1 / 0)) is None


def test_a_run_says_what_it_cost():
    """The map of least squares is 64 by 32 numbers; answering took time, and how long a fit elsewhere is not known."""
    done = next(run(WORLD.benchmark, Least, MATERIAL))
    assert done.costs.num_parameters == 64 * 32
    assert 0 < done.costs.ask_cpu_s <= done.cpu_s + 1e-3
    assert 0 <= done.costs.train_wall_s <= done.wall_s and 0 <= done.costs.train_cpu_s <= done.cpu_s
    elsewhere = next(run(WORLD.benchmark, Least, MATERIAL, fitted=lambda split: (TRAINED, ())))
    assert elsewhere.costs.train_wall_s is elsewhere.costs.train_cpu_s is None
    assert elsewhere.costs.num_parameters == 64 * 32


def test_costs_are_added_up():
    """Times over all splits, CPU by the number of videos; what one split does not say is not known of the whole."""
    one = msgspec.structs.replace(SPLIT, num_test=30, costs=Costs(10, 1.0, 2.0, 0.06))
    two = msgspec.structs.replace(SPLIT, num_test=10, costs=Costs(12, 0.5, 1.0, 0.02))
    assert Total.of([one, two]) == Total((10, 12), 1.5, 3.0, pytest.approx(2.0))
    assert Total.of([one, two]).cells() == ("10 to 12", "1.5", "2")
    old = msgspec.structs.replace(SPLIT, costs=Costs())
    assert Total.of([one, old]) == Total.of([]) == Total(None, None, None, None)
    assert Total.of([old]).cells() == ("-", "-", "-")


def test_means_stand_where_they_belong():
    """From 0 to the ten above the largest: 25 is half way to 50, with its spread to both sides; names are escaped."""
    picture = dots("top-1", [Dot("a<b", 25.0, 5.0), Dot("b", 41.0, 0.0)])
    ElementTree.fromstring(picture)
    left = float(re.search(r'<path d="M([\d.]+) 4V', picture)[1])
    at = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', picture)]
    assert at == pytest.approx([left + 230, left + 460 * 0.82], abs=0.2)
    assert f"M{left + 184:.1f} 16H{left + 276:.1f}" in picture and "a&lt;b" in picture
    assert dots("x", []) == "" and ElementTree.fromstring(dots("x", [Dot("a", 1e300, 1e308)])) is not None
