"""Scanning a folder: what cannot be used is found and listed, and the list is respected."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gerund.bench.runs.material import Material
from gerund.bench.runs.run import run as run_benchmark
from gerund.bench.runs.toyworld import TOYWORLDS
from gerund.chores.scan import Strictness, scan
from gerund.chores.verdicts import KnownBad, Verdict, is_verdict
from gerund.cli import app
from gerund.errors import UsageError, VideoError
from gerund.features import FeatureStore
from gerund.record import Record
from gerund.video import decoding
from gerund.video.process import WorkerLostError
from gerund.video.workers import Workers
from painted import Recipe, _x264
from stub import write_colours
from test_run import Least
from toyruns import MATERIAL, WORLD

SHARED = Path(__file__).parents[2] / "shared" / "data" / "clips"


def gerund(*words):
    one_worker = ["--decode-threads", "1"] if words[0] == "data" else []
    return CliRunner().invoke(app, [*(str(word) for word in words), *one_worker])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One file of each kind, to be copied from."""
    folder = tmp_path_factory.mktemp("made")
    good = Recipe(".mp4", "libx264", _x264(), stamps=tuple(range(30))).write(folder / "good.mp4")
    damaged = bytearray(good.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 40] = bytes(40)
    (folder / "damaged.mp4").write_bytes(damaged)
    (folder / "text.mp4").write_text("no video at all\n")
    write_colours(folder / "other.mp4", ["red", "blue"])
    Recipe(".avi", "mpeg4", stamps=tuple(range(5))).write(folder / "short.avi")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A folder with each of them, and a copy."""
    place = tmp_path / "videos"
    shutil.copytree(made, place)
    (place / "z").mkdir()
    shutil.copy(made / "good.mp4", place / "z" / "copy.mp4")
    return place


@pytest.fixture
def looked(monkeypatch):
    """The files that workers were asked about."""
    asked = []
    really = Workers.check

    def check(self, path, *, thorough):
        asked.append(path.name)
        return really(self, path, thorough=thorough)

    monkeypatch.setattr(Workers, "check", check)
    return asked


def lines_of(path):
    return {Path(line["video"]).name: line for line in map(json.loads, path.read_text().splitlines())}


def states(path):
    return {name: line["state"] for name, line in lines_of(path).items()}


EXPECTED = {
    "damaged.mp4": "corrupt", "good.mp4": "ok", "other.mp4": "ok", "short.avi": "short", "text.mp4": "corrupt",
    "copy.mp4": "duplicate",
}  # fmt: skip


def test_each_kind_is_found(folder, tmp_path):
    """Corrupt, short and repeated videos are told from good ones, in the list, the table and the summary."""
    done = gerund("data", "scan", folder, "--json", tmp_path / "l.jsonl", "--csv", tmp_path / "l.csv")
    assert done.exit_code == 1
    assert states(tmp_path / "l.jsonl") == EXPECTED
    assert "6 videos: 2 ok, 2 corrupt, 1 short, 1 duplicate" in done.output
    lines = lines_of(tmp_path / "l.jsonl")
    assert lines["copy.mp4"]["same_as"] == str(folder / "good.mp4") and lines["good.mp4"]["same_as"] is None
    assert (lines["good.mp4"]["frames"], lines["good.mp4"]["fps"], lines["good.mp4"]["width"]) == (30, "25/1", 96)
    assert "text file" in lines["text.mp4"]["error"] and "lasts 0.20 s" in lines["short.avi"]["error"]
    table = (tmp_path / "l.csv").read_text().splitlines()
    assert len(table) == 7 and sum(",duplicate," in row for row in table) == 1


def test_what_is_good_ends_well(made, tmp_path):
    """A folder of good videos has exit status 0, and equal files may be allowed."""
    (tmp_path / "a").mkdir()
    for name in ("1.mp4", "2.mp4"):
        shutil.copy(made / "good.mp4", tmp_path / "a" / name)
    assert gerund("data", "scan", tmp_path / "a").exit_code == 1
    done = gerund("data", "scan", tmp_path / "a", "--keep-copies", "--json", tmp_path / "l.jsonl")
    assert done.exit_code == 0 and "2 videos: 2 ok" in done.output
    assert lines_of(tmp_path / "l.jsonl")["2.mp4"]["same_as"] == str(tmp_path / "a" / "1.mp4")


def test_quick_looks_for_frames_alone(folder, tmp_path):
    """Without decoding, damage inside of pictures is not seen, and a record of that is none of a thorough scan."""
    gerund("data", "scan", folder, "--quick", "--json", tmp_path / "l.jsonl")
    assert states(tmp_path / "l.jsonl") == EXPECTED | {"damaged.mp4": "ok"}
    gerund("data", "scan", folder, "--json", tmp_path / "l.jsonl")
    assert states(tmp_path / "l.jsonl") == EXPECTED


def test_a_scan_goes_on_where_it_was(folder, tmp_path, looked):
    """What is on record is not decoded again, whatever its name; what changed is, and what is gone leaves the list."""
    listed = tmp_path / "l.jsonl"
    gerund("data", "scan", folder, "--json", listed)
    assert len(looked) == 6
    before = listed.read_bytes()
    gerund("data", "scan", folder, "--json", listed)
    assert len(looked) == 6 and listed.read_bytes() == before
    (folder / "other.mp4").rename(folder / "another.mp4")
    (folder / "text.mp4").unlink()
    shutil.copy(folder / "good.mp4", folder / "short.avi")
    done = gerund("data", "scan", folder, "--json", listed)
    assert len(looked) == 6, "contents that are known were looked at again"
    assert states(listed) == {
        "another.mp4": "ok", "damaged.mp4": "corrupt", "good.mp4": "ok", "short.avi": "duplicate",
        "copy.mp4": "duplicate",
    } and done.exit_code == 1  # fmt: skip
    gerund("data", "scan", folder, "--json", listed, "--overwrite")
    assert len(looked) == 11
    gerund("data", "scan", folder, "--json", listed, "--shorter-than", "100")
    assert set(states(listed).values()) == {"corrupt", "short"} and len(looked) == 11


def test_a_stopped_scan_keeps_what_it_found(folder, tmp_path, monkeypatch, looked):
    """Ctrl-C leaves a list of what was found until then, and the same command finds the rest."""
    counted = Workers.check

    def interrupted(self, path, *, thorough):
        if path.name == "short.avi":
            raise KeyboardInterrupt
        return counted(self, path, thorough=thorough)

    with monkeypatch.context() as patch:
        patch.setattr(Workers, "check", interrupted)
        done = gerund("data", "scan", folder, "--json", tmp_path / "l.jsonl")
    assert done.exit_code == 130
    found = lines_of(tmp_path / "l.jsonl")
    assert set(found) == {"damaged.mp4", "good.mp4", "other.mp4"}
    before = len(looked)
    gerund("data", "scan", folder, "--json", tmp_path / "l.jsonl")
    assert states(tmp_path / "l.jsonl") == EXPECTED and not {*looked[before:]} & set(found)


def test_nothing_is_decoded_here(folder, monkeypatch, tmp_path):
    """Files are opened in processes of their own alone."""
    monkeypatch.setattr(decoding.Decoder, "build_index", lambda self: pytest.fail("opened in the command's process"))
    gerund("data", "scan", folder, "--json", tmp_path / "l.jsonl")
    assert states(tmp_path / "l.jsonl") == EXPECTED


class Asked:
    """In the place of workers: says the same of every file."""

    def __init__(self, error=None):
        self._error = error

    def check(self, path, *, thorough):
        raise self._error or VideoError(path, "bad")

    def close(self):
        pass


def test_equal_means_byte_by_byte(tmp_path):
    """Of large files a content id knows parts only; two that differ elsewhere are no copies."""
    for name, mark in (("a.mp4", b"1"), ("b.mp4", b"2"), ("c.mp4", b"1")):
        content = bytearray(4 << 20)
        content[300_000:300_001] = mark
        (tmp_path / name).write_bytes(content)
    ids = {tmp_path / name: name for name in ("a.mp4", "b.mp4", "c.mp4")}
    found = scan(ids, [], Strictness(), workers=Asked(), at_once=1)
    assert len({item.content for item in found}) == 1
    assert [item.same_as for item in found] == [None, None, str(tmp_path / "a.mp4")]
    assert {item.state for item in found} == {"corrupt"}


def test_a_process_that_does_not_start_blames_no_video(made, tmp_path):
    """When nothing can decode, the scan ends with that error and lists nothing."""
    lost = WorkerLostError(made / "good.mp4", "no process", has_begun=False)
    record = Record(tmp_path / "l.jsonl", is_answer=is_verdict)
    with pytest.raises(VideoError, match="no process"):
        scan({made / "good.mp4": "good"}, [], Strictness(), workers=Asked(lost), at_once=1, record=record)
    record.release()
    assert (tmp_path / "l.jsonl").read_text() == ""


@pytest.fixture
def dataset(made, tmp_path):
    """A little of UCF101: three videos in an official list, of which one is not here and one is damaged."""
    lists, videos = tmp_path / "data", tmp_path / "data" / "UCF-101" / "Archery"
    videos.mkdir(parents=True)
    names = [f"v_Archery_g01_c0{number}.avi" for number in (1, 2, 3)]
    (lists / "trainlist01.txt").write_text("".join(f"Archery/{name} 3\n" for name in names))
    shutil.copy(made / "good.mp4", videos / names[0])
    shutil.copy(made / "damaged.mp4", videos / names[1])
    return lists


def test_listed_videos_that_are_not_there(dataset, tmp_path):
    """With the official lists missing videos are found; where 'benchmarks check' sees it otherwise, that is said."""
    words = ["--dataset", "ucf101", "--data", dataset, "--json", tmp_path / "l.jsonl"]
    done = gerund("data", "scan", dataset / "UCF-101", *words)
    said = " ".join(done.output.split())
    assert done.exit_code == 1 and "3 videos: 1 ok, 1 corrupt, 1 missing" in said
    assert states(tmp_path / "l.jsonl")["v_Archery_g01_c03"] == "missing"
    assert "benchmarks check counts 1 of these bad videos as there, for it opens none: v_Archery_g01_c02" in said
    (tmp_path / "empty").mkdir()
    said = " ".join(gerund("data", "scan", tmp_path / "empty", *words).output.split())
    assert "3 videos: 3 missing" in said and "benchmarks check finds 2 listed videos elsewhere" in said
    shutil.move(dataset / "UCF-101", tmp_path / "moved")
    said = " ".join(gerund("data", "scan", tmp_path / "moved", *words).output.split())
    assert "benchmarks check does not see 2 of these videos" in said
    shutil.copy(next((tmp_path / "moved").rglob("*_c01.avi")), tmp_path / "moved" / "v_Archery_g01_c03.avi")
    gerund("data", "scan", tmp_path / "moved", *words, "--keep-copies")
    assert "missing" not in states(tmp_path / "l.jsonl").values(), "a video that came is still listed as missing"


def test_agreement_is_said_too(dataset, made):
    """Where nothing differs from 'benchmarks check', that is said as well."""
    shutil.copy(made / "other.mp4", dataset / "UCF-101" / "Archery" / "v_Archery_g01_c02.avi")
    done = gerund("data", "scan", dataset, "--dataset", "ucf101", "--data", dataset)
    assert "says the same of all 2 files" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no such file"),
        (["{}", "--dataset", "ucf100"], "did you mean ucf101"),
        (["{}", "--dataset", "ucf101"], "--data DIR"),
        (["{}", "--json", "-"], "give a file"),
        (["{}", "--json", "{}/text.mp4"], "read by this command"),
    ],
)
def test_what_cannot_be_right(made, words, said, monkeypatch):
    """Usage errors are one line and exit status 2."""
    monkeypatch.delenv("GERUND_DATA", raising=False)
    done = gerund("data", "scan", *(word.format(made) for word in words))
    assert done.exit_code == 2 and said in " ".join(done.output.split())


def test_extract_leaves_out_the_bad_ones_alone(folder, tmp_path, run):
    """With --skip nothing fails that is listed; a bad file elsewhere is known by its content, a copy by its place."""
    listed, out = tmp_path / "l.jsonl", tmp_path / "store"
    gerund("data", "scan", folder, "--json", listed)
    assert run("extract", folder, "--out", tmp_path / "all", "-q").exit_code == 1
    done = run("extract", folder, "--out", out, "--skip", listed)
    assert done.exit_code == 0, done.output
    assert "4 of 6 videos left out" in " ".join(done.output.split())
    assert set(FeatureStore(out).ids()) == {"good", "other"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(folder / "damaged.mp4", elsewhere / "d.mp4")
    shutil.copy(folder / "z" / "copy.mp4", elsewhere / "c.mp4")
    (elsewhere / "new.mp4").write_text("not on the list\n")
    done = run("extract", elsewhere, "--out", tmp_path / "store2", "--skip", listed)
    assert (
        done.exit_code == 1 and "new.mp4" in done.output and "1 of 3 videos left out" in " ".join(done.output.split())
    )
    assert FeatureStore(tmp_path / "store2").ids() == ["c"]


def bad(*names):
    return [Verdict(f"/v/{name}", name, "corrupt", "bad", "c0", 1) for name in names]


def write_list(path, verdicts):
    path.write_text("".join(json.dumps(verdict.to_line("s")) + "\n" for verdict in verdicts))
    return path


def test_an_evaluation_leaves_out_the_bad_ones_alone(tmp_path):
    """With --skip a report counts what the list names, says so, and can be repeated; a score file cannot be cut."""
    world, benchmark = TOYWORLDS["toyworld"](0)
    test = [video.video for video in world.listing if video.label in benchmark.splits[0].unseen]
    listed = write_list(tmp_path / "l.jsonl", bad(*test[:3], "nobody"))
    out = tmp_path / "r.json"
    done = gerund("evaluate", "eszsl", "--on", "toyworld", "--splits", "0", "--skip", listed, "--out", out)
    assert done.exit_code == 0, done.output
    report = json.loads(out.read_text())
    assert report["splits"][0]["missing"]["test"] == 3
    assert report["splits"][0]["num_test"] == len(test) - 3
    said = " ".join(done.output.split())
    assert "without 3 test videos" in said and "videos left out as bad:" in said
    assert gerund("rerun", out, "-q").exit_code == 0
    done = gerund("evaluate", "x", "--on", "toyworld", "--skip", listed, "--predictions", tmp_path / "p{split}.json")
    assert done.exit_code == 2 and "--skip" in done.output


def test_training_on_own_videos_leaves_out_the_bad_ones_alone(tmp_path, run, monkeypatch):
    """With --skip a folder of labelled videos is learned from without what a scan found, and no more."""
    monkeypatch.setenv("GERUND_CACHE", str(tmp_path / "cache"))
    for colour in ("red", "green"):
        (tmp_path / "v" / colour).mkdir(parents=True)
        write_colours(tmp_path / "v" / colour / "1.mp4", [colour])
    (tmp_path / "v" / "red" / "bad.mp4").write_text("no video\n")
    table, listed = tmp_path / "labels.csv", tmp_path / "l.jsonl"
    table.write_text("path,label\nred/1.mp4,red\ngreen/1.mp4,green\nred/bad.mp4,red\ngone.mp4,red\n")
    gerund("data", "scan", tmp_path / "v", "--json", listed)
    words = ["train", "eszsl", "--videos", tmp_path / "v", "--labels", table, "--out", tmp_path / "out"]
    assert run(*words).output.count("red/bad.mp4") and run(*words).exit_code == 1
    done = run(*words, "--skip", listed)
    assert "1 videos left out, bad by" in " ".join(done.output.split()) and "bad.mp4:" not in done.output
    assert done.exit_code == 1 and "1 not learned from" in done.output and "gone.mp4" in done.output
    with listed.open("a") as file:
        file.write(json.dumps(Verdict("gone", "gone", "missing", "it is not here").to_line("s")) + "\n")
    done = run(*words, "--skip", listed)
    assert done.exit_code == 0 and "2 videos left out" in " ".join(done.output.split()), done.output
    kept = [word for word in words if word not in ("--videos", tmp_path / "v")]
    store = next((tmp_path / "cache").rglob("store.json")).parent
    (tmp_path / "all").write_text(json.dumps(Verdict("/x/1.mp4", "bad", "corrupt", "bad", "c", 1).to_line("s")) + "\n")
    done = run(*kept, "--features", store, "--skip", tmp_path / "all")
    assert "1 videos left out" in " ".join(done.output.split()) and "gone.mp4" in done.output


class Lacking:
    """The toy world's features without those of some videos."""

    def __init__(self, gone):
        self._gone = gone

    def ids(self):
        return [video for video in WORLD.ids() if video not in self._gone]

    def tracks(self, ids):
        return WORLD.tracks(ids)

    def describe(self):
        return WORLD.describe()


def test_a_missing_video_that_is_not_listed_is_refused():
    """A list is no leave to miss others: features that lack and are not on it stop the run."""
    ids = [video.video for video in WORLD.listing]
    features = Lacking(set(ids[:2]))
    material: Material = replace(MATERIAL, train_features=features, test_features=features)
    with pytest.raises(UsageError, match=r"1 of .* have no features"):
        next(run_benchmark(WORLD.benchmark, Least, replace(material, skip=frozenset(ids[:1]))))
    whole = next(run_benchmark(WORLD.benchmark, Least, replace(material, skip=frozenset(ids[:2]))))
    assert sum(whole.missing.values()) == 2


def test_an_id_that_a_good_file_has_too_is_kept():
    """A bad file whose name a good one shares does not take that one with it."""
    known = KnownBad([*bad("a", "b"), Verdict("/w/a", "a", "ok", content="c1")])
    assert known.ids == {"b"}


def test_a_list_is_read_with_care(tmp_path):
    """Other files are refused with the line; what a killed scan did not finish is passed over."""
    listed = write_list(tmp_path / "l.jsonl", bad("a"))
    with listed.open("a") as file:
        file.write('{"schema": 1, "settings"')
    assert KnownBad.read(listed).ids == {"a"}
    for text in (
        '{"schema": 1}\n',
        "[]\n",
        "not JSON\n",
        '{"schema": 2}\n',
        listed.read_text().replace("corrupt", "x"),
    ):
        (tmp_path / "other").write_text(text)
        with pytest.raises(UsageError, match="line 1"):
            KnownBad.read(tmp_path / "other")
    with pytest.raises(UsageError, match="cannot read the list"):
        KnownBad.read(tmp_path / "nowhere")


def test_real_clips_are_well(tmp_path):
    """The shared clips of UCF101 are found whole, frame by frame."""
    if not (SHARED / "ucf101").is_dir():
        pytest.skip("../shared/data is not here")
    done = gerund("data", "scan", SHARED / "ucf101", "--json", tmp_path / "l.jsonl")
    assert done.exit_code == 0, done.output
    assert lines_of(tmp_path / "l.jsonl")["v_Punch_g03_c01.avi"]["frames"] == 108
