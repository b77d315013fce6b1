"""Protocols: list, show, verify, audit."""

from __future__ import annotations

import typer

app = typer.Typer()
