"""Classes whose videos lie about a hidden linear image of their texts: whoever learns the map knows unseen classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gerund.encoders.table import VectorTable
from gerund.examples import Examples, Inputs
from gerund.text.classes import ClassSpace


class World(NamedTuple):
    """Texts for all classes, rows of a classifier for the seen ones, and videos of either."""

    texts: VectorTable
    rows: VectorTable
    seen: ClassSpace
    train: Examples
    unseen: ClassSpace
    test: Examples

    def accuracy(self, method):
        """Share of unseen videos that the method names right among the unseen classes."""
        return float((method.score(self.test.inputs, self.unseen).argmax(1) == self.test.labels).mean())


def hidden_map(*, seen=60, unseen=30, videos=12, dim=48, dim_text=16, noise=0.5, seed=0):
    """Gaussian classes; videos are positive on the whole, as features after a ReLU are, where `noise` is small."""
    random = np.random.default_rng(seed)
    texts = random.standard_normal((seen + unseen, dim_text))
    centres = texts @ random.standard_normal((dim_text, dim)) / np.sqrt(dim_text)
    names = [f"class {number}" for number in range(seen + unseen)]

    def draw(places):
        labels = np.repeat(np.arange(len(places)), videos)
        found = centres[places][labels] + noise * random.standard_normal((len(labels), dim))
        return Examples(Inputs.of(found.astype(np.float32)), labels)

    train, test = draw(np.arange(seen)), draw(np.arange(seen, seen + unseen))
    means = train.inputs.vectors.reshape(seen, videos, dim).mean(1)
    return World(
        VectorTable(names, texts),
        VectorTable(names[:seen], means),
        ClassSpace(tuple(names[:seen])),
        train,
        ClassSpace(tuple(names[seen:])),
        test,
    )


def shuffled(classes, examples, order):
    """The same classes in another order, and the same examples with labels that say so."""
    place_of = np.argsort(order)
    return ClassSpace(tuple(classes.names[place] for place in order)), Examples(
        examples.inputs, place_of[examples.labels]
    )
