"""Features of videos: extract, import."""

from __future__ import annotations

import typer

app = typer.Typer()
