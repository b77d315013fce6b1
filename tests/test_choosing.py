"""Choosing without test classes: what decides, what is shown on the way, and what a report says of it."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.runs.answers import load_answers, save_answers
from gerund.bench.runs.evaluate import evaluate, train_and_save
from gerund.bench.runs.judging import Wanted
from gerund.bench.runs.learning import train
from gerund.bench.runs.material import Material
from gerund.bench.runs.measuring import measure
from gerund.bench.runs.proving import differences
from gerund.bench.runs.report import Report
from gerund.bench.runs.request import Request
from gerund.bench.runs.run import run
from gerund.bench.runs.toyworld import ToyWorld
from gerund.cli import app
from gerund.errors import UsageError
from gerund.metrics.calibration import best_logit_scale
from gerund.metrics.generalised import seen_unseen_accuracy
from gerund.text.names import to_words
from gerund.types import Segment, Segments, Track
from toyruns import MATERIAL, REST, SEEN, SHARED, WORLD, Least, Of, never

ONE = replace(SHARED, splits=(Split("0", SEEN, REST),))
VALIDATED = replace(SHARED, splits=(Split("0", SEEN, REST[:3], REST[3:]),))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small are slower on several threads."""
    torch = importlib.import_module("torch") if importlib.util.find_spec("torch") else None
    if torch:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
    yield
    if torch:
        torch.set_num_threads(threads)


def gerund(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


# What is shown on the way


class Numbered:
    """Features that say which video they are of, so that a spy can tell."""

    def __init__(self, listing, lacking=()):
        self.numbers = {video.video: number for number, video in enumerate(listing) if video.video not in lacking}

    def ids(self):
        return list(self.numbers)

    def tracks(self, ids):
        spans_s = np.array([[0.0, 4.5]])
        return [Track(np.array([[self.numbers[video], 1.0]], np.float32), spans_s, "numbers") for video in ids]

    def describe(self):
        return {"encoder": "numbers", "fingerprint": "numbers", "sampling": "none"}


class Spy:
    """Remembers which videos and names it meets, and when; it has everything that can be chosen."""

    takes = "track"
    chosen_after_fit = ("later",)

    def __init__(self, log, setting=0, later=0, free=False, transductive=False):
        self.log, self.setting, self.later, self.stop_epoch = log, setting, later, None
        self.training_free, self.class_names_at_fit = free, transductive

    def fit(self, examples, classes):
        labelled = {classes.names[label] for label in examples.labels}
        labelled |= {item.action for segments in examples.segments or () for item in segments}
        self.log.append(("fit", numbers_of(examples.inputs), set(classes.names), labelled))
        return self

    def checkpoints(self):
        return (1, 2)

    def take_checkpoint(self, number):
        return self

    def choose(self, held_out, classes):
        self.log.append(("ask", numbers_of(held_out.inputs), set(classes.names), set()))

    def score(self, inputs, classes):
        self.log.append(("ask", numbers_of(inputs), set(classes.names), set()))
        return np.array([[track.vectors[0, 0] % (place + 2) for place in range(len(classes))] for track in inputs])

    def locate(self, track, classes):
        self.log.append(("ask", numbers_of([track]), set(classes.names), set()))
        return Segments([Segment(1.0, 2.5, name, 1.0, 1.0) for name in classes.names])


def numbers_of(tracks):
    return {int(track.vectors[0, 0]) for track in tracks}


ACTIONS = ("Billiards", "Diving", "HighJump", "LongJump", "PoleVault", "Shotput", "TennisSwing", "Basketball")
LOCATED = Benchmark(
    "made-up", "localization", "thumos14", "thumos14",
    (Split("0", ACTIONS[:6], ACTIONS[6:]),), "validation", "test", tious=(0.5, 0.7),
)  # fmt: skip


def videos_of_actions():
    """Three training videos and one test video of every action; the third shows the next action too."""
    videos = []
    for place, name in enumerate(ACTIONS):
        for number in range(4):
            others = ((3.0, 4.0, ACTIONS[(place + 1) % len(ACTIONS)]),) if number == 2 else ()
            subset = "test" if number == 3 else "validation"
            shown = ((1.0, 2.5, name), *others)
            videos.append(ListedVideo(f"{name} {number}", name, subset=subset, segments=shown, duration_s=5, fps=30.0))
    return Listing("thumos14", tuple(videos))


SPIED = {
    "recognition": (ONE, WORLD.listing, ("checkpoint", "temperature")),
    "generalised": (WORLD.generalised, WORLD.listing, ("checkpoint", "bias")),
    "localization": (LOCATED, videos_of_actions(), ("checkpoint",)),
    "validated": (VALIDATED, WORLD.listing, ("temperature",)),
}


@pytest.mark.parametrize("task", SPIED)
@pytest.mark.parametrize("kind", ["learns", "knows names", "free"])
def test_no_test_class_and_no_test_video_takes_part(task, kind):
    """Until the test begins a method meets training videos and seen names alone; held-out ones are not learned from."""
    benchmark, listing, parts = SPIED[task]
    features = Numbered(listing)
    log, free = [], kind == "free"

    def make(**settings):
        return Spy(log, free=free, transductive=kind == "knows names", **settings)

    def tell(words):
        if " videos among " in words:
            log.append(("test", set(), set(), set()))

    parts = tuple(part for part in parts if not (free and part == "checkpoint"))
    choices = {"setting": [0, 1], "later": [0, 1, 2]}
    material = Material(listing, listing, features, features)
    done = next(run(benchmark, make, material, choices=choices, choose=parts, progress=tell))
    begins = next(place for place, entry in enumerate(log) if entry[0] == "test")
    split = benchmark.splits[0]
    validated = split.validation if task == "validated" else ()
    allowed = {n for v, n in features.numbers.items() if allows(benchmark, listing.by_id[v], validated)}
    names = {to_words(name) for name in (*split.seen, *validated)}
    fits = [entry for entry in log[:begins] if entry[0] == "fit"]
    asks = [entry for entry in log[:begins] if entry[0] == "ask"]
    assert asks and all(videos <= allowed and asked <= names for _, videos, asked, _ in asks)
    for _, videos, known, labelled in fits:
        assert videos <= allowed and labelled <= {to_words(name) for name in split.seen}
        assert known <= names or kind == "knows names"
    if task == "validated" or free:
        assert len(fits) == (0 if free else 2)
    else:
        assert len(fits) == 3, "one for each setting that needs a fit, and one on all"
        assert all(known <= {to_words(name) for name in split.seen} for _, _, known, _ in fits[:2])
        held = names - fits[0][3]
        shown = {n for v, n in features.numbers.items() if {to_words(s) for s in names_in(listing.by_id[v])} & held}
        assert len(held) == max(2, round(0.2 * len(split.seen))) and not fits[0][1] & shown
        assert fits[2][3] == {to_words(name) for name in split.seen} and fits[2][1] > fits[0][1]
    assert done.choice and set(done.settings) == {"setting", "later"} and set(done.chosen) == set(parts)


def names_in(video):
    return {video.label, *(label for _, _, label in video.segments)}


def allows(benchmark, video, validated):
    """True for a training video of a seen class, and for one of a validation class."""
    split = benchmark.splits[0]
    if benchmark.task == "localization":
        return video.subset == "validation" and bool(names_in(video) & set(split.seen))
    tested = benchmark.task == "generalised" and "test1" in video.lists
    return (video.label in split.seen and not tested) or video.label in validated


# What decides


class ByEpoch(Least):
    """Has learned something after its second epoch only, and can end there."""

    takes = "vector"
    fits: list

    def __init__(self, ridge=1.0, sign=1):
        super().__init__(ridge)
        self.sign, self.stop_epoch, self.taken = sign, None, None

    def fit(self, examples, classes):
        ByEpoch.fits.append((len(examples), self.stop_epoch))
        return super().fit(examples, classes)

    def checkpoints(self):
        return [1, 2, 3]

    def take_checkpoint(self, number):
        self.taken = number
        return self

    def score(self, inputs, classes):
        return super().score(inputs, classes) * (1 if self.taken == 2 else -1) * self.sign


def test_a_checkpoint_is_chosen_and_learned_again_from_all():
    """Of three the one that suits held-out classes; the method learns from all seen classes and ends there."""
    ByEpoch.fits = []
    done = next(run(ONE, ByEpoch, MATERIAL, choose=["checkpoint"]))
    assert ByEpoch.fits == [(50, None), (60, 2)]
    assert done.chosen == {"checkpoint": 2} and done.settings == {}
    assert list(done.held_out) == ["{'checkpoint': 1}", "{'checkpoint': 2}", "{'checkpoint': 3}"]
    assert done.choice == "held-out 20 % of seen classes (2 of 12), seed 0, by top-1, refit on all"
    wanted = next(run(ONE, Least, MATERIAL)).answers[0].scores
    np.testing.assert_array_equal(done.answers[0].scores, wanted)


def test_checkpoints_and_settings_are_chosen_together():
    """A setting that turns the scores round makes the other checkpoints the good ones."""
    ByEpoch.fits = []
    done = next(run(ONE, ByEpoch, MATERIAL, choose=["checkpoint"], choices={"sign": [0, -1], "ridge": [1.0]}))
    assert done.settings == {"sign": -1, "ridge": 1.0} and done.chosen == {"checkpoint": 1}
    assert [count for count, _ in ByEpoch.fits] == [50, 50, 60] and len(done.held_out) == 6


def test_without_being_asked_for_nothing_but_settings_is_chosen():
    """The last checkpoint answers, as it always did."""
    ByEpoch.fits = []
    done = next(run(ONE, ByEpoch, MATERIAL))
    assert ByEpoch.fits == [(60, None)] and (done.chosen, done.choice, done.held_out) == ({}, "", {})


class OwnChoice(Least):
    """Chooses by itself, and cannot say what."""

    sign = -1

    def choose(self, held_out, classes):
        right = (self.score(held_out.inputs, classes).argmax(1) == held_out.labels).mean()
        self.sign, self.names = self.sign * (1 if right > 0.5 else -1), classes.names
        return self


def test_a_choice_that_cannot_be_told_is_not_learned_again():
    """What it chose would be lost, so the method that chose answers, and the report says so."""
    done = next(run(ONE, OwnChoice, MATERIAL, choose=["checkpoint"]))
    assert done.choice.endswith("by top-1, no refit") and done.chosen == {}
    assert set(done.held_out) == {"{}"}


class After(Least):
    """Has a setting that only matters when it answers."""

    chosen_after_fit = ("sign",)
    fits = 0

    def __init__(self, ridge=1.0, sign=1.0):
        super().__init__(ridge)
        self.sign = sign

    def fit(self, examples, classes):
        After.fits += 1
        return super().fit(examples, classes)

    def score(self, inputs, classes):
        return super().score(inputs, classes) * self.sign


def test_one_fit_for_settings_that_need_no_other():
    """Three values of such a setting are compared on one method; the report's method has the best."""
    After.fits = 0
    done = next(run(ONE, After, MATERIAL, choices={"sign": [-1.0, 0.0, 2.0], "ridge": [1.0]}))
    assert After.fits == 2 and len(done.held_out) == 3
    assert done.settings == done.used["settings"] == {"sign": 2.0, "ridge": 1.0}


def test_a_setting_that_cannot_be_set_is_named():
    """A method that says so of one that it has not, or that is fixed, is told which."""

    class Fixed(After):
        sign = property(lambda self: 1.0, lambda self, value: None if value == 1.0 else _no())

    def _no():
        raise AttributeError("read-only")

    with pytest.raises(UsageError, match=r"Fixed\.chosen_after_fit names sign, which cannot be set"):
        next(run(ONE, Fixed, MATERIAL, choices={"sign": [1.0, 2.0]}))


class Free(Least):
    """Learns nothing; the map was found elsewhere."""

    training_free = True
    map_ = np.linalg.lstsq(
        np.stack([track.vectors[0] for track in WORLD.tracks(WORLD.ids())]).astype(float),
        np.repeat(WORLD.encode_classes(type("C", (), {"names": WORLD.names})), 5, axis=0),
    )[0]

    def __init__(self, sign=1):
        self.sign = sign

    def fit(self, examples, classes):
        raise AssertionError("it learns nothing")

    def score(self, inputs, classes):
        return super().score(inputs, classes) * self.sign


def test_training_free_methods_choose_by_all_seen_classes():
    """Nothing is fitted; where a protocol has no seen class with videos there is nothing to choose by."""
    done = next(run(ONE, Free, MATERIAL, choices={"sign": [-1, 1]}))
    assert done.settings == {"sign": 1} and done.num_train == 60
    assert done.choice == "all 12 seen classes, of which nothing is learned, by top-1, no refit"
    full = replace(ONE, splits=(Split("0", (), SEEN),))
    with pytest.raises(UsageError, match="learns nothing to choose sign by, and shared split 0 has no video of a seen"):
        next(run(full, Free, MATERIAL, choices={"sign": [-1, 1]}))


def test_official_validation_classes_choose_settings_without_another_fit():
    """Where the protocol has them, they decide, and the methods that were compared are those that answer."""
    After.fits = 0
    choices = {"ridge": [-1e9, 1.0], "sign": [0.0, 1.0]}
    done = next(run(VALIDATED, After, MATERIAL, choices=choices))
    assert After.fits == 2 and done.settings == {"ridge": 1.0, "sign": 1.0} and len(done.held_out) == 4
    assert done.choice == "3 official validation classes, no refit"
    assert next(run(VALIDATED, Free, MATERIAL, choices={"sign": [-1, 1]})).settings == {"sign": 1}
    own = next(run(VALIDATED, OwnChoice, MATERIAL))
    assert own.choice == "3 official validation classes, no refit" and own.held_out == {}


def test_validation_videos_are_asked_for_only_where_they_choose():
    """A method with nothing to choose runs without their features, as before."""
    gone = [video.video for video in WORLD.listing if video.label in REST[3:]]
    material = replace(MATERIAL, test_features=Of(lacking=gone))
    done = next(run(VALIDATED, Least, material))
    assert done.missing == {"train": 0, "test": 0} and done.choice == ""
    with pytest.raises(UsageError, match="15 of 15 validation videos have no features"):
        next(run(VALIDATED, Least, material, choices={"ridge": [1.0, 2.0]}))


def test_what_validation_chose_for_one_split_does_not_reach_the_next():
    """Splits that share a fit choose each by its own classes."""
    splits = (Split("0", SEEN, REST[:3], REST[3:]), Split("1", SEEN, REST[3:], REST[:3]))
    After.fits = 0
    both = list(run(replace(SHARED, splits=splits), After, MATERIAL, choices={"sign": [-1.0, 1.0]}))
    assert After.fits == 1 and [done.settings for done in both] == [{"sign": 1.0}] * 2


class Pointing:
    """Locates by a list that a real one could not have: each video's own action, moved by some seconds."""

    takes = "track"
    listing = videos_of_actions()

    def __init__(self, shift_s=0.0):
        self.shift_s = shift_s

    def fit(self, examples, classes):
        return self

    def locate(self, track, classes):
        shown = self.listing.videos[int(track.vectors[0, 0])].segments
        mine = [(start_s, end_s, to_words(label)) for start_s, end_s, label in shown]
        return Segments(
            [
                Segment(s + self.shift_s, e + self.shift_s, name, 1.0, 1.0)
                for s, e, name in mine
                if name in classes.names
            ]
        )


@pytest.mark.parametrize("free", [False, True])
def test_settings_of_localizers_are_chosen_by_average_map(free):
    """A segment that is off by two seconds finds nothing, one by half a second what lies above tIoU 0.5 alone."""
    listing = Pointing.listing
    features = Numbered(listing)
    material = Material(listing, listing, features, features)

    def make(shift_s):
        method = Pointing(shift_s)
        method.training_free = free
        return method

    done = next(run(LOCATED, make, material, choices={"shift_s": [2.0, 0.375, 0.0]}))
    assert done.settings == {"shift_s": 0.0} and "by average mAP" in done.choice
    found = {key: round(value, 6) for key, value in done.held_out.items()}
    overlap = {"{'shift_s': 2.0}": 0.0, "{'shift_s': 0.0}": 1.0}
    assert {key: found[key] for key in overlap} == overlap and 0 < found["{'shift_s': 0.375}"] < 0.6


# Temperature and bias


def test_the_best_scale_is_that_of_a_fine_grid():
    """On scores of any size; where everything is right it is large and finite, where nothing tells it is small."""
    random = np.random.default_rng(5)
    labels = random.integers(0, 4, 60)
    scores = random.standard_normal((60, 4)) + 2 * np.eye(4)[labels]
    for size in (1e-3, 1.0, 500.0):
        found = best_logit_scale(scores * size, labels)
        grid = np.exp(np.linspace(np.log(found / 3), np.log(found * 3), 2001))
        costs = [
            np.log(np.exp(s * size * scores).sum(1)).mean() - s * size * scores[range(60), labels].mean() for s in grid
        ]
        assert found == pytest.approx(grid[int(np.argmin(costs))], rel=2e-3)
    assert 30 < best_logit_scale(np.eye(3), [0, 1, 2]) < np.inf
    assert 0 < best_logit_scale(np.eye(3), [1, 2, 0]) < 1e-3
    assert best_logit_scale(np.zeros((2, 3)), [0, 1]) > 0


def test_the_temperature_makes_probabilities():
    """Scores divided by it are logits, so ECE and Brier are reported; it is that of the held-out answers."""
    plain = next(run(ONE, Least, MATERIAL))
    done = next(run(ONE, Least, MATERIAL, choose=["temperature"]))
    np.testing.assert_array_equal(plain.answers[0].scores, done.answers[0].scores)
    assert plain.answers[0].logit_scale == 0 and done.answers[0].logit_scale == pytest.approx(
        1 / done.chosen["temperature"]
    )
    figures = measure(done.answers, ONE, frozenset())
    assert {"ECE", "Brier"} <= set(figures) and figures["top-1"] == measure(plain.answers, ONE, frozenset())["top-1"]

    class Larger(Least):
        def score(self, inputs, classes):
            return 100 * super().score(inputs, classes)

    larger = next(run(ONE, Larger, MATERIAL, choose=["temperature"]))
    assert larger.chosen["temperature"] == pytest.approx(100 * done.chosen["temperature"], rel=1e-3)


class Proud(Least):
    """Favours the classes that it has learned from."""

    fits: list

    def fit(self, examples, classes):
        Proud.fits.append(len(examples))
        self.known = set(classes.names)
        return super().fit(examples, classes)

    def score(self, inputs, classes):
        return super().score(inputs, classes) + 5.0 * np.array([name in self.known for name in classes.names])


def test_the_stacking_bias_undoes_what_seen_classes_lead_by(tmp_path):
    """Chosen on seen classes alone, it takes about the 5 that they are ahead by; the plain figures stay."""
    Proud.fits = []
    (done,) = run(WORLD.generalised, Proud, MATERIAL, choose=["bias"], splits=["0"])
    assert Proud.fits == [30, 48], "two of twelve classes are held out, and a video of each other one"
    assert done.chosen["bias"] == pytest.approx(5, abs=1)
    answer = done.answers[0]
    figures = measure([answer], WORLD.generalised, frozenset())
    assert figures["unseen"] == 0 == figures["H"] and figures["H, calibrated"] > 50
    again = seen_unseen_accuracy(answer.scores, answer.labels, answer.is_seen, bias=done.chosen["bias"])
    assert figures["H, calibrated"] == 100 * again.harmonic
    assert (figures["seen, calibrated"], figures["unseen, calibrated"]) == (100 * again.seen, 100 * again.unseen)
    save_answers([answer], tmp_path / "a.npz")
    assert load_answers(tmp_path / "a.npz")[0].bias == answer.bias == done.chosen["bias"]
    assert measure(load_answers(tmp_path / "a.npz"), WORLD.generalised, frozenset()) == figures


# What cannot be


@pytest.mark.parametrize(
    ("benchmark", "method", "part", "said"),
    [
        (ONE, Least, "checkpoint", "Least keeps no checkpoints"),
        (ONE, Free, "checkpoint", "Free keeps no checkpoints"),
        (ONE, Least, "bias", "is for protocols of generalised recognition, and shared is recognition"),
        (WORLD.generalised, Least, "temperature", "toyworld-gzsl is generalised"),
        (ONE, Least, "mood", "'mood' cannot be chosen .*checkpoint, temperature, bias"),
    ],
)  # fmt: skip
def test_what_a_protocol_or_a_method_has_not_is_refused(benchmark, method, part, said):
    """In one line, before anything is learned."""
    with pytest.raises(UsageError, match=said):
        next(run(benchmark, method, MATERIAL, choose=[part]))


def test_a_method_without_kept_epochs_has_nothing_to_choose():
    """It is told to keep them."""

    class Forgetful(ByEpoch):
        def checkpoints(self):
            return []

    ByEpoch.fits = []
    with pytest.raises(UsageError, match="has kept no checkpoints"):
        next(run(ONE, Forgetful, MATERIAL, choose=["checkpoint"]))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_is_between_none_and_all(share):
    """Neither leaves something to choose by and something to learn from."""
    with pytest.raises(UsageError, match="between 0 and 1"):
        Wanted(share=share)


# From the command line


SMALL = ("--set", "epochs=4", "--set", "choose_every=2", "--set", "batch=64", "--splits", "0")


def test_a_chosen_checkpoint_is_reported_and_found_again(tmp_path):
    """The report says what was chosen and how, in every rendering; running it again finds the same."""
    pytest.importorskip("torch")
    path = tmp_path / "r.json"
    words = ("devise", "--on", "toyworld", *SMALL, "--choose", "checkpoint,temperature")
    done = gerund("evaluate", *words, "--out", path)
    assert done.exit_code == 0, done.output
    split = json.loads(path.read_text())["splits"][0]
    assert split["chosen"]["checkpoint"] in (2, 4) and split["chosen"]["temperature"] > 0
    said = "held-out 20 % of seen classes (8 of 40), seed 0, by top-1, refit on all"
    assert split["choice"] == said and f"choice: {said}" in done.output and "'checkpoint': " in done.output
    again = gerund("rerun", path)
    assert again.exit_code == 0 and "the same" in again.output, again.output
    assert "all the same" in gerund("report", path, "--recompute").output


def test_training_chooses_a_checkpoint_and_can_go_on(tmp_path):
    """The folders of the fits that choose lie beside that of the last one, and a second run takes them up."""
    pytest.importorskip("torch")
    request = Request(
        "devise", "toyworld", settings={"epochs": [4], "choose_every": [2]}, choose=["checkpoint"], splits=["0"]
    )
    (first,) = train_and_save(request, tmp_path, load_encoder=never)
    assert {place.name for place in tmp_path.iterdir()} == {"choosing-0", "training-0", "split-0"}
    weights = (first / "learned.safetensors").read_bytes()
    rows = (tmp_path / "choosing-0" / "log.csv").read_bytes()
    (again,) = train_and_save(request, tmp_path, load_encoder=never)
    assert (again / "learned.safetensors").read_bytes() == weights
    assert (tmp_path / "choosing-0" / "log.csv").read_bytes() == rows
    found = evaluate(Request("devise", "toyworld", trained=str(tmp_path), splits=["0"]), load_encoder=never)
    asked = replace(request, choose=["checkpoint"])
    assert found.data.splits[0].metrics == evaluate(asked, load_encoder=never).data.splits[0].metrics


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evaluate", "eszsl", "--on", "toyworld", "--trained", "t", "--choose", "temperature"), "--choose too"),
        (("evaluate", "eszsl", "--on", "toyworld", "--choose", "luck"), "'luck' cannot be chosen"),
        (("train", "eszsl", "--on", "toyworld", "--out", "t", "--choose", "temperature"), "while it is trained"),
        (("train", "eszsl", "--on", "toyworld"), "--dry-run to see"),
    ],
)
def test_commands_that_do_not_fit_are_refused(tmp_path, monkeypatch, words, said):
    """Exit status 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    done = gerund(*words)
    assert done.exit_code == 2 and said in done.output.replace("\n", " "), done.output
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ("devise", *SMALL, "--set", "lr=0.1,0.01"),
            ["4 epochs of 7 steps, 64 videos a step", "parameters: 2,048, of which 2,048 are trained",
             "split 0: 400 videos of 40 classes; 3 fits (2 to choose by held-out seen classes), 68 steps, about"],
        ),
        (
            ("eszsl",),
            ["learns in one go", "parameters: 2,048, 16.4 kB", "split 2: 400 videos of 40 classes; 1 fit, about"],
        ),
        (("tear", "--model", "i3d-minilm"), ["training-free: there is nothing to train"]),
    ],
)  # fmt: skip
def test_a_dry_run_says_what_training_would_take_and_writes_nothing(tmp_path, monkeypatch, words, lines):
    """Splits, fits, steps, parameters, memory and time, for every method, and no file."""
    if "devise" in words:
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    done = gerund("train", *words, "--on", "toyworld", "--dry-run", "--out", tmp_path / "out", "-q")
    assert done.exit_code == 0, done.output
    assert all(line in done.output for line in lines), done.output
    assert "estimate" in done.output or "training-free" in done.output
    assert not any(tmp_path.iterdir())


def test_splits_that_learn_the_same_are_planned_once(monkeypatch, tmp_path):
    """The second one takes no time of its own."""
    from gerund.bench.runs import assembly
    from gerund.bench.runs.planning import plan_training

    world = ToyWorld()
    one = world.benchmark.splits[0]
    two = replace(world.benchmark, splits=(one, replace(one, name="1", unseen=one.unseen[:8])))
    monkeypatch.setitem(assembly.TOYWORLDS, "toyworld", lambda seed: (world, two))
    lines = plan_training(Request("eszsl", "toyworld"), load_encoder=never)
    assert lines[-2] == "split 1: learns what split 0 does" and lines[-1].startswith("in all about")


def test_a_setting_that_methods_have_got_since_is_no_difference():
    """A report of before does not know it; one that it knows and that differs still is."""
    report = evaluate(Request("eszsl", "toyworld", splits=["0"]), load_encoder=never)

    def with_settings(**settings):
        return Report(_replaced(report.data, settings))

    assert differences(with_settings(alpha=3.0), with_settings(alpha=3.0, new=1)) == []
    assert len(differences(with_settings(alpha=3.0), with_settings(alpha=2.0, new=1))) == 1
    assert len(differences(with_settings(alpha=3.0, gone=1), with_settings(alpha=3.0))) == 1


def _replaced(data, settings):
    from msgspec.structs import replace as replaced

    return replaced(data, method=replaced(data.method, settings=settings))


def test_fits_that_choose_keep_their_checkpoints_where_training_does(tmp_path):
    """Each has a folder of its own, so that a run that was stopped while it chose goes on from there."""
    places = []

    class Kept(ByEpoch):
        folder = None

        def fit(self, examples, classes):
            places.append(self.folder.name)
            return super().fit(examples, classes)

    ByEpoch.fits = []
    choices = {"ridge": [1.0, 2.0]}
    next(train(ONE, Kept, MATERIAL, choices=choices, choose=["checkpoint"], folder=tmp_path))
    assert places == ["choosing-0", "choosing-1", "training-0"]
