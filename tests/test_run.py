"""Runs: what methods get to see, how settings are chosen, and that figures follow from answers."""

from __future__ import annotations

import types

import numpy as np
import pytest

from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.benchmarks import BENCHMARKS, find_benchmark
from gerund.bench.protocols.tasks import tasks
from gerund.bench.runs import learning as run_module
from gerund.bench.runs.answers import load_answers, save_answers
from gerund.bench.runs.material import Material
from gerund.bench.runs.measuring import measure
from gerund.bench.runs.run import run
from gerund.bench.runs.toyworld import ToyWorld
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.text.classes import ClassSpace, to_words
from gerund.types import Segment, Segments, Track

WORLD = ToyWorld(num_seen=12, num_unseen=6, num_videos=5)


class Numbered:
    """Features whose only vector is the number of the video, so that a track tells which video it is."""

    def __init__(self, listing):
        self.numbers = {video.video: number for number, video in enumerate(listing)}

    def ids(self):
        return list(self.numbers)

    def tracks(self, ids):
        spans_s = np.array([[0.0, 1.0]])
        return [Track(np.array([[self.numbers[video], 1.0]], np.float32), spans_s, "numbers") for video in ids]

    def describe(self):
        return {"encoder": "numbers"}


def texts_in(thing, seen=None):
    """Every string that can be reached from an object, through attributes, containers and closures."""
    seen = set() if seen is None else seen
    if isinstance(thing, str):
        yield thing
        return
    if id(thing) in seen or isinstance(thing, (int, float, bytes, type, types.ModuleType, np.ndarray, np.generic)):
        return
    seen.add(id(thing))
    parts = []
    if isinstance(thing, dict):
        parts = [*thing.keys(), *thing.values()]
    elif isinstance(thing, (list, tuple, set, frozenset)):
        parts = list(thing)
    elif isinstance(thing, types.FunctionType):
        parts = [cell.cell_contents for cell in thing.__closure__ or ()]
    else:
        parts = [getattr(thing, "__dict__", {})]
    for part in parts:
        yield from texts_in(part, seen)


class Spy:
    """Answers at random and remembers all that it was given."""

    takes = "track"

    def __init__(self, transductive=False):
        self.class_names_at_fit = transductive
        self.fit_texts, self.fit_videos, self.fit_classes, self.score_texts = set(), set(), set(), set()
        self.labelled = set()
        self.orders = []

    def fit(self, examples, classes):
        self.fit_texts |= set(texts_in(examples)) | set(texts_in(classes))
        self.fit_classes |= set(classes.names)
        self.fit_videos |= {float(track.vectors[0, 0]) for track in examples.inputs}
        self.labelled = {classes.names[label] for label in examples.labels}
        for segments in examples.segments or ():
            self.labelled |= {segment.action for segment in segments}
        return self

    def score(self, inputs, classes):
        self.score_texts |= set(texts_in(inputs)) | set(texts_in(classes))
        self.orders.append([float(track.vectors[0, 0]) for track in inputs])
        return np.ones((len(inputs), len(classes)), np.float32)

    def locate(self, track, classes):
        self.score_texts |= set(texts_in(track)) | set(texts_in(classes))
        self.orders.append([float(track.vectors[0, 0])])
        return Segments([Segment(0.0, 1.0, classes.names[0], 1.0, 1.0)])


def made_up_lists(benchmark):
    """Lists of both data sets of a benchmark: some videos of every class on every list and in every subset."""
    names = {name: None for split in benchmark.splits for name in (*split.seen, *split.unseen, *split.validation)}
    lists = sorted({on for split in benchmark.splits for on in (split.train_list, split.test_list)} - {""})
    subsets = sorted({benchmark.train_subset, benchmark.test_subset, "validation", ""} - {""}) or [""]
    found = {}
    for dataset in {benchmark.train_on or benchmark.test_on, benchmark.test_on}:
        videos = []
        for name in names:
            for subset in subsets:
                for on in ["", *lists]:
                    segments = ((1.0, 2.5, name), (3.0, 4.5, min(names)))
                    videos.append(
                        ListedVideo(
                            f"{dataset} {len(videos)} of {name}",
                            name,
                            subset=subset,
                            lists=frozenset({on} - {""}),
                            segments=segments if benchmark.task == "localization" else (),
                            duration_s=100.0,
                            fps=30.0,
                        )
                    )
        found[dataset] = Listing(dataset, tuple(videos))
    return found[benchmark.train_on or benchmark.test_on], found[benchmark.test_on]


def inspect(benchmark, train, test, *, transductive=False):
    """Runs spies over a benchmark and gives the leaks that they saw."""
    spies = []

    def make():
        spies.append(Spy(transductive))
        spies[-1].training_free = not any(split.seen for split in benchmark.splits)
        return spies[-1]

    numbers_train, numbers_test = Numbered(train), Numbered(test)
    material = Material(train, test, numbers_train, numbers_test)
    leaks = []
    for task, done in zip(tasks(benchmark, train, test), run(benchmark, make, material), strict=True):
        asked = {video.video for video in task.test}
        numbers = {numbers_test.numbers[video] for video in asked}
        unseen = {to_words(name) for name in task.split.unseen}
        for spy in (spy for spy in spies if spy.orders):
            if benchmark.train_on == benchmark.test_on and spy.fit_videos & numbers:
                leaks.append("a test video was trained on")
            if (spy.fit_texts | spy.score_texts) & asked:
                leaks.append("the id of a test video was visible")
            if spy.labelled & unseen:
                leaks.append("a label of an unseen class was visible")
            if not transductive and spy.fit_classes & unseen:
                leaks.append("an unseen class was named while fitting")
            spy.orders.clear()
            spy.score_texts.clear()
        assert done.answers
    return leaks


def test_toyworld_shows_a_spy_nothing():
    """A method meets no test video, no test id, no test label and no unseen class name in either toy benchmark."""
    for benchmark in (WORLD.benchmark, WORLD.generalised):
        assert inspect(benchmark, WORLD.listing, WORLD.listing) == []


def test_unseen_names_only_for_those_that_declare_it():
    """A class-transductive method gets the unseen names, and still no video and no label of theirs."""
    assert inspect(WORLD.benchmark, WORLD.listing, WORLD.listing, transductive=True) == []


def localization():
    """Two classes a side, with videos that hold both."""
    split = Split("0", seen=("Diving", "PoleVault"), unseen=("HighJump", "Shotput"))
    return Benchmark(
        "made-up", "localization", "thumos14", "thumos14", (split,), "validation", "test", tious=(0.3, 0.5)
    )


def test_training_segments_of_unseen_classes_are_hidden():
    """A training video that also holds an unseen action comes without that segment."""
    benchmark = localization()
    train, test = made_up_lists(benchmark)
    assert any("Diving" in {s[2] for s in v.segments} and v.label == "HighJump" for v in train)
    assert inspect(benchmark, train, test) == []


@pytest.mark.parametrize("leak", ["test video", "test id", "unseen label"])
def test_a_planted_leak_is_caught(monkeypatch, leak):
    """The spy is not blind: each kind of leak, planted in the runner, is found."""
    benchmark, listing = WORLD.benchmark, WORLD.listing
    honest = run_module.examples
    tested = [video for video in listing if video.label in benchmark.splits[0].unseen]

    def leaky(of, videos, names, features, material):
        if leak == "test id":
            found = honest(of, videos, names, features, material)
            found.inputs.hint = tested[0].video
            return found
        found = honest(of, videos, names, features, material)
        if leak == "test video":
            extra = features.tracks([tested[0].video])
            found = type(found)(Inputs([*found.inputs, *extra]), np.append(found.labels, 0))
        return found

    def leaky_space(names, material):
        return honest_space((*names, *benchmark.splits[0].unseen) if leak == "unseen label" else names, material)

    honest_space = run_module.space
    monkeypatch.setattr(run_module, "examples", leaky)
    if leak == "unseen label":
        monkeypatch.setattr(
            run_module,
            "space",
            lambda names, material: (
                leaky_space(names, material)
                if set(names) <= set(benchmark.splits[0].seen)
                else honest_space(names, material)
            ),
        )
    assert inspect(benchmark, listing, listing)


def test_a_video_on_both_sides_is_refused():
    """Lists that train on what they test do not get as far as a method."""
    benchmark = localization()
    both = ListedVideo("v1", "Diving", subset="validation", segments=((0, 1, "Diving"),))
    again = ListedVideo("v1", "HighJump", subset="test", segments=((0, 1, "HighJump"),))
    with pytest.raises(UsageError, match="1 videos are trained on and tested, such as v1"):
        tasks(benchmark, Listing("thumos14", (both,)), Listing("thumos14", (again,)))


def test_generalised_withholds_seen_test_videos():
    """Seen videos on the test list are asked about and not trained on; for the others it is the other way round."""
    benchmark = WORLD.generalised
    for task in tasks(benchmark, WORLD.listing, WORLD.listing):
        trained, asked = ({v.video for v in side} for side in (task.train, task.test))
        seen = [v for v in WORLD.listing if v.label in task.split.seen]
        assert trained == {v.video for v in seen if "test1" not in v.lists}
        assert asked == {v.video for v in WORLD.listing} - trained


class Least:
    """Least squares from video vectors to text vectors, written apart from gerund's own methods."""

    takes = "vector"

    def __init__(self, ridge=1.0, spoilt=False, world=WORLD):
        self.ridge, self.spoilt, self.world = ridge, spoilt, world

    def fit(self, examples, classes):
        x, y = examples.inputs.vectors.astype(float), self.world.encode_classes(classes)[examples.labels]
        self.map_ = np.linalg.solve(x.T @ x + self.ridge * np.eye(x.shape[1]), x.T @ y)
        return self

    def score(self, inputs, classes):
        scores = inputs.vectors @ self.map_ @ self.world.encode_classes(classes).T
        return -scores if self.spoilt else scores


MATERIAL = Material(WORLD.listing, WORLD.listing, WORLD, WORLD)


def test_unseen_classes_are_learned_through_the_map():
    """Whoever learns the hidden map beats chance on unseen classes in every split, by far."""
    world = ToyWorld()
    for done in run(world.benchmark, lambda: Least(world=world), Material(world.listing, world.listing, world, world)):
        figures = measure(done.answers, world.benchmark, frozenset(done.answers[0].classes))
        assert figures["top-1"] > 5 * 100 / 16
        assert figures["top-1"] == figures["top-1, overlap-free"]
        assert done.batch_independent is True
        assert done.num_train == 40 * 10


def test_answers_come_back_in_the_order_of_the_list():
    """The drawn order of asking is undone: scores equal those of asking directly."""
    done = next(run(WORLD.benchmark, Least, MATERIAL))
    answer = done.answers[0]
    split = WORLD.benchmark.splits[0]
    seen = [v for v in WORLD.listing if v.label in split.seen]

    examples = Examples(
        Inputs(WORLD.tracks([v.video for v in seen])), np.array([split.seen.index(v.label) for v in seen])
    )
    method = Least().fit(examples, ClassSpace(split.seen))
    wanted = method.score(Inputs(WORLD.tracks(answer.videos)), ClassSpace(split.unseen))
    assert np.allclose(answer.scores, wanted, atol=1e-4)
    assert [WORLD.listing.by_id[v].label for v in answer.videos] == [answer.classes[i] for i in answer.labels]


def test_videos_are_not_asked_in_the_order_of_their_classes():
    """The order of asking says nothing about labels: it is not the list's."""
    spy = Spy()
    listing = WORLD.listing
    material = Material(listing, listing, Numbered(listing), Numbered(listing))
    next(run(WORLD.benchmark, lambda: spy, material))
    assert spy.orders[0] != sorted(spy.orders[0])


def test_settings_are_chosen_on_held_out_seen_classes():
    """Of two settings the one that is good on held-out seen classes is taken, and test classes play no part."""
    done = next(run(WORLD.benchmark, Least, MATERIAL, choices={"spoilt": [True, False], "ridge": [1.0]}))
    assert done.settings == {"spoilt": False, "ridge": 1.0}
    assert len(done.held_out) == 2


def test_one_fit_for_splits_with_the_same_training_videos():
    """Where splits differ only in what is asked, a method is fitted once."""
    seen, rest = WORLD.names[:12], WORLD.names[12:]
    splits = (Split("0", seen, rest[:3], rest[3:]), Split("1", seen, rest[3:], rest[:3]))
    benchmark = Benchmark("two", "recognition", "toyworld", "toyworld", splits)
    fits = []

    class Counting(Least):
        def fit(self, examples, classes):
            fits.append(len(examples))
            return super().fit(examples, classes)

    assert len(list(run(benchmark, Counting, MATERIAL))) == 2
    assert fits == [60]


def test_official_validation_classes_choose_a_checkpoint():
    """A method that can choose gets the validation videos of the split, labelled among the validation classes."""
    seen, rest = WORLD.names[:12], WORLD.names[12:]
    benchmark = Benchmark("val", "recognition", "toyworld", "toyworld", (Split("0", seen, rest[:3], rest[3:]),))
    chosen = []

    class Choosing(Least):
        def choose(self, held_out, classes):
            chosen.append((len(held_out), set(classes.names)))
            return self

    next(run(benchmark, Choosing, MATERIAL))
    assert chosen == [(15, set(rest[3:]))]


class BatchCentred(Least):
    """A method that leaks between videos: it subtracts the mean of those that are asked together."""

    def score(self, inputs, classes):
        scores = super().score(inputs, classes)
        return scores - scores.mean(axis=0)


def test_a_method_that_looks_at_batch_mates_is_told():
    """Answers that change when videos are asked one by one are flagged."""
    assert next(run(WORLD.benchmark, BatchCentred, MATERIAL)).batch_independent is False


def test_missing_features_are_an_error_unless_allowed():
    """Listed videos without features are refused with their number, or left out and counted."""

    class Half:
        def ids(self):
            return WORLD.ids()[::2]

        def tracks(self, ids):
            return WORLD.tracks(ids)

        def describe(self):
            return {}

    material = Material(WORLD.listing, WORLD.listing, Half(), Half())
    with pytest.raises(UsageError, match=r"15 of 30 test videos have no features.*--allow-missing"):
        next(run(WORLD.benchmark, Least, material))
    done = next(run(WORLD.benchmark, Least, material, allow_missing=True))
    assert done.missing == {"train": 30, "test": 15}
    assert done.answers[0].num_videos == 15


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(bad):
    """A method that answers NaN is stopped, not ranked."""

    class Broken(Least):
        def score(self, inputs, classes):
            return np.full((len(inputs), len(classes)), bad)

    with pytest.raises(UsageError, match=r"Broken\.score must give finite numbers"):
        next(run(WORLD.benchmark, Broken, MATERIAL))


def test_an_unknown_split_is_refused():
    """The error names the splits that there are."""
    with pytest.raises(UsageError, match="toyworld has no split 7; there are 0, 1, 2"):
        next(run(WORLD.benchmark, Least, MATERIAL, splits=["7"]))


def test_saved_answers_give_the_same_figures(tmp_path):
    """Figures of generalised recognition and of localization are the same from the file."""
    done = list(run(WORLD.generalised, Least, MATERIAL))
    benchmark = localization()
    train, test = made_up_lists(benchmark)
    found = list(run(benchmark, Spy, Material(train, test, Numbered(train), Numbered(test))))
    for of, runs in ((WORLD.generalised, done), (benchmark, found)):
        answers = [answer for one in runs for answer in one.answers]
        save_answers(answers, tmp_path / "answers.npz")
        again = load_answers(tmp_path / "answers.npz")
        free = frozenset(of.splits[0].unseen)
        assert measure(again[:1], of, free) == measure(answers[:1], of, free)
        assert len(again) == len(answers)


def test_harmonic_mean_of_generalised_is_that_of_its_sides():
    """H is 2SU/(S+U) of the reported sides, and the best bias is no worse."""
    done = next(run(WORLD.generalised, Least, MATERIAL))
    figures = measure(done.answers, WORLD.generalised, frozenset(WORLD.names))
    seen, unseen = figures["seen"], figures["unseen"]
    assert figures["H"] == pytest.approx(2 * seen * unseen / (seen + unseen))
    assert figures["H at the best bias (an oracle)"] >= figures["H"]


def test_base_to_novel_answers_each_side_among_its_own():
    """Base videos are answered among base classes, novel ones among novel classes."""
    split = WORLD.generalised.splits[0]
    benchmark = Benchmark("b2n", "base-to-novel", "toyworld", "toyworld", (split,))
    done = next(run(benchmark, Least, MATERIAL))
    assert [(a.paper, set(a.classes)) for a in done.answers] == [
        ("base", set(split.seen)),
        ("novel", set(split.unseen)),
    ]
    figures = measure(done.answers, benchmark, frozenset())
    assert figures["H"] == pytest.approx(2 * figures["base"] * figures["novel"] / (figures["base"] + figures["novel"]))


def test_every_benchmark_keeps_its_secrets():
    """Under every protocol, on made-up videos, a spy sees no test video, no test id, no test label, no unseen name."""
    for name in BENCHMARKS:
        benchmark = find_benchmark(name)
        train, test = made_up_lists(benchmark)
        assert inspect(benchmark, train, test) == [], name
