"""What reaches a terminal or a cell: nothing that steers, nothing that a spreadsheet runs."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.printing import cell, echo, printable, printable_lines, uncell

STEERING = {"Cc", "Cs", "Zl", "Zp", "Cn", "Co"}


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


def test_echo_prints_lines_that_are_safe(capsys):
    """Standard output and standard error get the same care."""
    echo("one\ntwo\x1b]0;title\x07")
    echo("wrong\x9b2J", err=True)
    echo("no end", nl=False)
    assert capsys.readouterr() == ("one\ntwo?]0;title?\nno end", "wrong?2J\n")
