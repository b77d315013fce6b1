"""`gerund objects`: what is in a video, kept with its vocabulary, gone on from, and never mixed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gerund.assets import find_asset, is_here
from gerund.cli import app
from gerund.encoders.objects import ObjectNetwork, rank_objects, sample_frames
from gerund.errors import AssetError, UsageError
from gerund.examples import Inputs
from gerund.features import object_store, objects
from gerund.features.object_lists import (
    Finder,
    Listed,
    ObjectLists,
    Vocabulary,
    read_lists,
    read_objects,
    require_vocabulary,
    stack_objects,
)
from gerund.features.object_store import ObjectStore
from gerund.features.objects import ObjectFinder, open_finder
from gerund.features.tracks import FeatureError
from gerund.text.objects import Concepts, find_concepts
from gerund.types import Track
from gerund.video import Video
from gerund.video.transforms import Preparation
from gerund.video.workers import Reading
from stub import COLOURS, write_colours

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips"
WORDS = "red, crimson\tthe colour of blood\ngreen\tthe colour of grass\nblue\n"


class Colours(ObjectNetwork):
    """Sees how red, green and blue a picture is; counts the pictures it is shown."""

    name, dim, fingerprint = "colours-logits", 3, "colours-1"
    preparation = Preparation(8, 8)

    def __init__(self):
        self.shown = []

    def __call__(self, frames):
        self.shown.append(len(frames))
        return frames.reshape(len(frames), -1, 3).mean(axis=1).astype(np.float32) / 100


class Others(Colours):
    """The same with other weights."""

    fingerprint = "colours-2"


NETWORKS = {"colours": Colours, "others": Others}


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Types a command to a gerund whose object network knows three colours, and what they are called."""
    monkeypatch.setattr(objects, "open_object_network", lambda which, **_: NETWORKS[which]())
    (tmp_path / "words.tsv").write_text(WORDS)

    def typed(*words, encoder="colours", vocabulary=tmp_path / "words.tsv"):
        given = ["objects", *words, "--encoder", encoder, "--vocabulary", vocabulary]
        return CliRunner().invoke(app, [str(word) for word in given])

    return typed


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Three videos of one to three seconds, eight frames a second."""
    folder = tmp_path_factory.mktemp("videos")
    for name, colours in {"a": ["red"], "b": ["green", "blue", "green"], "c": ["blue", "red", "blue"]}.items():
        write_colours(folder / f"{name}.mp4", colours)
    return folder


@pytest.fixture
def videos(originals, tmp_path):
    """A copy that may be changed."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for path in originals.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def decoded(monkeypatch):
    """The files whose frames were decoded, in order."""
    passes = []
    original = Reading.pictures
    monkeypatch.setattr(
        Reading, "pictures", lambda self, *asked: (passes.append(self.video.path.stem), original(self, *asked))[1]
    )
    return passes


# The command


def test_the_best_objects_of_eight_frames_are_kept(run, videos, tmp_path, monkeypatch):
    """Mean logits over the frames of the specification, best first; nothing is decoded in the command's own process."""
    expected = {}
    for path in videos.iterdir():
        video, network = Video(path), Colours()
        frames = [network.prepare(picture) for _, picture in video.frames(sample_frames(video.num_frames))]
        expected[path.stem] = rank_objects(network(np.stack(frames)))
    monkeypatch.setattr("gerund.video.decoding.open_media", lambda *_: pytest.fail("decoded in this process"))
    result = run(videos, "--out", tmp_path / "o.json")
    assert result.exit_code == 0, result.output
    assert "c.mp4  3.0 s  blue, red, green" in result.stdout, "the first word of each, best first"
    assert len(result.stdout.splitlines()) == 3, "a line for each video, and none between"
    content = json.loads((tmp_path / "o.json").read_text())
    assert list(content["videos"]) == ["a", "b", "c"]
    for video, (places, scores) in expected.items():
        assert content["videos"][video]["objects"][0] == places.tolist()
        assert content["videos"][video]["objects"][1] == pytest.approx(scores.tolist())
    assert content["network"] == {"name": "colours", "fingerprint": "colours-1", "random_weights": False}
    concepts = find_concepts(str(tmp_path / "words.tsv"))
    assert concepts.texts == ("red, crimson: the colour of blood", "green: the colour of grass", "blue")
    assert content["vocabulary"]["sha256"] == concepts.fingerprint
    assert (content["vocabulary"]["size"], content["top"]) == (3, 3), "a vocabulary of three has no twenty best"
    assert run(videos, "--out", tmp_path / "1.json", "--top", 1).exit_code == 0
    assert [len(of["objects"][0]) for of in json.loads((tmp_path / "1.json").read_text())["videos"].values()] == [1] * 3


def test_running_again_decodes_nothing(run, videos, tmp_path, decoded):
    """What is there is skipped and counted, and the file is left as it is; new, changed and renamed videos are told."""
    words = (videos, "--out", tmp_path / "o.json")
    run(*words)
    before = (tmp_path / "o.json").stat()
    decoded.clear()
    again = run(*words)
    assert (again.exit_code, decoded) == (0, [])
    assert "3 of 3 are here, 0 of them new" in again.stderr
    assert (tmp_path / "o.json").stat().st_mtime_ns == before.st_mtime_ns
    write_colours(videos / "d.mp4", ["green"])
    write_colours(videos / "a.mp4", ["blue"])
    assert "4 of 4 are here, 2 of them new" in run(*words).stderr
    assert sorted(decoded) == ["a", "d"]
    assert read_lists(tmp_path / "o.json").places["a"][0] == COLOURS.index("blue")
    other = tmp_path / "other"
    other.mkdir()
    write_colours(other / "a.mp4", ["green"])
    refused = run(other, "--out", tmp_path / "o.json")
    assert refused.exit_code == 2 and "two videos of one name" in refused.stderr.replace("\n", " ")


def test_a_stopped_command_goes_on_where_it_was(run, videos, tmp_path, monkeypatch, decoded):
    """After Ctrl-C two of three are kept, status 130; the rest comes next, and the file equals that of one run."""
    original, written = ObjectStore.write, []

    def write(self, video, *given):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(video)
        original(self, video, *given)

    words = (videos, "--decode-threads", 1, "--out", tmp_path / "o.json")
    monkeypatch.setattr(ObjectStore, "write", write)
    stopped = run(*words)
    assert stopped.exit_code == 130
    assert "2 of 3 are here, 2 of them new" in stopped.stderr
    assert sorted(read_lists(tmp_path / "o.json").videos) == ["a", "b"]
    monkeypatch.setattr(ObjectStore, "write", original)
    decoded.clear()
    assert run(*words).exit_code == 0
    assert decoded == ["c"]
    run(videos, "--out", tmp_path / "at once.json")
    assert (tmp_path / "o.json").read_bytes() == (tmp_path / "at once.json").read_bytes()


def test_a_killed_command_loses_nothing(run, videos, tmp_path, decoded, monkeypatch):
    """The record beside the file has what was found, but for a line cut off, and the next run takes it up."""
    run(videos, "--out", tmp_path / "at once.json")
    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "close", lambda self: self._record.release())
        run(videos / "a.mp4", videos / "b.mp4", "--out", tmp_path / "o.json")
    assert not (tmp_path / "o.json").exists()
    (part,) = tmp_path.glob("o.json.*.part")
    part.write_bytes(part.read_bytes()[:-20])
    decoded.clear()
    assert "3 of 3 are here, 2 of them new" in run(videos, "--out", tmp_path / "o.json").stderr
    assert sorted(decoded) == ["b", "c"]
    assert (tmp_path / "o.json").read_bytes() == (tmp_path / "at once.json").read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_a_record_of_videos_not_named_now_is_taken_up_too(run, videos, tmp_path, monkeypatch):
    """What a killed run found is in the file after a run over other videos."""
    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "close", lambda self: self._record.release())
        run(videos / "a.mp4", "--out", tmp_path / "o.json")
    run(videos / "b.mp4", "--out", tmp_path / "o.json")
    assert sorted(read_lists(tmp_path / "o.json").videos) == ["a", "b"]


def test_failures_are_named_and_the_others_finished(run, videos, tmp_path):
    """A broken video and a missing one: both listed with their reasons, status 1, the rest is kept."""
    (videos / "broken.mp4").write_bytes(b"no video")
    result = run(videos, tmp_path / "nowhere.mp4", "--out", tmp_path / "o.json")
    assert result.exit_code == 1
    assert "2 not answered" in result.stderr
    assert "nowhere.mp4: no such file or folder" in result.stderr and "broken.mp4: " in result.stderr
    assert "3 of 4 are here, 3 of them new" in result.stderr
    assert sorted(read_lists(tmp_path / "o.json").videos) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("other", "words", "said"),
    [
        ({"encoder": "others"}, (), "another network"),
        ({"vocabulary": "{tmp}/more.tsv"}, (), "another vocabulary"),
        ({}, ("--top", 2), "another number of objects"),
    ],
)
def test_other_objects_are_never_put_into_one_file(run, videos, tmp_path, other, words, said):
    """Another network, vocabulary or number is refused and nothing changes, until the file is begun anew."""
    run(videos / "a.mp4", "--out", tmp_path / "o.json")
    before = (tmp_path / "o.json").read_bytes()
    (tmp_path / "more.tsv").write_text("rot\ngruen\nblau\n")
    other = {name: value.format(tmp=tmp_path) for name, value in other.items()}
    refused = run(videos / "b.mp4", "--out", tmp_path / "o.json", *words, **other)
    assert refused.exit_code == 2
    assert said in refused.stderr.replace("\n", " ") and "--overwrite" in refused.stderr
    assert (tmp_path / "o.json").read_bytes() == before
    assert run(videos / "b.mp4", "--out", tmp_path / "o.json", "--overwrite", *words, **other).exit_code == 0
    assert list(read_lists(tmp_path / "o.json").videos) == ["b"]


def test_a_file_of_others_is_not_added_to(run, videos, tmp_path):
    """Elaborative Rehearsal's JSON says neither vocabulary nor network; standard output is no file."""
    (tmp_path / "er.json").write_text('{"a": [[1], [0.5]]}')
    refused = run(videos, "--out", tmp_path / "er.json")
    assert refused.exit_code == 2 and "does not say how its objects were found" in refused.stderr
    assert run(videos, "--out", "-").exit_code == 2


def test_two_commands_do_not_write_one_file(run, videos, tmp_path):
    """While a store is open for adding, another one is refused."""
    store = ObjectStore(tmp_path / "o.json", ObjectFinder(Colours(), "w", Concepts(("a", "b", "c"), ("",) * 3)).lists())
    store.begin()
    with pytest.raises(UsageError, match="being written by another"):
        ObjectStore(tmp_path / "o.json", ObjectFinder(Colours(), "w", Concepts(("a", "b", "c"), ("",) * 3)).lists())
    store.close()


# Networks and vocabularies


def test_random_weights_say_so(tmp_path, videos):
    """The real network without its weights runs, says in output, file and fingerprint that its objects mean nothing."""
    (tmp_path / "words.txt").write_text("".join(f"thing {number}\n" for number in range(1000)))
    words = ["objects", videos / "a.mp4", "--random-weights", "--vocabulary", tmp_path / "words.txt", "--quiet"]
    result = CliRunner().invoke(app, [str(word) for word in [*words, "--out", tmp_path / "o.json"]])
    assert result.exit_code == 0, result.output
    assert "random weights" in result.stderr
    lists = read_lists(tmp_path / "o.json")
    assert lists.network.random_weights and lists.network.fingerprint.startswith("random-")
    assert lists.network.name == "efficientnet-lite0"
    assert len(set(lists.places["a"])) == 20


def test_networks_that_cannot_be_had_are_named(tmp_path):
    """BiT's weights are the user's to bring; an unknown name and random weights of a file are refused."""
    with pytest.raises(UsageError, match=r"bit_models/BiT-M-R50x1\.npz.*--random-weights"):
        open_finder("bit")
    with pytest.raises(UsageError, match=r"efficientnet-lite0, .* bit"):
        open_finder("resnet")
    with pytest.raises(UsageError, match="by name"):
        open_finder(str(tmp_path), random_weights=True)
    (tmp_path / "bit.npz").write_bytes(b"no zip")
    with pytest.raises(AssetError, match=r"bit\.npz: cannot be read"):
        open_finder(str(tmp_path / "bit.npz"))


def test_a_vocabulary_must_be_the_networks(run, videos, tmp_path):
    """Another number of objects, and a network whose classes nobody named, are refused before anything is decoded."""
    (tmp_path / "four.txt").write_text("a\nb\nc\nd\n")
    refused = run(videos, "--out", tmp_path / "o.json", vocabulary=tmp_path / "four.txt")
    assert refused.exit_code == 2 and "3 classes apart" in refused.stderr and "has 4 objects" in refused.stderr
    unnamed = run(videos, "--out", tmp_path / "o.json", vocabulary="")
    assert unnamed.exit_code == 2 and "--vocabulary FILE" in unnamed.stderr
    missing = run(videos, "--out", tmp_path / "o.json", vocabulary="imagenet22k")
    assert missing.exit_code == 2 and "imagenet1k, imagenet21k" in missing.stderr
    assert not list(tmp_path.glob("o.json*"))


def test_a_method_gets_objects_of_its_own_vocabulary(originals):
    """For a method in Python the objects of videos are asked for by its vocabulary; another one is refused."""
    concepts = Concepts(COLOURS, ("",) * 3)
    finder = ObjectFinder(Colours(), "colours", concepts)
    paths = sorted(originals.iterdir())
    found = list(finder.find(map(Video, paths), wanted=concepts, top=2))
    assert [of.places[0] for of in found] == [0, 1, 2]
    assert [len(of.places) for of in found] == [2, 2, 2]
    assert finder.network.shown == [8, 8, 8], "each video alone, eight frames"
    with pytest.raises(UsageError, match="would be another object"):
        next(finder.find(map(Video, paths), wanted=Concepts(COLOURS[::-1], ("",) * 3)))
    with pytest.raises(UsageError, match="above 0"):
        next(finder.find(map(Video, paths), top=0))


# The file


def lists(videos, size=30):
    return ObjectLists(Vocabulary("own", size, "abc"), Finder("net", "1"), 3, videos)


def test_objects_there_and_back(tmp_path):
    """What is written is read back, best first, and stacked in any order of videos."""
    ranked = {"v1": ([5, 2, 9], [0.9, 0.5, 0.5]), "v0": ([1, 0, 29], [0.8, 0.1, 0.0])}
    written = lists({video: Listed(of, "c", "/f") for video, of in ranked.items()})
    written.write(tmp_path / "o.json")
    read = read_lists(tmp_path / "o.json")
    assert list(read.videos) == ["v0", "v1"]
    assert (read.places, read.vocabulary, read.network, read.top) == (
        {video: of[0] for video, of in ranked.items()},
        written.vocabulary,
        written.network,
        3,
    )
    stacked = stack_objects(read.places, ["v1", "v0"])
    assert stacked.dtype == np.int64 and stacked.tolist() == [[5, 2, 9], [1, 0, 29]]
    tracks = [Track(np.ones((1, 2), np.float32), np.array([[0.0, 1.0]]), "")] * 2
    assert Inputs(tracks, stacked).take([1]).objects.tolist() == [[1, 0, 29]]
    with pytest.raises(UsageError, match="1 of 2 videos have no objects, such as v7"):
        stack_objects(read.places, ["v7", "v0"])
    with pytest.raises(UsageError, match="1 and 2"):
        stack_objects({"a": [1], "b": [1, 2]}, "ab")


def test_a_list_that_cannot_be_is_not_written(tmp_path):
    """An object beyond the vocabulary, or scores that rise: refused, and no file appears."""
    for ranked in (([30], [0.5]), ([1, 2], [0.1, 0.5]), ([1, 2], [0.5])):
        with pytest.raises(FeatureError, match=r"o\.json"):
            lists({"v": Listed(ranked)}).write(tmp_path / "o.json")
    assert not list(tmp_path.iterdir())


def test_published_objects_need_their_vocabulary_said(tmp_path):
    """Elaborative Rehearsal's JSON is read where a person says what its numbers mean, and only as far as that goes."""
    (tmp_path / "er.json").write_text('{"a": [[3, 1, 2], [0.5, 0.0, 0.0]], "b": [[0, 1, 2], [0.5, 0.4, 0.3]]}')
    (tmp_path / "four.txt").write_text("w\nx\ny\nz\n")
    with pytest.raises(UsageError, match="--objects-vocabulary imagenet21k"):
        read_objects(tmp_path / "er.json")
    read, concepts = read_objects(tmp_path / "er.json", str(tmp_path / "four.txt"))
    assert read.places == {"a": [3, 1, 2], "b": [0, 1, 2]}, "equally good ones in the file's order"
    assert (concepts.names, read.top, read.network.fingerprint) == (("w", "x", "y", "z"), 3, "")
    assert read.describe()["encoder"] == "unknown"
    (tmp_path / "three.txt").write_text("w\nx\ny\n")
    with pytest.raises(FeatureError, match="a shows object 3, and the vocabulary has 3"):
        read_objects(tmp_path / "er.json", str(tmp_path / "three.txt"))


def test_another_vocabulary_is_refused(tmp_path):
    """A file names its vocabulary by its hash: the same size with another word, or in another order, is not it."""
    (tmp_path / "own.tsv").write_text("w\tone\nx\ny\n")
    concepts = find_concepts(str(tmp_path / "own.tsv"))
    written = ObjectLists(Vocabulary.of("own", concepts), Finder("net", "1"), 1, {"v": Listed(([2], [0.5]))})
    written.write(tmp_path / "o.json")
    with pytest.raises(UsageError, match=r"gerund does not know by name.*--objects-vocabulary FILE"):
        read_objects(tmp_path / "o.json")
    assert read_objects(tmp_path / "o.json", str(tmp_path / "own.tsv"))[1].names == ("w", "x", "y")
    for text in ("w\ttwo\nx\ny\n", "x\nw\tone\ny\n", "w\tone\nx\ny\nz\n"):
        (tmp_path / "other.tsv").write_text(text)
        with pytest.raises(UsageError, match="the same number would be another object"):
            read_objects(tmp_path / "o.json", str(tmp_path / "other.tsv"))
    require_vocabulary(written, concepts, "here")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [[1, 2], [0.5]]}',
        '{"a": [[1, 2], [0.1, 0.5]]}',
        '{"a": [[1, -2], [0.5, 0.1]]}',
        '{"a": [[1.5, 2], [0.5, 0.1]]}',
        '{"a": [1, 2]}',
        '{"a": [[1, 2]]}',
        '{"a": [[1, 2], ["x", "y"]]}',
        '{"a": [[1, 2], [NaN, NaN]]}',
        '[["a", [1]]]',
        '{"a": ',
        '{"objects_format": 1, "videos": {}}',
    ],
)
def test_objects_of_another_form(tmp_path, text):
    """Another form, places that are none, or scores that are not in order: an error that names the file."""
    (tmp_path / "objects.json").write_text(text)
    (tmp_path / "four.txt").write_text("w\nx\ny\nz\n")
    with pytest.raises(FeatureError, match=r"objects\.json"):
        read_objects(tmp_path / "objects.json", str(tmp_path / "four.txt"))


def test_a_file_of_a_later_gerund_is_refused(tmp_path):
    """Another format is told, and so is a file that is not there, or too large."""
    (tmp_path / "o.json").write_text('{"objects_format": 2}')
    with pytest.raises(UsageError, match="objects_format is 2, and this gerund reads 1"):
        read_lists(tmp_path / "o.json")
    with pytest.raises(UsageError, match="cannot be read"):
        read_lists(tmp_path / "none.json")


def test_places_in_a_file_of_gerunds_stay_in_its_vocabulary(tmp_path):
    """A place beyond the size that the file itself says is damage."""
    lists({"v": Listed(([3], [0.5]))}).write(tmp_path / "o.json")
    content = json.loads((tmp_path / "o.json").read_text())
    content["vocabulary"]["size"] = 3
    (tmp_path / "o.json").write_text(json.dumps(content))
    with pytest.raises(FeatureError, match="v shows object 3, and the vocabulary has 3"):
        read_lists(tmp_path / "o.json")


@pytest.mark.skipif(
    not all(
        is_here(find_asset(name))
        for name in ("efficientnet-lite0", "imagenet1k-classes", "wordnet-words", "wordnet-glosses")
    ),
    reason="EfficientNet-Lite0 and its classes are not in the cache; run 'gerund objects' once",
)
@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the shared clips are not here ({CLIPS})")
def test_a_real_clip_shows_what_is_in_it(tmp_path):
    """A weightlifter's barbell comes first, and the file is read back with the vocabulary that it names."""
    clip = CLIPS / "activitynet" / "v_GGSY1Qvo990.mp4"
    result = CliRunner().invoke(app, ["objects", str(clip), "--out", str(tmp_path / "o.json")])
    assert result.exit_code == 0, result.output
    assert "18.0 s  barbell, dumbbell" in result.stdout
    read, concepts = read_objects(tmp_path / "o.json")
    assert concepts.names[read.places[clip.stem][0]] == "barbell"
    assert object_store.ObjectStore(tmp_path / "o.json", read).has(clip.stem, clip)
