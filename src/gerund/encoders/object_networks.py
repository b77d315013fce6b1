"""The networks that find objects, by the names that users give them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from gerund.assets import DownloadProgress
from gerund.encoders.engines import Precision
from gerund.encoders.networks import bit, efficientnet
from gerund.encoders.networks.backbone import Layer
from gerund.encoders.objects import ObjectNetwork
from gerund.errors import UsageError
from gerund.types import FloatArray

_LITE = {f"efficientnet-lite{number}": number for number in (0, 1, 2)}
_BIT = "bit"

OBJECT_NETWORKS = (*_LITE, _BIT)
"""EfficientNet-Lite with the 1,000 classes of ImageNet, and BiT-M R50x1 with the 21,843 of ImageNet-21k."""

_VOCABULARY_OF = {efficientnet.NUM_CLASSES: "imagenet1k", bit.NUM_CLASSES: "imagenet21k"}


def open_object_network(
    which: str,
    *,
    random_weights: bool = False,
    threads: int = 0,
    precision: Precision = "auto",
    progress: DownloadProgress | None = None,
) -> ObjectNetwork:
    """A network that finds objects in pictures, ready to run.

    Args:
        which: one of `OBJECT_NETWORKS`, or BiT-M R50x1's weight file.
        random_weights: it has learned nothing; its fingerprint then begins with ``random-``.
        threads: how many threads to compute with; 0 takes every core.
        precision: arithmetic; ``"auto"`` is bfloat16 where the processor has it.
        progress: told about a download.

    Raises:
        UsageError: there is no such network, or its weights cannot be fetched.
        AssetError: the weights cannot be had, or are not those of this network.
    """
    if random_weights:
        return _untrained(which, threads, precision)
    if which in _LITE:
        return efficientnet.EfficientNetLite(_LITE[which], threads=threads, precision=precision, progress=progress)
    if Path(which).is_file():
        return bit.Bit(Path(which), threads=threads, precision=precision)
    if which == _BIT:
        raise UsageError(
            "BiT's weights cannot be fetched from a package index; download storage.googleapis.com/bit_models/"
            "BiT-M-R50x1.npz, or model.safetensors of timm/resnetv2_50x1_bit.goog_in21k, and give the file in place "
            f"of the name; or take {next(iter(_LITE))}; or try things out with --random-weights"
        )
    raise UsageError(f"no object network {which!r}; give {', '.join(OBJECT_NETWORKS)}, or BiT's weight file")


def vocabulary_of(network: ObjectNetwork) -> str:
    """Name of the vocabulary that a network was trained with; ``""`` where gerund does not know it."""
    return _VOCABULARY_OF.get(network.dim, "")


def _untrained(which: str, threads: int, precision: Precision) -> ObjectNetwork:
    """A network with numbers drawn from a fixed seed, laid out as its weight file has them.

    Raises:
        UsageError: there is no such network.
    """
    if which not in OBJECT_NETWORKS:
        raise UsageError(f"--random-weights is for a network by name ({', '.join(OBJECT_NETWORKS)}), got {which!r}")
    random = np.random.default_rng(0)
    shapes = bit.shapes() if which == _BIT else _shapes(efficientnet.layers(_LITE[which]))
    with tempfile.TemporaryDirectory(prefix="gerund-") as folder:
        file = Path(folder) / "random.safetensors"
        save_file({name: _draw(name, shape, random) for name, shape in shapes.items()}, file)
        made: ObjectNetwork
        if which == _BIT:
            made = bit.Bit(file, threads=threads, precision=precision)
        else:
            made = efficientnet.EfficientNetLite(_LITE[which], file=file, threads=threads, precision=precision)
        vars(made)["fingerprint"] = f"random-{made.fingerprint}"
    return made


def _shapes(layers: list[Layer]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for layer in layers:
        norm = [f"{layer.norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        found[f"{layer.name}.weight"] = layer.shape
        found |= dict.fromkeys(norm if layer.norm else [f"{layer.name}.bias"], layer.shape[:1])
    return found


def _draw(name: str, shape: tuple[int, ...], random: np.random.Generator) -> FloatArray:
    """Numbers that neither vanish nor grow from layer to layer; normalisations begin as those of a new network."""
    if len(shape) == 1:
        return np.full(shape, name.endswith(("running_var", "weight")), np.float32)
    scale = np.sqrt(2 / np.prod(shape[1:]))
    return np.asarray(random.standard_normal(shape, np.float32) * np.float32(scale))
