"""Every registered method answers about videos as it does in a benchmark: one parametrised test over the registry."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import gerund
from gerund import ClassSpace, Examples, Inputs, UsageError, Video
from gerund.api import Model
from gerund.assets import find_asset, is_here
from gerund.encoders.base import Window, unit
from gerund.encoders.catalog import find_encoder
from gerund.encoders.table import VectorTable
from gerund.features import Sampling, extract
from gerund.methods import Pooled, Sliding, methods
from gerund.methods.catalog import make_method, takes
from gerund.methods.questions import ask_scores, ask_segments, logit_scale_of
from gerund.methods.recognizers import rows
from gerund.methods.recognizers.rows import RowMap, Rows
from gerund.methods.training.lesson import Lesson, write_lesson
from gerund.methods.training.saved import save
from gerund.text.objects import Concepts
from stub import COLOURS, ColourEncoder, write_colours

pytest.importorskip("torch")

PUNCH = Path(__file__).parents[2] / "shared" / "data" / "clips" / "ucf101" / "v_Punch_g03_c01.avi"
ACTIONS = ("showing red", "showing green", "showing blue")
SMALL = {
    **{name: {"epochs": 3, "batch": 4, "dropout": 0.0} for name in ("devise", "ale", "sje", "dem")},
    "gcn": {"epochs": 3, "hidden": (4,), "neighbours": 2},
    **{
        f"elaborate{of}": {"text": "words", "dim": 4, "epochs": 2, "batch": 4, "definitions": False}
        for of in ("", "-video", "-objects")
    },
}
"""What makes a method learn in a moment; one that is not here learns with its defaults."""
OBJECTS = [2, 0, 1, 4, 3]

needs_weights = pytest.mark.skipif(
    not all(is_here(find_asset(name)) for name in find_encoder("i3d-minilm").assets),
    reason="the default model is not in the cache; run 'gerund models get i3d-minilm'",
)
needs_clips = pytest.mark.skipif(not PUNCH.exists(), reason="../shared/data is not here")


class Reader(ColourEncoder):
    """Reads every name."""

    def unreadable(self, classes):
        return []


class Raw(ColourEncoder):
    """Sees colours and gives vectors of some length, as a network does."""

    def raw_windows(self, frames, *, dense):
        return 5 * super().encode_windows(frames, dense=dense)


@pytest.fixture(autouse=True)
def small_world(monkeypatch, tmp_path):
    """Nothing is written into the cache, and the rows of I3D are those of three colours."""
    monkeypatch.setenv("GERUND_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Four seconds of red, then two of green."""
    return write_colours(tmp_path_factory.mktemp("door") / "a.mp4", ["red"] * 4 + ["green"] * 2)


@pytest.fixture(scope="module")
def parts():
    """What some methods are built on besides the model."""
    words = ("showing", *COLOURS, "thing", "cup")
    table = VectorTable(words, np.random.default_rng(0).normal(size=(len(words), 4)).astype("f4"))
    return {"words": table, "concepts": Concepts((*COLOURS, "thing", "cup"), ("",) * 5)}


def examples():
    """Twelve videos of the three colours, with the objects that are in them."""
    random = np.random.default_rng(1)
    labels = np.arange(12) % 3
    vectors = np.eye(3)[labels] + 0.1 * random.normal(size=(12, 3))
    tracks = Inputs.of(unit(vectors.astype(np.float32)))
    return Examples(Inputs(list(tracks), np.tile(OBJECTS, (12, 1))), labels)


def keep(method, folder, sampling="few", features=ColourEncoder.fingerprint):
    """A fitted method in a folder, as a command that trains leaves it."""
    save(method, folder)
    write_lesson(Lesson(classes=ACTIONS, features=features, encoder="colour-stub", sampling=sampling), folder)
    return folder


def make(card, encoder, parts):
    """A method as a benchmark makes it, fitted where it learns."""
    settings = {name: value for name, value in SMALL.get(card.name, {}).items() if takes(card, name)}
    method = make_method(card, {"encoder": encoder, "texts": encoder, **parts}, settings)
    if getattr(method, "training_free", False):
        return method
    return method.fit(examples(), ClassSpace(ACTIONS))


def of_colours(monkeypatch):
    """Rows of a classifier of three colours in place of I3D's 400, and the colours' names in place of MiniLM."""
    own = np.array([[2.0, 0, 0, 0.1], [0, 2.0, 0, 0.2], [0, 0, 2.0, 0.3]], np.float32)
    seen = ClassSpace(tuple(f"Kinetics: {name}" for name in COLOURS), tuple((name,) for name in COLOURS), as_given=True)
    settings = {"eszsl": {}, "gcn": {"hidden": (4,), "epochs": 2, "neighbours": 2}, "devise": {"epochs": 2}}
    monkeypatch.setattr(rows.i3d, "FEATURE_DIM", 3)
    monkeypatch.setattr(Rows, "_own_rows", own)
    monkeypatch.setattr(Rows, "_texts", Reader())
    monkeypatch.setattr(Rows, "_map", property(lambda self: RowMap(self.learner, self._texts, seen, own,
                                                                     settings[self.learner]).fit()))  # fmt: skip


def same_answers(model, method, answerer, given, few, dense):
    """Asserts that a model answers through its door as the method does when a benchmark asks it.

    Args:
        model: whose door it is.
        method: the method as a benchmark has it.
        answerer: the same, as the door made it.
        given: the video for `classify` and for `locate`.
        few: its track of a few windows.
        dense: all of it.
    """
    classes = ClassSpace(ACTIONS)
    objects = np.array([OBJECTS]) if answerer.objects else None
    locates = hasattr(method, "locate")
    answer = model.classify(given[0], ACTIONS, method=answerer, top=None)
    asked = Inputs([dense]) if locates else Inputs([few], objects)
    (expected,) = ask_scores(Pooled(method) if locates else method, asked, classes)
    assert {item.action: item.score for item in answer.actions} == dict(zip(ACTIONS, expected.tolist(), strict=True))
    assert answer.method == answerer.name + (", pooled" if locates else "")
    shares = [item.probability for item in answer.actions]
    if not locates and logit_scale_of(method):
        assert sum(shares) == pytest.approx(1)
    else:
        assert shares == [None] * len(ACTIONS), "no scale is stated, so no probability is made up"

    ((_, found),) = model.locate_many([given[1]], ACTIONS, method=answerer)
    if locates:
        placed = ask_segments(method, dense, classes)
    else:
        row = None if objects is None else objects[0]
        placed = ask_segments(Sliding(method, objects=row), dense, classes)
        assert all(item.confidence is None for item in placed) == (not logit_scale_of(method))
    assert found.segments == placed
    assert len(found.segments)
    assert found.method == answerer.name + ("" if locates else ", sliding")


@pytest.mark.parametrize("card", methods(), ids=lambda card: card.name)
def test_every_method_answers_as_in_a_benchmark(card, video, parts, tmp_path, monkeypatch):
    """A painted video, asked through classify and locate: the scores and segments of the method itself, to the bit."""
    if card.encoder:
        of_colours(monkeypatch)
    encoder = Raw() if card.encoder else ColourEncoder()
    model = Model(encoder)
    method = make(card, encoder, parts)
    given = {name: part for name, part in parts.items() if takes(card, name)}
    objects, vocabulary = tmp_path / "objects.json", tmp_path / "things.txt"
    vocabulary.write_text("\n".join(parts["concepts"].names))
    objects.write_text(json.dumps({"a": [OBJECTS, [0.5, 0.4, 0.3, 0.2, 0.1]]}))
    listed = objects if "objects" in " ".join(card.needs) else None
    if getattr(method, "training_free", False):
        answerer = model.method(card.name, **given)
    else:
        answerer = model.method(
            trained=keep(method, tmp_path / "kept"), objects=listed, objects_vocabulary=str(vocabulary), **given
        )
    assert answerer.name == card.name
    few, dense = (extract(Video(video), answerer.encoder_of(encoder), dense=dense) for dense in (False, True))
    same_answers(model, method, answerer, (video, video), few, dense)


@needs_weights
@needs_clips
def test_training_free_methods_answer_about_a_real_clip(monkeypatch):
    """The same for every method that learns nothing, on a real clip through the default model."""
    monkeypatch.delenv("GERUND_CACHE")
    model = gerund.load()
    few, dense = model.encode(PUNCH), model.encode(PUNCH, dense=True)
    cards = [card for card in methods() if not card.learns]
    assert {"similarity", "tear", "contrast", "whole", "uniform"} <= {card.name for card in cards}
    for card in cards:
        method = make(card, model.encoder, {})
        asked = dense if hasattr(method, "locate") else few
        same_answers(model, method, model.method(card.name), (asked, dense), few, dense)


def test_a_registered_method_keeps_its_word():
    """What a card says agrees with its class: its task, that it learns, and what it looks at."""
    assert len({card.name for card in methods()}) == len(methods()) >= 18
    for card in methods():
        made = card.load()
        assert hasattr(made, "locate" if card.task == "localization" else "score")
        assert made.takes in ("clip", "track", "vector")
        assert card.what and (card.learns or made.training_free)
        assert all(takes(card, name) for name, _ in card.settings)


def test_frames_are_those_that_a_method_has_learned_from(video, tmp_path, parts):
    """A method that learned from dense tracks, or other frames, is asked about such ones of the videos too."""
    card = next(card for card in methods() if card.name == "eszsl")
    model = Model(ColourEncoder())
    method = make(card, model.encoder, parts)
    scores = {}
    for sampling in ("few", "own"):
        answerer = model.method(trained=keep(method, tmp_path / sampling, sampling))
        answer = model.classify(video, ACTIONS, method=answerer, top=None)
        track = model.encode(video, dense=sampling == "own")
        scores[sampling] = ask_scores(method, Inputs([track]), ClassSpace(ACTIONS))[0].tolist()
        assert {item.action: item.score for item in answer.actions} == dict(zip(ACTIONS, scores[sampling], strict=True))
    assert scores["few"] != scores["own"]


class Single(ColourEncoder):
    """Looks at single frames, so that any may be chosen."""

    def sample(self, video, *, dense):
        return [Window(np.array([n]), np.array([[n, n + 1]])) for n in range(video.num_frames)]


def test_a_choice_of_frames_is_taken_up(video, tmp_path, parts):
    """Learned from the middle frames of three parts of each video, it is asked about these three of a new one."""
    card = next(card for card in methods() if card.name == "eszsl")
    model = Model(Single())
    method = make(card, model.encoder, parts)
    answerer = model.method(trained=keep(method, tmp_path / "kept", "frames3"))
    chosen = extract(Video(video), Sampling(frames=3).of(model.encoder), dense=True)
    assert len(chosen) == 3
    expected = ask_scores(method, Inputs([chosen]), ClassSpace(ACTIONS))[0].tolist()
    answer = model.classify(video, ACTIONS, method=answerer, top=None)
    assert {item.action: item.score for item in answer.actions} == dict(zip(ACTIONS, expected, strict=True))


def test_a_trained_method_needs_the_model_that_it_learned_with(video, tmp_path, parts):
    """Features of another encoder, and a folder that does not say which, are refused before anything is decoded."""
    card = next(card for card in methods() if card.name == "eszsl")
    model = Model(ColourEncoder())
    folder = keep(make(card, model.encoder, parts), tmp_path / "kept", features="another")
    with pytest.raises(UsageError, match=r"features of colour-stub with fingerprint another.*colour-stub-1"):
        model.method(trained=folder)
    (folder / "lesson.json").unlink()
    with pytest.raises(UsageError, match="not known what this method has learned from"):
        model.method(trained=folder)
    keep(make(card, model.encoder, parts), folder)
    with pytest.raises(UsageError, match="holds eszsl, not dem"):
        model.method("dem", trained=folder)
    with pytest.raises(UsageError, match="a trained method has its settings; leave out alpha"):
        model.method(trained=folder, alpha=1)
    with pytest.raises(UsageError, match=r"give one, such as .*split-0"):
        (tmp_path / "split-0").symlink_to(folder)
        model.method(trained=tmp_path)


BANANA = "class Mine:\n    takes = 'banana'\n    training_free = True\n    def {}: ...\n"


@pytest.mark.parametrize(("command", "method"), [("classify", "score(self, x, c)"), ("locate", "locate(self, x, c)")])
def test_what_a_method_takes_is_checked_wherever_it_enters(run, video, tmp_path, command, method):
    """A banana is refused by classify, locate, evaluate, train and Python alike, before a video is read."""
    file = tmp_path / "mine.py"
    file.write_text(BANANA.format(method))
    said = []
    for words in (
        [command, video, "--actions", "showing red, showing blue", "--method", f"{file}:Mine"],
        ["evaluate", f"{file}:Mine", "--on", "toyworld"],
        ["train", f"{file}:Mine", "--on", "toyworld", "--out", tmp_path / "out"],
    ):
        result = run(*words)
        assert result.exit_code == 2
        said.append(result.stderr)
    for line in said:
        assert "Mine.takes is 'banana'" in line and "clip, track, vector" in line

    class Mine:
        takes = "banana"

        def score(self, inputs, classes): ...

        def locate(self, track, classes): ...

    for ask in (
        lambda: Model(ColourEncoder()).classify(video, ACTIONS, method=Mine()),
        lambda: Model(ColourEncoder()).locate(video, ACTIONS, method=Mine()),
        lambda: ask_scores(Mine(), Inputs([]), ClassSpace(ACTIONS)),
        lambda: Sliding(Mine()),
        lambda: Pooled(Mine()),
    ):
        with pytest.raises(UsageError, match="banana"):
            ask()


def test_a_method_of_ones_own_learns_and_answers(run, video, tmp_path):
    """A class in a file is trained, kept and asked about videos, when a person names its file; not by its folder."""
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\nclass Mine:\n    takes = 'vector'\n    mean = None\n"
        "    def fit(self, examples, classes):\n"
        "        x, y = examples.inputs.vectors, examples.labels\n"
        "        self.mean = np.stack([x[y == k].mean(0) for k in range(3)])\n        return self\n"
        "    def score(self, inputs, classes): return inputs.vectors @ self.mean.T\n"
        "    def state(self): return {} if self.mean is None else {'mean': self.mean}\n"
        "    def restore(self, state): self.mean = state['mean']\n"
    )
    from gerund.methods.catalog import find_method

    card = find_method(f"{file}:Mine")
    folder = keep(make_method(card, {}, {}).fit(examples(), ClassSpace(ACTIONS)), tmp_path / "kept")
    words = ["classify", video, "--actions", ", ".join(ACTIONS), "--trained", folder]
    refused = run(*words)
    assert refused.exit_code == 2 and "name its file, --method file.py:Class" in refused.stderr
    out = tmp_path / "out.jsonl"
    found = run(*words, "--method", f"{file}:Mine", "--json", out)
    assert found.exit_code == 0, found.output
    line = json.loads(out.read_text())
    assert line["method"] == "mine" and line["actions"][0]["action"] == "showing red"
    assert all(item["probability"] is None for item in line["actions"])
    assert run("classify", video, "--actions", "red, blue", "--method", f"{file}:Mine").exit_code == 2, "not trained"
