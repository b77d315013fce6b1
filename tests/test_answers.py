"""Answers as people see them in Python: short, escaped, finite."""

from __future__ import annotations

import pytest

from gerund.answers import ActionScore, Classification, Location
from gerund.errors import UsageError
from gerund.types import Segment, Segments

HOSTILE = "<script>alert('x')</script>\x1b[31m"
SCORES = tuple(ActionScore(name, 1.0, 0.25) for name in ("a", "b", "c", HOSTILE))
FOUND = Segments([Segment(place, place + 1, HOSTILE, -place, 0.5) for place in range(5)])


def test_what_is_printed_is_one_short_line():
    """A long answer names its best and counts the rest; control characters are escaped."""
    for value in (Classification("v\x1b.mp4", 2.0, "m", SCORES), Location("v\x1b.mp4", 2.0, "m", FOUND), FOUND):
        assert len(repr(value)) < 300
        assert "\x1b" not in repr(value) and "\n" not in repr(value)
    assert (
        repr(Classification("v.mp4", 2.0, "m", SCORES))
        == "Classification('v.mp4', 2.00 s, m: 'a' 25%, 'b' 25%, 'c' 25%, 1 more)"
    )
    assert repr(FOUND).endswith(", 2 more)")
    assert repr(FOUND[:1] if isinstance(FOUND[0], Segments) else Segments([FOUND[0]])).count("more") == 0
    assert repr(Segments()) == "Segments(none)"


def test_tables_for_notebooks_are_escaped():
    """No name of an action or a video becomes markup; every row is there."""
    video = "<b>v</b>.mp4"
    for value in (Classification(video, 2.0, "<i>", SCORES), Location(video, 2.0, "<i>", FOUND)):
        page = value._repr_html_()
        assert "<script" not in page and "<b>" not in page and "<i>" not in page
        assert "&lt;b&gt;v&lt;/b&gt;.mp4" in page
        assert "&lt;script&gt;" in page
    assert FOUND._repr_html_().count("<tr>") == 6
    assert Classification(video, 2.0, "m", SCORES)._repr_html_().count("<tr>") == 7
    assert "none of the actions" in Location(video, 2.0, "m", Segments())._repr_html_()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_answers_hold_finite_numbers(bad):
    """A score, a probability or a duration that is no number is refused where the answer is made."""
    for make in (
        lambda: ActionScore("a", bad, 0.5),
        lambda: ActionScore("a", 0.5, bad),
        lambda: Classification("v", bad, "m", SCORES),
        lambda: Classification("v", 1.0, "m", SCORES, bad),
        lambda: Location("v", bad, "m", FOUND),
        lambda: Location("v", 1.0, "m", FOUND, bad),
    ):
        with pytest.raises(UsageError):
            make()


def test_impossible_answers_are_refused():
    """A probability beyond 1, a negative duration, and an answer that names nothing."""
    for make in (
        lambda: ActionScore("a", 0.5, 1.01),
        lambda: ActionScore("a", 0.5, -0.01),
        lambda: Classification("v", -1.0, "m", SCORES),
        lambda: Classification("v", 1.0, "m", ()),
    ):
        with pytest.raises(UsageError):
            make()
