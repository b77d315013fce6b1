"""The networks that find objects, by the names that users give them."""

from __future__ import annotations

from pathlib import Path

from gerund.assets import DownloadProgress
from gerund.encoders.engines import Precision
from gerund.encoders.networks import bit, efficientnet
from gerund.encoders.networks.backbone import shapes_of
from gerund.encoders.objects import ObjectNetwork
from gerund.encoders.weights.drawn import draw
from gerund.errors import UsageError

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
    if random_weights and which not in OBJECT_NETWORKS:
        raise UsageError(f"--random-weights is for a network by name ({', '.join(OBJECT_NETWORKS)}), got {which!r}")
    if which in _LITE:
        number = _LITE[which]
        drawn = draw(shapes_of(efficientnet.layers(number))) if random_weights else None
        return efficientnet.EfficientNetLite(
            number, file=drawn, threads=threads, precision=precision, progress=progress
        )
    if random_weights:
        return bit.Bit(draw(bit.shapes()), threads=threads, precision=precision)
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
