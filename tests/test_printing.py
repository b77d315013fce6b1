"""What reaches a terminal or a cell: nothing that steers, nothing that a spreadsheet runs."""

from __future__ import annotations

import csv
import json
import re
import unicodedata

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from gerund.batch import errors_to_exit
from gerund.bench.datasets.lists import read_table
from gerund.errors import AssetError, UsageError
from gerund.printing import cell, echo, printable, printable_json, printable_lines, uncell
from gerund.terminal import Watcher
from gerund.text.descriptions import Descriptions
from stub import write_colours

NASTY = ["=showing red", "showing\x1b]0;owned\x07 green", "-showing blue", "show\u202eing\x9b2J red"]
STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


STEERING = {"Cc", "Cs", "Zl", "Zp", "Cn", "Co"}


def test_a_download_is_shown_by_its_name_and_size():
    """The bar of a file has its name without markup, how much of it is here, and its size; a whole one has none."""
    watcher = Watcher(quiet=True)
    watcher.download("a[bold]b\x1b", 500_000, 2_000_000)
    (bar,) = watcher._bars.tasks
    assert Text.from_markup(bar.description).plain == "fetching a[bold]b?"
    assert (bar.completed, bar.total, bar.fields["unit"]) == (500_000, 2_000_000, "2 MB")
    watcher.download("a[bold]b\x1b", 2_000_000, 2_000_000)
    assert watcher._bars.tasks == []


@given(st.text())
def test_nothing_that_steers_is_left(text):
    """Whatever the text, no control, surrogate, line end or direction mark is left, and the length stays."""
    shown = printable(text)
    assert len(shown) == len(text)
    assert not {unicodedata.category(c) for c in shown} & STEERING
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff\x9b\x1b\x7f")


def test_writing_of_people_is_left_alone():
    """Letters of any script, wide spaces and the joiners that some scripts need stay."""
    for text in ("Übung", "打拳", "نیم\u200cفاصله", "a\u00a0b", "👩\u200d🚒", "don't <b>"):
        assert printable(text) == text == cell(text)


def test_lines_stay_lines():
    """Text of several lines keeps its line ends and tabs, and loses carriage returns."""
    assert printable_lines("a\n\tb\r\x1b[1m") == "a\n\tb??[1m"
    assert printable("a\n\tb") == "a??b"


@given(st.text(alphabet=st.sampled_from("'=+-@ 5.eé＝x"), max_size=8))
def test_a_cell_is_no_formula_and_comes_back(text):
    """Guarded text is no formula for a spreadsheet unless it is a plain number, and the guard comes off exactly."""
    guarded = cell(text)
    if guarded.lstrip()[:1] in tuple("=+-@＝＋－＠"):
        float(guarded)
    assert uncell(guarded) == text


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "  =1", "\u00a0=1", "＝1", "--5"])
def test_what_a_spreadsheet_would_run_is_guarded(text):
    """Formulas, also behind spaces and in wide letters, begin with an apostrophe."""
    assert cell(text) == "'" + text


@pytest.mark.parametrize("value", [-0.5, 3, None, True])
def test_numbers_are_cells_as_they_are(value):
    """Numbers, and numbers in words, are written as numbers."""
    assert cell(value) is value
    assert cell("-0.500000") == "-0.500000" and cell("+1e-3") == "+1e-3" and cell(".5") == ".5"


def test_controls_in_front_hide_no_formula():
    """A tab or a carriage return in front of a formula is replaced, and the cell begins with neither."""
    assert cell("\t=1") == "?=1" and cell("\r@x") == "?@x" and cell(" \t=1") == " ?=1"


@given(st.dictionaries(st.text(), st.text()))
def test_json_says_the_same(content):
    """JSON with escapes where a terminal would be steered reads as what was written."""
    text = printable_json(json.dumps(content, ensure_ascii=False, indent=1))
    assert json.loads(text) == content and not STEERS.search(text)


def test_echo_prints_lines_that_are_safe(capsys):
    """Standard output and standard error get the same care."""
    echo("one\ntwo\x1b]0;title\x07")
    echo("wrong\x9b2J", err=True)
    echo("no end", nl=False)
    assert capsys.readouterr() == ("one\ntwo?]0;title?\nno end", "wrong?2J\n")


@pytest.mark.parametrize("command", ["classify", "locate"])
def test_hostile_names_reach_no_terminal_and_no_table(run, tmp_path, command):
    """Names of actions and of files, good and broken ones, steer neither screen, nor errors, nor CSV, nor subtitles."""
    folder = tmp_path / "=v\x1b[2J"
    folder.mkdir()
    write_colours(folder / "\x1b[31mred.mp4", ["red", "green", "red"])
    (folder / "bad\u202e\x07\udce9.mp4").write_bytes(b"no video")
    actions = tmp_path / "actions.txt"
    actions.write_text("\n".join(NASTY), encoding="utf-8")
    table, lines = tmp_path / "out.csv", tmp_path / "out.json"
    extra = ["--vtt", tmp_path / "vtt"] if command == "locate" else []
    result = run(command, folder, "--actions", actions, "--csv", table, "--json", lines, *extra)
    assert result.exit_code == 1 and "red.mp4" in result.output and "not answered" in result.stderr
    assert "=showing red" in result.stdout
    written = [table.read_text(), lines.read_text(), *(path.read_text() for path in tmp_path.glob("vtt/**/*.vtt"))]
    assert len(written) == (3 if command == "locate" else 2)
    for text in (result.stdout, result.stderr, *written):
        assert not STEERS.search(text)
    cells = {value for row in csv.DictReader(table.open(newline="")) for value in row.values()}
    assert "'=showing red" in cells
    for value in cells - {""}:
        assert value[0] not in "=+@" and (value[0] != "-" or float(value))


def test_a_guarded_table_scores_as_its_names_say(run, tmp_path):
    """The readers of gerund take the guard off again, so what was answered matches the truth by its real name."""
    video = write_colours(tmp_path / "-red.mp4", ["red", "green", "red"])
    actions = tmp_path / "actions.txt"
    actions.write_text("-5 km run in red\n@green\n=blue\n")
    found, truth = tmp_path / "found.csv", tmp_path / "truth.csv"
    assert run("classify", video, "--actions", actions, "--csv", found).exit_code == 0
    assert "'-5 km run in red" in found.read_text()
    truth.write_text(f"video,label\n{video},-5 km run in red\n")
    result = run("score-labels", "--truth", truth, "--predictions", found, "--top", "1")
    assert "100.00000" in result.stdout and "another way" not in result.output
    spots = tmp_path / "spots.csv"
    assert run("locate", video, "--actions", actions, "--csv", spots).exit_code == 0
    assert "'-5 km run in red" in spots.read_text()
    truth.write_text(f"video-id,t-start,t-end,label\n{video},0,1,-5 km run in red\n")
    result = run("score-detections", "--truth", truth, "--predictions", spots, "--tiou", "0.5")
    assert "100.00000" in result.stdout and "another way" not in result.output


def test_names_in_lists_of_data_sets_lose_their_guard(tmp_path):
    """A list of videos and labels that a spreadsheet kept apart with an apostrophe says what was meant."""
    path = tmp_path / "labels.csv"
    path.write_text("video,label\nvideos/a.mp4,'=sum of arms\n")
    assert [video.label for video in read_table(path)] == ["=sum of arms"]


@pytest.mark.parametrize("error", [UsageError, AssetError, OSError])
def test_errors_are_printed_safely(capsys, error):
    """Whatever an error quotes, it is shown with its line ends and without what steers."""
    with pytest.raises(typer.Exit), errors_to_exit():
        raise error("no file \x1b[2Jx\nexpected\x07 one")
    assert capsys.readouterr().err == "gerund: no file ?[2Jx\nexpected? one\n"


def test_what_is_described_is_shown_safely(run, tmp_path):
    """Texts of a file: shown, checked and counted without what steers; a kept file has escapes that read the same."""
    file = tmp_path / "texts.jsonl"
    text = "A run\x1b[2J in\x9b the \u202epark."
    file.write_text(json.dumps({"name": "ru\x1bn", "definition": text, "source": {"name": "me\x07"}}) + "\n")
    for words in (["show", "ru\x1bn", "--in", file], ["lint", file], ["stats", file]):
        result = run("descriptions", *words)
        assert result.stdout and not STEERS.search(result.output)
    out = tmp_path / "out.jsonl"
    Descriptions.read(file).write(out)
    assert not STEERS.search(out.read_text()) and Descriptions.read(out).of("ru\x1bn") == [text]


def test_reports_as_json_are_safe_and_say_the_same(run, tmp_path):
    """JSON on standard output has escapes where a terminal would be steered; what is read from it is what was meant."""
    truth, found = tmp_path / "truth.csv", tmp_path / "found.csv"
    truth.write_text("video-id,t-start,t-end,label\na,0,1,ju\x9bmp\n")
    found.write_text("video-id,t-start,t-end,label,score\na,0,1,ju\x9bmp,1\n")
    result = run("score-detections", "--truth", truth, "--predictions", found, "--json", "-")
    assert list(json.loads(result.stdout)["per_class_AP"]) == ["ju\x9bmp"] and not STEERS.search(result.stdout)
