"""Methods that look at the pictures themselves, or at lengths of vectors, asked about videos of one's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import gerund.api
from gerund import Examples, Inputs, UsageError, Video, VideoError
from gerund.api import Model
from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.runs import assembly
from gerund.cli import app
from gerund.encoders.base import TextOnly
from gerund.features import Sampling, extract
from gerund.methods import Eszsl
from gerund.methods.training.lesson import Lesson, write_lesson
from gerund.methods.training.saved import save
from gerund.text.classes import ClassSpace
from gerund.types import Clip
from gerund.video.limits import Limits
from gerund.video.workers import Workers
from stub import COLOURS, ColourEncoder, write_colours
from test_clip_methods import BENCHMARK, METHOD

FREE = '''
import numpy as np
from gerund.video.clipping import Spread
from gerund.video.transforms import Preparation


class Free:
    """Knows colours by their names, and learns nothing."""

    takes = "clip"
    training_free = True
    logit_scale = 0.1

    def score(self, inputs, classes):
        (batch,) = inputs.clips(Spread(3), Preparation(8, 8))
        if batch.frames.mean() < 5:
            raise ValueError("too dark")
        means = batch.frames.mean(axis=(1, 2, 3, 4))
        return means[:, [("red", "green", "blue").index(name) for name in classes.names]]


class Reading(Free):
    """Is built on texts."""

    def __init__(self, texts):
        self.texts = texts

    def score(self, inputs, classes):
        (batch,) = inputs.clips(Spread(3), Preparation(8, 8))
        return batch.frames.mean(axis=(1, 2, 3, 4)) @ self.texts.encode_classes(classes).T


class Finder:
    """Locates, and wants what locate() never gets."""

    takes = "clip"
    training_free = True

    def locate(self, track, classes): ...


class Both(Free, Finder):
    """Classifies as it says, and locates."""
'''


def write_pictures(folder, colour):
    """A folder of four numbered pictures of one colour."""
    folder.mkdir()
    for number in range(4):
        picture = np.full((32, 32, 3), 10, np.uint8)
        picture[..., COLOURS.index(colour)] = 240
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def free(tmp_path):
    """Names a method of the file."""
    (tmp_path / "free.py").write_text(FREE)
    return lambda name: f"{tmp_path / 'free.py'}:{name}"


@pytest.fixture
def no_load(monkeypatch):
    """No model can be loaded."""

    def load(*_, **__):
        raise AssertionError("nobody needs a model here")

    monkeypatch.setattr(gerund.api, "load", load)


def typed(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_own_videos_are_answered_as_in_a_benchmark(tmp_path, monkeypatch, no_load):
    """Trained on a benchmark's files, then asked about files and a folder of pictures: the scores of the report.

    A file that is none costs itself alone, no model is loaded, and the record is gone on from.
    """
    videos = tmp_path / "videos"
    videos.mkdir()
    listed = [ListedVideo(f"v{n}", colour) for n, colour in enumerate(("green", "green", "red", "blue"))]
    for video in listed:
        write_colours(videos / f"{video.video}.mp4", [video.label])
    monkeypatch.setattr(assembly, "find_benchmark", lambda name: BENCHMARK)
    monkeypatch.setattr(assembly, "read_listing", lambda *_: Listing("made-up", tuple(listed)))
    (tmp_path / "mine.py").write_text(METHOD)
    mine, kept = f"{tmp_path / 'mine.py'}:Pixels", ("--trained", tmp_path / "kept")
    on = ("--on", "colours", "--data", tmp_path, "--videos", videos)
    assert typed("train", mine, *on, "--out", tmp_path / "kept").exit_code == 0
    assert typed("evaluate", mine, *on, *kept, "--out", tmp_path / "report.json").exit_code == 0
    with np.load(tmp_path / "report.answers.npz") as answers:
        (expected,) = [answers[key] for key in answers.files if key.endswith("scores")]

    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    asked = [videos / "v2.mp4", tmp_path / "broken.mp4", videos / "v3.mp4", write_pictures(tmp_path / "shots", "blue")]
    out = tmp_path / "out.jsonl"
    words = ["classify", *asked, "--actions", "red, blue", "--method", mine, "--json", out]
    words += ["--trained", tmp_path / "kept" / "split-0"]
    result = typed(*words)
    assert result.exit_code == 1, result.output
    assert "1 not answered" in result.stderr and "broken.mp4" in result.stderr
    red, broken, blue, shots = read(out)
    assert broken["error"] and not broken["actions"]
    for line, row in ((red, expected[0]), (blue, expected[1])):
        scores = {item["action"]: item["score"] for item in line["actions"]}
        assert [scores["red"], scores["blue"]] == pytest.approx(row.tolist(), abs=1e-6)
        assert all(item["probability"] is None for item in line["actions"]), "it states no scale"
    assert [line["actions"][0]["action"] for line in (red, blue, shots)] == ["red", "blue", "blue"]
    assert {(line["model"], line["method"]) for line in (red, broken, blue, shots)} == {("pixels", "mine")}
    assert red["duration_s"] == 1.0 and shots["duration_s"] == pytest.approx(4 / 25, abs=1e-3)
    assert "3 of 4 answered before" in typed(*words).stderr
    model = Model(ColourEncoder())
    answer = model.classify(asked[0], ["red", "blue"], method=model.method(mine, trained=tmp_path / "kept" / "split-0"))
    assert answer.actions[0].score == pytest.approx(expected[0, 0]), "whatever model is there sees nothing"


def test_a_method_that_fails_on_one_video_answers_about_the_others(tmp_path, free, no_load):
    """One that cannot bear the dark is asked about a dark clip between two others, from Python and in one list."""
    frames = np.zeros((3, 6, 16, 16, 3), np.uint8)
    frames[0, ..., 0] = frames[2, ..., 2] = 200
    model, times_s = Model(ColourEncoder()), np.arange(6) / 3
    method = model.method(free("Free"))
    told = []
    clips = [Clip(of, times_s) for of in frames]
    found = list(model.classify_many(clips, ["red", "blue"], method=method, progress=lambda *at: told.append(at)))
    assert [given for given, _ in found] == clips
    first, dark, last = (answer for _, answer in found)
    assert (first.best.action, last.best.action) == ("red", "blue") and "too dark" in str(dark)
    assert (first.video, first.num_frames, first.model, first.method) == ("clip 1", 6, "pixels", "free")
    assert first.best.probability == pytest.approx(1 / (1 + np.exp(-0.1 * 200)))
    assert told == [(0, 6), (6, 6)] * 3
    assert model.classify(frames[2], ["red", "blue"], fps=3, method=method).best.action == "blue"
    with pytest.raises(VideoError):
        model.classify(tmp_path / "none.mp4", ["red", "blue"], method=method)
    assert list(model.classify_many([], ["red"], method=method)) == []


def test_pictures_are_decoded_by_the_model_s_workers(tmp_path, free):
    """Once to learn how long a file is, once for its pictures; the limits of whoever loaded the model hold for both."""
    path = write_colours(tmp_path / "a.mp4", ["red"])
    read = []

    class Noting(Workers):
        def reading(self, video, **given):
            read.append(video.path)
            return super().reading(video, **given)

    model = Model(ColourEncoder(), workers=Noting())
    model.classify(path, ["red", "blue"], method=model.method(free("Free")))
    assert read == [path, path]
    model = Model(ColourEncoder(), workers=Workers(Limits(pixels=100)))
    with pytest.raises(VideoError, match="pixels"):
        model.classify(path, ["red", "blue"], method=model.method(free("Free")))


def test_what_cannot_be_asked_of_clips_is_said(run, tmp_path, free):
    """Locating, tracks and approximate frames are refused in words, before anything is written."""
    path = write_colours(tmp_path / "a.mp4", ["red"])
    words = (path, "--actions", "red, blue", "--json", tmp_path / "out.jsonl", "--method")
    for command, name, more, said in (
        ("locate", "Free", (), "takes decoded frames, and windows are cut out of a track; it cannot locate"),
        ("locate", "Finder", (), "Finder locates, and locate gets a track, not decoded frames; say takes = 'track'"),
        ("classify", "Finder", (), "say takes = 'track'"),
        ("locate", "Both", (), "locate(track, classes) gets a track; it cannot locate"),
        ("classify", "Free", ("--approximate-frames",), "read exactly, so leave --approximate-frames out"),
    ):
        refused = run(command, *words, free(name), *more)
        assert refused.exit_code == 2 and said in refused.stderr, (command, name, refused.output)
    assert not (tmp_path / "out.jsonl").exists()
    model = Model(ColourEncoder())
    with pytest.raises(UsageError, match="which a track does not have; give the video itself"):
        model.classify(model.encode(path), ["red", "blue"], method=model.method(free("Free")))
    both = model.classify(path, ["red", "blue"], method=model.method(free("Both")))
    assert both.best.action == "red"


def test_a_model_reads_the_names_where_the_method_wants_it(run, tmp_path, free, monkeypatch):
    """One of texts alone will do; without texts nobody is asked whether names can be read."""

    class Texts(TextOnly):
        name, dim, fingerprint = "texts", 3, "texts-1"

        def encode_texts(self, texts):
            return ColourEncoder().encode_texts(texts)

        def unreadable(self, classes):
            return [name for name in classes.names if name == "rot"]

    path = write_colours(tmp_path / "a.mp4", ["red"])
    monkeypatch.setattr(gerund.api, "load", lambda *_, **__: Model(Texts()))
    words = ("classify", path, "--method", free("Reading"), "--actions")
    result = run(*words, "blue, red", "--json", tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.output
    (line,) = read(tmp_path / "out.jsonl")
    assert (line["model"], line["actions"][0]["action"]) == ("pixels", "red")
    refused = run(*words, "rot")
    assert refused.exit_code == 2 and "texts cannot read 'rot'" in refused.stderr
    model = Model(Texts())
    assert model.unreadable(["rot"], method=model.method(free("Free"))) == []


# lengths of vectors


class Network(ColourEncoder):
    """Gives vectors of length 5."""

    def raw_windows(self, frames, *, dense):
        return 5 * super().encode_windows(frames, dense=dense)


class Lengths:
    """Says how long the vectors are that it is asked about."""

    takes, training_free = "vector", True

    def score(self, inputs, classes):
        return np.linalg.norm(inputs.vectors, axis=1)[:, None] * np.ones(len(classes))


@pytest.mark.parametrize(("ending", "sampling"), [("", "few"), ("-raw", "few"), ("-raw", "own")])
def test_what_was_learned_from_raw_features_is_asked_about_such(tmp_path, ending, sampling):
    """The fingerprint of the lesson decides, with its sampling; a lesson of unit vectors still gets unit vectors."""
    video = write_colours(tmp_path / "a.mp4", ["red"] * 2 + ["green"])
    model, names = Model(Network()), ("red", "green", "blue")
    taught = Eszsl(model.encoder, alpha=-1.0).fit(
        Examples(Inputs.of(np.eye(3, dtype=np.float32)), np.arange(3)), ClassSpace(names)
    )
    save(taught, tmp_path / "kept")
    lesson = Lesson(classes=names, features=Network.fingerprint + ending, encoder="colours", sampling=sampling)
    write_lesson(lesson, tmp_path / "kept")
    answerer = model.method(trained=tmp_path / "kept")
    wanted = Sampling.from_key(sampling).of(model.encoder, raw=bool(ending))
    track = extract(Video(video), wanted, dense=sampling == "own")
    assert np.linalg.norm(track.vectors[0]) == pytest.approx(5 if ending else 1)
    expected = taught.score(Inputs([track]), ClassSpace(names))[0]
    answer = model.classify(video, names, method=answerer, top=None)
    assert {item.action: item.score for item in answer.actions} == dict(zip(names, expected.tolist(), strict=True))


def test_a_lesson_of_unit_vectors_does_not_teach_lengths(tmp_path):
    """A raw fingerprint of another encoder is refused, and so is an encoder without raw vectors."""
    model, names = Model(ColourEncoder()), ("red", "green", "blue")
    frames = np.full((4, 8, 8, 3), 200, np.uint8)
    examples = Examples(Inputs.of(np.eye(3, dtype=np.float32)), np.arange(3))
    save(Eszsl(model.encoder, alpha=-1.0).fit(examples, ClassSpace(names)), tmp_path / "kept")
    for features, said in (("other-raw", "fingerprint other-raw"), ("colour-stub-1-raw", "has no raw vectors")):
        write_lesson(Lesson(classes=names, features=features, sampling="few"), tmp_path / "kept")
        with pytest.raises(UsageError, match=said):
            model.classify(frames, names, fps=4, method=model.method(trained=tmp_path / "kept"))

    class Needs(Lengths):
        needs_raw = True

    scores = [Model(Network()).classify(frames, names, fps=4, method=of()).best.score for of in (Lengths, Needs)]
    assert scores == pytest.approx([1, 5])
    with pytest.raises(UsageError, match="has no raw vectors"):
        model.classify(frames, names, fps=4, method=Needs())


def test_objects_of_random_weights_are_refused(run, tmp_path):
    """What a network that has learned nothing found answers nothing; the same file of a trained one is taken."""
    video = write_colours(tmp_path / "a.mp4", ["red"])
    from gerund.features.object_lists import Finder, Listed, ObjectLists, Vocabulary
    from gerund.text.objects import find_concepts

    (tmp_path / "things.txt").write_text("cup\nball\n")
    vocabulary = Vocabulary.of("things", find_concepts(str(tmp_path / "things.txt")))
    words = ["classify", video, "--actions", "red, blue", "--objects", tmp_path / "objects.json"]
    words += ["--objects-vocabulary", tmp_path / "things.txt"]
    for random in (True, False):
        finder = Finder("lite0", "random-1" if random else "1", random_weights=random)
        ObjectLists(vocabulary, finder, 1, {"a": Listed(((1,), (0.5,)))}).write(tmp_path / "objects.json")
        result = run(*words)
        assert result.exit_code == (2 if random else 0), result.output
        assert ("found by lite0 with random weights" in result.stderr) == random
