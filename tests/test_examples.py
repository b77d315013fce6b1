"""The examples for authors are run as their first lines say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gerund.cli import app
from gerund.encoders.catalog import build
from gerund.errors import UsageError
from gerund.features import FeatureStore
from stub import write_colours

EXAMPLES = Path(__file__).parents[1] / "examples"
ACTIONS = "showing red, showing green"


def typed(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_recognizer_learns_on_a_benchmark(tmp_path):
    """It is far above chance on the toy world, and its setting is chosen on held-out seen classes."""
    out = tmp_path / "r.json"
    method = f"{EXAMPLES / 'recognizer.py'}:Ridge"
    done = typed("evaluate", method, "--on", "toyworld", "--set", "strength=0.1,1,10", "--out", out, "-q")
    assert done.exit_code == 0, done.output
    splits = json.loads(out.read_text())["splits"]
    assert all(split["metrics"]["top-1"] > 50 and split["settings"]["strength"] in (0.1, 1, 10) for split in splits)


def test_the_recognizer_answers_about_videos(run, tmp_path):
    """What it has learned from a folder for each class is kept, and answers about another video."""
    for colour in ("red", "green"):
        (tmp_path / "set" / f"showing {colour}").mkdir(parents=True)
        write_colours(tmp_path / "set" / f"showing {colour}" / "1.mp4", [colour])
    method = f"{EXAMPLES / 'recognizer.py'}:Ridge"
    done = run("train", method, "--videos", tmp_path / "set", "--out", tmp_path / "trained")
    assert done.exit_code == 0, done.output
    video = write_colours(tmp_path / "new.mp4", ["green"])
    done = run("classify", video, "--actions", ACTIONS, "--method", method, "--trained", tmp_path / "trained",
               "--json", "-")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["actions"][0]["action"] == "showing green"


def test_the_localizer_finds_when(run, tmp_path):
    """Red comes first, green after it."""
    video = write_colours(tmp_path / "a.mp4", ["red"] * 3 + ["green"])
    done = run("locate", video, "--actions", ACTIONS, "--method", f"{EXAMPLES / 'localizer.py'}:Peaks", "--json", "-")
    assert done.exit_code == 0, done.output
    found = {item["action"]: item for item in json.loads(done.stdout)["segments"]}
    assert found["showing green"]["start_s"] == pytest.approx(3.0, abs=0.3)


def test_the_encoder_makes_features(tmp_path):
    """Its vectors are those of the colours, and its fingerprint is the hash of its file."""
    path = EXAMPLES / "encoder.py"
    video = write_colours(tmp_path / "a.mp4", ["red", "green"])
    done = typed("extract", video, "--encoder", f"{path}:Colours", "--raw", "--out", tmp_path / "features")
    assert done.exit_code == 0, done.output
    track = FeatureStore(tmp_path / "features").read("a")
    assert track.vectors.shape == (8, 48)
    red, green = track.vectors[[0, -1]].reshape(2, 16, 3).mean(axis=1)
    assert red.argmax() == 0 and green.argmax() == 1
    changed = tmp_path / "encoder.py"
    changed.write_text(path.read_text() + "# another\n")
    assert build(f"{changed}:Colours").fingerprint != build(f"{path}:Colours").fingerprint


def test_code_that_only_a_file_names_is_not_run(tmp_path):
    """Features may say that an encoder in a file made them; who evaluates them has to name it himself."""
    mark = tmp_path / "was run"
    code = tmp_path / "mine.py"
    code.write_text(f"open({str(mark)!r}, 'w')\n")
    from gerund.bench.runs.assembly import require_here

    with pytest.raises(UsageError, match="which is code"):
        require_here(f"{code}:Mine")
    assert not mark.exists()


def test_an_encoder_that_cannot_be_had_is_named(tmp_path):
    """No such file, no such class, and a class that wants arguments: each in words."""
    path = tmp_path / "mine.py"
    path.write_text("class Wants:\n    def __init__(self, size): ...\n")
    for given, said in (("Other", "has no class 'Other'"), ("Wants", "without arguments: TypeError")):
        with pytest.raises(UsageError, match=said):
            build(f"{path}:{given}")
    with pytest.raises(UsageError, match="no such file"):
        build(f"{tmp_path / 'none.py'}:Any")


def test_an_encoder_without_a_name_is_called_as_it_was_named(tmp_path):
    """What nobody called anything is known by its file and class."""
    path = tmp_path / "mine.py"
    path.write_text("from gerund.encoders import VideoOnly\nclass Mine(VideoOnly):\n    dim = 1\n")
    assert build(f"{path}:Mine").name == f"{path}:Mine"
