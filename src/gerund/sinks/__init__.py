"""Where answers go: one file for each kind of output, all fed with the same answers, one at a time.

A new kind of output is one more file here, with a `Sink` and a tuple `FORMATS`; ``--to`` finds it (`sinks.formats`).
"""

from __future__ import annotations

from gerund.sinks.base import AnswerKind, Order, OutputFormat, Sink, is_answer
from gerund.sinks.lines import Lines
from gerund.sinks.pages import PAGE
from gerund.sinks.screen import Screen
from gerund.sinks.subtitles import VTT
from gerund.sinks.tables import CSV

__all__ = ["CSV", "PAGE", "VTT", "AnswerKind", "Lines", "Order", "OutputFormat", "Screen", "Sink", "is_answer"]
