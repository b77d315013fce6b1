"""Which way from I3D-like scores to unseen actions is best, measured by leaving Kinetics classes out.

    python benchmarks/leave_out.py ../shared/data/predictions/k400_tsn_100val_scores.npz

The file holds real 400-way scores (TSN, RGB and flow) of 100 Kinetics validation videos. Three questions are asked of
each recipe; no labelled clip outside these 100 videos is looked at:

* one out: the true class's column is dropped, and its name ranked among all 400. The 399 others are seen, so a place
  near the top is the best one can hope for.
* unseen: 60 random classes are dropped, and the true name ranked among those 60; 40 draws.
* mixed: 50 random classes are dropped, and the true name ranked among them and 50 seen ones; 40 draws.
* seen: nothing is dropped; the price that a recipe pays on known classes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gerund.encoders.base import unit
from gerund.encoders.conse import ConseEncoder, carry
from gerund.text.classes import ClassSpace, read_vocabulary
from gerund.text.descriptions import with_definitions

DRAWS = 40
SCALES = (8.0, 10.0, 12.0, 15.0, 18.0, 20.0, 25.0)
Recipe = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def ranks(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    own = np.take_along_axis(scores, truth[:, None], axis=1)
    return 1 + (scores > own).sum(axis=1)


def draws(labels: np.ndarray, num_unseen: int, num_seen: int):
    """Random choices of unseen classes: kept columns, candidates, rows whose class is a candidate, its place."""
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(400)
        candidates = order[: num_unseen + num_seen]
        kept = np.sort(order[num_unseen:])
        rows = np.flatnonzero(np.isin(labels, candidates))
        place = {int(c): i for i, c in enumerate(candidates)}
        yield kept, candidates, rows, np.array([place[int(c)] for c in labels[rows]])


def measure(recipe: Recipe, texts: np.ndarray, logits: list[np.ndarray], labels: np.ndarray) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {"one out": [], "unseen": [], "mixed": [], "seen": []}
    for scores in logits:
        found["seen"].append(ranks(recipe(scores, texts, texts), labels))
        for row, label in enumerate(labels):
            kept = np.delete(np.arange(400), label)
            answer = recipe(scores[row : row + 1, kept], texts[kept], texts)
            found["one out"].append(ranks(answer, np.array([label])))
        for name, unseen, seen in (("unseen", 60, 0), ("mixed", 50, 50)):
            for kept, candidates, rows, truth in draws(labels, unseen, seen):
                answer = recipe(scores[np.ix_(rows, kept)], texts[kept], texts[candidates])
                found[name].append(ranks(answer, truth))
    return {name: np.concatenate(values) for name, values in found.items()}


def log_likelihood(
    recipe: Recipe, texts: np.ndarray, logits: list[np.ndarray], labels: np.ndarray
) -> dict[float, float]:
    """Mean log-probability of the true class in the mixed setting, for each scale of the softmax."""
    total: dict[float, list[float]] = {scale: [] for scale in SCALES}
    for scores in logits:
        for kept, candidates, rows, truth in draws(labels, 50, 50):
            answer = recipe(scores[np.ix_(rows, kept)], texts[kept], texts[candidates])
            for scale in SCALES:
                shifted = scale * (answer - answer.max(axis=1, keepdims=True))
                logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
                total[scale] += np.take_along_axis(logp, truth[:, None], axis=1)[:, 0].tolist()
    return {scale: float(np.mean(values)) for scale, values in total.items()}


def less_hubs(recipe: Recipe) -> Recipe:
    def corrected(scores: np.ndarray, kept: np.ndarray, classes: np.ndarray) -> np.ndarray:
        nearest = np.sort(classes @ kept.T, axis=1)[:, -10:]
        return recipe(scores, kept, classes) - nearest.mean(axis=1) / 2

    return corrected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scores", type=Path, help="npz with rgb and flow [100, 400] and label [100]")
    data = np.load(parser.parse_args().scores)
    labels = data["label"]
    logits = [np.log(data[stream] + 1e-8) for stream in ("rgb", "flow")]
    logits.append(np.log((data["rgb"] + data["flow"]) / 2 + 1e-8))

    sentences = ConseEncoder(plain=True)._sentences
    space = ClassSpace(read_vocabulary("kinetics400"))
    names = sentences(list(space.names))
    defined = sentences([texts[0] for texts in with_definitions(space).texts])
    centred = unit(defined - defined.mean(axis=0))

    def conse(scores: np.ndarray, kept: np.ndarray, classes: np.ndarray) -> np.ndarray:
        return carry(scores, kept, ridge=None) @ classes.T

    def default(scores: np.ndarray, kept: np.ndarray, classes: np.ndarray) -> np.ndarray:
        return carry(scores, kept) @ classes.T

    rows = [
        ("plain ConSE, bare names", conse, names),
        ("+ definitions", conse, defined),
        ("+ centring", conse, centred),
        ("+ ridge", default, centred),
        ("+ hub correction (the default)", less_hubs(default), centred),
    ]
    print(
        "| recipe | one out: top-5, median | 60 unseen: top-1, top-5 | 50 + 50: top-1, top-5 | 400 seen: top-1, top-5 |"
    )
    print("|---|---|---|---|---|")
    for name, recipe, texts in rows:
        found = measure(recipe, texts, logits, labels)
        cells = [f"{np.mean(found['one out'] <= 5):.1%}, {np.median(found['one out']):.0f}"]
        cells += [
            f"{np.mean(found[key] <= 1):.1%}, {np.mean(found[key] <= 5):.1%}" for key in ("unseen", "mixed", "seen")
        ]
        print(f"| {name} | {' | '.join(cells)} |")

    print("\nmean log-probability of the true class (mixed), by logit scale:")
    for name, recipe, texts in (rows[0], rows[-1]):
        values = log_likelihood(recipe, texts, logits, labels)
        print(f"  {name}: " + ", ".join(f"{scale:g}: {value:.3f}" for scale, value in values.items()))

    print("\ncosine of a Kinetics label to the nearest other label:")
    bare = unit(names - defined.mean(axis=0))
    for name, vectors in (("with definitions", centred), ("bare names", bare)):
        cosines = vectors @ centred.T
        np.fill_diagonal(cosines, -1)
        nearest = cosines.max(axis=1)
        shares = ", ".join(f"{share:.0%}: {np.quantile(nearest, share):.2f}" for share in (0.01, 0.02, 0.05, 0.1, 0.5))
        print(f"  {name}: {shares}")


if __name__ == "__main__":
    main()
