"""In which numbers a step is computed: float32, or 16 bits where that is safe, with the scaling that float16 needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gerund.errors import GerundError, UsageError

Half = Literal["bf16", "fp16"]

_LEAST_SCALE = 1e-4
"""A gradient that float16 cannot hold at this scale is not too large but broken; fairseq stops there too."""


class Precision:
    """Autocast and gradient scaling as one thing; without 16 bits it does nothing.

    Args:
        device: where the step is computed.
        amp: compute in 16 bits where that is safe; the weights stay float32.
        half: which 16 bits. ``"fp16"`` loses small gradients, so the loss is scaled up, and a step whose gradient
            overflows is skipped.

    Raises:
        UsageError: float16 is asked for on a processor, or there are no such numbers.
    """

    def __init__(self, device: torch.device, *, amp: bool, half: Half) -> None:
        if half not in ("bf16", "fp16"):
            raise UsageError(f"half is 'bf16' or 'fp16', got {half!r}")
        if amp and half == "fp16" and device.type != "cuda":
            raise UsageError(f"half='fp16' needs a CUDA device, and this one is {device}; use 'bf16', or amp=False")
        self._device, self._amp = device, amp
        self._dtype = torch.bfloat16 if half == "bf16" else torch.float16
        self._scaler = torch.amp.GradScaler(device.type, enabled=amp and half == "fp16")

    @property
    def is_scaled(self) -> bool:
        """True where steps may be skipped, so that a gradient need not be finite."""
        return bool(self._scaler.is_enabled())

    def autocast(self) -> Any:
        """A context in which a loss is computed."""
        return torch.autocast(self._device.type, self._dtype, enabled=self._amp)

    def backward(self, value: Tensor) -> None:
        """Adds the gradient of a loss, scaled, to what is there."""
        self._scaler.scale(value).backward()

    def clipped(self, optimizer: Any, parameters: Sequence[nn.Parameter], longest: float) -> Tensor:
        """Scales the gradient back and shortens it; gives its length before that."""
        self._scaler.unscale_(optimizer)
        return nn.utils.clip_grad_norm_(parameters, longest)

    def step(self, optimizer: Any) -> None:
        """A step of the optimiser, skipped where the gradient overflows.

        Raises:
            GerundError: it overflows at every scale.
        """
        self._scaler.step(optimizer)
        self._scaler.update()
        if self.is_scaled and self._scaler.get_scale() < _LEAST_SCALE:
            raise GerundError(
                "training went astray: the gradient is too large for float16 at any scale; use half='bf16', or lower "
                "the learning rate"
            )

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; empty where nothing is scaled."""
        return dict(self._scaler.state_dict())

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up what `state` gave."""
        if self.is_scaled and state:
            self._scaler.load_state_dict(state)
