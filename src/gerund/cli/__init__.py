"""The command line: one file for each group of commands.

Answers go to standard output, everything else to standard error. The exit status is 0 when all inputs were answered,
1 when some could not be, 2 when the command itself cannot be right, and 130 after Ctrl-C. What was finished is kept.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from gerund.cli import (
    benchmarks,
    data,
    descriptions,
    evaluation,
    features,
    methods,
    models,
    objects,
    reports,
    scoring,
    videos,
)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,  # plain help: without it the first thing a person types costs twice as much
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _flowing(of: typer.Typer) -> typer.Typer:
    """The same commands, whose help is as wide as the terminal: lines of a docstring end where its code does."""
    for command in of.registered_commands:
        paragraphs = ((command.callback and command.callback.__doc__) or "").split("\n\n")
        command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    for group in of.registered_groups:
        if group.typer_instance is not None:
            _flowing(group.typer_instance)
    return of


for room in (videos, models, methods, features, objects, evaluation, reports, benchmarks, scoring, descriptions, data):
    app.add_typer(_flowing(room.app))


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False) -> None:
    """Recognise and localise human actions in video from nothing but their names."""
    if version:
        from gerund import __version__

        typer.echo(f"gerund {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point of the ``gerund`` command."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that knows few letters gets escapes, not a crash
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
