"""A world small enough to run every method in a second: Gaussian classes with a hidden map from texts to videos.

Each class has a text vector; a hidden linear map turns it into the centre of its videos. So unseen classes can be
recognised by whoever learns the map from seen ones, and a method that does no better than chance is broken. It says
nothing about how well a method recognises real actions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.encoders.base import unit
from gerund.examples import Inputs
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, FloatArray64, Track


@dataclass(frozen=True)
class ToyWorld:
    """Classes, texts and videos drawn from a seed.

    Args:
        num_seen: classes with training videos, in every split.
        num_unseen: classes without.
        num_videos: videos of each class; of seen ones the last fifth is never trained on.
        dim: length of video vectors.
        dim_text: length of text vectors.
        noise: spread of a video about the centre of its class, per dimension; centres have spread 1.
        num_splits: class splits, each drawn anew from all classes.
        seed: of everything.

    Example:
        >>> world = ToyWorld(num_seen=4, num_unseen=2, num_videos=5)
        >>> len(world.listing), len(world.benchmark.splits), world.benchmark.task
        (30, 3, 'recognition')
        >>> len(ToyWorld().listing), len(ToyWorld().names)  # the world that 'gerund evaluate --on toyworld' asks about
        (560, 56)
    """

    num_seen: int = 40
    num_unseen: int = 16
    num_videos: int = 10
    dim: int = 64
    dim_text: int = 32
    noise: float = 1.0
    num_splits: int = 3
    seed: int = 0

    fingerprint: str = "toyworld"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Class names, made of syllables so that no two are alike."""
        syllables = [first + second for first in "bdfgklmnprst" for second in "aeiou"]
        count = self.num_seen + self.num_unseen
        return tuple(f"{syllables[i // 60 % 60]}{syllables[i % 60]}{syllables[i * 7 % 60]}ing" for i in range(count))

    @cached_property
    def listing(self) -> Listing:
        """Every video with its label; ``"test1"`` holds the last fifth of each class."""
        held = max(1, self.num_videos // 5)
        videos = [
            ListedVideo(f"toy{place:03d}_{number:03d}", name, lists=_on_test(number >= self.num_videos - held))
            for place, name in enumerate(self.names)
            for number in range(self.num_videos)
        ]
        return Listing("toyworld", tuple(videos))

    @cached_property
    def benchmark(self) -> Benchmark:
        """Recognition of unseen classes over the class splits."""
        return Benchmark("toyworld", "recognition", "toyworld", "toyworld", self._splits(""), source="made up")

    @cached_property
    def generalised(self) -> Benchmark:
        """Recognition of seen test videos and unseen ones among all classes."""
        name = "toyworld-gzsl"
        return Benchmark(name, "generalised", "toyworld", "toyworld", self._splits("test1"), source="made up")

    @cached_property
    def closed(self) -> Benchmark:
        """Closed-set: test videos of the classes that were trained on, all of them, in one split."""
        splits = (Split("0", self.names, (), test_list="test1"),)
        return Benchmark("toyworld-closed", "closed-set", "toyworld", "toyworld", splits, source="made up")

    def _splits(self, test_list: str) -> tuple[Split, ...]:
        random = np.random.default_rng(self.seed + 1)
        splits = []
        for number in range(self.num_splits):
            order = [self.names[place] for place in random.permutation(len(self.names))]
            splits.append(
                Split(
                    str(number),
                    tuple(sorted(order[: self.num_seen])),
                    tuple(sorted(order[self.num_seen :])),
                    test_list=test_list,
                )
            )
        return tuple(splits)

    @cached_property
    def _draw(self) -> tuple[FloatArray64, FloatArray64]:
        random = np.random.default_rng(self.seed)
        texts = random.standard_normal((len(self.names), self.dim_text))
        centres = texts @ random.standard_normal((self.dim_text, self.dim)) / np.sqrt(self.dim_text)
        noise = random.standard_normal((len(self.names), self.num_videos, self.dim)) * self.noise
        return texts, (centres[:, None] + noise).reshape(-1, self.dim)

    def encode_classes(self, classes: ClassSpace) -> FloatArray:
        """The text vectors of its classes ``[C, dim_text]``, of unit length: the world is its own ClassEncoder."""
        places = {name: place for place, name in enumerate(self.names)}
        return unit(np.asarray(self._draw[0][[places[name] for name in classes.names]], np.float32))

    def ids(self) -> Sequence[str]:
        """Names of all videos: the world is its own store of features."""
        return [video.video for video in self.listing]

    def tracks(self, ids: Sequence[str]) -> Sequence[Track]:
        """Tracks of one vector each, in the order asked for."""
        rows = {video.video: row for row, video in enumerate(self.listing)}
        return Inputs.of(np.asarray(self._draw[1][[rows[video] for video in ids]], np.float32))

    def describe(self) -> dict[str, object]:
        """What the features are, for reports."""
        return {"encoder": "toyworld", "fingerprint": self.fingerprint, "sampling": "none", "dim": self.dim}


def _on_test(tested: bool) -> frozenset[str]:
    return frozenset({"test1"} if tested else ())


def _small(seed: int) -> tuple[ToyWorld, Benchmark]:
    world = ToyWorld(seed=seed)
    return world, world.benchmark


def _generalised(seed: int) -> tuple[ToyWorld, Benchmark]:
    world = ToyWorld(seed=seed)
    return world, world.generalised


def _closed(seed: int) -> tuple[ToyWorld, Benchmark]:
    world = ToyWorld(seed=seed)
    return world, world.closed


def _large(seed: int) -> tuple[ToyWorld, Benchmark]:
    """As many classes and as long vectors as Elaborative Rehearsal's Kinetics benchmark has."""
    world = ToyWorld(num_seen=400, num_unseen=160, num_videos=20, dim=2048, dim_text=300, noise=5.0, seed=seed)
    return world, replace(world.benchmark, name="toyworld-large")


TOYWORLDS: dict[str, Callable[[int], tuple[ToyWorld, Benchmark]]] = {
    "toyworld": _small,
    "toyworld-gzsl": _generalised,
    "toyworld-closed": _closed,
    "toyworld-large": _large,
}
"""The benchmarks of toy worlds by name, made from a seed."""
