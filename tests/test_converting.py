"""Videos as folders of pictures and as smaller files: whole or not at all, gone on from, never over another's work."""

from __future__ import annotations

import errno
import json
import os
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gerund.chores.converting import RECORD, Conversion, plan
from gerund.chores.frames import Frames
from gerund.chores.rhythm import own_rate, parse_rate, steady_frames
from gerund.chores.transcode import Transcoded, _even
from gerund.cli import app
from gerund.errors import OutputError, UsageError
from gerund.video import Video, decoding
from gerund.video.workers import Workers
from painted import Recipe, _x264, numbers, write_pictures


def gerund(*words):
    one_worker = ["--decode-threads", "1"] if words[0] == "data" else []
    return CliRunner().invoke(app, [*(str(word) for word in words), *one_worker])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two painted videos, one a folder deeper, and a file that is none."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "x").mkdir()
    Recipe(".mp4", "libx264", _x264(), stamps=tuple(range(20))).write(folder / "x" / "a.mp4")
    Recipe(".avi", "mpeg4", width=128, height=64, stamps=tuple(range(25))).write(folder / "b.avi")
    (folder / "c.mp4").write_text("no video\n")
    return folder


@pytest.fixture
def good(made, tmp_path):
    """The painted videos alone."""
    shutil.copytree(made, tmp_path / "in", ignore=shutil.ignore_patterns("c.mp4"))
    return tmp_path / "in"


def pictures(folder):
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("0*"))])


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_frames_are_all_frames_in_order(made, tmp_path):
    """At its own rate a video's pictures are its frames, to the bit in PNG, the rate beside; a bad file is named."""
    out = tmp_path / "out"
    done = gerund("data", "frames", made, out, "--format", "png")
    assert done.exit_code == 1 and "c.mp4: it is a text file" in done.output and "2 of 3 videos are here" in done.output
    np.testing.assert_array_equal(pictures(out / "x" / "a"), Video(made / "x" / "a.mp4").read().frames)
    assert numbers(pictures(out / "b")) == list(range(25))
    assert json.loads((out / "b" / "frames.json").read_text()) == {"fps": "25/1", "frames": 25, "video": "b.avi"}
    assert (out / "x" / "a" / "000001.png").is_file() and not (out / "c").exists()
    assert not [name for name in os.listdir(out) if name.endswith(".part")]


def test_frames_at_a_rate_and_a_size(good, tmp_path):
    """Five a second of 25 is the middle one of each five; the shorter side is what was asked for, and never grows."""
    out = tmp_path / "out"
    assert gerund("data", "frames", good, out, "--rate", "5", "--short", "40").exit_code == 0
    assert numbers(pictures(out / "b")) == [2, 7, 12, 17, 22]
    assert pictures(out / "b").shape == (5, 40, 80, 3)
    assert json.loads((out / "b" / "frames.json").read_text())["fps"] == "5/1"
    gerund("data", "frames", good, tmp_path / "large", "--rate", "5", "--short", "400")
    assert pictures(tmp_path / "large" / "b").shape == (5, 64, 128, 3)


def test_transcoding_keeps_pictures_clock_and_colours(good, tmp_path):
    """A transcoded video shows the same frames at the same moments, half as large, in the same colours."""
    shown = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (120, 120, 120)]
    whole = [np.full((64, 96, 3), colour, np.uint8) for colour in shown]
    write_pictures(good / "colours.mkv", whole, Recipe(".mkv", "ffv1", pix_fmt="bgr0", stamps=(0, 1, 2, 3)))
    out = tmp_path / "out"
    done = gerund("data", "transcode", good, out, "--short", "32", "--crf", "10")
    assert done.exit_code == 0, done.output
    assert files_of(out) == ["b.mp4", "colours.mp4", RECORD, "x/a.mp4"]
    found = Video(out / "b.mp4")
    assert (found.width, found.height, found.fps) == (64, 32, 25)
    assert numbers(found.read().frames) == list(range(25))
    np.testing.assert_allclose(found.times_s, Video(good / "b.avi").times_s, atol=1e-6)
    colours = Video(out / "colours.mp4").read().frames[:, 16, 24].astype(int)
    assert np.abs(colours - np.array(shown)).max() <= 4


def test_transcoding_to_another_rate(good, tmp_path):
    """At twice the rate every frame is shown twice, at a fifth every fifth, for as long as before."""
    for rate, expected in (("50", np.repeat(np.arange(25), 2)), ("5", np.arange(2, 25, 5))):
        assert gerund("data", "transcode", good / "b.avi", tmp_path / rate, "--rate", rate).exit_code == 0
        found = Video(tmp_path / rate / "b.mp4")
        assert numbers(found.read().frames) == expected.tolist()
        assert found.fps == int(rate) and found.duration_s == pytest.approx(1.0)


@pytest.mark.parametrize("size", [(7, 9), (1, 9), (9, 1), (1, 1), (2, 2)])
def test_sides_become_even(size):
    """H.264 needs even sides: at most a line goes, and of one line two are made."""
    picture = np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(*size, 3)
    found = _even(picture)
    assert found.shape[:2] == tuple(max(2, side // 2 * 2) for side in size)
    np.testing.assert_array_equal(found[0, 0], picture[0, 0])


class Kept:
    """A form that counts what is made of which video."""

    ending = ".txt"

    def __init__(self, during=None):
        self.settings = {"kind": "test"}
        self.made = []
        self._during = during

    def make(self, source, target, workers):
        self.made.append(source.name)
        target.write_text(source.name)
        if self._during:
            self._during(source)
        return 1


def convert(source, out, form, **settings):
    with Workers() as workers:
        conversion = Conversion(form, out, workers, **settings)
        try:
            return {
                job.source.name: error for job, error in conversion.run(plan(source, out, form.ending)[0], at_once=1)
            }
        finally:
            conversion.release()


def test_nothing_is_made_twice(good, tmp_path):
    """What is there stays; what was lost, cut, or made of another video is made again."""
    out, form = tmp_path / "out", Kept()
    convert(good, out, form)
    assert sorted(form.made) == ["a.mp4", "b.avi"]
    convert(good, out, form)
    assert len(form.made) == 2
    (out / "b.txt").unlink()
    convert(good, out, form)
    assert form.made[2:] == ["b.avi"]
    convert(good, out, form, overwrite=True)
    assert len(form.made) == 5


def test_results_of_something_else_are_not_replaced(good, tmp_path):
    """What the record does not know as made of this video in this way stays, until --overwrite says otherwise."""
    out = tmp_path / "out"
    gerund("data", "frames", good, out, "--rate", "5")
    before = {name: (out / name).read_bytes() for name in files_of(out) if name != RECORD}
    (out / "b" / "mine.txt").write_text("mine")
    done = gerund("data", "frames", good, out, "--rate", "10")
    assert done.exit_code == 1 and done.output.count("is there already") == 2
    assert {name: (out / name).read_bytes() for name in before} == before and (out / "b" / "mine.txt").exists()
    assert gerund("data", "frames", good, out, "--rate", "10", "--overwrite").exit_code == 0
    assert len(pictures(out / "b")) == 10 and not (out / "b" / "mine.txt").exists()


def test_a_result_that_lost_a_part_is_told(good, tmp_path):
    """A folder that lacks a picture is not passed over as if it were whole."""
    out = tmp_path / "out"
    gerund("data", "frames", good, out, "--rate", "5")
    (out / "b" / "000003.jpg").unlink()
    done = gerund("data", "frames", good, out, "--rate", "5")
    assert done.exit_code == 1 and "b is there already" in done.output


def test_who_fails_on_the_way_leaves_nothing(good, tmp_path):
    """A video that breaks off while it is made has no result, its neighbours have, and the next command tries again."""

    def fail(source):
        if source.name == "b.avi":
            raise ValueError("odd")

    out, form = tmp_path / "out", Kept(fail)
    outcome = convert(good, out, form)
    assert outcome["a.mp4"] is None and str(outcome["b.avi"]) == "odd"
    assert files_of(out) == [RECORD, "x/a.txt"]
    form = Kept()
    convert(good, out, form)
    assert form.made == ["b.avi"] and files_of(out) == ["b.txt", RECORD, "x/a.txt"]


def test_who_is_killed_before_a_result_is_in_its_place(good, tmp_path, monkeypatch):
    """A result that is on record and not in its place is made again."""
    out = tmp_path / "out"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gerund.chores.converting.os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            convert(good / "b.avi", out, Kept())
    assert files_of(out) == [RECORD]
    form = Kept()
    convert(good / "b.avi", out, form)
    assert form.made == ["b.avi"] and files_of(out) == ["b.txt", RECORD]


def test_a_full_disk_stops_the_work(good, tmp_path):
    """Where nothing can be written any more, the command ends instead of failing video by video."""

    def full(source):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        convert(good, tmp_path / "out", Kept(full))


def test_nothing_is_decoded_here(good, tmp_path, monkeypatch):
    """Pictures come from processes of their own."""
    monkeypatch.setattr(decoding.Decoder, "build_index", lambda self: pytest.fail("opened in the command's process"))
    assert gerund("data", "transcode", good / "b.avi", tmp_path / "out").exit_code == 0


def test_what_cannot_be_right(good, tmp_path):
    """Results among their sources, two with one name, and odd rates are refused before anything is written."""
    (good / "b.mp4").write_text("the same name with another ending")
    for words, said in (
        ([good, good / "out"], "would be taken for sources"),
        ([good, tmp_path / "out"], "would both become"),
        ([good, tmp_path / "out", "--rate", "0"], "a rate is a number"),
        ([good, tmp_path / "out", "--rate", "1/0"], "a rate is a number"),
        ([good, tmp_path / "out", "--rate", "1001"], "a rate is a number"),
        ([good / "nothing", tmp_path / "out"], "no such file"),
        ([good, good / "b.avi"], "is no folder"),
    ):
        done = gerund("data", "frames", *words)
        assert done.exit_code == 2 and said in " ".join(done.output.split()), said
    assert not (tmp_path / "out").exists() and not (good / "out").exists()


def test_a_rate_that_frames_contradict(tmp_path):
    """Where the stated rate is not that of the frames, their number over the duration counts."""
    steady = Recipe(".mkv", "mpeg4", stamps=tuple(range(10)))
    video = Video(steady.write(tmp_path / "a.mkv"))
    assert own_rate(video) == 25 and steady_frames(video, Fraction(25)).tolist() == list(range(10))
    vars(video.index)["fps"] = Fraction(1000)
    assert own_rate(video) == 25
    assert parse_rate("30000/1001") == Fraction(30000, 1001)
    with pytest.raises(UsageError):
        parse_rate("nan")


def test_forms_are_told_apart():
    """Results of other settings are other results."""
    forms = [Frames(), Frames(Fraction(5)), Frames(None, 256), Frames(format="png"), Transcoded(), Transcoded(crf=20)]
    assert len({json.dumps(dict(form.settings)) for form in forms}) == len(forms)


def test_pictures_are_a_video_again(good, tmp_path):
    """Frames that were written are found whole by a scan, and become the video again, at the rate that they say."""
    out = tmp_path / "out"
    gerund("data", "frames", good, out, "--rate", "5", "--format", "png")
    assert Video(out / "b").fps == 5 and Video(out / "b", fps=10).fps == 10 and Video(out / "b").duration_s == 1.0
    done = gerund("data", "scan", out, "--json", tmp_path / "l.jsonl")
    assert done.exit_code == 0 and "2 videos: 2 ok" in done.output
    assert gerund("data", "transcode", out, tmp_path / "again").exit_code == 0
    found = Video(tmp_path / "again" / "b.mp4")
    assert numbers(found.read().frames) == [2, 7, 12, 17, 22] and found.fps == 5
    assert gerund("data", "transcode", out / "x" / "a", tmp_path / "alone").exit_code == 0
    assert (tmp_path / "alone" / "a.mp4").is_file()
    (out / "b" / "000002.png").write_bytes(b"no picture")
    done = gerund("data", "scan", out)
    assert done.exit_code == 1 and "000002.png" in done.output


@pytest.mark.parametrize(
    "text", ["", "[]", '{"fps": "0/1"}', '{"fps": "1/0"}', '{"fps": null}', '{"fps": "1e9"}', "[" * 99]
)
def test_a_rate_that_is_none_says_nothing(good, tmp_path, text):
    """A frames.json without a rate leaves a folder readable, at the rate that it has when nobody says one."""
    (tmp_path / "p").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "p" / "1.png")
    (tmp_path / "p" / "frames.json").write_text(text)
    assert Video(tmp_path / "p").fps == 25


def test_a_real_clip_keeps_its_frames(tmp_path):
    """A clip of HMDB51, an AVI with B-frames, has as many pictures as frames, and the same ones."""
    clip = Path(__file__).parents[2] / "shared" / "data" / "clips" / "hmdb51" / "RATRACE_wave_f_nm_np1_fr_goo_37.avi"
    if not clip.is_file():
        pytest.skip("../shared/data is not here")
    assert gerund("data", "frames", clip, tmp_path / "out", "--format", "png", "--short", "64").exit_code == 0
    found, video = pictures(tmp_path / "out" / clip.stem), Video(clip)
    assert len(found) == video.num_frames
    here = video.read([10]).frames[0].astype(float).mean(axis=(0, 1))
    np.testing.assert_allclose(found[10].astype(float).mean(axis=(0, 1)), here, atol=1.0)
