"""Scores of predictions that are there already: score-detections, score-labels."""

from __future__ import annotations

import typer

app = typer.Typer()
