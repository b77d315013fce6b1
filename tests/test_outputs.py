"""What the outputs hold: an answer that is nothing, failures, one broken output among several, standard output."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

import gerund.api
import gerund.sinks.screen
import gerund.sinks.subtitles
import gerund.terminal
from gerund.api import ActionScore, Classification
from gerund.bench.scoring.predictions import read_detections
from gerund.cli import app
from gerund.drawing import classification_table, timeline
from gerund.methods import Contrast
from gerund.types import Segment, Segments
from gerund.writing import StandardOutput, write_text
from stub import ColourEncoder, write_colours

ACTIONS = "showing red, showing green, showing blue"


@pytest.fixture
def videos(tmp_path):
    """Two videos, red then green, and one that is none."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in "ac":
        write_colours(folder / f"{name}.mp4", ["red", "green"])
    (folder / "b.mp4").write_text("I am a text")
    return folder


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("found", [[], [Segment(0.0, 1.0, "surfing", 0.0, 0.9)]])
def test_nothing_to_show_is_an_answer(run, tmp_path, monkeypatch, found):
    """No segment, or none of any score: status 0, and each output says in its way that nothing stands out."""
    monkeypatch.setattr(Contrast, "locate", lambda *_: Segments(found))
    video = write_colours(tmp_path / "a.mp4", ["red"])
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "vtt", "html")}
    result = run(
        "locate", video, "--actions", "surfing", *[word for kind, path in files.items() for word in (f"--{kind}", path)]
    )
    assert result.exit_code == 0, result.output
    assert "None of these actions stands out" in result.stdout
    (line,) = lines_of(files["json"])
    assert (line["segments"], line["error"]) == ([], None)
    assert files["csv"].read_text().splitlines()[1:] == [f"{video},,,,,,contrast,"]
    assert files["vtt"].read_text() == "WEBVTT\n\nNOTE None of these actions stands out in this video.\n"
    assert '"segments": []' in files["html"].read_text()
    assert "None of these actions stands out" in files["html"].read_text()
    files["csv"].write_text(files["csv"].read_text() + "b.mp4,1.0,2.0,surfing,3.0,0.5,contrast,\n")
    assert len(read_detections(files["csv"]).video) == 1, "scored as a video in which nothing was found"


def test_progress_counts_videos_up_to_their_number(run, videos, monkeypatch):
    """Whoever watches is told how many are finished of how many there are, before the first and after each."""
    told = []
    monkeypatch.setattr(gerund.terminal.Watcher, "videos", lambda self, done, total: told.append((done, total)))
    run("classify", videos, "--actions", ACTIONS)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("error", [ValueError("odd"), OSError(errno.EACCES, "Permission denied"), MemoryError()])
@pytest.mark.parametrize("place", ["gerund.sinks.screen.timeline", "gerund.sinks.subtitles.write_text"])
def test_what_goes_wrong_in_one_output_costs_one_video(run, tmp_path, monkeypatch, error, place):
    """One video cannot be shown, or its subtitles not written: it is named, status 1; all else is there."""
    paths = [write_colours(tmp_path / f"{name}.mp4", ["red", "green"]) for name in "abc"]
    module, name = place.rsplit(".", 1)
    original = getattr(sys.modules[module], name)
    calls = []

    def breaking(*given, **settings):
        calls.append(given)
        if len(calls) == 2:
            raise error
        return original(*given, **settings)

    monkeypatch.setattr(sys.modules[module], name, breaking)
    out, table, page, subs = (tmp_path / name for name in ("o.json", "o.csv", "o.html", "subs"))
    words = ["--json", out, "--csv", table, "--html", page, "--vtt", subs]
    result = run("locate", *paths, "--actions", ACTIONS, *words)
    assert result.exit_code == 1
    assert "1 not answered" in result.stderr
    assert f"b.mp4: it was answered, but could not be kept: {error or 'MemoryError'}" in result.stderr
    assert "Traceback" not in result.output
    assert [line["error"] for line in lines_of(out)] == [None] * 3
    assert {row["video"] for row in csv.DictReader(table.open())} == set(map(str, paths))
    assert len(list(subs.iterdir())) == (3 if "screen" in place else 2)
    assert all(path.name in page.read_text() for path in paths)
    shown = [path.name in result.stdout for path in paths]
    assert shown == ([True, False, True] if "screen" in place else [True] * 3)


def test_subtitles_on_a_full_disk_stop_the_work(run, videos, tmp_path, monkeypatch):
    """What every following video would meet stops the command and names the file."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(gerund.sinks.subtitles, "write_text", full)
    result = run("locate", videos, "--actions", ACTIONS, "--json", tmp_path / "o", "--vtt", tmp_path / "subs")
    assert result.exit_code == 1
    assert f"cannot write {tmp_path / 'subs' / 'a.mp4.vtt'}: No space left" in result.stderr.replace("\n", "")
    assert len(lines_of(tmp_path / "o")) == 1


@pytest.mark.parametrize("command", ["classify", "locate"])
@pytest.mark.parametrize("bad", ["a", "c"])
def test_a_number_that_is_none_is_an_error_of_its_video(run, tmp_path, monkeypatch, command, bad):
    """Where the network gives not-a-number, for the first video too, that one fails; JSON stays JSON."""
    colours = {"a": "red", "b": "green", "c": "blue"}
    paths = [write_colours(tmp_path / f"{name}.mp4", [colour, "red"]) for name, colour in colours.items()]
    original = ColourEncoder.encode_windows
    first = ["red", "green", "blue"].index(colours[bad])

    def encode_windows(self, frames, *, dense):
        found = original(self, frames, dense=dense)
        other = {"a": [0.0, 1.0, 1.0], "c": [1.0, 1.0, 0.0]}[bad]
        found[found[:, 0, first] > found[:, 0] @ np.float32(other)] = np.nan
        return found

    monkeypatch.setattr(ColourEncoder, "sample", lambda self, video, *, dense: _halves(video))

    def locate(_, track, classes):
        value = float(track.vectors.sum())
        return Segments([Segment(0.0, 1.0, classes.names[0], value, 0.5)])

    monkeypatch.setattr(ColourEncoder, "encode_windows", encode_windows)
    monkeypatch.setattr(Contrast, "locate", locate)
    if bad == "a":
        paths[1:] = [write_colours(tmp_path / f"{name}.mp4", ["green", "blue"]) for name in "bc"]
    out = tmp_path / "out"
    result = run(command, *paths, "--actions", ACTIONS, "--json", out)
    assert result.exit_code == 1, result.output
    assert [Path(line["video"]).stem for line in lines_of(out) if line["error"]] == [bad]
    assert "NaN" not in out.read_text()
    assert f"{bad}.mp4: " in result.stderr


def _halves(video):
    from gerund.encoders.base import Window

    half = video.num_frames // 2
    return [Window(np.arange(a, a + half), np.array([[a, a + half]])) for a in (0, half)]


def test_a_failed_video_has_a_row_in_both_tables(run, videos, tmp_path):
    """The reason stands under `error`, and the table of segments is still one that can be scored."""
    for command in ("classify", "locate"):
        table = tmp_path / f"{command}.csv"
        assert run(command, videos, "--actions", ACTIONS, "--csv", table).exit_code == 1
        rows = list(csv.DictReader(table.open()))
        assert [Path(row["video"]).name for row in rows if row["error"]] == ["b.mp4"]
        assert "not a video" in next(row["error"] for row in rows if row["error"])
        assert [row["error"] for row in rows if not row["video"].endswith("b.mp4")] == [""] * (len(rows) - 1)
    assert {Path(video).name for video in read_detections(tmp_path / "locate.csv").video} == {"a.mp4", "c.mp4"}


@pytest.mark.parametrize("kind", ["json", "csv", "vtt", "html"])
def test_a_dash_is_standard_output(run, tmp_path, monkeypatch, kind):
    """For every output `-` prints what the file would hold, and nothing else; no file of that name is made."""
    monkeypatch.chdir(tmp_path)
    write_colours(tmp_path / "a.mp4", ["red", "green"])
    words = ("locate", "a.mp4", "--actions", ACTIONS, f"--{kind}")
    printed = run(*words, "-")
    assert printed.exit_code == 0
    run(*words, f"out.{kind}")
    assert printed.stdout == (tmp_path / f"out.{kind}").read_text()
    assert not (tmp_path / "-").exists()


def test_one_standard_output(run, videos):
    """Two outputs cannot share it, and subtitles of several videos cannot go there: status 2."""
    two = run("locate", videos, "--actions", ACTIONS, "--json", "-", "--csv", "-")
    assert two.exit_code == 2 and "two outputs go to standard output" in two.stderr
    several = run("locate", videos, "--actions", ACTIONS, "--vtt", "-")
    assert several.exit_code == 2 and "several videos need a file each" in several.stderr


def run_stub(words, **settings):
    """The same in a process of its own, whose standard output is what it is given."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import gerund.api\nfrom gerund.api import Model\nfrom stub import ColourEncoder\n"
        "gerund.api.load = lambda *_, **__: Model(ColourEncoder())\n"
        f"from gerund.cli import main\nsys.argv[1:] = {[str(word) for word in words]!r}\nmain()"
    )
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=False, **settings)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("option", [[], ["--json", "-"]])
def test_a_full_standard_output_stops_the_work(videos, tmp_path, option):
    """Answers that nobody can read are not computed: status 1, said once, what went to the record is whole."""
    record = [] if option else ["--json", tmp_path / "o"]
    with Path("/dev/full").open("w") as full:
        done = run_stub(["classify", videos, "--actions", ACTIONS, *option, *record], stdout=full)
    assert done.returncode == 1
    assert done.stderr.count(b"No space left on device") == 1
    assert b"standard output" in done.stderr and b"Traceback" not in done.stderr
    if record:
        assert len(lines_of(tmp_path / "o")) == 1


@pytest.mark.parametrize("command", ["classify", "locate"])
def test_a_closed_pipe_ends_quietly_with_whole_lines(tmp_path, command):
    """A reader that has gone away, as `head` does, is no error, and what decodes ahead does not wait for it."""
    paths = [write_colours(tmp_path / f"{name}.mp4", ["red", "green", "blue", "red"]) for name in "abcdef"]
    reader, writer = os.pipe()
    os.close(reader)
    done = run_stub([command, *paths, "--actions", ACTIONS, "--json", tmp_path / "o"], stdout=writer, timeout=60)
    os.close(writer)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert [line["error"] for line in lines_of(tmp_path / "o")] == [None]


def test_a_still_picture_says_so(run, tmp_path):
    """One frame: a note beside the answer, in the terminal, in JSON and on the page; two seconds have none."""
    from PIL import Image

    Image.new("RGB", (32, 32), (240, 10, 10)).save(tmp_path / "still.png")
    write_colours(tmp_path / "moving.mp4", ["red", "green"])
    for command, extra in (("classify", []), ("locate", ["--html", tmp_path / "o.html"])):
        out = tmp_path / f"{command}.jsonl"
        paths = tmp_path / "still.png", tmp_path / "moving.mp4"
        result = run(command, *paths, "--actions", ACTIONS, "--json", out, *extra)
        assert result.exit_code == 0, result.output
        still, moving = lines_of(out)
        assert "still picture" in still["note"] and moving["note"] is None
        assert result.stdout.count("note: one frame only") == 1
    assert (tmp_path / "o.html").read_text().count("one frame only") == 1


def answer_of(names):
    scores = [ActionScore(name, 0.5 - place, 1 / (1 + place) ** 2) for place, name in enumerate(names)]
    return Classification("/a/rather/long/path/to/some videos/holiday.mp4", 75.0, "m", tuple(scores))


LONG = ["playing the accordion on a very high mountain", "呼吸する" * 9, "x"]


@pytest.mark.parametrize("columns", [40, 47, 60, 80, 120])
@pytest.mark.parametrize("names", [LONG, ["short", "names"]])
def test_tables_fit(monkeypatch, columns, names):
    """From 40 columns on no line of a table or timeline is wider than the terminal; cut names end in an ellipsis."""
    monkeypatch.setenv("COLUMNS", str(columns))
    items = [Segment(place * 9.0, place * 9 + 30.0, name, 30.0 - place, 0.5) for place, name in enumerate(names)]
    long_video = timeline("holiday.mp4", 36_000.0, Segments(items), top=9)
    drawn = [classification_table(answer_of(names)), timeline("holiday.mp4", 75.0, Segments(items), top=9), long_video]
    for text in drawn:
        assert max(cell_len(line) for line in text.plain.splitlines()) <= columns
        rows = text.plain.split("\n", 1)[1]
        assert all(name in rows for name in names if len(name) < 9)
        if columns == 40:
            assert ("…" in rows) == (names == LONG)
    assert "holiday.mp4" in drawn[0].plain


def test_nothing_is_cut_in_a_pipe(monkeypatch):
    """Without a terminal names are as long as they are."""
    monkeypatch.delenv("COLUMNS", raising=False)
    text = classification_table(answer_of(LONG)).plain
    assert all(name in text for name in LONG) and "…" not in text
    assert "/a/rather/long/path/to/some videos/holiday.mp4" in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_knows_few_letters_gets_signs(monkeypatch, encoding):
    """Bars and lanes of # and - where the blocks cannot be written; what is drawn can be written as it is."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    found = Segments([Segment(25.0, 50.0, "walking", 1.0, 0.5)])
    names = ["playing the accordion on a very high mountain indeed", "walking"]
    text = classification_table(answer_of(names)).plain + timeline("a.mp4", 100.0, found, top=9).plain
    text.encode(encoding)
    if encoding == "utf-8":
        assert "█" in text and "…" in text and "#" not in text
    else:
        assert "|--------" in text and "-####" in text and "..." in text
        assert "  " + "#" * 8 + "  100.0%" in text.replace("score", "")


def test_columns_stand_where_letters_are_escapes(monkeypatch):
    """Names with letters that the terminal lacks are measured as they come out, so bars begin below each other."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    lines = classification_table(answer_of(["été", "walking"])).plain.splitlines()[1:]
    assert len({re.search("[#-]{20}", line).start() for line in lines}) == 1
    assert "  \\xe9t\\xe9" in "".join(lines)


@pytest.mark.parametrize("write", [StandardOutput().append, partial(write_text, Path("-"))])
def test_standard_output_gets_what_a_file_would_hold(monkeypatch, write):
    """To the byte, in UTF-8, also where the terminal is set to ASCII, and behind what was printed before."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    print("before", end=" ")
    write("été\n")
    assert raw.getvalue() == "before été\n".encode()


@pytest.mark.parametrize(
    "words",
    [
        "descriptions convert {texts} --out {here}/none/x",
        "descriptions convert {texts} --out {here}",
        "descriptions convert {texts} --out {texts}",
        "descriptions define juggling --out {here}/none/x",
        "descriptions lint {texts} --tokenizer {here}/none",
        "models get i3d-minilm --from {here}/none",
        "models get clip-b16 --from {texts}",
        "export i3d-minilm {texts}",
        "export i3d-minilm {texts}/below",
        "export i3d-minilm {here}/new --video {here}/none.mp4",
        "train devise --on toyworld --out {texts}",
        "evaluate eszsl --on toyworld --out -",
        "evaluate eszsl --on toyworld --markdown - --html -",
        "benchmarks verify ucf101-full --json {here}/none/x",
        "benchmarks verify ucf101-full --data {here}/none",
        "benchmarks audit ucf101-full --data {here}/none",
    ],
)
def test_a_command_that_cannot_be_right_ends_with_2(tmp_path, monkeypatch, words):
    """Whatever the command: status 2 before anything is loaded or written, and one line that says why."""
    monkeypatch.setattr(gerund.api, "load", lambda *_, **__: pytest.fail("it was loaded"))
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"name": "juggling", "definition": "throwing"}\n')
    result = CliRunner().invoke(app, words.format(texts=texts, here=tmp_path).split())
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert len(result.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["texts.jsonl"]


def test_texts_go_to_standard_output_alone(tmp_path):
    """`convert --out -` prints the texts; what it says beside them is on standard error."""
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"name": "juggling", "definition": "throwing"}\n')
    result = CliRunner().invoke(app, ["descriptions", "convert", str(texts), "--out", "-"])
    assert json.loads(result.stdout)["name"] == "juggling"
    assert "1 actions" in result.stderr
