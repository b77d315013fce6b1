"""Which parameters of a network are trained, and how each of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from gerund.errors import UsageError

Where = Callable[[str, nn.Parameter, nn.Module], bool]
"""From a parameter's name, itself, and the module that holds it, to whether a rule is for it."""

_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


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
class Rule:
    """How every parameter is trained that a predicate picks, beyond what its group says.

    Attributes:
        name: under which a run folder remembers it.
        where: picks the parameters.
        weight_decay: instead of that of the group; None keeps it.
        lr_mult: another factor on the learning rate.
        freeze: not trained at all.
    """

    name: str
    where: Where
    weight_decay: float | None = None
    lr_mult: float = 1.0
    freeze: bool = False


def is_vector_or_norm(name: str, parameter: nn.Parameter, module: nn.Module) -> bool:
    """True for biases and other vectors, and for whatever a normalisation holds; a single number is neither.

    Source: the released code of STDD and those before it spares tensors of one axis, so that its temperature, a number,
    is decayed.
    """
    return parameter.ndim == 1 or isinstance(module, _NORMS)


SPARE_VECTORS = Rule("vectors and norms", is_vector_or_norm, weight_decay=0.0)
"""Weight decay is for matrices: vectors and norms have none."""


@dataclass(frozen=True)
class Trained:
    """What is trained, by how it is trained.

    Attributes:
        options: parameter groups for an optimiser of PyTorch's, each with its ``lr_mult``.
        picked: for each rule the names of the parameters that it picked.
    """

    options: list[dict[str, object]]
    picked: dict[str, list[str]]


def divide(network: nn.Module, groups: Mapping[str, Group], rules: Sequence[Rule], weight_decay: float) -> Trained:
    """Divides the parameters by how they are trained, and freezes what is not.

    Args:
        network: what is trained.
        groups: by name of a sub-module; where several fit, the longest counts.
        rules: applied to what they pick, in order.
        weight_decay: of whatever nothing says otherwise for.

    Raises:
        UsageError: a group or rule is for no parameter, two rules have one name, or nothing is left to train.
    """
    if len({rule.name for rule in rules}) < len(rules):
        raise UsageError(f"rules need names of their own, got {', '.join(rule.name for rule in rules)}")
    owners = {id(parameter): module for module in network.modules() for parameter in module.parameters(recurse=False)}
    picked: dict[str, list[str]] = {rule.name: [] for rule in rules}
    members: dict[tuple[str, ...], list[nn.Parameter]] = {}
    fitting: set[str] = set()
    for name, parameter in network.named_parameters():
        keys = [key for key in groups if f"{name}.".startswith(f"{key}.")]
        fitting.update(keys)
        key = max(keys, key=len, default="")
        mine = [rule for rule in rules if rule.where(name, parameter, owners[id(parameter)])]
        for rule in mine:
            picked[rule.name].append(name)
        if (keys and groups[key].freeze) or any(rule.freeze for rule in mine):
            parameter.requires_grad_(False)
        if parameter.requires_grad:
            members.setdefault((key, *(rule.name for rule in mine)), []).append(parameter)
    strange = [*sorted(set(groups) - fitting), *(name for name, of in picked.items() if not of)]
    if strange:
        raise UsageError(f"groups: the network has no parameters in {', '.join(strange)}")
    if not members:
        raise UsageError("nothing is trained: every parameter of the network is frozen")
    by_name = {rule.name: rule for rule in rules}
    options: list[dict[str, object]] = []
    for (key, *names), parameters in members.items():
        ways: list[Group | Rule] = [groups.get(key, Group()), *(by_name[name] for name in names)]
        decay, lr_mult = weight_decay, 1.0
        for way in ways:
            decay, lr_mult = decay if way.weight_decay is None else way.weight_decay, lr_mult * way.lr_mult
        options.append({"params": parameters, "weight_decay": decay, "lr_mult": lr_mult})
    return Trained(options, picked)
