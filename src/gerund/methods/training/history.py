"""What training leaves: how each epoch went, and the weights of those that were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from gerund.errors import UsageError
from gerund.methods.training.run_folder import Weights, read_tensors


@dataclass(frozen=True)
class Epoch:
    """What one pass over the examples came to.

    Attributes:
        number: epochs done when it ended, from 1.
        loss: mean over its examples.
        validation: what `validate` said after it, higher is better; None where it was not asked.
    """

    number: int
    loss: float
    validation: float | None


@dataclass(frozen=True)
class History:
    """How training went.

    Attributes:
        epochs: all of them, in order.
        kept: number of the epoch whose weights the network has now.
        snapshots: with ``keep="all"`` the weights of each candidate, or the file that has them, by number of epoch.
    """

    epochs: tuple[Epoch, ...]
    kept: int
    snapshots: Mapping[int, Weights | Path] = field(default_factory=dict)

    def weights(self, number: int, *, last: int = 1) -> Weights:
        """What was learned when so many epochs were done; `load_learned` puts it into the network.

        Args:
            number: of the epoch.
            last: the mean of that candidate and those before it, so many in all; fewer where there are not as many.

        Raises:
            UsageError: that epoch was not kept, or `last` is below 1.
        """
        if number not in self.snapshots:
            raise UsageError(f"epoch {number} was not kept; there are {', '.join(map(str, self.snapshots)) or 'none'}")
        if last < 1:
            raise UsageError(f"the mean of {last} epochs is not one; ask for 1 or more")
        numbers = sorted(each for each in self.snapshots if each <= number)[-last:]
        found = [self.snapshots[each] for each in numbers]
        return average([read_tensors(each) if isinstance(each, Path) else each for each in found])


def average(states: Sequence[Weights]) -> Weights:
    """The mean of several states of one network, by name; of whole numbers, such as counters, the last.

    Example:
        >>> average([{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 6.0])}])["w"].tolist()
        [2.0, 4.0]

    Source: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018. The
        statistics of batch norms are averaged too, where the paper measures them anew.
    """
    last = states[-1]
    if len(states) == 1:
        return last
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(tensor.dtype)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in last.items()
    }


def learned(network: nn.Module) -> Weights:
    """What training changes: trainable parameters and buffers, by name; they share memory with the network."""
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    return {name: tensor.detach() for name, tensor in network.state_dict().items() if name not in frozen}


def load_learned(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Puts what `learned` gave into a network that was built alike; nothing else changes.

    Raises:
        UsageError: the names are not those of the network.
    """
    if set(weights) != set(learned(network)):
        raise UsageError(f"weights of {sorted(weights)} do not fit a network of {sorted(learned(network))}")
    network.load_state_dict(dict(weights), strict=False)
