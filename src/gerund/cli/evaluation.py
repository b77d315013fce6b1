"""Runs: evaluate, rerun, report."""

from __future__ import annotations

import typer

app = typer.Typer()
