"""Which learner says the rows of I3D's classifier best for classes that it was not shown.

    python benchmarks/rows.py [../shared/data/predictions/k400_tsn_100val_scores.npz] [--seeds 5] [--draws 10]

Rows: 40 random classes of the 400 are left out, and learners get the names and rows of the 360 others. The row that
they say for each left-out name is compared by cosine with the true rows: which place has the right one among the 40,
and among all 400? Settings are chosen by leaving 40 out of the 360, by mean reciprocal rank; the 40 play no part in it.

Videos, with the file (real 400-way scores of 100 Kinetics validation videos, TSN, RGB and flow): a row that is a
combination of seen rows gives a video the same combination of its scores. So rows can be asked about videos as
`leave_out.py` asks its recipes: 60 unseen classes, or 50 unseen and 50 seen ones.
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from leave_out import draws, less_hubs, ranks

from gerund.encoders.base import unit
from gerund.encoders.conse import ConseEncoder, carry
from gerund.encoders.networks import i3d
from gerund.encoders.table import VectorTable
from gerund.methods.recognizers.rows import SETTINGS, RowMap
from gerund.text.classes import ClassSpace, read_vocabulary
from gerund.text.descriptions import with_definitions

LEFT_OUT = 40
GRIDS = {
    "ridge": [{"gamma": gamma} for gamma in (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0)],
    "eszsl": [{"alpha": a, "gamma": g} for a in (-1.0, 0.0, 1.0, 2.0, 3.0) for g in (-1.0, -0.5, 0.0, 0.5, 1.0)],
    "gcn": [
        {"hidden": (512,), "neighbours": neighbours, "epochs": epochs}
        for neighbours, epochs in ((3, 100), (5, 100), (5, 200))
    ],
    "devise": [{"lr": lr, "epochs": epochs} for lr, epochs in ((1e-3, 100), (1e-3, 300), (3e-3, 100))],
}
NAMES = ("chance", "5 nearest", "ridge", "eszsl", "gcn", "devise")
SCALES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
COSINE_DEVIATION = 0.06
"""Of I3D's features and its 400 rows, over the rows of a video; from 38 clips without their labels."""

Vectors = np.ndarray
Learner = Callable[[Vectors, Vectors, Vectors], Vectors]
"""From text vectors and rows of seen classes and text vectors of others to the rows of these, at unit length."""


def nearest(texts: Vectors, rows: Vectors, asked: Vectors) -> Vectors:
    best = np.argsort(-asked @ texts.T, axis=1)[:, :5]
    return unit(unit(rows)[best].mean(axis=1))


def ridge(texts: Vectors, rows: Vectors, asked: Vectors, *, gamma: float) -> Vectors:
    gram = texts.T @ texts + 10**gamma * np.eye(texts.shape[1])
    return unit(asked @ np.linalg.solve(gram, texts.T @ unit(rows)))


def row_map(learner: str, texts: Vectors, rows: Vectors, asked: Vectors, **settings: object) -> Vectors:
    names = [f"class {number}" for number in range(len(texts) + len(asked))]
    table = VectorTable(names, np.concatenate([texts, asked]))
    seen = ClassSpace(tuple(names[: len(texts)]))
    fitted = RowMap(learner, table, seen, rows, settings).fit()
    return fitted.rows_for(ClassSpace(tuple(names[len(texts) :])))


def make(name: str, settings: dict) -> Learner:
    if name == "chance":
        generator = np.random.default_rng(0)
        return lambda texts, rows, asked: unit(generator.normal(size=(len(asked), rows.shape[1])))
    if name == "5 nearest":
        return nearest
    if name == "ridge":
        return lambda texts, rows, asked: ridge(texts, rows, asked, **settings)
    return lambda texts, rows, asked: row_map(name, texts, rows, asked, **settings)


def split(places: Vectors, seed: int) -> tuple[Vectors, Vectors]:
    """Places that are kept, and `LEFT_OUT` random ones that are not, both in order."""
    order = np.random.default_rng(seed).permutation(places)
    return np.sort(order[LEFT_OUT:]), np.sort(order[:LEFT_OUT])


def ask(learner: Learner, texts: Vectors, rows: Vectors, kept: Vectors, asked: Vectors) -> tuple[Vectors, Vectors]:
    """Ranks of the true rows among those asked about, and among all."""
    seen, others = centred(texts, kept, asked)
    cosines = learner(seen, rows[kept], others) @ unit(rows).T
    return ranks(cosines[:, asked], np.arange(len(asked))), ranks(cosines, asked)


def centred(texts: Vectors, kept: Vectors, asked: Vectors) -> tuple[Vectors, Vectors]:
    """Text vectors of both, measured from the mean of those kept."""
    mean = texts[kept].mean(axis=0)
    return unit(texts[kept] - mean), unit(texts[asked] - mean)


def choose(name: str, texts: Vectors, rows: Vectors, kept: Vectors, seed: int, found: dict) -> dict:
    """The settings with the best mean reciprocal rank when classes are left out of those kept."""
    if name not in GRIDS:
        return {}
    splits = [split(kept, 1000 * (seed + 1) + number) for number in range(1 if name in ("gcn", "devise") else 3)]
    best = []
    for settings in GRIDS[name]:
        learner = make(name, settings)
        quality = np.mean([(1 / ask(learner, texts, rows, *inner)[0]).mean() for inner in splits])
        found[name, str(settings)].append(quality)
        best.append(quality)
    return GRIDS[name][int(np.argmax(best))]


def compare_rows(texts_of: dict[str, Vectors], rows: Vectors, seeds: int) -> None:
    print("| learner | texts | among 40: median, top-1, top-5 | among all 400: median, top-1, top-5 |")
    print("|---|---|---|---|")
    inner: dict[tuple[str, str], list[float]] = defaultdict(list)
    lines = ["\nsettings chosen on the inner splits, by seed:"]
    for kind, texts in texts_of.items():
        for name in NAMES:
            chosen, cells = [], [[], []]
            for seed in range(seeds):
                kept, asked = split(np.arange(len(rows)), seed)
                settings = choose(name, texts, rows, kept, seed, inner if kind == "definitions" else defaultdict(list))
                chosen.append(settings)
                for cell, found in zip(cells, ask(make(name, settings), texts, rows, kept, asked), strict=True):
                    cell.append((np.median(found), np.mean(found <= 1), np.mean(found <= 5)))
            print(f"| {name} | {kind} | {' | '.join(spread(np.array(cell)) for cell in cells)} |", flush=True)
            lines.append(f"  {name}, {kind}: {chosen}")
    print("\n".join(lines))
    print("\nmean reciprocal rank on the inner splits, definitions, mean over seeds:")
    for (name, settings), values in inner.items():
        print(f"  {name} {settings}: {np.mean(values):.3f}")


def spread(values: Vectors) -> str:
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    shares = [f"{100 * m:.0f} ± {100 * d:.0f} %" for m, d in zip(mean[1:], deviation[1:], strict=True)]
    return f"{mean[0]:.1f}, " + ", ".join(shares)


class Draw(NamedTuple):
    """Places of the classes kept and asked about, rows of the videos that show one of these, and which."""

    kept: Vectors
    candidates: Vectors
    rows: Vectors
    truth: Vectors


class Variant(NamedTuple):
    """How learned rows are used; the defaults are those of `Rows`."""

    name: str = ""
    own_rows: bool = True
    length: float = 1.0
    hubs: float = 0.0


VARIANTS = (
    Variant(),
    Variant(", learned rows for seen classes too", own_rows=False),
    Variant(", less a tenth of hubs", hubs=0.1),
    Variant(", less a fifth of hubs", hubs=0.2),
    Variant(", learned rows 1.25 times as long", length=1.25),
)


def score_by_rows(variant: Variant, said: Vectors, rows: Vectors, draw: Draw, stream: Vectors, unseen: int) -> Vectors:
    """Scores of the candidates in standard deviations of a video's scores, from rows that a learner said."""
    lengths = np.linalg.norm(rows, axis=1)
    seen = unit(rows[draw.kept])
    shares = np.linalg.lstsq(seen.T.astype(np.float64), said.T.astype(np.float64), rcond=1e-4)[0]
    shares *= variant.length * lengths[draw.kept].mean() / lengths[draw.kept][:, None]
    used = variant.length * said
    if variant.own_rows:
        for place in range(unseen, len(draw.candidates)):
            shares[:, place] = draw.kept == draw.candidates[place]
            used[place] = rows[draw.candidates[place]] / lengths.mean()
    near = np.sort(used @ seen.T, axis=1)[:, -10:].mean(axis=1)
    return stream @ shares / stream.std() - variant.hubs * near / COSINE_DEVIATION


def score_by_recipe(name: str, texts: Vectors, draw: Draw, stream: Vectors) -> Vectors:
    """Scores of the candidates by what `ConseEncoder` does."""
    ridge = None if "ConSE" in name else 0.3

    def recipe(scores: Vectors, kept: Vectors, classes: Vectors) -> Vectors:
        return carry(scores, kept, ridge=ridge) @ classes.T

    inputs = (stream.astype(np.float32), *centred(texts, draw.kept, draw.candidates))
    return (less_hubs(recipe) if ridge else recipe)(*inputs)


def compare_on_videos(
    texts: Vectors, rows: Vectors, logits: list[Vectors], labels: Vectors, count: int, learners: tuple[str, ...]
) -> None:
    found: dict[str, dict[int, list[Vectors]]] = defaultdict(lambda: {0: [], 50: []})
    likelihood: dict[str, list[Vectors]] = defaultdict(list)
    for unseen, seen in ((60, 0), (50, 50)):
        for parts in itertools.islice(draws(labels, unseen, seen), count):
            draw = Draw(*parts)
            streams = [stream[np.ix_(draw.rows, draw.kept)] for stream in logits]
            streams = [stream - stream.mean(axis=1, keepdims=True) for stream in streams]
            for name in ("ConSE with definitions", "i3d-minilm's recipe"):
                found[name][seen] += [ranks(score_by_recipe(name, texts, draw, s), draw.truth) for s in streams]
            for name in learners:
                near, others = centred(texts, draw.kept, draw.candidates)
                said = make(name, dict(SETTINGS.get(name, {"gamma": 0.0})))(near, rows[draw.kept], others)
                for variant in VARIANTS if name == "eszsl" else VARIANTS[:1]:
                    for stream in streams:
                        score = score_by_rows(variant, said, rows, draw, stream, unseen)
                        found[name + variant.name][seen].append(ranks(score, draw.truth))
                        if seen:
                            likelihood[name + variant.name].append(log_likelihood(score, draw.truth))
    print("\n| learner | 60 unseen: top-1, top-5 | 50 unseen + 50 seen: top-1, top-5 |\n|---|---|---|")
    for name, cells in found.items():
        both = [np.concatenate(cells[seen]) for seen in (0, 50)]
        print(f"| {name} | " + " | ".join(f"{(c <= 1).mean():.1%}, {(c <= 5).mean():.1%}" for c in both) + " |")
    print(f"({len(both[0])} and {len(both[1])} answers a row)")
    print("\nmean log-probability of the true class (mixed), by scale, in standard deviations of a video's 400 scores:")
    for name, values in likelihood.items():
        means = np.concatenate(values).mean(axis=0)
        print(f"  {name}: " + ", ".join(f"{s:g}: {value:.3f}" for s, value in zip(SCALES, means, strict=True)))


def log_likelihood(scores: Vectors, truth: Vectors) -> Vectors:
    """Log-probability of the true class for each scale of the softmax ``[N, scales]``."""
    columns = []
    for scale in SCALES:
        shifted = scale * (scores - scores.max(axis=1, keepdims=True))
        logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        columns.append(np.take_along_axis(logp, truth[:, None], axis=1)[:, 0])
    return np.stack(columns, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scores", type=Path, nargs="?", help="npz with rgb and flow [100, 400] and label [100]")
    parser.add_argument("--seeds", type=int, default=5, help="how often 40 classes are left out; 0 leaves that away")
    parser.add_argument("--draws", type=int, default=10, help="how often classes are left out for videos")
    parser.add_argument("--learners", default=",".join(NAMES[1:]), help="of the comparison on videos")
    settings = parser.parse_args()

    weights, bias = i3d.classifier(i3d.load())
    rows = np.concatenate([weights, bias[:, None]], axis=1)
    sentences = ConseEncoder(plain=True)._sentences
    space = ClassSpace(read_vocabulary("kinetics400"))
    texts_of = {
        "bare names": sentences(list(space.names)),
        "definitions": sentences([texts[0] for texts in with_definitions(space).texts]),
    }
    if settings.seeds:
        compare_rows(texts_of, rows, settings.seeds)
    if settings.scores:
        data = np.load(settings.scores)
        logits = [np.log(data[stream] + 1e-8) for stream in ("rgb", "flow")]
        logits.append(np.log((data["rgb"] + data["flow"]) / 2 + 1e-8))
        learners = tuple(settings.learners.split(","))
        compare_on_videos(texts_of["definitions"], rows, logits, data["label"], settings.draws, learners)


if __name__ == "__main__":
    main()
