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
    map_: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE",
            help="Of one report: its videos and class texts in two dimensions, .html or .svg; extra plots.",
        ),
    ] = None,
    features: Annotated[
        Path | None, typer.Option(metavar="DIR", help="With --map: the features, where they are not where they were.")
    ] = None,
    split: Annotated[str, typer.Option(metavar="K", help="With --map: which split; the first by default.")] = "",
) -> None:
    """Show a report, or several as one table; with --recompute, prove the figures from the saved answers.

    Of several, methods are rows and protocols columns, told apart by their hashes; what is not alike is said. One that
    cannot be read, or does not follow from its answers, is named, and the exit status is 1.

    Example: gerund report eszsl.json devise.json --html table.html
    """
    from gerund.bench.runs.report import Report

    with errors_to_exit():
        _check_map(map_, reports, features, split)
        check_outputs([markdown, html, map_], [*reports, *map(answers_of, reports)])
        if len(reports) == 1:
            read = Report.read(reports[0])
            show(read, markdown, html)
            if recompute:
                _prove(read, reports[0])
            if map_:
                _draw(read, reports[0].parent, map_, features, split)
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


def _check_map(target: Path | None, reports: Sequence[Path], features: Path | None, split: str) -> None:
    """Refuses what cannot be a map.

    Raises:
        UsageError: why.
    """
    if target is None and (features or split):
        raise UsageError("--features and --split are for a map; name its file too, with --map FILE")
    if target and target.suffix.lower() not in (".html", ".svg"):
        raise UsageError(f"--map {target}: a map is a page or a picture; give FILE.html or FILE.svg")
    if target and len(reports) > 1:
        raise UsageError(f"--map {target}: a map is of one report, got {len(reports)}")


def _draw(read: Report, folder: Path, target: Path, features: Path | None, split: str) -> None:
    from gerund.api import load
    from gerund.bench.runs.map_page import map_page, map_picture
    from gerund.bench.runs.mapping import make_map

    found = make_map(read, folder, load_encoder=lambda name: load(name).encoder, features=features, split=split)
    write_text(target, map_picture(found, alone=True) if target.suffix.lower() == ".svg" else map_page(found))
    echo(f"{target}: {found.notes[0]}", err=True)


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
