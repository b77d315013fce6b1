"""What methods share that learn a few matrices by gradient: the settings of training, and the choice of an epoch."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from gerund.encoders.engines import require
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.base import ClassEncoder
from gerund.methods.training.schedule import ScheduleName, make_schedule, steps_of_epoch
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray

NOT_SETTINGS = frozenset(("device", "folder", "progress"))
"""Constructor arguments that say where a method computes and whom it tells, not what it is."""


@dataclass(eq=False)
class Learner:
    """Base of the trained recognizers; the file of each holds its equations.

    Training needs PyTorch, scoring only NumPy. The defaults suit some thousand videos.

    Args:
        texts: turns classes into vectors.
        epochs: passes over the training videos.
        batch: videos a step.
        lr: the highest learning rate.
        schedule: how it changes: ``"exponential"`` warm-up from ``lr / batch`` and half a cosine, linear warm-up from 0
            and half a ``"cosine"``, or linear warm-up and a fall to a tenth at each ``"step"``.
        warmup_steps: steps until it is reached.
        period_steps: the step at which it is 0 again, None for the end of training; or the steps between two falls,
            None for a third of training.
        weight_decay: L2 regularisation.
        decay_vectors: False spares vectors, such as biases, and norms.
        clip: longest gradient.
        choose_every: epochs between the checkpoints to choose from.
        average_last: the weights are the mean of so many checkpoints, the last ones up to the one that is taken.
        drop_last: leave out the last batch of an epoch where it is smaller.
        accumulate: compute each batch in so many parts, for less memory.
        seed: of everything random.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``, for training.
        folder: for checkpoints and a log; a run that was stopped goes on from there. None writes nothing.
        progress: called with the number of steps done, the number in all, and the last loss.

    Attributes:
        stop_epoch: `fit` ends after this epoch of its schedule; None for all of them.
        weights_: what was learned, float32 arrays by name; empty before `fit`.
        losses_: mean loss of each epoch.
    """

    takes: ClassVar[str] = "vector"

    texts: ClassEncoder
    _: KW_ONLY
    epochs: int = 100
    batch: int = 128
    lr: float = 1e-3
    warmup_steps: int = 0
    period_steps: int | None = None
    schedule: ScheduleName = "exponential"
    weight_decay: float = 0.0
    decay_vectors: bool = True
    clip: float = 10.0
    choose_every: int = 5
    average_last: int = 1
    drop_last: bool = False
    accumulate: int = 1
    seed: int = 2020
    device: str = "auto"
    folder: Path | None = None
    progress: Callable[[int, int, float], None] | None = None
    stop_epoch: int | None = field(init=False, repr=False, default=None)
    weights_: dict[str, FloatArray] = field(init=False, repr=False, default_factory=dict)
    losses_: list[float] = field(init=False, repr=False, default_factory=list)
    _history: Any = field(init=False, repr=False, default=None)

    def score(self, inputs: Inputs, classes: ClassSpace) -> FloatArray:
        """Scores ``[N, C]``, higher is better."""
        raise NotImplementedError

    def choose(self, held_out: Examples, classes: ClassSpace) -> Self:
        """Keeps the epoch that names most of the held-out videos right, the first of equals; may be called again.

        Raises:
            UsageError: there are no epochs to choose from.
        """
        if not (numbers := self.checkpoints()):
            raise UsageError("there is nothing to choose from: call fit first; what was loaded has been chosen already")
        best = (-1.0, 0)
        for number in numbers:
            self.take_checkpoint(number)
            right = self.score(held_out.inputs, classes).argmax(axis=1) == held_out.labels
            best = max(best, (float(right.mean()), number), key=lambda pair: pair[0])
        return self.take_checkpoint(best[1])

    def checkpoints(self) -> Sequence[int]:
        """Numbers of the epochs that can be taken, in order."""
        return () if self._history is None else tuple(self._history.snapshots)

    def take_checkpoint(self, number: int) -> Self:
        """Answers from now on with what was learned when so many epochs were done."""
        weights = self._history.weights(number, last=self.average_last)
        self.restore({name: tensor.numpy() for name, tensor in weights.items()})
        return self

    def state(self) -> Mapping[str, np.ndarray]:
        """The arrays that were learned, by name."""
        return self.weights_

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes up what `state` gave."""
        self.weights_ = {name: np.asarray(array, np.float32) for name, array in state.items()}

    def _device(self) -> Any:
        """Where training computes.

        Raises:
            UsageError: PyTorch is not installed, or has no such device.
        """
        require("torch", f"{type(self).__name__} learns with PyTorch, which")
        from gerund.methods.training.processes import find_device

        return find_device(self.device)

    def _train(
        self,
        build: Callable[[], Any],
        loss: Callable[[Any, Any], Any],
        num_examples: int,
        data: Callable[[], Mapping[str, object]],
    ) -> Self:
        """Trains what `build` makes.

        Args:
            build: makes the network; PyTorch's generator is seeded.
            loss: from the network and places of examples, int64 ``[B]``, to their mean loss.
            num_examples: how many examples there are.
            data: by what they can be told from others; asked only where there is a folder.
        """
        import torch

        from gerund.methods.training.fitting import fit_network
        from gerund.methods.training.parameters import SPARE_VECTORS

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = build()
        epochs = self.epochs if self.stop_epoch is None else self.stop_epoch
        self._history = fit_network(
            network,
            lambda places, generator: loss(network, places),
            num_examples,
            epochs=epochs,
            batch=self.batch,
            schedule=make_schedule(
                self.schedule,
                self.lr,
                warmup_steps=self.warmup_steps,
                period_steps=self.period_steps,
                batch=self.batch,
                num_steps=self.epochs * steps_of_epoch(num_examples, self.batch, drop_last=self.drop_last),
            ),
            weight_decay=self.weight_decay,
            rules=() if self.decay_vectors else (SPARE_VECTORS,),
            clip=self.clip,
            seed=self.seed,
            device=self.device,
            folder=self.folder,
            settings={"method": type(self).__name__, **_settings(self), **data()} if self.folder else None,
            validate_every=self.choose_every,
            progress=self.progress,
            keep="all",
            drop_last=self.drop_last,
            accumulate=self.accumulate,
        )
        self.losses_ = [epoch.loss for epoch in self._history.epochs]
        return self.take_checkpoint(epochs)

    def _learned(self) -> dict[str, FloatArray]:
        if not self.weights_:
            raise UsageError(f"{type(self).__name__} has learned nothing yet; call fit, or load what was saved")
        return self.weights_


def require_examples(examples: Examples | None, classes: ClassSpace, who: str) -> Examples:
    """Refuses to learn from nothing, or from labels of other classes.

    Raises:
        UsageError: there are no examples, or one is of none of the classes.
    """
    if examples is None or not len(examples):
        raise UsageError(f"{who} learns from examples of seen classes, and there are none")
    least, most = int(examples.labels.min()), int(examples.labels.max())
    if least < 0 or most >= len(classes):
        raise UsageError(f"labels are places among {len(classes)} classes, from 0 on; got {least} to {most}")
    return examples


def data_card(texts: ClassEncoder, examples: Examples, classes: ClassSpace) -> dict[str, object]:
    """What a run learns from, in hashes: equal for equal videos, labels and class vectors."""
    vectors = np.ascontiguousarray(examples.inputs.vectors)
    return {
        "texts": texts.fingerprint,
        "classes": hashlib.sha256(repr((classes.names, classes.texts)).encode()).hexdigest(),
        "videos": hashlib.sha256(vectors.data).hexdigest(),
        "labels": hashlib.sha256(np.ascontiguousarray(examples.labels).data).hexdigest(),
    }


def _settings(method: Learner) -> dict[str, object]:
    """Its constructor arguments but for those that are no settings, and those that `fit_network` notes itself."""
    schedule = {"schedule", "lr", "warmup_steps", "period_steps"}
    noted = {"texts", "rows", "epochs", "batch", "weight_decay", "clip", "seed", "choose_every"}
    noted |= {"decay_vectors", "drop_last", "accumulate", "average_last"}  # the last does not change a step
    names = set(inspect.signature(type(method)).parameters) - NOT_SETTINGS - schedule - noted
    return {name: getattr(method, name) for name in sorted(names)}
