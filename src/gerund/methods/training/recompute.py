"""Activations computed twice instead of kept: less memory for some more time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from gerund.errors import UsageError


@contextmanager
def recomputed(network: nn.Module, names: Sequence[str]) -> Iterator[None]:
    """While it lasts, some sub-modules keep what goes in and compute the rest again for their gradients.

    What they compute stays the same, dropout included.

    Args:
        network: holds the sub-modules.
        names: of the sub-modules, such as ``"encoder.layer.*"``; ``*`` stands for one part of a name.

    Raises:
        UsageError: there is no such sub-module, or it holds a batch norm, whose statistics would be counted twice.
    """
    modules: dict[int, nn.Module] = {}
    for pattern in names:
        found = {name: module for name, module in network.named_modules() if _fits(name, pattern)}
        if not found:
            raise UsageError(f"recompute: the network has no sub-module {pattern}")
        for name, module in found.items():
            if any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules()):
                raise UsageError(f"recompute: {name} holds a batch norm, whose statistics would be counted twice")
        modules |= {id(module): module for module in found.values()}
    try:
        for module in modules.values():
            module.forward = _twice(module.forward)
        yield
    finally:
        for module in modules.values():
            module.__dict__.pop("forward", None)


def _twice(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*given: Any, **named: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*given, **named)
        return checkpoint(forward, *given, use_reentrant=False, **named)

    return run


def _fits(name: str, pattern: str) -> bool:
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
