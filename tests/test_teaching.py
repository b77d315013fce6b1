"""`gerund train --videos`: learns what the labels say of the videos they mean, keeps it, and hides no failure."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import gerund.api
from gerund.api import Model
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.runs.trained import take_up
from gerund.cli import app
from gerund.errors import UsageError
from gerund.examples import Inputs
from gerund.features import FeatureStore, extract
from gerund.features.object_lists import Finder, Listed, ObjectLists, Vocabulary
from gerund.lessons.gathering import cached_store
from gerund.methods.catalog import find_method
from gerund.methods.training.lesson import read_lesson
from gerund.methods.training.saved import load
from gerund.text.classes import ClassSpace
from gerund.text.objects import find_concepts
from gerund.video import Video
from gerund.video.workers import Reading
from stub import ColourEncoder, write_colours

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips"

LOCALIZER = '''
import numpy as np

from gerund.types import Segment, Segments


class Span:
    """Answers with the mean span of the actions that it has met of a class, and keeps how many these were."""

    takes = "track"

    def fit(self, examples, classes):
        assert examples.segments is not None
        spans = [[(s.start_s, s.end_s) for of in examples.segments for s in of if s.action == n] for n in classes.names]
        self.spans_ = np.array([np.mean(of, axis=0) for of in spans])
        self.counts_ = np.array([len(of) for of in spans])
        self.lengths_ = np.array([len(track) for track in examples.inputs])
        return self

    def locate(self, track, classes):
        return Segments([Segment(*map(float, self.spans_[0]), classes.names[0], 1.0, 1.0)])

    def state(self):
        return {"spans": self.spans_, "counts": self.counts_, "lengths": self.lengths_}

    def restore(self, state):
        self.spans_ = state["spans"]
'''


OBJECTS = '''
import numpy as np


class First:
    """Keeps the first object of each example and its label."""

    takes = "vector"

    def fit(self, examples, classes):
        self.met_ = np.stack([examples.inputs.objects[:, 0], examples.labels], axis=1)
        return self

    def score(self, inputs, classes):
        return np.zeros((len(inputs), len(classes)))

    def state(self):
        return {"met": self.met_}

    def restore(self, state):
        self.met_ = state["met"]
'''


class Other(ColourEncoder):
    """The same with another fingerprint, and so other vectors as far as anybody knows."""

    name, fingerprint = "other-stub", "other-stub-1"


class Random(ColourEncoder):
    """The same with weights that were drawn."""

    name, fingerprint = "random-stub", "random-stub-1"


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Types a command to a gerund whose models are stubs and whose cache is empty."""
    known = {
        "colours": ColourEncoder,
        "colour-stub": ColourEncoder,
        "other": Other,
        "other-stub": Other,
        "random": Random,
    }
    monkeypatch.setattr(gerund.api, "load", lambda name, **_: Model(known[name]()))
    monkeypatch.setenv("GERUND_CACHE", str(tmp_path / "cache"))

    def typed(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    return typed


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """Three videos of red and two of green, in folders of these names; some of a second, one of two."""
    folder = tmp_path_factory.mktemp("films")
    for place, colours in {
        "RedBall/1": ["red"], "RedBall/deep/2": ["red", "red"], "RedBall/3": ["red"],
        "green_door/1": ["green"], "green_door/2": ["green"],
    }.items():  # fmt: skip
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        write_colours(folder / f"{place}.mp4", colours)
    return folder


@pytest.fixture
def videos(filmed, tmp_path):
    """A copy of these that a test may change."""
    for path in filmed.rglob("*.mp4"):
        target = tmp_path / "videos" / path.relative_to(filmed)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return tmp_path / "videos"


@pytest.fixture
def decoded(monkeypatch):
    """The files whose frames were decoded, in order."""
    passes = []
    original = Reading.pictures
    monkeypatch.setattr(
        Reading, "pictures", lambda self, *asked: (passes.append(self.video.path.stem), original(self, *asked))[1]
    )
    return passes


def answers(folder, paths, names, encoder=None):
    """Which of the names a trained method finds in videos."""
    encoder = encoder or ColourEncoder()
    method = load(folder, texts=encoder)
    tracks = [extract(Video(path), encoder, dense=False) for path in paths]
    return [names[place] for place in method.score(Inputs(tracks), ClassSpace(tuple(names))).argmax(axis=1)]


def test_a_folder_for_each_class_is_learned(run, videos, tmp_path):
    """The method tells new videos of these classes apart; the lesson says what it has learned from."""
    out = tmp_path / "trained"
    done = run("train", "eszsl", "--videos", videos, "--model", "colours", "--set", "alpha=-2", "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out}\n"
    assert "eszsl has learned from 5 videos of 2 actions" in done.stderr
    new = [write_colours(tmp_path / f"{colour}.mp4", [colour]) for colour in ("green", "red")]
    assert answers(out, new, ["red ball", "green door"]) == ["green door", "red ball"]
    lesson = read_lesson(out)
    assert lesson.classes == ("green door", "red ball") and lesson.videos == {"green door": 2, "red ball": 3}
    assert (lesson.features, lesson.encoder, lesson.sampling) == ("colour-stub-1", "colour-stub", "few")
    assert lesson.benchmark == lesson.sha256 == lesson.split == ""


def test_it_learns_what_the_same_method_learns_of_the_same_vectors(run, videos, tmp_path):
    """The kept map is that of the formula, of the vectors that the encoder gives, with the labels in their places."""
    run("train", "eszsl", "--videos", videos, "--model", "colours", "--out", tmp_path / "t")
    paths = sorted(videos.rglob("*.mp4"), key=lambda path: path.relative_to(videos).as_posix())
    x = np.stack([extract(Video(path), ColourEncoder(), dense=False).vectors.mean(axis=0) for path in paths])
    y = np.array([[0, 1] if "Red" in str(path) else [1, 0] for path in paths], float)
    s = ColourEncoder().encode_classes(ClassSpace(("green door", "red ball"))).astype(float)
    left = np.linalg.inv(x.T.astype(float) @ x + 1000 * np.eye(3))
    expected = left @ x.T @ y @ s @ np.linalg.inv(s.T @ s + np.eye(3))
    np.testing.assert_allclose(load(tmp_path / "t", texts=ColourEncoder()).map_, expected, atol=1e-7)


def test_features_of_random_weights_are_named(run, videos, tmp_path):
    """What is learned from them is kept, and the command says that it means nothing; of other features it does not."""
    words = ("train", "eszsl", "--videos", videos, "--out", tmp_path / "t")
    assert "random-stub has random weights" in run(*words, "--model", "random").stderr
    assert "random weights" not in run(*words, "--model", "colours").stderr


def test_without_a_folder_only_what_is_possible_is_said(run, videos):
    """A training on own videos has no dry run, so the error about the missing folder does not name it."""
    said = run("train", "eszsl", "--videos", videos).stderr
    assert "(--out DIR)" in said and "--dry-run" not in said
    assert "--dry-run" in run("train", "eszsl", "--on", "toyworld").stderr


def test_a_second_run_decodes_nothing(run, videos, tmp_path, decoded):
    """Features lie in the cache, or where they were asked for; only what is new or has changed is decoded."""
    words = ("train", "eszsl", "--videos", videos, "--model", "colours", "--out", tmp_path / "t")
    run(*words)
    assert sorted(decoded) == ["1", "1", "2", "2", "3"]
    assert FeatureStore(cached_store(videos)).ids() == [
        "RedBall/1", "RedBall/3", "RedBall/deep/2", "green_door/1", "green_door/2",
    ]  # fmt: skip
    decoded.clear()
    again = run(*words)
    assert decoded == [] and "features of 5 videos, 0 of them new" in again.stderr
    write_colours(videos / "RedBall/3.mp4", ["red", "red"])
    write_colours(videos / "green_door/4.mp4", ["green"])
    assert "features of 6 videos, 2 of them new" in run(*words).stderr
    assert sorted(decoded) == ["3", "4"]
    kept = tmp_path / "kept"
    assert run(*words, "--keep-features", kept).exit_code == 0
    assert len(FeatureStore(kept)) == 6


def test_what_cannot_be_read_is_named_and_the_rest_is_learned(run, videos, tmp_path):
    """A broken video and one that is not there: both named, status 1, and the method has learned from the others."""
    (videos / "RedBall/broken.mp4").write_bytes(b"nonsense")
    rows = [f"{path.relative_to(videos)},{path.relative_to(videos).parts[0]}" for path in sorted(videos.rglob("*.mp4"))]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["path,label", *rows, "RedBall/gone.mp4,RedBall"]))
    words = ("train", "eszsl", "--videos", videos, "--labels", table, "--model", "colours", "--out", tmp_path / "t")
    done = run(*words)
    assert done.exit_code == 1
    assert "2 not learned from:" in done.stderr
    assert "broken.mp4: " in done.stderr and f"RedBall/gone.mp4: {table}, line 8: there is no such video" in done.stderr
    lesson = read_lesson(tmp_path / "t")
    assert lesson.videos == {"green door": 2, "red ball": 3}
    assert lesson.labels_sha256 == hashlib.sha256(table.read_bytes()).hexdigest()
    allowed = run(*words, "--allow-missing")
    assert "1 not learned from:" in allowed.stderr and "1 videos of the table are not here" in allowed.stderr


def test_where_nothing_can_be_read_nothing_is_kept(run, tmp_path):
    """The first reason is told, and there is no folder that looks trained."""
    for label in "ab":
        (tmp_path / "v" / label).mkdir(parents=True)
        (tmp_path / "v" / label / "x.mp4").write_bytes(b"nonsense")
    done = run("train", "eszsl", "--videos", tmp_path / "v", "--model", "colours", "--out", tmp_path / "t")
    assert done.exit_code == 1 and "none of the videos can be learned from" in done.stderr
    assert "a/x.mp4: " in done.stderr and not (tmp_path / "t" / "method.json").exists()


def test_features_that_are_there_are_taken(run, videos, tmp_path, decoded):
    """With --features no video is opened; folders or a table say what they show, and either names them its own way."""
    run("train", "eszsl", "--videos", videos, "--model", "colours", "--keep-features", tmp_path / "kept", "--out",
        tmp_path / "a")  # fmt: skip
    decoded.clear()
    table = tmp_path / "labels.txt"
    table.write_text("".join(f"/else/{v}.avi 0\n" for v in ("RedBall/1", "RedBall/3", "RedBall/deep/2"))
                     + "green_door/1 1\ngreen_door/2 1\n")  # fmt: skip
    names = tmp_path / "names.txt"
    names.write_text("RedBall\ngreen_door\n")
    own = ("--features", tmp_path / "kept", "--labels", table, "--actions", names)
    for words, place in (own, "b"), (("--features", tmp_path / "kept", "--videos", videos), "c"):
        done = run("train", "eszsl", *words, "--out", tmp_path / place)
        assert done.exit_code == 0, done.output
    assert decoded == []
    found = [(tmp_path / place / "learned.safetensors").read_bytes() for place in "ac"]
    assert found[0] == found[1]
    np.testing.assert_allclose(*[load(tmp_path / place, texts=ColourEncoder()).map_ for place in "ab"], atol=1e-12)


def test_a_linear_classifier_is_trained_and_refuses_other_names(run, videos, tmp_path):
    """It is right about the classes that it has seen; one that it has not is refused."""
    pytest.importorskip("scipy")
    out = tmp_path / "t"
    assert run("train", "linear", "--videos", videos, "--model", "colours", "--out", out).exit_code == 0
    paths = [videos / "RedBall/1.mp4", videos / "green_door/1.mp4"]
    assert answers(out, paths, ["green door", "Red ball"]) == ["Red ball", "green door"]
    with pytest.raises(UsageError, match="2 classes that it has seen, and not for 'blue sea'"):
        answers(out, paths, ["red ball", "blue sea"])


def test_one_encoder_for_the_videos_another_for_the_texts(run, videos, tmp_path):
    """--encoder sees the videos, --model reads the names; the lesson and the method say which is which."""
    words = ("train", "eszsl", "--videos", videos, "--encoder", "other", "--model", "colours", "--out", tmp_path / "t")
    assert run(*words).exit_code == 0
    assert read_lesson(tmp_path / "t").features == "other-stub-1"
    assert json.loads((tmp_path / "t" / "method.json").read_text())["parts"] == {"texts": "colour-stub-1"}


def test_settings_are_chosen_on_held_out_classes(run, tmp_path):
    """Of several values that one is kept which answers best for classes that it was not fitted on."""
    for place, colour in enumerate(["red", "green", "blue"] * 2):
        (tmp_path / "v" / f"{colour}{place}").mkdir(parents=True)
        write_colours(tmp_path / "v" / f"{colour}{place}" / "x.mp4", [colour])
    done = run("train", "eszsl", "--videos", tmp_path / "v", "--model", "colours", "--set", "alpha=-3,3",
               "--out", tmp_path / "t")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "choosing by held-out seen classes" in done.stderr
    assert json.loads((tmp_path / "t" / "method.json").read_text())["settings"]["alpha"] in (-3, 3)


def test_a_localizer_learns_when(run, videos, tmp_path):
    """It gets whole tracks and the actions of each video in seconds; a table without times is refused."""
    (tmp_path / "mine.py").write_text(LOCALIZER)
    table = tmp_path / "when.csv"
    table.write_text(
        "video,start_s,end_s,label\nRedBall/deep/2,0.5,1.5,RedBall\nRedBall/deep/2,0.25,0.5,OpenIt\n"
        "RedBall/deep/2,0.75,2.5,OpenIt\ngreen_door/1,0.0,1.0,OpenIt\n"
    )
    words = ("train", f"{tmp_path / 'mine.py'}:Span", "--videos", videos, "--model", "colours", "--out", tmp_path / "t")
    done = run(*words, "--labels", table)
    assert done.exit_code == 0, done.output
    assert "has learned from 2 videos of 2 actions" in done.stderr
    lesson = read_lesson(tmp_path / "t")
    assert lesson.videos == {"open it": 2, "red ball": 1} and lesson.sampling == "own"
    from safetensors.numpy import load_file

    learned = load_file(tmp_path / "t" / "learned.safetensors")
    np.testing.assert_allclose(learned["spans"], [[1 / 3, 4 / 3], [0.5, 1.5]])
    assert learned["counts"].tolist() == [3, 1] and learned["lengths"].tolist() == [4, 2]
    done = run(*words)
    assert done.exit_code == 2 and "is a localizer and learns when actions happen" in done.output


def test_objects_of_the_videos_come_along(run, videos, tmp_path):
    """Each example has its own, whether their file calls videos by paths or by names; a video without is named."""
    (tmp_path / "mine.py").write_text(OBJECTS)
    for name in ("RedBall/3", "green_door/2", "RedBall/1"):
        (videos / f"{name}.mp4").rename((videos / name).with_name(name.replace("/", "-") + ".mp4"))
    known = {"RedBall/deep/2": 7, "RedBall-3": 5, "RedBall-1": 6, "green_door/green_door-2": 8, "green_door/1": 9}
    (tmp_path / "o.json").write_text(json.dumps({name: [[place, 0], [0.9, 0.1]] for name, place in known.items()}))
    words = ("train", f"{tmp_path / 'mine.py'}:First", "--videos", videos, "--model", "colours", "--objects",
             tmp_path / "o.json", "--objects-vocabulary", tmp_path / "ten.txt", "--out", tmp_path / "t")  # fmt: skip
    (tmp_path / "ten.txt").write_text("".join(f"thing {number}\n" for number in range(10)))
    done = run(*words)
    assert done.exit_code == 0, done.output
    from safetensors.numpy import load_file

    met = load_file(tmp_path / "t" / "learned.safetensors")["met"]
    assert sorted(met.tolist()) == [[5, 1], [6, 1], [7, 1], [8, 0], [9, 0]]
    listed = {name: Listed(([place, 0], [0.9, 0.1])) for name, place in known.items()}
    vocabulary = Vocabulary.of("ten", find_concepts(str(tmp_path / "ten.txt")))
    ObjectLists(vocabulary, Finder("bit", "random-1", True), 2, listed).write(tmp_path / "o.json")
    done = run(*words)
    assert done.exit_code == 0 and "found by bit with random weights, so they mean nothing" in done.output
    lesson = json.loads((tmp_path / "t" / "lesson.json").read_text())
    assert (lesson["objects"], lesson["object_network"]) == ("random-1", "bit")
    del known["RedBall-3"]
    (tmp_path / "o.json").write_text(json.dumps({name: [[place, 0], [0.9, 0.1]] for name, place in known.items()}))
    done = run(*words)
    assert done.exit_code == 1 and "has no objects of RedBall/RedBall-3" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--on", "toyworld", "--videos", "{v}"], "toyworld has tracks and no videos"),
        (["--on", "toyworld", "--labels", "{v}/x"], "--labels is for videos of your own"),
        ([], "say what to learn from: --on BENCHMARK, --videos DIR"),
        (["--videos", "{v}", "--splits", "0"], "--splits is for benchmarks"),
        (["--videos", "{v}", "--sampling", "few"], "--sampling chooses among features that are there"),
        (["--videos", "{v}", "--features", "{v}", "--keep-features", "k"], "--features has them already"),
        (["--videos", "{v}/nothing"], "no such folder"),
        (["--labels", "{v}/../l.csv"], "says what videos show, and not where they are"),
        (["--videos", "{v}/RedBall/deep", "--labels", "{v}/../l.csv"], "none of the 1 videos of the table is here"),
        (["--videos", "{v}", "--labels", "{v}/../l.csv"], "all 1 videos show 'x'; a recognizer learns from two"),
        (["--videos", "{v}/green_door"], "lies in no folder of a class"),
    ],
)
def test_what_cannot_be_right_is_refused(run, videos, tmp_path, words, message):
    """Options that exclude each other, and labels of nothing: one line, status 2, and nothing is written."""
    (tmp_path / "l.csv").write_text("path,label\nRedBall/1,x\n")
    given = [word.format(v=videos) for word in words]
    done = run("train", "eszsl", *given, "--model", "colours", "--out", tmp_path / "t")
    assert done.exit_code == 2 and message in done.output
    assert not (tmp_path / "t" / "method.json").exists()


def test_a_training_free_method_is_refused_before_anything_is_decoded(run, videos, tmp_path, decoded):
    """There is nothing to learn, and nobody waits to be told so."""
    done = run("train", "similarity", "--videos", videos, "--model", "colours", "--out", tmp_path / "t")
    assert done.exit_code == 2 and "similarity is training-free" in done.output and decoded == []


def test_classes_of_own_videos_are_not_unseen(run, videos, tmp_path):
    """A benchmark that asks about one of them as unseen, in another spelling, refuses the trained method."""
    run("train", "eszsl", "--videos", videos, "--model", "colours", "--out", tmp_path / "t")

    class Colours:
        def describe(self):
            return {"fingerprint": "colour-stub-1"}

    def take(unseen):
        split = Split("0", ("a",), unseen)
        benchmark = Benchmark("b", "recognition", "d", "d", (split,))
        return take_up(tmp_path / "t", find_method("eszsl"), {"texts": ColourEncoder()}, benchmark, split, Colours())

    assert take(("blue sea",))[1] == ("green door", "red ball")
    with pytest.raises(UsageError, match=r"1 of the 2 classes .* such as red_balls"):
        take(("blue sea", "red_balls"))


@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the shared clips are not here ({CLIPS})")
def test_real_clips_are_learned_from(run, tmp_path):
    """Clips of two data sets in two containers: all are learned from, each with the vectors that `extract` gives."""
    table = tmp_path / "labels.csv"
    table.write_text(
        "path,label\nhmdb51/RATRACE_wave_f_nm_np1_fr_goo_37.avi,wave\nucf101/v_Punch_g03_c01.avi,Punch\n"
        "hmdb51/Documentario_Le_Parkour_Londrina_jump_f_cm_np1_ri_bad_6.mp4,jump\n"
    )
    done = run("train", "eszsl", "--videos", CLIPS, "--labels", table, "--model", "colours", "--keep-features",
               tmp_path / "kept", "--out", tmp_path / "t")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert read_lesson(tmp_path / "t").videos == {"jump": 1, "punch": 1, "wave": 1}
    store = FeatureStore(tmp_path / "kept")
    assert len(store) == 3
    expected = extract(Video(CLIPS / "ucf101/v_Punch_g03_c01.avi"), ColourEncoder(), dense=False)
    np.testing.assert_allclose(store.read("ucf101/v_Punch_g03_c01").vectors, expected.vectors, atol=1e-6)
