"""Reports read again: one by itself, several side by side, and the map of a report's embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerund.batch import errors_to_exit
from gerund.errors import GerundError, UsageError
from gerund.printing import echo
from gerund.writing import check_outputs, is_stdout, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gerund.bench.runs.comparing import SideBySide
    from gerund.bench.runs.report import Report

app = typer.Typer()

MarkdownFile = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="Write it as Markdown; - for standard output.")
]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as one HTML page; - as above.")]


@app.command()
def report(
    reports: Annotated[
        list[Path], typer.Argument(metavar="REPORT...", help="Reports that 'gerund evaluate --out' wrote.")
    ],
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Compute every figure again from the saved answers.")
    ] = False,
    markdown: MarkdownFile = None,
    html: HtmlFile = None,
) -> None:
    """Show a report, or several as one table; with --recompute, prove the figures from the saved answers.

    Of several, methods are rows and protocols columns, told apart by their hashes; what is not alike is said. One that
    cannot be read, or does not follow from its answers, is named, and the exit status is 1.

    Example: gerund report eszsl.json devise.json --html table.html
    """
    from gerund.bench.runs.report import Report

    with errors_to_exit():
        check_outputs([markdown, html], [*reports, *map(answers_of, reports)])
        if len(reports) == 1:
            read = Report.read(reports[0])
            show(read, markdown, html)
            if recompute:
                _prove(read, reports[0])
            return
        found, wrong = _read_all(reports)
        if found:
            show(_side_by_side(found), markdown, html)
        for path, one in found if recompute else ():
            try:
                _prove(one, path, beginning=f"{path}: ")
            except GerundError as error:
                wrong.append(f"{path}: {error}")
        for line in wrong:
            echo(f"gerund: {line}", err=True)
        if wrong:
            raise typer.Exit(1)


def show(of: Report | SideBySide, markdown: Path | None, html: Path | None, *, quiet: bool = False) -> None:
    """Prints it, unless something else goes to standard output, and writes the files that were asked for."""
    if not (quiet or is_stdout(markdown) or is_stdout(html)):
        echo(of.to_text(), nl=False)
    if markdown:
        write_text(markdown, of.to_markdown())
    if html:
        write_text(html, of.to_html())


def answers_of(report: Path) -> Path:
    """Where the answers of a report go: beside it."""
    name = report.name.removesuffix(".json")
    return report.with_name(f"{name}.answers.npz")


def tell_new(names: Sequence[str], beginning: str = "") -> None:
    """Names the figures that the report does not have yet."""
    if names:
        echo(f"{beginning}not in the report, so not compared: {', '.join(names)}")


def _read_all(paths: Sequence[Path]) -> tuple[list[tuple[Path, Report]], list[str]]:
    """The reports that can be read, and a line for each that cannot."""
    from gerund.bench.runs.report import Report

    found, wrong = [], []
    for path in paths:
        try:
            found.append((path, Report.read(path)))
        except UsageError as error:
            wrong.append(str(error))
    return found, wrong


def _side_by_side(found: Sequence[tuple[Path, Report]]) -> SideBySide:
    from gerund.bench.runs.assembly import find_protocol
    from gerund.bench.runs.comparing import NamedReport, SideBySide

    def known_hash(name: str, seed: int) -> str:
        try:
            return find_protocol(name, seed).sha256
        except UsageError:
            return ""

    return SideBySide([NamedReport(str(path), one.data) for path, one in found], known_hash)


def _prove(read: Report, path: Path, beginning: str = "") -> None:
    from gerund.bench.runs.assembly import find_protocol
    from gerund.bench.runs.proving import recompute

    benchmark = find_protocol(read.data.benchmark.name, read.data.seed)
    found = recompute(read, path.parent, benchmark)
    count = sum(len(figures) for figures in found.figures.values())
    echo(f"{beginning}recomputed from {read.data.predictions.file}: {count} figures, all the same")
    tell_new(found.new, beginning)
