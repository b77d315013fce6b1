"""Methods that take clips, or lengths, in a benchmark: they get the files of the data set, and the others do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.runs import assembly
from gerund.bench.runs.footage import VideoFolder
from gerund.bench.runs.material import Material
from gerund.bench.runs.run import run as run_benchmark
from gerund.cli import app
from gerund.errors import UsageError
from gerund.features import FeatureStore, TrackKind
from gerund.types import Track
from stub import write_colours

BENCHMARK = Benchmark(
    "colours", "recognition", "made-up", "made-up", (Split("0", seen=("green",), unseen=("red", "blue")),)
)
METHOD = '''
import numpy as np
from gerund.video.clipping import Spread
from gerund.video.transforms import Preparation

COLOURS = ("red", "green", "blue")


class Pixels:
    """Knows colours by their names; learns how bright they are."""

    takes = "clip"

    def fit(self, examples, classes):
        clips = examples.inputs.clips(Spread(3), Preparation(8, 8), np.random.default_rng(0))
        self.brightness_ = float(np.mean([batch.frames.mean() for batch in clips]))
        self.seen_ = [classes.names[label] for label in examples.labels]
        return self

    def score(self, inputs, classes):
        places = [COLOURS.index(name) for name in classes.names]
        batches = list(inputs.clips(Spread(2), Preparation(8, 8), size=2))
        means = np.concatenate([batch.frames.mean(axis=(1, 2, 3, 4)) for batch in batches])
        return means[:, places] / self.brightness_


    def state(self):
        return {"brightness": np.array([self.brightness_])}

    def restore(self, state):
        self.brightness_ = float(state["brightness"][0])


class Lengths:
    """Needs to know how long vectors are."""

    takes = "vector"
    needs_raw = True
    training_free = True

    def score(self, inputs, classes):
        return np.linalg.norm(inputs.vectors, axis=1)[:, None] * np.ones(len(classes))


class Directions(Lengths):
    """Does not: it says how long they are, whatever was kept."""

    needs_raw = False
'''


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Six videos of three colours, one of them a folder of pictures; a benchmark of them; and methods in a file."""
    listed = []
    for place, colour in enumerate(("green", "green", "red", "blue", "red", "blue")):
        video = f"v{place}"
        listed.append(ListedVideo(video, colour))
        if place == 5:
            (tmp_path / "videos/deep" / video).mkdir(parents=True)
            for number in range(4):
                blue = np.full((32, 32, 3), (10, 10, 240), np.uint8)
                Image.fromarray(blue).save(tmp_path / "videos/deep" / video / f"{number}.png")
        else:
            (tmp_path / "videos/deep").mkdir(parents=True, exist_ok=True)
            write_colours(tmp_path / "videos" / "deep" / f"{video}.mp4", [colour])
    monkeypatch.setattr(assembly, "find_benchmark", lambda name: BENCHMARK)
    monkeypatch.setattr(assembly, "read_listing", lambda *_: Listing("made-up", tuple(listed)))
    (tmp_path / "mine.py").write_text(METHOD)
    return tmp_path


def evaluate(world, name, *words):
    given = ["evaluate", f"{world / 'mine.py'}:{name}", "--on", "colours", "--data", str(world), *map(str, words)]
    return CliRunner().invoke(app, given)


def test_a_method_that_takes_clips_is_evaluated(world):
    """It gets the pictures of the right videos, found by their ids wherever they lie; the report says so."""
    write_colours(world / "videos" / "v5.mp4", ["blue"])  # a folder of pictures is passed over beside files
    result = evaluate(world, "Pixels", "--videos", world / "videos", "--out", world / "report.json")
    assert result.exit_code == 0, result.stderr
    report = json.loads((world / "report.json").read_text())
    assert report["features"]["test"]["fingerprint"] == "pixels"
    (split,) = report["splits"]
    assert split["num_train"] == 2
    with np.load(world / "report.answers.npz") as answers:
        (scores,) = [answers[key] for key in answers.files if key.endswith("scores")]
    assert scores.argmax(axis=1).tolist() == [0, 1, 0, 1]  # red, blue, red, blue, as they are listed


def test_folders_of_pictures_are_a_data_set_too(world):
    """Ids are the names of the folders."""
    folder = VideoFolder(world / "videos/deep/v5")
    assert folder.ids() == ["v5"]
    assert folder.footage(["v5"]).video(0).num_frames == 4


def test_a_missing_file_is_a_missing_video(world):
    """It is told, or left out and counted where that was asked for."""
    result = evaluate(world, "Pixels", "--videos", world / "videos")
    assert result.exit_code == 2
    assert "1 of 4 test videos" in result.stderr and "v5" in result.stderr
    result = evaluate(world, "Pixels", "--videos", world / "videos", "--allow-missing", "--out", world / "r.json")
    assert result.exit_code == 0, result.stderr
    assert json.loads((world / "r.json").read_text())["splits"][0]["missing"] == {"train": 0, "test": 1}


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("Pixels", [], "takes clips; give the data set's files (--videos DIR)"),
        ("Directions", ["--videos", "videos"], "takes features, not clips; leave --videos out"),
        ("Pixels", ["--videos", "nowhere"], "no such file or folder"),
    ],
)
def test_files_are_asked_for_where_they_are_needed(world, name, words, said):
    """Status 2, before anything is opened."""
    result = evaluate(world, name, *(world / word if "-" not in word else word for word in words))
    assert result.exit_code == 2
    assert said in result.stderr


def test_ids_are_paths_or_names(tmp_path):
    """A path below the folder is an id; so is a name that one file alone has, and never one that several have."""
    for name in ("a/x.mp4", "b/x.mp4", "b/y.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    folder = VideoFolder(tmp_path)
    assert folder.ids() == ["a/x", "b/x", "b/y", "y"]
    assert [folder.footage(["b/x", "y"]).video(place).path for place in (0, 1)] == [
        tmp_path / "b/x.mp4",
        tmp_path / "b/y.mp4",
    ]
    with pytest.raises(UsageError, match=r"a/x and b/x could be meant by x"):
        folder.footage(["x"]).video(0)
    with pytest.raises(UsageError, match="no such file by z"):
        folder.footage(["z"]).video(0)
    with pytest.raises(UsageError, match="gerund extract"):
        folder.tracks(["y"])[0]


def test_what_is_asked_leads_to_no_file(world):
    """The inputs of a question hold neither the path of a file nor a way to other videos' ids."""
    from test_clips import reachable

    seen = []

    class Looking:
        takes, training_free = "clip", True

        def score(self, inputs, classes):
            seen.extend(reachable(inputs))
            return np.ones((len(inputs), len(classes)), np.float32)

    listing = assembly.read_listing()
    folder = VideoFolder(world / "videos")
    material = Material(listing, listing, folder, folder, videos=folder)
    list(run_benchmark(BENCHMARK, Looking, material, allow_missing=True))
    assert not [text for text in seen if "v2" in text or str(Path("videos")) in text]


# lengths


@pytest.fixture
def stores(world):
    """The same six videos with vectors of length 5, raw and of length 1."""
    spans_s = np.array([[0.0, 1.0]])
    for name, fingerprint, vector in (("raw", "1f5a-raw", [3.0, 4.0]), ("unit", "1f5a", [0.6, 0.8])):
        store = FeatureStore.create(world / name, TrackKind("clip", fingerprint, 2, "own"))
        for place in range(6):
            store.write(f"v{place}", Track(np.array([vector], np.float32), spans_s, fingerprint))
    return world


@pytest.mark.parametrize(
    ("name", "folder", "length"), [("Lengths", "raw", 5.0), ("Directions", "raw", 1.0), ("Directions", "unit", 1.0)]
)
def test_a_method_gets_the_lengths_that_it_needs(stores, name, folder, length):
    """Raw vectors where it needs them so; of length 1 where it does not, whichever were kept."""
    result = evaluate(stores, name, "--features", stores / folder, "--out", stores / "report.json")
    assert result.exit_code == 0, result.stderr
    with np.load(stores / "report.answers.npz") as answers:
        (scores,) = [answers[key] for key in answers.files if key.endswith("scores")]
    np.testing.assert_allclose(scores, length, rtol=1e-6)
    kept = json.loads((stores / "report.json").read_text())["features"]["test"]
    assert kept.get("raw", False) is (name == "Lengths")


def test_a_method_that_needs_lengths_refuses_directions(stores):
    """Status 2, and what to do."""
    result = evaluate(stores, "Lengths", "--features", stores / "unit")
    assert result.exit_code == 2
    assert "here they are needed as the network gives them; extract them again with --raw" in result.stderr


def test_a_method_that_takes_clips_may_have_features_too(stores):
    """With both, a video counts where both are there: one has features and no file, and is left out and counted."""
    words = ("--features", stores / "unit", "--videos", stores / "videos")
    result = evaluate(stores, "Pixels", *words)
    assert result.exit_code == 2
    assert "1 of 4 test videos" in result.stderr
    result = evaluate(stores, "Pixels", *words, "--allow-missing", "--out", stores / "r.json")
    assert result.exit_code == 0, result.stderr
    kept = json.loads((stores / "r.json").read_text())
    assert kept["splits"][0]["missing"] == {"train": 0, "test": 1}
    assert kept["features"]["test"]["fingerprint"] == "1f5a"


def test_a_method_that_takes_clips_is_trained_and_taken_up(world):
    """On a benchmark's files, kept and evaluated: the answers are those of one that learned just now."""
    (world / "videos/deep/v5").rename(world / "v5")
    write_colours(world / "videos" / "v5.mp4", ["blue"])
    files = ("--videos", world / "videos")
    mine = f"{world / 'mine.py'}:Pixels"
    words = ["train", mine, "--on", "colours", "--data", str(world), *map(str, files), "--out", str(world / "t")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.stderr
    for name, option in (("kept", ["--trained", world / "t"]), ("anew", [])):
        result = evaluate(world, "Pixels", *files, *option, "--out", world / f"{name}.json")
        assert result.exit_code == 0, result.stderr
    with np.load(world / "kept.answers.npz") as kept, np.load(world / "anew.answers.npz") as anew:
        (scores,) = [key for key in kept.files if key.endswith("scores")]
        np.testing.assert_array_equal(kept[scores], anew[scores])


def test_a_method_that_takes_clips_learns_from_own_videos(world):
    """A folder for each class is enough; features are refused, for there is nothing in them to see."""
    for colour in ("red", "green"):
        (world / "own" / colour).mkdir(parents=True)
        write_colours(world / "own" / colour / f"{colour}1.mp4", [colour])
    words = ["train", f"{world / 'mine.py'}:Pixels", "--videos", str(world / "own"), "--out", str(world / "t")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.stderr
    lesson = json.loads((world / "t" / "lesson.json").read_text())
    assert (lesson["features"], lesson["videos"]) == ("pixels", {"green": 1, "red": 1})
    table = world / "labels.csv"
    table.write_text("path,label\nv0,red\nv1,green\n")
    words = ["train", words[1], "--labels", str(table), "--features", str(world), "--out", str(world / "u")]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, "takes clips; give the videos themselves" in result.stderr) == (2, True)
