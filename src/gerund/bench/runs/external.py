"""Segments that others have found, as the answers of a run, so that they are scored and reported like ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gerund.bench.datasets.listing import Listing
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.tasks import tasks
from gerund.bench.runs.answers import LocalizationAnswers
from gerund.bench.runs.learning import Say, SplitRun
from gerund.bench.scoring.predictions import known_labels, known_names, read_detections, read_ground_truth
from gerund.errors import UsageError

Truth = tuple[tuple[str, float, float, str], ...]

_PLACE = "{split}"


def read_answers(
    benchmark: Benchmark,
    predictions: str,
    *,
    truth: str = "",
    listing: Listing | None = None,
    splits: Sequence[str] = (),
    progress: Say | None = None,
) -> list[SplitRun]:
    """Reads what was found on every split that there is a file for.

    Args:
        benchmark: the protocol.
        predictions: path of the found segments, with ``{split}`` for the name of the split.
        truth: path of the annotated segments, in the same way; instead of `listing`.
        listing: annotated videos of the data set.
        splits: names of the splits to read, which must be there; by default those that are.
        progress: told which splits have no file.

    Raises:
        UsageError: there is no file, or one holds annotations of classes that the split does not ask for.
    """
    if benchmark.task != "localization":
        raise UsageError(f"{benchmark.name} asks for {benchmark.task}; --predictions are found segments")
    names = [split.name for split in benchmark.splits]
    if _PLACE not in predictions and len(names) > 1 and len(splits) != 1:
        raise UsageError(
            f"{benchmark.name} has {len(names)} splits: write {_PLACE} into --predictions, or name one split (--splits)"
        )
    if not truth and listing is None:
        raise UsageError("to score segments, name the annotations: --truth PATTERN, or --data DIR with the lists")
    annotated = {} if truth or listing is None else _by_split(benchmark, listing)
    wanted = [split for split in benchmark.splits if not splits or split.name in splits]
    if lost := set(splits) - set(names):
        raise UsageError(f"{benchmark.name} has no split {min(lost)}; there are {', '.join(names)}")
    runs = []
    for split in wanted:
        path = Path(predictions.replace(_PLACE, split.name))
        if not path.is_file() and not splits:
            if progress:
                progress(f"split {split.name}: no {path}")
            continue
        here = _read_truth(split, Path(truth.replace(_PLACE, split.name))) if truth else annotated[split.name]
        runs.append(SplitRun(split.name, [_answers(split, here, path)]))
    if not runs:
        raise UsageError(f"--predictions {predictions}: there is no such file for any split of {benchmark.name}")
    return runs


def _answers(split: Split, truth: Truth, path: Path) -> LocalizationAnswers:
    found = read_detections(path)
    names = known_names(dict.fromkeys(found.video.tolist()), {video for video, *_ in truth})
    columns = (found.video, found.start_s, found.end_s, found.label, found.score)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    labels = known_labels(dict.fromkeys(found.label.tolist()), split.unseen)
    segments = tuple((names.get(v, v), s, e, labels.get(label, label), score) for v, s, e, label, score in rows)
    if not {video for video, *_ in segments} & {video for video, *_ in truth}:
        raise UsageError(f"{path}: none of its videos is annotated in split {split.name}; it belongs to other videos")
    return LocalizationAnswers(split.name, "", split.unseen, truth, segments)


def _read_truth(split: Split, path: Path) -> Truth:
    here = read_ground_truth(path).annotations
    strange = sorted(set(here.label.tolist()) - set(split.unseen))
    if strange:
        raise UsageError(
            f"{path} annotates {', '.join(strange[:3])}{', ...' if len(strange) > 3 else ''}, which split {split.name} "
            "does not ask for; it belongs to another split or protocol"
        )
    columns = (here.video, here.start_s, here.end_s, here.label)
    return tuple(zip(*(column.tolist() for column in columns), strict=True))


def _by_split(benchmark: Benchmark, listing: Listing) -> dict[str, Truth]:
    return {
        task.split.name: tuple(
            (video.video, *action) for video in task.test for action in benchmark.truth(video, task.split.unseen)
        )
        for task in tasks(benchmark, listing, listing)
    }
