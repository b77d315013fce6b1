"""The processes that train one network together, as ``torchrun`` starts them.

Plain ``torch.distributed`` does it in a few lines. The loops of Lightning Fabric and Accelerate wrap the network, while
here a loss calls whatever parts of it that it wants.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor

from gerund.errors import UsageError


class Processes:
    """This process among those of its run; without ``torchrun`` there is one, and nothing is sent.

    Args:
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, or one device such as ``"cuda:1"``.

    Attributes:
        size: how many there are.
        rank: which one this is; 0 is the one that writes files.
        device: where it computes; of several, each has the CUDA device of its number on its machine.

    Raises:
        UsageError: a CUDA device is asked for, and PyTorch finds none.
    """

    def __init__(self, device: str) -> None:
        self.size = int(os.environ.get("WORLD_SIZE") or 1)
        self.rank = int(os.environ.get("RANK") or 0)
        self.device = find_device(device)
        self._started = False

    def __enter__(self) -> Self:
        if self.size > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
            self._started = True
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if self._started:
            if kind is None:  # one that leaves while another still receives would cut it off
                dist.barrier()
            dist.destroy_process_group()

    def share(self, places: Tensor) -> Tensor:
        """This process's part of a batch; it may be empty."""
        return places[self.rank :: self.size]

    def add(self, value: Tensor) -> Tensor:
        """The sum of a value over all processes."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def add_gradients(self, parameters: Sequence[Any]) -> None:
        """Sums each parameter's gradient over all processes; one that no process has stays None."""
        if self.size == 1:
            return
        used = torch.tensor([p.grad is not None for p in parameters], dtype=torch.int32, device=self.device)
        for parameter, count in zip(parameters, self.add(used).tolist(), strict=True):
            if count:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                dist.all_reduce(parameter.grad)

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrites tensors by those of the first process."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), 0)

    def from_first(self, value: Any) -> Any:
        """What the first process has."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, 0, device=self.device)
        return box[0]


def find_device(device: str = "auto") -> torch.device:
    """The device a name means here; ``"auto"`` is CUDA where PyTorch finds it.

    Raises:
        UsageError: there is no such device.
    """
    there = torch.cuda.is_available()
    if device == "auto":
        device = "cuda" if there else "cpu"
    if device.split(":")[0] not in ("cpu", "cuda"):
        raise UsageError(f"device {device!r} is not one of auto, cpu, cuda")
    if device.startswith("cuda") and not there:
        raise UsageError(f"device {device!r}: PyTorch finds no CUDA device here; use 'cpu' or 'auto'")
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK') or 0}"
        torch.cuda.set_device(device)
    return torch.device(device)
