"""The map of a report's embeddings: every video and class in its place, the same each time, and harmless."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from gerund.api import Model
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.runs import mapping
from gerund.bench.runs.answers import LocalizationAnswers, RecognitionAnswers
from gerund.bench.runs.learning import SplitRun
from gerund.bench.runs.map_page import map_page, map_picture
from gerund.bench.runs.mapping import EmbeddingMap, Point, make_map
from gerund.bench.runs.report import Report, make_report
from gerund.errors import UsageError
from gerund.features import FeatureStore, TrackKind
from gerund.types import Track
from stub import COLOURS, ColourEncoder
from test_reports import gerund, real  # noqa: F401  (a fixture)
from toyruns import never

CLASSES = ("Red", "Green", "Blue")


def store(folder, vectors, *, step_s=1.0):
    """A store of the stub's features: for each video its vectors, one a second."""
    made = FeatureStore.create(folder, TrackKind("colour-stub", ColourEncoder.fingerprint, 3, "own"))
    for video, of in vectors.items():
        starts = np.arange(len(of)) * step_s
        made.write(video, Track(np.float32(of), np.stack([starts, starts + step_s], axis=1), made.fingerprint))
    return folder


@pytest.fixture
def coloured(tmp_path):
    """Four videos of each colour, one of which was taken for another, with features and answers beside the report."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 4)
    vectors = np.eye(3)[labels] + 0.05 * rng.standard_normal((12, 3))
    names = tuple(f"v{number:02d}" for number in range(12))
    folder = store(tmp_path / "features", {name: [row] for name, row in zip(names, vectors, strict=True)})
    scores = np.eye(3, dtype=np.float32)[[2, *labels[1:]]]
    given = RecognitionAnswers("0", "", names, labels, CLASSES, np.zeros(3, bool), scores)
    return report_of(tmp_path, given, folder, "recognition")


def report_of(tmp_path, given, folder, task, **request):
    split = Split("0", (), given.classes)
    made = make_report(
        Benchmark("colours", task, "thumos14", "thumos14", (split,), tious=(0.5,)),
        [SplitRun("0", [given])],
        method="stub",
        features={},
        texts={"of": {name.lower(): [f"showing {name.lower()}"] for name in given.classes}},
        request={"method": "stub", "benchmark": "colours", "features": str(folder), "model": "i3d-minilm", **request},
        predictions=tmp_path / "r.answers.npz",
    )
    made.write(tmp_path / "r.json")
    return tmp_path / "r.json"


def drawn(path, load=lambda name: ColourEncoder(), **settings):
    return make_map(Report.read(path), path.parent, load_encoder=load, **settings)


def test_videos_lie_with_their_class(coloured):
    """Videos of one colour are nearer to each other than to the others; each has its words; the mistake is a ring."""
    found = drawn(coloured)
    ((title, points),) = found.panels
    videos = [point for point in points if not point.is_text]
    assert title == "videos and class texts" and len(videos) == 12
    assert [point.label for point in points if point.is_text] == list(CLASSES)
    places = np.array([(point.x, point.y) for point in videos])
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    same = np.equal.outer(np.arange(12) // 4, np.arange(12) // 4)
    assert apart[same].max() < apart[~same].min()
    assert places.min() >= 0 and places.max() <= 1
    assert (
        videos[0].said == "v00: Red, taken for Blue" and [point.is_right for point in videos] == [False] + [True] * 11
    )
    assert "12 of 12 test videos, split 0; 3 classes with texts" in found.notes[0]


def test_the_texts_are_those_of_the_report(coloured):
    """What is encoded is what the report says stood for the classes, as it is; else a name stands for itself."""
    asked = []

    class Reads(ColourEncoder):
        def encode_classes(self, classes):
            asked.append(classes)
            return super().encode_classes(classes)

    drawn(coloured, lambda name: asked.append(name) or Reads())
    assert asked[0] == "i3d-minilm" and asked[1].as_given
    assert asked[1].texts == tuple((f"showing {name}",) for name in COLOURS)
    data = Report.read(coloured).data
    odd = Report(msgspec.structs.replace(data, texts={"of": {"red": [3, " "], "green": None}}))
    make_map(odd, coloured.parent, load_encoder=lambda name: Reads())
    assert asked[-1].texts == (("red",), ("green",), ("blue",))


def test_the_same_map_each_time(coloured, real, monkeypatch):  # noqa: F811
    """Two runs give the same bytes; another seed another picture; texts of another space have a panel of their own."""
    assert map_picture(drawn(coloured)) == map_picture(drawn(coloured))
    data = Report.read(coloured).data
    other = Report(msgspec.structs.replace(data, seed=data.seed + 1))
    again = make_map(other, coloured.parent, load_encoder=lambda name: ColourEncoder())
    assert "seed 1" in again.notes[-1] and "seed 0" in drawn(coloured).notes[-1]
    monkeypatch.setattr(mapping, "_flatten", lambda vectors, seed: vectors[:, :2])
    found = drawn(real, never, split="1")
    assert [title for title, _ in found.panels] == ["videos", "class texts"]
    assert [len(points) for _, points in found.panels] == [240, 56] and "in spaces of their own" in found.notes[2]


def test_moments_are_drawn_of_localization(tmp_path, monkeypatch):
    """Of a video with two actions each has the mean of its own seconds, not that of the whole video."""
    monkeypatch.setattr(mapping, "_flatten", lambda vectors, seed: vectors[:, :2])
    folder = store(tmp_path / "features", {"v": [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]})
    truth = (("v", 0.0, 2.0, "Red"), ("v", 2.0, 3.0, "Green"), ("v", 2.5, 4.0, "Blue"), ("v", 9.0, 9.5, "Red"))
    path = report_of(tmp_path, LocalizationAnswers("0", "", CLASSES, truth, ()), folder, "localization")
    rows = []
    original = mapping._Item
    monkeypatch.setattr(mapping, "_Item", lambda *given: rows.append(given) or original(*given))
    found = drawn(path)
    assert "4 of 4 test moments" in found.notes[0]
    wanted = [[1, 0, 0], [0, 1, 0], [0, 0.5, 0.5], [0.5, 0.25, 0.25]]
    np.testing.assert_allclose([vector for vector, *_ in rows[:4]], wanted)


def test_many_videos_are_drawn_by_chance(coloured, monkeypatch):
    """Beyond the most that a map has, a part is drawn by the seed, and said."""
    monkeypatch.setattr(mapping, "_MOST_VIDEOS", 5)
    found = drawn(coloured)
    assert "5 of 12 test videos" in found.notes[0]
    assert sum(not point.is_text for point in found.panels[0][1]) == 5
    assert found.panels == drawn(coloured).panels


def test_names_do_nothing_in_a_map():
    """Whatever classes and videos are called, the picture is whole XML without scripts and addresses."""
    evil = '</title><script>alert("x")</script>\x1b\u202e&'
    points = tuple(Point(x, 0.5, evil, evil, x > 0.5) for x in (0.0, 1.0))
    for panels in (((evil, points),), ((evil, points[:1]), (evil, points[1:]))):
        found = EmbeddingMap(evil, panels, (evil,))
        ElementTree.fromstring(map_picture(found))
        for text in (map_picture(found), map_page(found)):
            assert "<script" not in text and not set(text) & {"\x1b", "\u202e"}
            assert not re.findall(r"\w+://[^\"\s]+", text)
    assert map_picture(found).count("<circle") == 1 and map_picture(found).count("<path") == 1


def test_without_texts_there_are_videos(coloured):
    """A model that only the report names is not fetched; one without a text side has none; both are said."""
    data = Report.read(coloured).data
    hub = Report(msgspec.structs.replace(data, request=data.request | {"model": "somebody/clip"}))
    found = make_map(hub, coloured.parent, load_encoder=never)
    assert [title for title, _ in found.panels] == ["videos"] and "it is not fetched" in " ".join(
        found.notes[0].split()
    )
    blind = drawn(coloured, lambda name: object())
    assert "0 classes with texts" in blind.notes[0] and not any(point.is_text for point in blind.panels[0][1])
    assert ">Red</text>" in map_picture(blind), "names stand among their videos instead"


def test_the_command_writes_both_kinds(coloured, tmp_path, monkeypatch):
    """A page and a picture, also from features that have moved; what cannot be a map ends with 2."""
    monkeypatch.setattr("gerund.api.load", lambda *_, **__: Model(ColourEncoder()))
    (tmp_path / "features").rename(tmp_path / "moved")
    lost = gerund("report", coloured, "--map", tmp_path / "m.svg")
    assert lost.exit_code == 2 and not (tmp_path / "m.svg").exists()
    for name in ("m.svg", "m.html"):
        done = gerund("report", coloured, "--map", tmp_path / name, "--features", tmp_path / "moved")
        assert done.exit_code == 0, done.output
    assert ElementTree.parse(tmp_path / "m.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    page = (tmp_path / "m.html").read_text()
    assert (
        page.startswith("<!doctype html>") and page.count("<circle") == 12 and "t-SNE of scikit-learn, seed 0" in page
    )
    for words, said in (
        (("--map", tmp_path / "m.png"), "give FILE.html or FILE.svg"),
        (("--map", coloured), "give FILE.html or FILE.svg"),
        (("--map", tmp_path / "m.svg", "--split", "7"), "no split '7'; it has 0"),
        (("--split", "0"), "name its file too"),
        ((coloured, "--map", tmp_path / "m.svg"), "a map is of one report, got 2"),
    ):
        wrong = gerund("report", coloured, *words)
        assert wrong.exit_code == 2 and said in " ".join(wrong.output.split())


def test_a_missing_extra_is_one_line(coloured, tmp_path, monkeypatch):
    """Without scikit-learn the command says what to type, and writes nothing."""
    monkeypatch.setattr(mapping, "find_spec", lambda name: None)
    done = gerund("report", coloured, "--map", tmp_path / "m.svg")
    assert done.exit_code == 2 and not (tmp_path / "m.svg").exists()
    assert done.stderr == "gerund: a map needs scikit-learn, which is not installed: pip install 'gerund[plots]'\n"


def test_too_few_points_are_no_map(tmp_path):
    """Four points have no neighbourhoods to show."""
    folder = store(tmp_path / "features", {"a": [[1, 0, 0]]})
    one = np.zeros(1, np.int64)
    given = RecognitionAnswers("0", "", ("a",), one, CLASSES, np.zeros(3, bool), np.eye(3, dtype=np.float32)[:1])
    with pytest.raises(UsageError, match="at least 5 points, got 4"):
        drawn(report_of(tmp_path, given, folder, "recognition"))


def test_the_seed_decides():
    """Where the start is drawn, for vectors of one number, one seed gives one map and another seed another."""
    vectors = np.float32(np.arange(8)[:, None])
    one, same, other = (mapping._flatten(vectors, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
