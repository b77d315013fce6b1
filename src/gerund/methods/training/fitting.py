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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from gerund.errors import UsageError
from gerund.methods.training.dry_run import DryRun, DryRunOver
from gerund.methods.training.history import History, learned, load_learned
from gerund.methods.training.loop import Loss, Run, StepProgress
from gerund.methods.training.parameters import Group, Rule, divide
from gerund.methods.training.precision import Half, Precision
from gerund.methods.training.processes import Processes
from gerund.methods.training.recompute import recomputed
from gerund.methods.training.run_folder import RunFolder
from gerund.methods.training.schedule import RateSchedule, Schedule

__all__ = ["Group", "History", "Rule", "Schedule", "StepProgress", "fit_network", "learned", "load_learned"]


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
    rules: Sequence[Rule] = (),
    drop_last: bool = False,
    accumulate: int = 1,
    half: Half = "bf16",
    recompute: Sequence[str] = (),
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
        amp: compute in 16 bits where that is safe, see `half`; the weights stay float32.
        folder: where the settings, ``log.csv`` and checkpoints go; None writes nothing.
        settings: whatever else decides the result, such as hashes of the data; what JSON can hold.
        validate: how good the network is, higher is better; called in evaluation mode without gradients.
        validate_every: epochs between candidates. Each is validated, kept where `keep` says so, and checkpointed; the
            last epoch is always one.
        checkpoint_steps: also write a checkpoint every so many steps; 0 for none.
        resume: go on from the folder's last checkpoint; False throws it away.
        progress: told how far it is. A `DryRun` ends it after a few steps that are thrown away.
        keep: what the network has in the end: the ``"last"`` weights, or those of the ``"best"`` validation, the first
            of equals. ``"all"`` ends with the last ones and keeps every candidate.
        rules: how parameters are trained that a predicate picks, such as `SPARE_VECTORS`; applied over the groups.
        drop_last: leave out the last batch of an epoch where it is smaller. Which examples that are differs each time.
        accumulate: compute each batch in so many parts and add up their gradients, for less memory. The weights are
            those of the whole batch but for rounding, where the loss is a mean over examples that knows no others.
        half: the 16 bits of `amp`: ``"bf16"``, or ``"fp16"`` with a scaled loss, on CUDA only.
        recompute: names of sub-modules whose activations are computed again instead of kept, for less memory;
            ``"encoder.layer.*"`` are all of a list.

    Raises:
        DryRunOver: `progress` is a `DryRun`, which has its plan now.
        UsageError: a setting cannot be right, or the folder belongs to a run with other settings.
        GerundError: the loss, its gradient or the validation is not a finite number.
    """
    if min(num_examples, epochs, batch, validate_every, accumulate) < 1 or checkpoint_steps < 0 or seed < 0:
        raise UsageError(
            "num_examples, epochs, batch, validate_every and accumulate must be at least 1, checkpoint_steps and seed "
            f"at least 0, got {num_examples}, {epochs}, {batch}, {validate_every}, {accumulate}, {checkpoint_steps}, "
            f"{seed}"
        )
    if drop_last and num_examples < batch:
        raise UsageError(f"drop_last leaves out all {num_examples} examples, as a batch has {batch}; take smaller ones")
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
    # what a run folder of before does not know is noted only where it is not as it was then
    given |= {"drop_last": True} if drop_last else {}
    given |= {"accumulate": accumulate} if accumulate > 1 else {}
    given |= {"half": half} if amp and half != "bf16" else {}
    with Processes(device) as processes:
        network.to(processes.device)
        trained = divide(network, groups or {}, rules, weight_decay)
        ways = {rule.name: (rule.weight_decay, rule.lr_mult, rule.freeze, trained.picked[rule.name]) for rule in rules}
        given |= {"rules": ways} if rules else {}
        adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimizer](trained.options, lr=schedule.lr_at(0))
        precision = Precision(processes.device, amp=amp, half=half)
        dry = progress if isinstance(progress, DryRun) else None
        run_folder = None
        if folder is not None and processes.rank == 0 and dry is None:
            shapes = {name: list(tensor.shape) for name, tensor in learned(network).items()}
            given |= {"learned": shapes, "processes": processes.size}
            run_folder = RunFolder(folder, given, resume=resume)
        run = Run(
            network, loss, adam, schedule, num_examples, batch, clip, seed, precision, processes, run_folder, progress,
            drop_last, accumulate,
        )  # fmt: skip
        run.restore()
        cuda = [processes.device] if processes.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda), recomputed(network, recompute):
            if dry is not None:
                dry.plan = run.plan(epochs, f"{optimizer}, weight decay {weight_decay:g}, {_in_words(amp, half)}")
                raise DryRunOver
            return run.train(epochs, validate, validate_every, checkpoint_steps, keep)


def _in_words(amp: bool, half: Half) -> str:
    return f"{half} where it is safe" if amp else "fp32"
