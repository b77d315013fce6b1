"""In which order examples are learned from: known beforehand, so that what reads them can be ahead of the training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gerund.types import IntArray

_ORDER = 0


def epoch_order(num_examples: int, seed: int, epoch: int) -> Tensor:
    """The places of all examples in the order of one epoch, int64 ``[N]``.

    Args:
        num_examples: how many there are.
        seed: of the run.
        epoch: its number, from 1.
    """
    state = int(np.random.SeedSequence((seed, _ORDER, epoch)).generate_state(1, np.uint64)[0] >> 1)
    return torch.randperm(num_examples, generator=torch.Generator().manual_seed(state))


def training_batches(
    num_examples: int, batch: int, *, seed: int, epochs: int, drop_last: bool = False, accumulate: int = 1
) -> Iterator[IntArray]:
    """Every batch that the loss of a run of `fit_network` with the same settings is told, in order.

    A loss that takes clips asks ``clips.take(places)`` for those of its batch, which were decoded meanwhile.

    Args:
        num_examples: how many there are.
        batch: examples a step.
        seed: of the run.
        epochs: passes over the examples.
        drop_last: a last batch that is smaller is left out.
        accumulate: a batch is gone through in so many parts, each of which comes for itself.
    """
    for epoch in range(1, epochs + 1):
        for places in epoch_order(num_examples, seed, epoch).split(batch):
            if len(places) == batch or not drop_last:
                for part in places.chunk(accumulate):
                    yield part.numpy()
