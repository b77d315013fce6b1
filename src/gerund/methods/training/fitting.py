"""The one training loop: every method that learns by gradient gives it a network and a loss.

All randomness of a step, dropout included, follows from the seed and the number of the step, and the order of an epoch
from the seed and the number of the epoch. So a run that was killed goes on from its last checkpoint as if nothing had
happened: on a processor the weights come out equal to the last bit.

Under ``torchrun`` the processes share each batch, so that their number changes the rounding and the dropout, not the
method. A loss that looks at the whole batch, as one over its concepts does, sees only the share.

Source: the released code of Chen and Huang, "Elaborative Rehearsal for Zero-Shot Action Recognition", ICCV 2021, for
the optimiser, clipping and seed. There every device has a batch of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from gerund.errors import GerundError, UsageError
from gerund.methods.training.order import epoch_order
from gerund.methods.training.processes import Processes
from gerund.methods.training.run_folder import RunFolder, Weights, read_tensors
from gerund.methods.training.schedule import RateSchedule, Schedule

__all__ = ["Epoch", "Group", "History", "Loss", "Schedule", "StepProgress", "fit_network", "learned", "load_learned"]

Loss = Callable[[Tensor, torch.Generator], Tensor]
"""From the places of a batch, int64 ``[B]`` on the processor, and a generator on the processor to their mean loss."""

StepProgress = Callable[[int, int, float], None]
"""Called now and then with the number of steps done, the number in all, and the last loss."""

_LOG_STEPS = 50
_DRAWS, _DROPOUT = 1, 2  # 0 is of the order


@dataclass(frozen=True)
class Group:
    """How one sub-module is trained.

    Attributes:
        weight_decay: instead of that of the run; None keeps it.
        lr_mult: factor on the learning rate.
        freeze: not trained at all.
    """

    weight_decay: float | None = None
    lr_mult: float = 1.0
    freeze: bool = False


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

    def weights(self, number: int) -> Weights:
        """What was learned when so many epochs were done; `load_learned` puts it into the network.

        Raises:
            UsageError: that epoch was not kept.
        """
        if number not in self.snapshots:
            raise UsageError(f"epoch {number} was not kept; there are {', '.join(map(str, self.snapshots)) or 'none'}")
        found = self.snapshots[number]
        return read_tensors(found) if isinstance(found, Path) else found


def fit_network(
    network: nn.Module,
    loss: Loss,
    num_examples: int,
    *,
    epochs: int,
    batch: int,
    schedule: RateSchedule,
    groups: Mapping[str, Group] | None = None,
    weight_decay: float = 0.0,
    optimizer: Literal["adam", "adamw"] = "adam",
    clip: float | None = 10.0,
    seed: int = 2020,
    device: str = "cpu",
    amp: bool = False,
    folder: Path | None = None,
    settings: Mapping[str, object] | None = None,
    validate: Callable[[nn.Module], float] | None = None,
    validate_every: int = 1,
    checkpoint_steps: int = 0,
    resume: bool = True,
    progress: StepProgress | None = None,
    keep: Literal["last", "best", "all"] = "last",
) -> History:
    """Trains a network in place.

    Args:
        network: what is trained; it is moved to `device`. Parameters that need no gradient stay as they are.
        loss: the mean loss of a batch of examples. It holds no state, and takes randomness from its generator or from
            PyTorch's own, which is seeded for every step.
        num_examples: how many examples there are.
        epochs: passes over the examples. A folder's run may be called again with more.
        batch: examples a step; the last one of an epoch may be smaller. Several processes share each batch.
        schedule: the learning rate of each step.
        groups: by name of a sub-module how it is trained; where several fit, the longest counts.
        weight_decay: of whatever no group says otherwise for.
        optimizer: ``"adam"`` adds weight decay to the gradient, as L2 regularisation does; ``"adamw"`` shrinks weights.
        clip: longest gradient, over all parameters; None never clips.
        seed: decides all randomness.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``; under ``torchrun`` each process takes a CUDA device of its own.
        amp: compute in bfloat16 where that is safe; the weights stay float32.
        folder: where the settings, ``log.csv`` and checkpoints go; None writes nothing.
        settings: whatever else decides the result, such as hashes of the data; what JSON can hold.
        validate: how good the network is, higher is better; called in evaluation mode without gradients.
        validate_every: epochs between candidates. Each is validated, kept where `keep` says so, and checkpointed; the
            last epoch is always one.
        checkpoint_steps: also write a checkpoint every so many steps; 0 for none.
        resume: go on from the folder's last checkpoint; False throws it away.
        progress: told how far it is.
        keep: what the network has in the end: the ``"last"`` weights, or those of the ``"best"`` validation, the first
            of equals. ``"all"`` ends with the last ones and keeps every candidate.

    Raises:
        UsageError: a setting cannot be right, or the folder belongs to a run with other settings.
        GerundError: the loss, its gradient or the validation is not a finite number.
    """
    if num_examples < 1 or epochs < 1 or batch < 1 or validate_every < 1 or checkpoint_steps < 0 or seed < 0:
        raise UsageError(
            "num_examples, epochs, batch and validate_every must be at least 1, checkpoint_steps and seed at least 0, "
            f"got {num_examples}, {epochs}, {batch}, {validate_every}, {checkpoint_steps} and {seed}"
        )
    if keep == "best" and validate is None:
        raise UsageError("keep='best' needs validate, which says how good a network is")
    given = {
        "num_examples": num_examples,
        "batch": batch,
        "schedule": repr(schedule),
        "groups": {name: asdict(group) for name, group in (groups or {}).items()},
        "weight_decay": weight_decay,
        "optimizer": optimizer,
        "clip": clip,
        "seed": seed,
        "amp": amp,
        "validate_every": validate_every,
        "keep": keep,
        **(settings or {}),
    }
    with Processes(device) as processes:
        network.to(processes.device)
        options = _parameter_groups(network, groups or {}, weight_decay)
        adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimizer](options, lr=schedule.lr_at(0))
        run_folder = None
        if folder is not None and processes.rank == 0:
            shapes = {name: list(tensor.shape) for name, tensor in learned(network).items()}
            given |= {"learned": shapes, "processes": processes.size}
            run_folder = RunFolder(folder, given, resume=resume)
        run = _Run(network, loss, adam, schedule, num_examples, batch, clip, seed, amp, processes, run_folder, progress)
        run.restore()
        cuda = [processes.device] if processes.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            return run.train(epochs, validate, validate_every, checkpoint_steps, keep)


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


@dataclass
class _Run:
    """One run: where it stands, and how it goes on."""

    network: nn.Module
    loss: Loss
    optimizer: Any
    schedule: RateSchedule
    num_examples: int
    batch: int
    clip: float | None
    seed: int
    amp: bool
    processes: Processes
    folder: RunFolder | None
    progress: StepProgress | None

    step: int = 0
    loss_sum: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)
    best: Weights = field(default_factory=dict)
    snapshots: dict[int, Weights | Path] = field(default_factory=dict)
    pending: list[tuple[int, float, int, Tensor, Tensor]] = field(default_factory=list)

    def train(
        self, epochs: int, validate: Callable[[nn.Module], float] | None, every: int, checkpoint_steps: int, keep: str
    ) -> History:
        """Goes on from where it stands to the end."""
        per_epoch = math.ceil(self.num_examples / self.batch)
        total = epochs * per_epoch
        if self.step > total:
            raise UsageError(f"the folder's run is past {epochs} epochs already; ask for more or take another folder")
        while self.step < total:
            number, place = self.step // per_epoch + 1, self.step % per_epoch
            order = epoch_order(self.num_examples, self.seed, number)
            for places in order.split(self.batch)[place:]:
                self._step(places, number)
                if self.step % per_epoch and checkpoint_steps and self.step % checkpoint_steps == 0:
                    self._write_rows(total)
                    self._checkpoint()
                elif self.step % per_epoch and len(self.pending) >= _LOG_STEPS:
                    self._write_rows(total)
            if number % every == 0 or number == epochs:
                self._end_candidate(number, total, validate, keep)
            else:
                self._end_epoch(number, total, None)
        if keep == "best":
            load_learned(self.network, self.best)
        self.network.eval()
        self.processes.copy_from_first(self.network.state_dict().values())
        return History(tuple(self.epochs), self._best_epoch() if keep == "best" else epochs, self.snapshots)

    def _step(self, places: Tensor, epoch: int) -> None:
        """One step of the optimiser, on this process's share of a batch."""
        share = self.processes.share(places)
        generator, own = (_generator(self.seed, use, self.step, self.processes.rank) for use in (_DRAWS, _DROPOUT))
        torch.manual_seed(own.initial_seed())
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        value = torch.zeros((), device=self.processes.device)
        if len(share):
            with torch.autocast(self.processes.device.type, torch.bfloat16, enabled=self.amp):
                mean = self.loss(share, generator)
            value = mean.float() * (len(share) / len(places))
            value.backward()
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.processes.add_gradients(parameters)
        length = nn.utils.clip_grad_norm_(parameters, math.inf if self.clip is None else self.clip)
        lr = self.schedule.lr_at(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["lr_mult"]
        self.optimizer.step()
        self.step += 1
        self.pending.append((epoch, lr, len(places), self.processes.add(value.detach()), length.detach()))

    def _write_rows(self, total: int, validation: float | None = None) -> None:
        """Reads the numbers of the last steps from the device, which it has to wait for, checks and logs them."""
        rows: list[tuple[int, int, float, float, float, float | None]] = []
        for step, (epoch, lr, size, value, length) in enumerate(self.pending, self.step - len(self.pending)):
            numbers = float(value), float(length)
            if not np.isfinite(numbers).all():
                raise GerundError(
                    f"training went astray at step {step}: loss {numbers[0]}, length of the gradient {numbers[1]}; "
                    "look for values in the data that are not finite, or lower the learning rate"
                )
            self.loss_sum += numbers[0] * size
            rows.append((step, epoch, lr, *numbers, None))
        self.pending.clear()
        rows[-1] = (*rows[-1][:5], validation)
        if self.folder:
            self.folder.log(rows)
        if self.progress and self.processes.rank == 0:
            self.progress(self.step, total, rows[-1][3])

    def _end_epoch(self, number: int, total: int, validation: float | None) -> None:
        self._write_rows(total, validation)
        self.epochs.append(Epoch(number, self.loss_sum / self.num_examples, validation))
        self.loss_sum = 0.0

    def _end_candidate(self, number: int, total: int, validate: Callable[[nn.Module], float] | None, keep: str) -> None:
        """Ends an epoch whose weights may be the ones that are wanted."""
        validation = None
        if validate:
            self.network.eval()
            with torch.no_grad():
                validation = float(self.processes.from_first(validate(self.network)))
            if not math.isfinite(validation):
                raise GerundError(f"validate said {validation} after epoch {number}; it must be a finite number")
        self._end_epoch(number, total, validation)
        if keep == "best" and self._best_epoch() == number:
            self.best = _copied(learned(self.network))
        if keep == "all":
            weights = learned(self.network)
            self.snapshots[number] = self.folder.keep(number, weights) if self.folder else _copied(weights)
        self._checkpoint()

    def _best_epoch(self) -> int:
        return max((e for e in self.epochs if e.validation is not None), key=lambda e: e.validation or 0.0).number

    def _checkpoint(self) -> None:
        if self.folder:
            state = {
                "step": self.step,
                "loss_sum": self.loss_sum,
                "epochs": [(epoch.number, epoch.loss, epoch.validation) for epoch in self.epochs],
                "network": learned(self.network),
                "optimizer": self.optimizer.state_dict(),
                "best": self.best,
                "snapshots": list(self.snapshots),
            }
            self.folder.write(state)

    def restore(self) -> None:
        """Takes up the folder's last checkpoint; all processes start alike."""
        self.processes.copy_from_first(self.network.state_dict().values())
        state = self.processes.from_first(self.folder.read() if self.folder else None)
        if state:
            self.step, self.loss_sum, self.best = state["step"], state["loss_sum"], state["best"]
            self.epochs = [Epoch(*parts) for parts in state["epochs"]]
            load_learned(self.network, state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.folder:
                self.snapshots = {number: self.folder.epoch_file(number) for number in state["snapshots"]}


def _parameter_groups(network: nn.Module, groups: Mapping[str, Group], weight_decay: float) -> list[dict[str, object]]:
    """What is trained, by how it is trained; freezes what the groups freeze."""
    members: dict[str, list[nn.Parameter]] = {}
    fitting: set[str] = set()
    for name, parameter in network.named_parameters():
        keys = [key for key in groups if f"{name}.".startswith(f"{key}.")]
        fitting.update(keys)
        key = max(keys, key=len, default="")
        if keys and groups[key].freeze:
            parameter.requires_grad_(False)
        if parameter.requires_grad:
            members.setdefault(key, []).append(parameter)
    if strange := sorted(set(groups) - fitting):
        raise UsageError(f"groups: the network has no parameters in {', '.join(strange)}")
    if not members:
        raise UsageError("nothing is trained: every parameter of the network is frozen")
    options: list[dict[str, object]] = []
    for key, parameters in members.items():
        group = groups.get(key, Group())
        decay = weight_decay if group.weight_decay is None else group.weight_decay
        options.append({"params": parameters, "weight_decay": decay, "lr_mult": group.lr_mult})
    return options


def _copied(weights: Weights) -> Weights:
    return {name: tensor.cpu().clone() for name, tensor in weights.items()}


def _generator(*parts: int) -> torch.Generator:
    """A generator that the numbers seed, well apart for numbers that are near."""
    seed = int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator().manual_seed(seed)
