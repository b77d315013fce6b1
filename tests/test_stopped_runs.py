"""What may be run on what, and what is kept when something fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gerund.bench.datasets.listing import Listing
from gerund.bench.protocols.benchmark import Split
from gerund.bench.protocols.tasks import tasks
from gerund.bench.runs import assembly
from gerund.bench.runs import evaluate as evaluating
from gerund.bench.runs.assembly import assemble
from gerund.bench.runs.evaluate import RunStoppedError, evaluate, train_and_save
from gerund.bench.runs.report import make_report
from gerund.bench.runs.request import Request
from gerund.bench.runs.run import run
from gerund.bench.runs.toyworld import ToyWorld
from gerund.cli import app
from gerund.errors import GerundError, UsageError
from gerund.text.classes import ClassSpace
from toyruns import MATERIAL, REST, SEEN, SHARED, WORLD, Least, localization, never

# What may be run on what


def test_lists_of_another_data_set_are_refused():
    """A protocol is run on the lists of its own data sets, on either side."""
    benchmark, _ = localization()
    for train_lists, test_lists in (("hmdb51", "thumos14"), ("thumos14", "hmdb51")):
        with pytest.raises(UsageError, match="needs the lists of thumos14, got those of hmdb51"):
            tasks(benchmark, Listing(train_lists, ()), Listing(test_lists, ()))


def test_a_split_without_a_test_video_is_refused():
    """Lists that hold no video of the test classes are an error, not a figure over nothing."""
    benchmark, _ = localization()
    with pytest.raises(UsageError, match="no video of its test classes"):
        tasks(benchmark, Listing("thumos14", ()), Listing("thumos14", ()))


def test_a_localizer_is_not_run_on_recognition_nor_the_other_way_round(monkeypatch):
    """The task of a method and of a protocol must be one."""
    with pytest.raises(UsageError, match="contrast does localization, and toyworld asks for recognition"):
        assemble(Request("contrast", "toyworld"), never)
    with pytest.raises(UsageError, match="eszsl does recognition, and toyworld asks for localization"):
        monkeypatch.setitem(
            assembly.TOYWORLDS, "toyworld", lambda seed: (WORLD, replace(WORLD.benchmark, task="localization"))
        )
        assemble(Request("eszsl", "toyworld"), never)


def test_texts_in_the_report_are_those_that_were_encoded():
    """A report has the texts of every class of every split, and who encoded them."""
    found = assemble(Request("eszsl", "toyworld"), never)
    card = found.texts_card(found.probe())
    assert card["kind"] == "the model's own" and card["fingerprint"] == "toyworld"
    assert set(card["of"]) == set(ToyWorld().names)
    assert all(texts == [name] for name, texts in card["of"].items())


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request("eszsl", "toyworld", trained="t", settings={"alpha": [1]}), "leave --set and --paper out"),
        (Request("eszsl", "toyworld", trained="t", paper=True), "leave --set and --paper out"),
        (Request("eszsl", "toyworld", trained_on=["nothing"]), "nothing"),
        (Request("eszsl", "ucf101-50-50", features="f"), "needs --data DIR"),
        (Request("eszsl", "ucf101-50-50", data="d"), "needs --features DIR"),
        (Request("tear", "toyworld", model="m", texts="no-such-file"), "give a description file"),
        (Request("x", "thumos14-75-25", predictions="p", trained_on=["nothing"]), "nothing"),
        (Request("x", "ucf101-50-50", predictions="p", truth="t"), "asks for recognition; --predictions are found"),
        (Request("x", "thumos14-75-25", predictions="p", truth="t"), "write {split} into --predictions, or name one"),
        (Request("x", "thumos14-75-25", predictions="p", truth="t", splits=["0", "1"]), "write {split} into"),
        (Request("x", "thumos14-75-25", predictions="{split}"), "name the annotations"),
        (Request("x", "thumos14-75-25", predictions="{split}", truth="t", splits=["77"]), "has no split 77"),
        (Request("x", "thumos14-75-25", predictions="{split}.none", truth="t"), "there is no such file for any split"),
        (Request("x", "thumos14-75-25", predictions="{split}.none", truth="t", splits=["3"]), "t: "),
    ],
)
def test_requests_that_do_not_fit_are_refused(request_, said):
    """Before anything is run, with what to do."""
    with pytest.raises(UsageError, match=said):
        evaluate(request_, load_encoder=lambda name: WORLD)


def test_a_setting_without_a_value_is_refused():
    """There is nothing to choose among."""
    with pytest.raises(UsageError, match="expected alpha=value"):
        Request("eszsl", "toyworld", settings={"alpha": []})


# What is kept when something fails

FAULTY = """
import sys

import numpy as np


class Faulty:
    takes = "vector"
    fits = 0

    def __init__(self, texts, ridge=1.0):
        self.texts, self.ridge = texts, ridge

    def fit(self, examples, classes):
        Faulty.fits += 1
        self.shape = examples.inputs.vectors.shape[1]
        return self

    def state(self):
        return {{"shape": np.array([self.shape])}}

    def restore(self, state):
        pass

    def score(self, inputs, classes):
        if Faulty.fits == 2:
            {fault}
        return np.ones((len(inputs), len(classes)))
"""


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raise KeyError('oops')", "KeyError: 'oops'"),
        ("raise TypeError('cannot pickle')", "TypeError: cannot pickle"),
        ("raise MemoryError", "MemoryError"),
        ("sys.exit(0)", "SystemExit: 0"),
        ("assert False, 'two\\nlines'", "AssertionError: two lines"),
    ],
)
def test_whatever_fails_on_a_split_the_finished_ones_are_kept(tmp_path, fault, said):
    """The report has the first split and the reason: type, message, the method's own file and line. Exit status 1."""
    file, out = tmp_path / "faulty.py", tmp_path / "r.json"
    file.write_text(FAULTY.format(fault=fault))
    found = CliRunner().invoke(app, ["evaluate", f"{file}:Faulty", "--on", "toyworld", "--out", str(out), "-q"])
    line = FAULTY[: FAULTY.index("{fault}")].count("\n") + 1
    text = " ".join(found.output.split())
    assert found.exit_code == 1 and "stopped after 1 splits, which are kept" in text
    assert said in text and f"{file}, line {line}" in text
    content = json.loads(out.read_text())
    assert [split["name"] for split in content["splits"]] == ["0"]
    assert said in content["stopped"] and f"{file}, line {line}" in content["stopped"]
    assert "Traceback" not in found.output


def test_what_fails_before_anything_was_finished_is_one_line(tmp_path):
    """A constructor, a description of texts or a choice that fails is told with its place, and nothing is run."""
    file = tmp_path / "faulty.py"
    head = "class Faulty:\n    takes = 'vector'\n    def __init__(self, texts):\n        "
    file.write_text(f"{head}texts['x']\n    def score(self, inputs, classes):\n        pass\n")
    found = CliRunner().invoke(app, ["evaluate", f"{file}:Faulty", "--on", "toyworld"])
    assert found.exit_code == 1 and f"{file}, line 4: TypeError" in found.output.replace("\n", "")
    file.write_text(f"{head}pass\n    def texts_for(self, classes):\n        return 1 / 0\n    def score(self): pass\n")
    found = CliRunner().invoke(app, ["evaluate", f"{file}:Faulty", "--on", "toyworld"])
    assert found.exit_code == 1 and f"{file}, line 6: ZeroDivisionError" in found.output.replace("\n", "")


def test_a_choice_that_fails_is_told_with_its_line():
    """`choose` is held to the same as `fit` and `score`."""
    benchmark = replace(SHARED, splits=(Split("0", SEEN, REST[:3], REST[3:]),))

    class Choosing(Least):
        def choose(self, held_out, classes):
            raise LookupError("nothing to choose")

    with pytest.raises(GerundError, match=r"Choosing\.choose fails in .*test_stopped_runs\.py.*LookupError: nothing"):
        next(run(benchmark, Choosing, MATERIAL))


def test_an_interrupted_run_keeps_what_is_finished():
    """Ctrl-C on the second split leaves the report of the first; on the first split there is nothing to keep."""
    calls = []

    class Slow(ToyWorld):
        def encode_classes(self, classes):
            calls.append(classes)
            if len(calls) > limit:
                raise KeyboardInterrupt
            return super().encode_classes(classes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(assembly.TOYWORLDS, "toyworld", lambda seed: ((world := Slow()), world.benchmark))
        limit = 5
        with pytest.raises(RunStoppedError, match="stopped after 1 splits, which are kept: interrupted") as stopped:
            evaluate(Request("eszsl", "toyworld"), load_encoder=never)
        assert stopped.value.report.data.stopped == "interrupted"
        assert [split.name for split in stopped.value.report.data.splits] == ["0"]
        calls.clear()
        limit = 0
        with pytest.raises(KeyboardInterrupt):
            evaluate(Request("eszsl", "toyworld"), load_encoder=never)


def test_training_that_fails_names_what_is_kept(tmp_path):
    """Folders of finished splits stay, and the error says which; a failure on the first split is plain."""
    file = tmp_path / "faulty.py"
    text = FAULTY.format(fault="pass").replace(
        "        self.shape =", "        assert Faulty.fits < 2, 'no'\n        self.shape ="
    )
    file.write_text(text)
    words = ["train", f"{file}:Faulty", "--on", "toyworld", "-q", "--out"]
    found = CliRunner().invoke(app, [*words, str(tmp_path / "t")])
    said = " ".join(found.output.split())
    assert found.exit_code == 1 and "stopped after 1 splits, which are kept" in said and "AssertionError: no" in said
    assert (tmp_path / "t" / "split-0" / "method.json").is_file() and not (tmp_path / "t" / "split-1").exists()
    file.write_text(text.replace("< 2", "< 1"))
    found = CliRunner().invoke(app, [*words, str(tmp_path / "u")])
    assert found.exit_code == 1 and "stopped after" not in found.output


def test_odd_settings_of_a_method_do_not_cost_its_report(tmp_path):
    """What JSON cannot hold is written as text, so a run is not lost when its report is written."""

    class Settings(Least):
        def __init__(self, ridge=1.0, where=tmp_path, kinds=(1, 2), table=None):
            super().__init__(1.0)
            self.where, self.kinds, self.table = where, kinds, {"a": np.float32(0.5), 3: float("-inf"), "s": "\udc80"}

    done = list(run(WORLD.benchmark, Settings, MATERIAL))
    report = make_report(WORLD.benchmark, done, method="odd", features={"a": object()}, texts={"b": {1, 2}})
    report.write(tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())["method"]["settings"]
    assert found == {
        "ridge": 1.0, "where": str(tmp_path), "kinds": [1, 2], "table": {"a": 0.5, "3": "-inf", "s": "\\udc80"},
    }  # fmt: skip


# What a request names


@pytest.mark.parametrize(("train_on", "apart"), [("hmdb51", True), ("thumos14", False), ("", False)])
def test_material_is_read_for_each_side(monkeypatch, tmp_path, train_on, apart):
    """Lists and features of another data set that is trained on are its own; else both sides are one."""
    benchmark = replace(localization()[0], train_on=train_on)
    monkeypatch.setattr(assembly, "find_benchmark", lambda name: benchmark)
    monkeypatch.setattr(assembly, "read_listing", lambda name, folder: (name, folder))
    monkeypatch.setattr(assembly, "open_features", lambda folder, **which: (folder, which))
    monkeypatch.setattr(assembly, "_require_real_weights", lambda material: None)
    objects = tmp_path / "objects.json"
    objects.write_text(json.dumps({"v": [[3, 1], [0.9, 0.1]]}))
    (tmp_path / "things.tsv").write_text("".join(f"thing {number}\twhat it is\n" for number in range(4)))
    request = Request("uniform", "l", features="f", data="d", encoder="e", sampling="s", objects=str(objects))
    request = replace(request, objects_vocabulary=str(tmp_path / "things.tsv"))
    found = assemble(replace(request, model="m"), lambda name: f"model {name}")
    assert found.material.test == ("thumos14", Path("d")) and (found.material.train != found.material.test) is apart
    assert found.material.test_features == (Path("f"), {"encoder": "e", "sampling": "s", "raw": False})
    assert found.material.train_features is found.material.test_features
    assert list(found.material.objects.places["v"]) == [3, 1] and found.parts["encoder"] == "model m"
    assert found.parts["texts"] == "model m", "the model that was named encodes the classes' texts"
    own = assemble(replace(request, train_features="t", model="m", objects="", texts="name"), lambda name: WORLD)
    assert own.material.train_features[0] == Path("t") and own.material.objects is None
    assert own.material.class_texts(ClassSpace(("a",))).as_given
    assert found.material.class_texts is None


def test_a_model_that_is_named_is_loaded_though_the_method_has_texts():
    """What a person names is there, and the texts that the protocol brings stay."""
    found = assemble(Request("eszsl", "toyworld", model="m"), lambda name: f"model {name}")
    assert found.parts["encoder"] == "model m" and isinstance(found.parts["texts"], ToyWorld)


def test_the_seed_draws_the_world():
    """Another seed is another run, and the report has it; the same seed is the same run."""
    request = Request("eszsl", "toyworld", splits=["1"], settings={"alpha": [1]})
    first, again, other = (evaluate(replace(request, seed=seed), load_encoder=never).data for seed in (3, 3, 4))
    assert (first.seed, other.seed) == (3, 4)
    assert first.splits[0].metrics == again.splits[0].metrics != other.splits[0].metrics


def test_the_seed_is_handed_to_the_runner(monkeypatch, tmp_path):
    """Order of asking and held-out classes follow the seed in evaluate as in train."""
    given = []

    def spy(*args, seed, **settings):
        given.append(seed)
        return iter(())

    monkeypatch.setattr(evaluating, "run", spy)
    monkeypatch.setattr(evaluating, "train", spy)
    evaluate(Request("eszsl", "toyworld", seed=7), load_encoder=never)
    train_and_save(Request("eszsl", "toyworld", seed=8), tmp_path, load_encoder=never)
    evaluate(Request("eszsl", "toyworld"), load_encoder=never)
    assert given == [7, 8, 0]


def test_all_splits_are_run_unless_some_are_named():
    """A trained method is looked at on the first split that is asked for."""
    report = evaluate(Request("eszsl", "toyworld"), load_encoder=never).data
    assert [split.name for split in report.splits] == ["0", "1", "2"]


def test_a_trained_method_is_taken_up_for_every_split(tmp_path):
    """Without named splits each has its own folder, the first of which is looked at."""
    train_and_save(Request("eszsl", "toyworld", settings={"alpha": [1.5]}), tmp_path, load_encoder=never)
    report = evaluate(Request("eszsl", "toyworld", trained=str(tmp_path)), load_encoder=never).data
    assert len(report.splits) == 3 and report.method.settings["alpha"] == 1.5
    one = evaluate(Request("eszsl", "toyworld", splits=["2"], trained=str(tmp_path / "split-2")), load_encoder=never)
    assert one.data.splits[0].metrics == report.splits[2].metrics
