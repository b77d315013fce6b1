"""Scores of predictions that are there already: score-detections, score-labels."""

from __future__ import annotations

import json as json_text
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gerund.batch import errors_to_exit
from gerund.errors import UsageError
from gerund.printing import echo, printable, printable_json
from gerund.writing import check_outputs, write_text

app = typer.Typer()

_LIST_SUFFIXES = frozenset((".txt", ".list", ".lst", ".csv"))
_SHOWN_RECALLS = (1, 5, 10, 50, 100)

JsonTarget = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write all numbers as JSON; - for standard output.")
]


@app.command("score-detections")
def score_detections(
    truth: Annotated[
        list[Path], typer.Option(metavar="FILE", help="Ground truth: ActivityNet's JSON, or CSV; may be repeated.")
    ],
    predictions: Annotated[
        list[Path], typer.Option(metavar="FILE", help="Predictions: ActivityNet's JSON, or CSV; one for each --truth.")
    ],
    tiou: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Thresholds, such as 0.3:0.7:0.1 (the default for CSV and THUMOS14), 0.5:0.95:0.05 (for other JSON), "
            "or 0.5,0.75,0.95.",
        ),
    ] = None,
    variant: Annotated[
        Literal["official", "gap", "t3al", "opentad"],
        typer.Option(help="Whose rules; official are those of ActivityNet."),
    ] = "official",
    subset: Annotated[
        str, typer.Option(metavar="NAMES", help="Subsets of a JSON ground truth; needed where several could be meant.")
    ] = "",
    classes: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Only these: names separated by commas, or a file, one a line.")
    ] = None,
    exclude: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Videos left out on both sides: ids with commas, or a file.")
    ] = None,
    unknown_labels: Annotated[
        Literal["error", "drop"], typer.Option(help="What happens to predicted labels that the ground truth lacks.")
    ] = "error",
    zero_length: Annotated[
        Literal["released", "guarded"],
        typer.Option(help="Whether any two segments without length match, or only those at the same moment."),
    ] = "released",
    recall: Annotated[bool, typer.Option("--recall", help="AR@AN and its area too.")] = False,
    recall_tiou: Annotated[
        str, typer.Option(metavar="SPEC", help="Thresholds of --recall; GAP takes 0.5:1:0.05 on THUMOS14.")
    ] = "0.5:0.95:0.05",
    per_class: Annotated[bool, typer.Option("--per-class", help="The average precision of every class too.")] = False,
    json: JsonTarget = None,
) -> None:
    """Mean average precision of found segments against a ground truth, in percent.

    CSV has the columns video-id,t-start,t-end,label,score in any order; tables of 'gerund locate' will do. With
    several pairs of files, say one for each split, their mean and spread come too.

    Example: gerund score-detections --truth gt.csv --predictions found.csv --tiou 0.3:0.7:0.1
    """
    from gerund.bench.scoring.files import parse_tious, score_detection_files

    with errors_to_exit():
        check_outputs([_file(json)], [*truth, *predictions])
        report, notes = score_detection_files(
            _pairs(truth, predictions),
            tious=parse_tious(tiou) if tiou is not None else None,
            variant=variant,
            subset=subset,
            classes=_names(classes, "--classes") if classes is not None else None,
            exclude=_names(exclude, "--exclude") if exclude is not None else (),
            unknown_labels=unknown_labels,
            zero_length=zero_length,
            recall_tious=parse_tious(recall_tiou) if recall else None,
        )
        _say(notes)
        if json != "-":
            _print_detections(report, per_class=per_class)
        _write_json(json, report)


@app.command("score-labels")
def score_labels(
    predictions: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="JSON of ids and their labels, best first, CSV video,label,score, or .npz with label and scores.",
        ),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON of ids and labels, or CSV video,label; not for .npz."),
    ] = None,
    top: Annotated[str, typer.Option(metavar="LIST", help="Which top-k to count.")] = "1,5",
    scores: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Which scores of an .npz; rgb+flow adds two of them up.")
    ] = None,
    json: JsonTarget = None,
) -> None:
    """Top-k accuracy of labels or scores against the truth, in percent.

    Accuracies are shares of the videos that were answered; where some were not, shares of all are shown beside them.

    Example: gerund score-labels --truth labels.csv --predictions answers.csv
    """
    from gerund.bench.scoring.files import score_rankings, score_tables
    from gerund.bench.scoring.textfile import is_zip

    with errors_to_exit():
        check_outputs([_file(json)], [truth, predictions])
        tops = _parse_tops(top)
        notes: list[str] = []
        if is_zip(predictions):
            if truth is not None:
                raise UsageError(f"{predictions} brings its own labels; leave --truth out")
            report = score_tables(predictions, scores, tops)
        elif scores is not None:
            raise UsageError(f"--scores {scores}: {predictions} is no .npz with score matrices")
        elif truth is None:
            raise UsageError(f"{predictions} holds answers only; give the true labels with --truth")
        else:
            report, notes = score_rankings(truth, predictions, tops)
        _say(notes)
        files = {"truth": str(truth) if truth else None, "predictions": str(predictions)}
        if json != "-":
            _print_labels(report, tops)
        _write_json(json, {"unit": "percent"} | files | report)


def _pairs(truth: list[Path], predictions: list[Path]) -> list[tuple[Path, Path]]:
    if len(truth) == 1:
        return [(truth[0], path) for path in predictions]
    if len(truth) != len(predictions):
        raise UsageError(f"{len(truth)} ground truths and {len(predictions)} predictions; give one --truth, or as many")
    return list(zip(truth, predictions, strict=True))


def _parse_tops(spec: str) -> tuple[int, ...]:
    parts = [part.strip() for part in spec.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise UsageError(f"--top {spec!r}: expected whole numbers from 1, such as 1,5")
    return tuple(sorted({int(part) for part in parts}))


def _names(spec: str, option: str) -> tuple[str, ...]:
    """Names from a file with one a line, or separated by commas."""
    from gerund.bench.scoring.textfile import read_text

    path = Path(spec)
    if "," not in spec and (path.is_file() or path.suffix in _LIST_SUFFIXES or "/" in spec):
        names = read_text(path).splitlines()
    else:
        names = spec.split(",")
    found = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not found:
        raise UsageError(f"{option} {spec!r} names nothing")
    return found


def _print_detections(report: dict[str, Any], *, per_class: bool) -> None:
    records = report.get("pairs", [report])
    tious = [f"{tiou:g}" for tiou in report["tiou"]]
    echo(f"mAP in percent at each overlap (tIoU), rules: {report['variant']}; {report['tie_rule']}")
    names = [Path(record["predictions"]).name for record in records]
    rows = [[name, *record["mAP"], record["average_mAP"]] for name, record in zip(names, records, strict=True)]
    _print_table(["", *tious, "average"], rows + _spread_rows(report, ["mAP", "average_mAP"]))
    if "AR" in report:
        places = [number - 1 for number in _SHOWN_RECALLS]
        first, last = report["recall_tiou"][0], report["recall_tiou"][-1]
        echo(f"\naverage recall in percent at so many proposals a video, mean over tIoU {first:g} to {last:g}")
        rows = [
            [name, *(record["AR"][place] for place in places), record["AUC"]]
            for name, record in zip(names, records, strict=True)
        ]
        picked = {name: [values[place] for place in places] for name, values in report.items() if name.startswith("AR")}
        picked |= {name: value for name, value in report.items() if name.startswith("AUC") or name == "num_pairs"}
        _print_table(["", *map(str, _SHOWN_RECALLS), "area"], rows + _spread_rows(picked, ["AR", "AUC"]))
    for name, record in zip(names, records, strict=True):
        if per_class:
            echo(f"\naverage precision in percent of each class, {name}")
            rows = [
                [label, *values, math.fsum(values) / len(values)] for label, values in record["per_class_AP"].items()
            ]
            _print_table(["", *tious, "average"], rows)
    echo("")
    for name, record in zip(names, records, strict=True):
        echo(
            f"{printable(name)}: {record['num_compared']} of {record['num_predictions']} predictions against "
            f"{record['num_annotations']} annotations of {len(record['per_class_AP'])} classes in "
            f"{record['num_videos']} videos" + (f", subset {record['subset']}" if record["subset"] else "")
        )


def _spread_rows(report: dict[str, Any], names: list[str]) -> list[list[Any]]:
    """Lines with mean and both standard deviations below the lines of several pairs."""
    if "num_pairs" not in report:
        return []
    rows = []
    for title, suffix in (("mean", ""), ("population std", "_population_std"), ("sample std", "_sample_std")):
        values, last = (report[f"{name}{suffix}"] for name in names)
        rows.append([title, *values, last])
    return rows


def _print_labels(report: dict[str, Any], tops: Sequence[int]) -> None:
    answered, expected = report["num_answered"], report["num_expected"]
    shares = report.get("of_expected", {})
    partly = answered != expected
    head = ["in percent", f"of {answered} answered", *([f"of all {expected}"] if partly else [])]
    rows = [[f"top-{k}", report[f"top-{k}"], *([shares[f"top-{k}"]] if partly else [])] for k in tops]
    _print_table(head, rows)
    echo(f"mean top-1 of {report['num_classes']} classes, of the answered videos: {report['mean class top-1']:.5f}")


def _print_table(head: list[str], rows: list[list[Any]]) -> None:
    cells = [head, *([printable(row[0]), *(f"{value:.5f}" for value in row[1:])] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    for row in cells:
        first, *others = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        echo("  ".join([first, *others]).rstrip())


def _say(notes: Sequence[str]) -> None:
    for note in notes:
        echo(f"note: {printable(note)}", err=True)


def _file(target: str | None) -> Path | None:
    return Path(target) if target and target != "-" else None


def _write_json(target: str | None, report: dict[str, Any]) -> None:
    if target is None:
        return
    text = printable_json(json_text.dumps(report, indent=1, ensure_ascii=False, allow_nan=False))
    if target == "-":
        echo(text)
    else:
        write_text(Path(target), text + "\n")
