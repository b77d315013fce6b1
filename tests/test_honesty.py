"""The guards of runs: nothing is unseen by mistake, and nothing is carried from one split to another."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from gerund.bench.protocols.benchmark import Split
from gerund.bench.runs import assembly
from gerund.bench.runs.assembly import Assembly, require_one_encoder
from gerund.bench.runs.evaluate import evaluate, train_and_save
from gerund.bench.runs.learning import SplitRun, train
from gerund.bench.runs.material import Material
from gerund.bench.runs.report import make_report
from gerund.bench.runs.request import Request
from gerund.bench.runs.run import run
from gerund.bench.runs.toyworld import ToyWorld
from gerund.bench.runs.trained import keep, take_up
from gerund.cli import app
from gerund.encoders.catalog import find_encoder
from gerund.errors import UsageError
from gerund.examples import Inputs
from gerund.methods.catalog import find_method
from gerund.text.classes import ClassSpace
from toyruns import MATERIAL, REST, SEEN, SHARED, WORLD, Least, Of, never

# What a trained method may be asked


@pytest.fixture
def trained(tmp_path):
    """ESZSL as it was trained on split 0."""
    split, card = WORLD.benchmark.splits[0], find_method("eszsl")
    found = Assembly(Request("eszsl", "toyworld"), card, WORLD.benchmark, MATERIAL, {"texts": WORLD})
    for done, method in train(WORLD.benchmark, found.make, MATERIAL, splits=["0"]):
        keep(method, tmp_path / f"split-{done.name}", WORLD.benchmark, split, WORLD)
    return tmp_path, card, split


def test_a_method_is_taken_up_with_what_it_has_learned_from(trained):
    """It comes with the classes of its split, from its own folder or from the one above."""
    folder, card, split = trained
    for place in (folder, folder / "split-0"):
        method, classes = take_up(place, card, {"texts": WORLD}, WORLD.benchmark, split, WORLD)
        assert classes == split.seen
        asked = Inputs.of(WORLD.tracks(WORLD.ids()[:3]))
        assert method.score(asked, ClassSpace(split.unseen)).shape == (3, 6)


def test_features_of_another_encoder_are_refused(trained):
    """A method that has learned from one encoder's features is not asked with those of another."""
    folder, card, split = trained
    with pytest.raises(UsageError, match=r"fingerprint toyworld, and these have other"):
        take_up(folder, card, {"texts": WORLD}, WORLD.benchmark, split, Of(fingerprint="other"))


@pytest.mark.parametrize("spelling", [str, str.upper, lambda name: name.replace("ing", "_ing"), str.title])
def test_one_leaked_class_is_enough(trained, spelling):
    """A single class that a method has learned from, in whatever spelling, keeps it from being asked about it."""
    folder, card, split = trained
    known = spelling(split.seen[4])
    leaky = Split("0", split.seen[:4], (*split.unseen[1:], known))
    with pytest.raises(UsageError, match=rf"1 of the 6 classes .* such as {known}"):
        take_up(folder, card, {"texts": WORLD}, WORLD.benchmark, leaky, WORLD)


def test_another_method_of_the_same_class_is_refused(tmp_path):
    """What was trained as DeViSE is not asked as SJE."""
    pytest.importorskip("torch")
    words = ("--on", "toyworld", "--splits", "0", "--set", "epochs=1")
    assert CliRunner().invoke(app, ["train", "devise", *words, "--out", str(tmp_path), "-q"]).exit_code == 0
    split = ToyWorld().benchmark.splits[0]
    with pytest.raises(UsageError, match="a method with loss 'devise', not sje"):
        take_up(tmp_path, find_method("sje"), {"texts": ToyWorld()}, ToyWorld().benchmark, split, WORLD)


@pytest.mark.parametrize("damage", ["gone", "cut", "without classes", "of another kind", "large"])
def test_without_its_lesson_a_method_is_not_asked(trained, damage):
    """Where it is not known what a method has learned from, it is not asked about anything."""
    folder, card, split = trained
    path = folder / "split-0" / "lesson.json"
    content = json.loads(path.read_text())
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_text(path.read_text()[:-20])
    elif damage == "large":
        path.write_text(" " * (1 << 24) + path.read_text())
    else:
        del content["classes"]
        path.write_text(json.dumps(content if damage == "without classes" else content | {"classes": "abc"}))
    with pytest.raises(UsageError, match="it is not known what this method has learned from"):
        take_up(folder, card, {"texts": WORLD}, WORLD.benchmark, split, WORLD)


def test_classes_learned_elsewhere_are_not_free_of_overlap(trained):
    """The overlap-free figures leave out classes that a trained method has met under another name."""
    folder, _, _ = trained
    path = folder / "split-0" / "lesson.json"
    request = Request("eszsl", "toyworld", splits=["0"], trained=str(folder))
    world = ToyWorld()
    words = ["train", "eszsl", "--on", "toyworld", "--splits", "0", "--out", str(folder), "-q"]
    assert CliRunner().invoke(app, words).exit_code == 0
    content = json.loads(path.read_text())
    report = evaluate(request, load_encoder=never).data
    assert report.splits[0].trained_on_classes == content["classes"] == list(world.benchmark.splits[0].seen)
    done = SplitRun("0", trained_on=(world.benchmark.splits[0].unseen[2].upper(),))
    free = make_report(world.benchmark, [done], method="m", features={}, texts={}).data.splits[0].overlap_free
    assert (free.num_classes, free.of) == (15, 16)


# What features were learned with


def test_the_models_training_data_is_known():
    """What a model was trained on counts for the overlap, whether it made the features or encodes the texts."""
    known = find_encoder("i3d-minilm").trained_on
    assert known
    for request, features in (
        (Request("eszsl", "toyworld", model="i3d-minilm"), "toyworld"),
        (Request("eszsl", "toyworld"), "i3d-minilm"),
        (Request("eszsl", "toyworld", trained_on=["hmdb51"]), "i3d-minilm"),
    ):
        found = _evaluate_with(request, Of(encoder=features), Of(encoder=features))
        assert found.trained_on == [*request.trained_on, *known]
        assert found.splits[0].overlap_free.of == 16
    assert _evaluate_with(Request("eszsl", "toyworld"), Of(), Of()).trained_on == []


def test_only_training_features_of_a_model_count_too():
    """Features to train on that come from a labelled model are enough."""
    request = Request("eszsl", "toyworld")
    found = _evaluate_with(request, Of(encoder="i3d-minilm"), Of())
    assert found.trained_on == list(find_encoder("i3d-minilm").trained_on)


def _evaluate_with(request, train_features, test_features):
    """The report of split 0 with other features on each side."""
    with pytest.MonkeyPatch.context() as patch:
        _give(patch, train_features, test_features)
        return evaluate(replace(request, splits=["0"]), load_encoder=lambda name: object()).data


def _give(patch, train_features, test_features):
    world = ToyWorld()
    for features in (train_features, test_features):
        features.tracks, features.ids = world.tracks, world.ids
    patch.setattr(assembly, "Material", lambda train, test, *rest: Material(train, test, train_features, test_features))


@pytest.mark.parametrize("said", [{"fingerprint": "other"}, {"sampling": "stride8"}])
@pytest.mark.parametrize("side", [0, 1])
def test_features_of_two_kinds_are_not_mixed(monkeypatch, tmp_path, said, side):
    """Learning from one encoder or sampling and being asked with another is refused, in evaluate and in train."""
    sides = [Of(), Of()]
    sides[side] = Of(**said)
    with pytest.raises(UsageError, match=rf"training features have {next(iter(said))}"):
        require_one_encoder(Material(WORLD.listing, WORLD.listing, *sides))
    require_one_encoder(Material(WORLD.listing, WORLD.listing, Of(**said), Of(**said)))
    _give(monkeypatch, *sides)
    request = Request("eszsl", "toyworld")
    with pytest.raises(UsageError, match="extract both with the same encoder and sampling"):
        evaluate(request, load_encoder=never)
    with pytest.raises(UsageError, match="extract both with the same encoder and sampling"):
        train_and_save(request, tmp_path, load_encoder=never)


def test_what_learns_nothing_needs_no_training_features(monkeypatch, tmp_path):
    """A training-free method is asked whatever there is to train on."""
    (tmp_path / "mine.py").write_text(HOLDS_A_PART.replace("takes =", "training_free = True\n    takes ="))
    _give(monkeypatch, Of(fingerprint="other"), Of())
    assert evaluate(Request(f"{tmp_path / 'mine.py'}:Mine", "toyworld", splits=["0"]), load_encoder=never).data.splits


# What is carried from one split to another


class Remembering(Least):
    """Takes up what it is asked, which no other split should notice."""

    met: list

    def __init__(self):
        super().__init__()
        self.asked_, self.seen_before = [], []

    def score(self, inputs, classes):
        self.seen_before.append(len(self.asked_))
        self.asked_.append(classes.names)
        Remembering.met.append(list(self.asked_))
        return super().score(inputs, classes)


def test_what_a_method_takes_up_stays_in_its_split():
    """A method that learns while it answers is a fresh copy for each split that shares its training."""
    Remembering.met = []
    assert len(list(run(SHARED, Remembering, MATERIAL))) == 2
    for asked in Remembering.met:
        assert len(set(asked)) == 1, "a split was met by the method of another"


def test_a_copy_is_made_though_training_videos_are_missing():
    """Splits whose seen classes differ only in classes without videos here are fitted apart, so nothing is shared."""
    Remembering.met = []
    splits = (Split("0", SEEN, REST[:3]), Split("1", (*SEEN, "nobody does this"), REST[3:]))
    assert len(list(run(replace(SHARED, splits=splits), Remembering, MATERIAL))) == 2
    for asked in Remembering.met:
        assert len(set(asked)) == 1


class Locked(Least):
    """Is built on a part that cannot be copied, as an encoder on ONNX Runtime cannot."""

    fits = 0

    def __init__(self, part, ridge=1.0):
        super().__init__(ridge)
        self.part, self.calls = part, []

    def fit(self, examples, classes):
        Locked.fits += 1
        return super().fit(examples, classes)

    def score(self, inputs, classes):
        self.calls.append(classes.names)
        assert len(set(self.calls)) == 1, "carried over"
        self.part.used += 1
        return super().score(inputs, classes)


class Part:
    """Holds a lock, so that it can be neither pickled nor copied."""

    def __init__(self):
        self.session, self.used = threading.Lock(), 0


@pytest.mark.parametrize("how", ["shared", "fingerprint", "neither"])
def test_a_part_that_cannot_be_copied_is_shared(how):
    """The encoder is one and the same on every split; what was learned is copied, or, if need be, learned anew."""
    part, Locked.fits, told = Part(), 0, []
    if how == "fingerprint":
        part.fingerprint = "f"
    shared = [part] if how == "shared" else []
    found = list(run(SHARED, lambda: Locked(part), MATERIAL, shared=shared, progress=told.append))
    wanted = list(run(SHARED, Least, MATERIAL))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.answers[0].scores, other.answers[0].scores)
    assert part.used > 0
    assert Locked.fits == (3 if how == "neither" else 1)
    assert any("cannot be copied" in line for line in told) is (how == "neither")


def test_settings_that_were_chosen_are_kept_when_a_method_learns_anew():
    """The splits that share a fit share the choice, also where the method cannot be copied."""
    part = Part()
    choices = {"ridge": [-1e9, 1.0]}
    found = list(run(SHARED, lambda ridge: Locked(part, ridge), MATERIAL, choices=choices))
    assert [done.settings for done in found] == [{"ridge": 1.0}] * 2
    assert [done.used["settings"]["ridge"] for done in found] == [1.0, 1.0]


HOLDS_A_PART = """
class Mine:
    takes = "vector"

    def __init__(self, texts):
        self.held = [texts]

    def fit(self, examples, classes):
        return self

    def score(self, inputs, classes):
        return inputs.vectors[:, :32] @ self.held[0].encode_classes(classes).T

    texts = property(lambda self: self.held[0])

    def state(self):
        import numpy as np

        return {"one": np.ones(1)}

    def restore(self, state):
        pass
"""


@pytest.mark.parametrize("method", ["eszsl", "mine.py:Mine"])
def test_the_command_runs_a_method_on_an_encoder_that_cannot_be_copied(tmp_path, monkeypatch, method):
    """Evaluate hands the parts of a method on as shared, however deep a method keeps them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(HOLDS_A_PART)
    monkeypatch.setattr(ToyWorld, "__deepcopy__", _refuse, raising=False)
    world = ToyWorld()
    one = world.benchmark.splits[0]
    two = (one, replace(one, name="1", unseen=one.unseen[:8]))
    monkeypatch.setitem(assembly.TOYWORLDS, "toyworld", lambda seed: (world, replace(world.benchmark, splits=two)))
    told = []
    assert len(evaluate(Request(method, "toyworld"), load_encoder=never, progress=told.append).data.splits) == 2
    assert sum(line.startswith("fitting") for line in told) == 1
    assert not any("copied" in line for line in told)
    assert len(train_and_save(Request(method, "toyworld"), tmp_path, load_encoder=never, progress=told.append)) == 2
    assert not any("copied" in line for line in told)


def _refuse(world, memo):
    raise TypeError("cannot pickle this")


class Transductive(Least):
    """Learns with the names of the unseen classes."""

    class_names_at_fit = True
    names: list

    def fit(self, examples, classes):
        Transductive.names.append(classes.names)
        return super().fit(examples, classes)


def test_class_transductive_methods_learn_for_each_set_of_names():
    """Splits with the same training videos and other unseen names are no reason to reuse such a method."""
    Transductive.names = []
    list(run(SHARED, Transductive, MATERIAL))
    assert [set(names) - set(SEEN) for names in Transductive.names] == [set(REST[:3]), set(REST[3:])]
    assert all(names[:12] == SEEN for names in Transductive.names)


def test_names_of_held_out_classes_are_given_to_class_transductive_methods_only():
    """While settings are chosen, the held-out names take the place of the unseen ones; the unseen stay unknown."""
    Transductive.names = []
    next(run(SHARED, Transductive, MATERIAL, choices={"ridge": [1.0, 2.0]}))
    tried = Transductive.names[:2]
    assert all(set(names) == set(SEEN) for names in tried)
    assert set(Transductive.names[2]) == {*SEEN, *REST[:3]}


# How settings are chosen


class Even(Least):
    """Answers alike whatever its setting is."""

    def __init__(self, name):
        super().__init__()
        self.name = name


def test_of_equal_settings_the_first_is_taken():
    """A tie on held-out classes leaves the order as a person gave it."""
    for names in (["a", "b", "c"], ["c", "b", "a"]):
        done = next(run(SHARED, Even, MATERIAL, choices={"name": names}))
        assert done.settings == {"name": names[0]} and len(set(done.held_out.values())) == 1


def test_a_share_of_the_seen_classes_is_held_out():
    """A fifth of the seen classes, two at least, is kept from learning, and drawn by the seed."""
    asked = {}

    class Asked(Least):
        def fit(self, examples, classes):
            self.known = classes.names
            return super().fit(examples, classes)

        def score(self, inputs, classes):
            asked.setdefault(seed, []).append((self.known, classes.names))
            return super().score(inputs, classes)

    for seed in (0, 1):
        next(run(SHARED, Asked, MATERIAL, choices={"ridge": [1.0, 2.0]}, seed=seed))
        (known, held), again = asked[seed][:2]
        assert (known, held) == again and len(held) == 2
        assert not set(known) & set(held) and {*known, *held} == set(SEEN)
    assert asked[0][0] != asked[1][0]


def test_too_few_seen_classes_leave_nothing_to_choose_by():
    """Fewer than two classes to learn from while two are held out is an error."""
    few = replace(SHARED, splits=(Split("0", SEEN[:3], REST),))
    with pytest.raises(UsageError, match="3 seen classes are too few"):
        next(run(few, Least, MATERIAL, choices={"ridge": [1.0, 2.0]}))
    four = replace(SHARED, splits=(Split("0", SEEN[:4], REST),))
    assert next(run(four, Least, MATERIAL, choices={"ridge": [1.0, 2.0]})).held_out


def test_a_setting_that_answers_no_numbers_is_not_chosen():
    """NaN on held-out classes is an error, not an accuracy."""

    class Broken(Least):
        def score(self, inputs, classes):
            return super().score(inputs, classes) * np.nan

    with pytest.raises(UsageError, match="must give finite numbers"):
        next(run(SHARED, Broken, MATERIAL, choices={"ridge": [1.0, 2.0]}))


def test_a_method_that_learns_needs_something_to_learn_from():
    """Without a training video it is refused, with the way out; with some, missing classes are told."""
    material = replace(MATERIAL, train_features=Of(lacking=WORLD.ids()))
    with pytest.raises(UsageError, match=r"has no training video here; train it elsewhere.*--trained"):
        next(run(SHARED, Least, material, allow_missing=True))
    gone = [video.video for video in WORLD.listing if video.label in SEEN[:2]]
    told = []
    done = next(
        run(SHARED, Least, replace(MATERIAL, train_features=Of(lacking=gone)), allow_missing=True, progress=told.append)
    )
    assert "split 0: 2 seen classes have no training video here" in told
    assert done.num_train == 50 and done.missing["train"] == 10
