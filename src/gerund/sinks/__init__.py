"""Where answers go: one file for each kind of output, all fed with the same answers, one at a time.

A new kind of output is one more `Sink` here and one more line in `gerund.inquiry`.
"""

from __future__ import annotations

from gerund.sinks.base import Sink
from gerund.sinks.lines import Lines
from gerund.sinks.pages import Page
from gerund.sinks.screen import Screen
from gerund.sinks.subtitles import Subtitles
from gerund.sinks.tables import ActionTable, SegmentTable

__all__ = ["ActionTable", "Lines", "Page", "Screen", "SegmentTable", "Sink", "Subtitles"]
