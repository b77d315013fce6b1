"""Methods by name on the command line and in Python: settings, texts, tables, and what every output says of them."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest

import gerund.api
from gerund import ClassSpace, Examples, Inputs, UsageError
from gerund.api import Model
from gerund.encoders.table import VectorTable
from gerund.features import Sampling
from gerund.methods import Eszsl, Sliding
from gerund.methods.training.lesson import Lesson, write_lesson
from gerund.methods.training.saved import save
from gerund.text.descriptions import Descriptions
from stub import ColourEncoder, write_colours

ACTIONS = "showing red, showing green, showing blue"
NAMES = ("showing red", "showing green", "showing blue")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_colours(tmp_path_factory.mktemp("answering") / "a.mp4", ["red"] * 4 + ["green"] * 2)


@pytest.fixture
def eszsl(tmp_path):
    """A folder with a method that has learned the three colours."""

    def kept(texts, name="eszsl"):
        examples = Examples(Inputs.of(np.eye(3, dtype=np.float32)), np.arange(3))
        save(Eszsl(texts, alpha=-1.0).fit(examples, ClassSpace(NAMES)), tmp_path / name)
        lesson = Lesson(classes=NAMES, features=ColourEncoder.fingerprint, encoder="colour-stub", sampling="few")
        write_lesson(lesson, tmp_path / name)
        return tmp_path / name

    return kept


def test_the_method_is_named_in_every_output(run, video, tmp_path, eszsl):
    """JSON, CSV, terminal and page say who answered; without probabilities cells are empty, and a note says why."""
    folder = eszsl(ColourEncoder())
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv")}
    words = [word for kind, path in files.items() for word in (f"--{kind}", path)]
    result = run("classify", video, "--actions", ACTIONS, "--trained", folder, *words)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].endswith("6.0 s  eszsl")
    assert "%" not in result.stdout and "score +" in result.stdout
    assert "eszsl says how its scores rank and not how probable they are" in result.stderr
    line = json.loads(files["json"].read_text())
    assert line["method"] == "eszsl" and line["actions"][0] == {
        "action": "showing red", "score": line["actions"][0]["score"], "probability": None,
    }  # fmt: skip
    (row, *_) = csv.DictReader(io.StringIO(files["csv"].read_text()))
    assert (row["method"], row["probability"], row["action"], row["error"]) == ("eszsl", "", "showing red", "")

    files = {kind: tmp_path / f"found.{kind}" for kind in ("json", "csv", "vtt", "html")}
    words = [word for kind, path in files.items() for word in (f"--{kind}", path)]
    result = run("locate", video, "--actions", ACTIONS, "--trained", folder, *words)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].endswith("6.0 s  eszsl, sliding")
    line = json.loads(files["json"].read_text())
    assert line["method"] == "eszsl, sliding" and line["segments"][0]["confidence"] is None
    (row, *_) = csv.DictReader(io.StringIO(files["csv"].read_text()))
    assert (row["method"], row["confidence"]) == ("eszsl, sliding", "")
    assert '"method": "eszsl, sliding"' in files["html"].read_text()
    assert "showing red\n" in files["vtt"].read_text() and "%" not in files["vtt"].read_text()


def test_answers_of_one_method_are_not_those_of_another(run, video, tmp_path, eszsl):
    """The record asks again when the method, a setting, or what it has learned is another one; and else not."""
    out = tmp_path / "out.jsonl"
    asked = ["classify", video, "--actions", ACTIONS, "--json", out]
    assert run(*asked).exit_code == 0
    assert "answered before" in run(*asked).stderr
    folder = eszsl(ColourEncoder())
    for words in (
        ["--method", "tear"],
        ["--method", "tear", "--set", "conditioning=no"],
        ["--method", "contrast"],
        ["--trained", folder],
    ):
        assert "answered before" not in run(*asked, *words).stderr
        assert "answered before" in run(*asked, *words).stderr
    again = Eszsl(ColourEncoder(), alpha=-1.0)
    save(again.fit(Examples(Inputs.of(2 * np.eye(3, dtype=np.float32)), np.arange(3)), ClassSpace(NAMES)), folder)
    assert "answered before" not in run(*asked, "--trained", folder).stderr


def test_texts_of_ones_own_stand_for_the_actions(run, video, tmp_path):
    """TEAR reads the texts of a file itself; they turn its answer, and a file that is none is refused."""
    texts = tmp_path / "texts.jsonl"
    out = tmp_path / "out.jsonl"
    words = ["classify", video, "--actions", "red thing, green thing", "--method", "tear", "--json", out]
    words += ["--set", "conditioning=no", "--texts", texts]
    texts.write_text(
        json.dumps({"name": "red thing", "steps": ["green", "green", "green"], "description": "green"}) + "\n"
        + json.dumps({"name": "green thing", "steps": ["red", "red", "red"], "description": "red"}) + "\n"
    )  # fmt: skip
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text())["actions"][0]["action"] == "green thing"
    refused = run(*words[:-1], "templates")
    assert refused.exit_code == 2 and "tear has texts of its own; give a description file" in refused.stderr


def test_what_was_trained_on_own_videos_answers_about_others(run, video, tmp_path):
    """From a folder of labelled videos to answers in two commands."""
    for colour in ("red", "green", "blue"):
        (tmp_path / "set" / f"showing {colour}").mkdir(parents=True)
        for number in range(2):
            write_colours(tmp_path / "set" / f"showing {colour}" / f"{colour}{number}.mp4", [colour])
    trained = run("train", "eszsl", "--videos", tmp_path / "set", "--out", tmp_path / "kept", "--set", "alpha=-1")
    assert trained.exit_code == 0, trained.output
    out = tmp_path / "out.jsonl"
    found = run("classify", video, "--actions", ACTIONS, "--trained", tmp_path / "kept", "--json", out)
    assert found.exit_code == 0, found.output
    assert json.loads(out.read_text())["actions"][0]["action"] == "showing red"


def test_settings_and_tables_are_given_by_name(run, video, tmp_path, eszsl):
    """--set of the method, --vectors for the texts that it learned with; what does not fit is said in one line."""
    table = VectorTable(NAMES, np.eye(3)[[1, 0, 2]])
    np.save(tmp_path / "t.npy", table.vectors)
    (tmp_path / "t.txt").write_text("\n".join(NAMES))
    folder = eszsl(table)
    words = ["classify", video, "--actions", ACTIONS, "--trained", folder]
    assert "vectors of different encoders" in run(*words).stderr
    found = run(*words, "--vectors", f"texts={tmp_path / 't.npy'}")
    assert found.exit_code == 0, found.output
    assert "showing red" in found.stdout.splitlines()[1]
    for more, said in (
        (["--set", "alpha=1"], "a trained method has its settings"),
        (["--method", "tear", "--set", "alpha=1"], "holds eszsl, not tear"),
        (["--vectors", "texts"], "expected PART=FILE"),
        (["--vectors", f"texts={tmp_path / 'none.npy'}"], "none.npy"),
    ):
        refused = run(*words, *more)
        assert refused.exit_code == 2 and said in refused.stderr
    words = ["locate", video, "--actions", ACTIONS, "--method", "uniform", "--set"]
    assert run(*words, "window_s=1").exit_code == 0
    assert "has no setting 'width'" in run(*words, "width=1").stderr
    assert "there is nothing to choose by here" in run(*words, "window_s=1,2").stderr


def test_texts_may_come_from_another_model(run, video, eszsl, monkeypatch):
    """--text-model encodes the names, --model sees the videos."""

    class Texts(ColourEncoder):
        name, fingerprint = "texts", "texts-1"

    monkeypatch.setattr(gerund.api, "load", lambda name, **_: Model(Texts() if name == "texts" else ColourEncoder()))
    words = ["classify", video, "--actions", ACTIONS, "--trained", eszsl(Texts())]
    assert run(*words).exit_code == 2
    assert run(*words, "--text-model", "texts").exit_code == 0


def test_an_output_never_destroys_a_method(run, video, eszsl):
    """The files of a trained folder are inputs, so no output may be one of them."""
    folder = eszsl(ColourEncoder())
    before = (folder / "method.json").read_bytes()
    result = run("classify", video, "--actions", ACTIONS, "--trained", folder, "--csv", folder / "method.json")
    assert result.exit_code == 2
    assert (folder / "method.json").read_bytes() == before


def test_methods_in_python(video, eszsl):
    """`Model.method` makes one by name with its parts, and whatever it made is asked like any other."""
    model = Model(ColourEncoder())
    own = Descriptions({})
    tear = model.method("tear", descriptions=own, aggregation="ensemble")
    assert tear.method.descriptions is own and tear.method.aggregation == "ensemble"
    assert model.classify(video, list(NAMES), method=tear).method == "tear"
    assert model.classify(video, list(NAMES), method="contrast").method == "contrast, pooled"
    assert model.classify(video, list(NAMES), method=Eszsl(model.encoder).fit(
        Examples(Inputs.of(np.eye(3, dtype=np.float32)), np.arange(3)), ClassSpace(NAMES)
    )).method == "Eszsl"  # fmt: skip
    trained = model.method(trained=eszsl(model.encoder))
    (answer, _) = model.classify([video, model.encode(video)], list(NAMES), method=trained)
    assert answer.best.action == "showing red" and answer.best.probability is None
    assert "'showing red' +" in repr(answer) and "%" not in repr(answer)
    with pytest.raises(UsageError, match="name a method, or give the folder"):
        model.method()
    with pytest.raises(UsageError, match="is no method"):
        model.classify(video, list(NAMES), method=object())
    sliding = Sliding(trained.method, window_s=2.0)
    assert model.locate(video, list(NAMES), method=sliding)[0].action == "showing red"


def test_nothing_found_is_said_when_a_localizer_classifies(video):
    """Where no segment was found all actions score alike, and the note says that their order means nothing."""

    class Blind:
        takes = "track"

        def locate(self, track, classes):
            return gerund.Segments()

    answer = Model(ColourEncoder()).classify(video, list(NAMES), method=Blind())
    assert "none stands out" in answer.note
    assert answer.method == "Blind, pooled"


def test_listing_and_showing(run, tmp_path):
    """`methods list` has every name with its task; `show` has what it takes, needs, learns, and every setting."""
    from gerund.methods import methods

    listed = run("methods", "list").stdout
    assert run("methods").stdout == listed
    for card in methods():
        assert f"  {card.name} " in listed
        shown = run("methods", "show", card.name)
        assert shown.exit_code == 0 and f"task      {card.task}" in shown.stdout and card.home in shown.stdout
    shown = run("methods", "show", "gcn").stdout
    for said in ("class-transductive", "vector: the mean", "texts: vectors of the classes", "PyTorch to learn",
                 "CVPR 2018", "--vectors rows=FILE"):  # fmt: skip
        assert said in shown, said
    assert re.search(r"\n    neighbours +5 +int\n", shown)
    assert "learner" not in run("methods", "show", "rows-gcn").stdout, "what the name fixes is no setting"
    (tmp_path / "mine.py").write_text("class Mine:\n    def __init__(self, width=3): ...\n    def score(self): ...\n")
    shown = run("methods", "show", f"{tmp_path / 'mine.py'}:Mine").stdout
    assert "width  3" in shown and "takes     track" in shown
    assert run("methods", "show", "nothing").exit_code == 2


@pytest.mark.parametrize(
    "made", [Sampling(), Sampling(few=True), Sampling(stride=8), Sampling(stride=16, mean=True), Sampling(rate_hz=2.5),
             Sampling(rate_hz=1e-3), Sampling(frames=9)],
    ids=lambda made: made.key,
)  # fmt: skip
def test_a_sampling_is_known_by_its_key(made):
    """The key of a sampling says all of it."""
    assert Sampling.from_key(made.key) == made


@pytest.mark.parametrize("key", ["", "none", "imported-arrays", "stride", "stride0", "rate", "rate1e999", "own-mean"])
def test_a_key_of_no_sampling(key):
    """What features of others say of theirs is none of gerund's."""
    assert Sampling.from_key(key) is None
