"""Files of ground truth and of predictions, as other projects and gerund's own commands write them.

What a file holds is told by its content, not by its suffix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gerund.bench.scoring.textfile import is_json, json_object, number, read_text, short, table_rows
from gerund.errors import UsageError
from gerund.metrics.segments import Annotations, Detections
from gerund.reading import DamageError, open_arrays
from gerund.types import FloatArray64, IntArray

_SEGMENT = ("video", "start", "end", "label")
_TRAINING = frozenset(("training", "train"))


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Annotated segments of one file.

    Attributes:
        annotations: in the file's order.
        videos: every video of the subset, those without annotations too.
        subset: the name or names that were chosen; ``""`` for a CSV table, which has none.
        form: ``"json"`` or ``"csv"``.
    """

    annotations: Annotations
    videos: frozenset[str]
    subset: str
    form: str


@dataclass(frozen=True, eq=False)
class ScoreTables:
    """Scores of one set of videos by one or more sources.

    Attributes:
        labels: index of the true class, int64 ``[N]``.
        matrices: name -> scores, float64 ``[N, C]``.
    """

    labels: IntArray
    matrices: dict[str, FloatArray64]


def read_ground_truth(path: Path, *, subset: str = "") -> GroundTruth:
    """Annotated segments, in the file's order.

    Args:
        path: ActivityNet's JSON (``{"database": {id: {"subset": ..., "annotations": [{"segment": [start, end], "label":
            ...}]}}}``), or CSV with the columns ``video-id,t-start,t-end,label`` in any order. Other columns are
            ignored.
        subset: for JSON only the names of one or more subsets, separated by commas. By default the only annotated one
            that is no training set.

    Raises:
        UsageError: the file cannot be read or is something else, a number is none, a segment ends before it starts, or
            it has to be said which subset is meant.

    Source: the released ActivityNet evaluation also demands the keys ``version`` and ``taxonomy``, which say nothing
        about the score; here files without them are read.
    """
    text = read_text(path)
    if not is_json(text):
        if subset:
            raise UsageError(f"{path} is a CSV table and has no subset {subset!r}; leave the subset out")
        annotations = Annotations.of(_segments_of_table(path, text, _SEGMENT))
        return GroundTruth(annotations, frozenset(annotations.video.tolist()), "", "csv")
    database = _section(path, text, "database", "results")
    chosen = _chosen_subsets(path, database, subset)
    entries = {video: entry for video, entry in database.items() if str(entry.get("subset", "")) in chosen}
    rows = [
        (video, *_segment_of(path, video, item), _label_of(path, video, item))
        for video, entry in entries.items()
        for item in _items(path, video, entry.get("annotations", []))
    ]
    return GroundTruth(Annotations.of(rows), frozenset(entries), ",".join(chosen), "json")


def read_detections(path: Path) -> Detections:
    """Found segments, in the file's order.

    Args:
        path: ActivityNet's JSON (``{"results": {id: [{"segment": [start, end], "label": ..., "score": ...}]}}``), or
            CSV with the columns ``video-id,t-start,t-end,label,score`` in any order, such as the table of ``gerund
            locate``. Other columns are ignored.

    Raises:
        UsageError: the file cannot be read or is something else, a number is none or not finite, or a segment ends
            before it starts.

    Source: the released ActivityNet evaluation also demands the keys ``version`` and ``external_data``; here files
        without them are read.
    """
    text = read_text(path)
    if not is_json(text):
        return Detections.of(_segments_of_table(path, text, (*_SEGMENT, "score")))
    rows = [
        (video, *_segment_of(path, video, item), _label_of(path, video, item), _score_of(path, video, item))
        for video, items in _section(path, text, "results", "database").items()
        for item in _items(path, video, items)
    ]
    return Detections.of(rows)


def known_names(videos: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """For ids that the ground truth does not have, those it has instead; ids that stay unknown are absent.

    An id is tried without its folder, without its suffix, and with ``v_`` put before it or taken away: data sets,
    features and files of one video differ in these.

    Example:
        >>> known_names(["v_a", "films/b.mp4", "c", "d"], {"a", "b", "d"})
        {'v_a': 'a', 'films/b.mp4': 'b'}
    """
    there = frozenset(known)
    found = {}
    for video in videos:
        path = Path(video)
        forms = (form for name in (path.name, path.stem) for form in (name, name.removeprefix("v_"), f"v_{name}"))
        if video not in there and (name := next((form for form in forms if form in there), None)):
            found[video] = name
    return found


def known_labels(labels: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """For labels that the ground truth spells another way, its spelling; others, and ambiguous ones, are absent.

    Case, spaces, underscores and CamelCase are ways of spelling; words are not.

    Example:
        >>> known_labels(["throw discus", "Diving", "dive"], ["ThrowDiscus", "Diving"])
        {'throw discus': 'ThrowDiscus'}
    """
    spelt: dict[str, set[str]] = {}
    for label in known:
        spelt.setdefault(_letters(label), set()).add(label)
    there = set(known)
    found = {label: spelt.get(_letters(label), set()) for label in labels if label not in there}
    return {label: next(iter(names)) for label, names in found.items() if len(names) == 1}


def _letters(label: str) -> str:
    return "".join(c for c in label.casefold() if c.isalnum())


def read_labels(path: Path) -> dict[str, str]:
    """The true label of every video.

    Args:
        path: JSON ``{id: label}``, or CSV with the columns ``video,label``.

    Raises:
        UsageError: the file cannot be read or is something else, or a video has two labels.
    """
    text = read_text(path)
    if is_json(text):
        content = json_object(path, text)
        for video, label in content.items():
            if isinstance(label, bool) or not isinstance(label, str | int):
                raise UsageError(f"{path}: expected one label for {video!r}, got {short(label)}")
        labels = {video: str(label) for video, label in content.items()}
    else:
        labels = {}
        for line, (video, label) in table_rows(path, text, ("video", "label")):
            if labels.setdefault(video, label) != label:
                raise UsageError(f"{path}, line {line}: {video} is {label!r} here and {labels[video]!r} before")
    if not labels:
        raise UsageError(f"{path}: there is no video in it")
    return labels


def read_rankings(path: Path) -> dict[str, list[str]]:
    """The labels given to every video, the best first; videos without an answer have none.

    Args:
        path: JSON ``{id: [label, ...]}``, best first, ``{id: {label: score}}`` or ``{id: label}``, or CSV with the
            columns ``video,label,score``, such as the table of ``gerund classify``. Equal scores keep their order.
            Without the column ``score`` a table may have one row a video.

    Raises:
        UsageError: the file cannot be read or is something else, or a score is no number.
    """
    text = read_text(path)
    if is_json(text):
        return {video: _ranking(path, video, answer) for video, answer in json_object(path, text).items()}
    scored: dict[str, list[tuple[float, str]]] = {}
    for line, (video, label, *score) in table_rows(path, text, ("video", "label"), ("score",)):
        answers = scored.setdefault(video, [])
        if answers and not score:
            raise UsageError(f"{path}, line {line}: {video} has several labels and no score; add the column 'score'")
        answers.append((number(score[0], path, ", line ", line, ": score") if score else 0.0, label))
    return {video: [label for _, label in sorted(answers, key=lambda a: -a[0])] for video, answers in scored.items()}


def read_score_tables(path: Path) -> ScoreTables:
    """Score matrices with their true labels.

    Args:
        path: ``.npz`` with an integer array ``label`` ``[N]`` and arrays of scores ``[N, C]``; nothing is unpickled.

    Raises:
        UsageError: the file cannot be read, or one of the two is missing.
    """
    try:
        with open_arrays(path) as saved:
            arrays = dict(saved)
    except (OSError, DamageError) as error:
        raise UsageError(f"{path}: expected NumPy arrays without pickled objects (.npz); {error}") from error
    labels = arrays.get("label", arrays.get("labels"))
    if labels is None or labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(f"{path}: expected an integer array 'label' [N]; it holds {_shapes(arrays)}")
    matrices = {
        name: array.astype(np.float64)
        for name, array in arrays.items()
        if array.ndim == 2 and len(array) == len(labels) and np.issubdtype(array.dtype, np.number)
    }
    if not matrices:
        raise UsageError(f"{path}: expected scores [{len(labels)}, C] beside the labels; it holds {_shapes(arrays)}")
    return ScoreTables(labels.astype(np.int64), matrices)


def _section(path: Path, text: str, name: str, other: str) -> dict[str, Any]:
    content = json_object(path, text)
    if not isinstance(content.get(name), dict):
        kinds = {"database": "ground truth", "results": "predictions"}
        seems = f"; it seems to hold {kinds[other]}" if other in content else f"; its keys: {short(list(content))}"
        raise UsageError(f"{path}: {kinds[name]} in JSON need an object {name!r} with an entry for each video{seems}")
    section: dict[str, Any] = content[name]
    if name == "database" and (odd := [video for video, entry in section.items() if not isinstance(entry, dict)]):
        raise UsageError(f"{path}: expected an object with 'subset' and 'annotations' for {odd[0]!r}")
    return section


def _chosen_subsets(path: Path, database: dict[str, Any], subset: str) -> tuple[str, ...]:
    annotated = Counter(str(entry.get("subset", "")) for entry in database.values() if entry.get("annotations"))
    there = ", ".join(f"{name or 'without a name'} ({count} videos)" for name, count in annotated.items()) or "none"
    if subset:
        wanted = tuple(dict.fromkeys(name.strip() for name in subset.split(",")))
        if missing := [name for name in wanted if name not in annotated]:
            raise UsageError(f"{path}: no annotated subset {missing[0]!r}; there are {there}")
        return wanted
    candidates = [name for name in annotated if name not in _TRAINING] or list(annotated)
    if len(candidates) > 1:
        raise UsageError(
            f"{path}: say which subset is meant (--subset {candidates[0]}, for example); there are {there}"
        )
    if not candidates:
        raise UsageError(f"{path}: no video in it has annotations")
    return (candidates[0],)


def _items(path: Path, video: str, items: object) -> list[dict[str, Any]]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UsageError(f"{path}: expected a list of segments for {video!r}, got {short(items)}")
    return items


def _segment_of(path: Path, video: str, item: dict[str, Any]) -> tuple[float, float]:
    ends = item.get("segment")
    if not isinstance(ends, list) or len(ends) != 2:
        raise UsageError(f"{path}: expected 'segment': [start, end] in seconds for {video!r}, got {short(item)}")
    start_s, end_s = number(ends[0], path, ": a start of ", video), number(ends[1], path, ": an end of ", video)
    return _in_order(start_s, end_s, path, ", video ", video)


def _label_of(path: Path, video: str, item: dict[str, Any]) -> str:
    label = item.get("label")
    if isinstance(label, bool) or not isinstance(label, str | int) or label == "":
        raise UsageError(f"{path}: expected a 'label' for every segment of {video!r}, got {short(item)}")
    return str(label)


def _score_of(path: Path, video: str, item: dict[str, Any]) -> float:
    if "score" not in item:
        raise UsageError(f"{path}: a segment of {video!r} has no 'score': {short(item)}")
    return number(item["score"], path, ": a score of ", video)


def _in_order(start_s: float, end_s: float, *where: object) -> tuple[float, float]:
    if end_s < start_s:
        raise UsageError(f"{''.join(map(str, where))}: a segment ends at {end_s:g} s before it starts at {start_s:g} s")
    return start_s, end_s


def _ranking(path: Path, video: str, answer: object) -> list[str]:
    if isinstance(answer, dict):
        pairs = [(number(score, path, ": score of ", label, " for ", video), label) for label, score in answer.items()]
        return [label for _, label in sorted(pairs, key=lambda pair: -pair[0])]
    labels = answer if isinstance(answer, list) else [answer]
    if any(isinstance(label, bool) or not isinstance(label, str | int) for label in labels):
        raise UsageError(f"{path}: expected a list of labels, best first, for {video!r}, got {short(answer)}")
    return [str(label) for label in labels]


def _segments_of_table(path: Path, text: str, wanted: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    for line, (video, start, end, label, *score) in table_rows(path, text, wanted):
        start_s, end_s = (
            number(start, path, ", line ", line, ": t-start"),
            number(end, path, ", line ", line, ": t-end"),
        )
        ends = _in_order(start_s, end_s, path, ", line ", line)
        yield (video, *ends, label, *(number(value, path, ", line ", line, ": score") for value in score))


def _shapes(arrays: dict[str, Any]) -> str:
    return ", ".join(f"{name} {array.dtype} {list(array.shape)}" for name, array in arrays.items()) or "nothing"
