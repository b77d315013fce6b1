"""A map of what a report was asked: its test videos and its class texts, in two dimensions.

The videos, their true classes and what they were taken for come from the saved answers, the texts from the report, and
the vectors from the folder of features and the encoder of the texts. t-SNE puts near each other what is near in the
space of the vectors; distances between groups that are far apart mean little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gerund.bench.runs.answers import Answers, LocalizationAnswers, load_answers
from gerund.bench.runs.assembly import LoadEncoder, open_requested, require_here
from gerund.bench.runs.material import TrackSource
from gerund.bench.runs.proving import saved_answers
from gerund.bench.runs.report import Report
from gerund.bench.runs.request import Request
from gerund.bench.runs.schema import requested
from gerund.bench.runs.toyworld import TOYWORLDS
from gerund.encoders.base import unit
from gerund.encoders.table import VectorTable
from gerund.errors import GerundError, UsageError
from gerund.text.classes import ClassSpace
from gerund.text.names import to_words
from gerund.types import FloatArray, FloatArray64, Track

_MOST_VIDEOS = 2000
_FEWEST_POINTS = 5
_PERPLEXITY = 30.0
"""As many neighbours as van der Maaten and Hinton, JMLR 2008, call typical; fewer where there are few points."""


@dataclass(frozen=True)
class Point:
    """One video, or moment of one, or the texts of one class.

    Attributes:
        x: from 0 to 1.
        y: the same, downwards.
        label: its true class.
        said: what it is, in words.
        is_text: it stands for the texts of the class.
        is_right: it was taken for what it shows; True too where nobody was asked that.
    """

    x: float
    y: float
    label: str
    said: str
    is_text: bool = False
    is_right: bool = True


@dataclass(frozen=True)
class EmbeddingMap:
    """Points, and what a reader has to know.

    Attributes:
        title: method, protocol and split.
        panels: points that share a space, by what they are; two where texts have another space than videos.
        notes: what was drawn, and how.
    """

    title: str
    panels: tuple[tuple[str, tuple[Point, ...]], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Item:
    """A point that has no place yet."""

    vector: FloatArray
    label: str
    said: str
    is_right: bool = True


def make_map(
    report: Report, folder: Path, *, load_encoder: LoadEncoder, features: Path | None = None, split: str = ""
) -> EmbeddingMap:
    """Reads what a map needs and computes it; the same every time, with the seed of the report.

    Args:
        report: as read; it may come from anybody, so nothing is fetched or run because it says so.
        folder: where its answers lie.
        load_encoder: gives a model by its name.
        features: the folder of features; by default the one that the report names.
        split: which; by default the first.

    Raises:
        UsageError: scikit-learn is not installed, the report has no such split or no answers, or features are missing.
    """
    if find_spec("sklearn") is None:
        raise UsageError("a map needs scikit-learn, which is not installed: pip install 'gerund[plots]'")
    data, request = report.data, requested(report.data)
    names = [of.name for of in data.splits]
    split = split or next(iter(names), "")
    if split not in names:
        raise UsageError(f"the report has no split {split!r}; it has {', '.join(names) or 'none'}")
    answers = [one for one in load_answers(saved_answers(data, folder)) if one.split == split]
    rng = np.random.default_rng(data.seed)
    source = _source(request, data.seed, features)
    videos, num_videos = _videos(answers, source, rng)
    classes = tuple(dict.fromkeys(name for one in answers for name in one.classes))
    texts, lacking = _texts(data.texts.get("of"), classes, request, source, load_encoder)
    notes = [
        f"{len(videos)} of {num_videos} test {'moments' if data.benchmark.task == 'localization' else 'videos'}, split "
        f"{split}; {len(texts)} classes with texts{f' ({lacking})' if lacking else ''}",
        "features: " + ", ".join(f"{key} {value}" for key, value in source.describe().items()),
    ]
    panels = _panels(videos, texts, data.seed)
    if texts:
        kind = "in one space, each kind about its own mean" if len(panels) == 1 else "in spaces of their own"
        notes.append(f"videos (dots) and class texts (stars) are {kind}; a ring is a video that was taken for another")
    notes.append(
        f"t-SNE of scikit-learn, seed {data.seed}: near is alike, but distances between far groups mean little"
    )
    title = f"{data.method.name} on {data.benchmark.name}, split {split}"
    return EmbeddingMap(title, panels, tuple(notes))


def _source(request: Request, seed: int, features: Path | None) -> TrackSource:
    if request.benchmark in TOYWORLDS:
        return TOYWORLDS[request.benchmark](seed)[0]
    if not (features or request.features):
        raise UsageError("the report names no folder of features; name it: --features DIR")
    return open_requested(request, features)


def _videos(answers: Sequence[Answers], source: TrackSource, rng: np.random.Generator) -> tuple[list[_Item], int]:
    """The test videos, or the annotated moments of localization; so many at most, drawn by chance."""
    asked: list[tuple[str, str, str, tuple[float, float] | None]] = []
    for one in answers:
        if isinstance(one, LocalizationAnswers):
            asked += [(video, label, label, (start_s, end_s)) for video, start_s, end_s, label in one.truth]
        else:
            given = one.scores.argmax(axis=1) if one.num_videos else ()
            rows = zip(one.videos, one.labels, given, strict=True)
            asked += [(video, one.classes[true], one.classes[best], None) for video, true, best in rows]
    drawn = list(range(len(asked)))
    if len(asked) > _MOST_VIDEOS:
        drawn = sorted(rng.choice(len(asked), _MOST_VIDEOS, replace=False).tolist())
    chosen = [asked[place] for place in drawn]
    tracks = source.tracks([video for video, *_ in chosen])
    items = []
    for (video, label, given, span_s), track in zip(chosen, tracks, strict=True):
        said = f"{video}: {label}" + ("" if label == given else f", taken for {given}")
        items.append(_Item(_mean(track, span_s), label, said, label == given))
    return items, len(asked)


def _mean(track: Track, span_s: tuple[float, float] | None) -> FloatArray:
    """The mean of a track's vectors; of those that overlap with a span, where there are any."""
    inside = np.ones(len(track), bool)
    if span_s:
        inside = (track.spans_s[:, 0] < span_s[1]) & (track.spans_s[:, 1] > span_s[0])
    return np.asarray(track.vectors[inside if inside.any() else slice(None)].mean(axis=0), np.float32)


def _texts(
    given: Any, classes: Sequence[str], request: Request, source: TrackSource, load_encoder: LoadEncoder
) -> tuple[list[_Item], str]:
    """A point for each class, from the texts of the report; or none, and why."""
    known = given if isinstance(given, dict) else {}
    words = tuple(to_words(name) for name in classes)
    texts = tuple(tuple(filter(_is_text, known.get(name) or ())) or (name,) for name in words)
    try:
        encoder: Any = _text_encoder(request, source, load_encoder)
        vectors = encoder.encode_classes(ClassSpace(words, texts, as_given=True))
    except (GerundError, AttributeError) as error:  # an encoder may have no texts
        return [], str(error)
    items = [
        _Item(vector, label, f"texts of {label}: {'; '.join(of[:3])}")
        for vector, label, of in zip(vectors, classes, texts, strict=True)
    ]
    return items, ""


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _text_encoder(request: Request, source: TrackSource, load_encoder: LoadEncoder) -> Any:
    if request.benchmark in TOYWORLDS:
        return source
    if table := request.vectors.get("texts"):
        path, _, names = table.partition("@")
        return VectorTable.read(Path(path), Path(names) if names else None)
    name = request.model or str(source.describe()["encoder"])
    require_here(name)
    return load_encoder(name)


def _panels(videos: Sequence[_Item], texts: Sequence[_Item], seed: int) -> tuple[tuple[str, tuple[Point, ...]], ...]:
    if not texts:
        return (("videos", _place(videos, (), seed)),)
    if videos and texts[0].vector.shape == videos[0].vector.shape:
        return (("videos and class texts", _place(videos, texts, seed)),)
    return (("videos", _place(videos, (), seed)), ("class texts", _place((), texts, seed)))


def _place(videos: Sequence[_Item], texts: Sequence[_Item], seed: int) -> tuple[Point, ...]:
    """Points in the unit square. Each kind is taken about its mean: pictures and texts lie in cones of their own."""
    kinds = [np.stack([item.vector for item in kind]) for kind in (videos, texts) if kind]
    if not kinds:
        raise UsageError("there is no video to draw a map of")
    vectors = np.concatenate([unit(kind - kind.mean(axis=0)) for kind in kinds])
    xy = _flatten(vectors, seed)
    xy = (xy - xy.min(axis=0)) / np.maximum(np.ptp(xy, axis=0), 1e-12)
    items = [*((item, False) for item in videos), *((item, True) for item in texts)]
    return tuple(
        Point(float(x), float(y), item.label, item.said, is_text, item.is_right)
        for (x, y), (item, is_text) in zip(xy, items, strict=True)
    )


def _flatten(vectors: FloatArray, seed: int) -> FloatArray64:
    """Two dimensions of vectors; computed by one thread, whose sums have one order."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if len(vectors) < _FEWEST_POINTS:
        raise UsageError(f"a map needs at least {_FEWEST_POINTS} points, got {len(vectors)}")
    perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    start = "pca" if vectors.shape[1] > 1 else "random"
    with threadpool_limits(1):
        made = TSNE(perplexity=perplexity, init=start, random_state=seed % (1 << 32)).fit_transform(vectors)
    return np.asarray(made, np.float64)
