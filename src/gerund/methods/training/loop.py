"""One training run, step by step: what is computed, logged and kept, and how it goes on after it was stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gerund.errors import GerundError, UsageError
from gerund.methods.training.dry_run import Plan
from gerund.methods.training.history import Epoch, History, learned, load_learned
from gerund.methods.training.order import epoch_order
from gerund.methods.training.precision import Precision
from gerund.methods.training.processes import Processes
from gerund.methods.training.run_folder import RunFolder, Weights
from gerund.methods.training.schedule import RateSchedule, steps_of_epoch

Loss = Callable[[Tensor, torch.Generator], Tensor]
"""From the places of a batch, int64 ``[B]`` on the processor, and a generator on the processor to their mean loss."""

StepProgress = Callable[[int, int, float], None]
"""Called now and then with the number of steps done, the number in all, and the last loss."""

_LOG_STEPS = 50
_DRAWS, _DROPOUT = 1, 2  # 0 is of the order


@dataclass
class Run:
    """One run: where it stands, and how it goes on."""

    network: nn.Module
    loss: Loss
    optimizer: Any
    schedule: RateSchedule
    num_examples: int
    batch: int
    clip: float | None
    seed: int
    precision: Precision
    processes: Processes
    folder: RunFolder | None
    progress: StepProgress | None
    drop_last: bool
    accumulate: int

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
        per_epoch = steps_of_epoch(self.num_examples, self.batch, drop_last=self.drop_last)
        total = epochs * per_epoch
        if self.step > total:
            raise UsageError(f"the folder's run is past {epochs} epochs already; ask for more or take another folder")
        while self.step < total:
            number, place = self.step // per_epoch + 1, self.step % per_epoch
            for places in self._batches(number)[place:per_epoch]:
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

    def plan(self, epochs: int, optimizer: str) -> Plan:
        """What the run would take, by a few steps on its first batch, after which the network is of no use."""
        places = self._batches(1)[0]
        kept: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            self._step(places, 1)
        times_s = []
        for _ in range(2):
            float(self.pending[-1][3])  # waits for the device
            start_s = time.perf_counter()
            self._step(places, 1)
            float(self.pending[-1][3])
            times_s.append(time.perf_counter() - start_s)
        parameters = list(self.network.parameters())
        mine = [
            tensor for state in self.optimizer.state.values() for tensor in state.values() if torch.is_tensor(tensor)
        ]
        own = {tensor.untyped_storage().data_ptr() for tensor in (*parameters, *self.network.buffers())}
        memory = {
            "weights": sum(tensor.nbytes for tensor in (*parameters, *self.network.buffers())),
            "gradients": sum(tensor.grad.nbytes for tensor in parameters if tensor.grad is not None),
            "optimiser": sum(tensor.nbytes for tensor in mine),
            "activations": sum(count for place, count in kept.items() if place not in own),
        }
        return Plan(
            num_examples=self.num_examples,
            epochs=epochs,
            batch=self.batch,
            drop_last=self.drop_last,
            how={
                "schedule": repr(self.schedule),
                "optimiser": f"{optimizer}, {self.accumulate} parts a batch" if self.accumulate > 1 else optimizer,
                "device": str(self.processes.device),
            },
            num_parameters=sum(parameter.numel() for parameter in parameters),
            num_trained=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
            memory=memory,
            step_s=min(times_s),
        )

    def _batches(self, epoch: int) -> tuple[Tensor, ...]:
        """The places of an epoch's examples in its own order, a batch at a time."""
        return tuple(epoch_order(self.num_examples, self.seed, epoch).split(self.batch))

    def _step(self, places: Tensor, epoch: int) -> None:
        """One step of the optimiser, on this process's share of a batch."""
        share = self.processes.share(places)
        generator, own = (_generator(self.seed, use, self.step, self.processes.rank) for use in (_DRAWS, _DROPOUT))
        torch.manual_seed(own.initial_seed())
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.processes.device)
        for part in (part for part in share.tensor_split(self.accumulate) if len(part)):
            with self.precision.autocast():
                mean = self.loss(part, generator)
            value = mean.float() * (len(part) / len(places))
            self.precision.backward(value)
            total = total + value.detach()
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.processes.add_gradients(parameters)
        length = self.precision.clipped(self.optimizer, parameters, math.inf if self.clip is None else self.clip)
        lr = self.schedule.lr_at(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["lr_mult"]
        self.precision.step(self.optimizer)
        self.step += 1
        self.pending.append((epoch, lr, len(places), self.processes.add(total), length.detach()))

    def _write_rows(self, total: int, validation: float | None = None) -> None:
        """Reads the numbers of the last steps from the device, which it has to wait for, checks and logs them."""
        rows: list[tuple[int, int, float, float, float, float | None]] = []
        for step, (epoch, lr, size, value, length) in enumerate(self.pending, self.step - len(self.pending)):
            numbers = float(value), float(length)
            if not np.isfinite(numbers[:1] if self.precision.is_scaled else numbers).all():
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
        num_seen = self.num_examples - (self.num_examples % self.batch if self.drop_last else 0)
        self.epochs.append(Epoch(number, self.loss_sum / num_seen, validation))
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
                "precision": self.precision.state(),
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
            self.precision.restore(state.get("precision", {}))
            if self.folder:
                self.snapshots = {number: self.folder.epoch_file(number) for number in state["snapshots"]}


def _copied(weights: Weights) -> Weights:
    return {name: tensor.cpu().clone() for name, tensor in weights.items()}


def _generator(*parts: int) -> torch.Generator:
    """A generator that the numbers seed, well apart for numbers that are near."""
    seed = int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator().manual_seed(seed)
