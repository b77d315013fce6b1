"""A small toy world to run methods on: its lists, its features, and a method that learns its map."""

from __future__ import annotations

import numpy as np

from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.runs.material import Material
from gerund.bench.runs.toyworld import ToyWorld

WORLD = ToyWorld(num_seen=12, num_unseen=6, num_videos=5)
MATERIAL = Material(WORLD.listing, WORLD.listing, WORLD, WORLD)
SEEN, REST = WORLD.names[:12], WORLD.names[12:]
SHARED = Benchmark(
    "shared", "recognition", "toyworld", "toyworld", (Split("0", SEEN, REST[:3]), Split("1", SEEN, REST[3:]))
)
"""Two splits that learn from the same videos and ask about others."""


def never(name):
    raise AssertionError(f"{name} was to be loaded")


class Least:
    """Least squares from video vectors to text vectors."""

    takes = "vector"

    def __init__(self, ridge=1.0):
        self.ridge = ridge

    def fit(self, examples, classes):
        x, y = examples.inputs.vectors.astype(float), WORLD.encode_classes(classes)[examples.labels]
        self.map_ = np.linalg.solve(x.T @ x + self.ridge * np.eye(x.shape[1]), x.T @ y)
        return self

    def score(self, inputs, classes):
        return inputs.vectors @ self.map_ @ WORLD.encode_classes(classes).T


class Of:
    """Features that say something else of themselves, or that lack videos."""

    def __init__(self, lacking=(), **said):
        self.said, self.lacking = said, set(lacking)

    def ids(self):
        return [video for video in WORLD.ids() if video not in self.lacking]

    def tracks(self, ids):
        return WORLD.tracks(ids)

    def describe(self):
        return {**WORLD.describe(), **self.said}


def localization():
    """Two unseen classes, and one video with both."""
    video = ListedVideo("v", "Jump", subset="test", segments=((0.0, 1.0, "Jump"), (1.0, 2.0, "ShotPut")))
    split = Split("0", (), ("Jump", "ShotPut"))
    listing = Listing("thumos14", (video,))
    return Benchmark("l", "localization", "thumos14", "thumos14", (split,), test_subset="test", tious=(0.5,)), listing
