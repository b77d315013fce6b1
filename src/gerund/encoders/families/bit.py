"""BiT-M R50x1: features of pictures from a network that knows 21,843 kinds of things."""

from __future__ import annotations

from gerund.encoders.base import Encoder
from gerund.encoders.card import EncoderCard, Held, Order


def _build(order: Order) -> Encoder:
    from gerund.encoders.features import FeatureEncoder
    from gerund.encoders.networks import bit

    network = bit.Bit(order.checkpoint(bit.shapes), output="features", **order.computing)
    return FeatureEncoder(network, "bit")


def _fits(held: Held) -> bool:
    return held.has("root_block/standardized_conv2d/kernel") or held.has("blocks.0.norm1.weight", "head.fc.weight")


CARDS = (
    EncoderCard(
        "bit",
        "BiT-M R50x1: features of single pictures, trained on the 21,843 classes of ImageNet-21k",
        "video",
        _build,
        dim=2048,
        repository="timm/resnetv2_50x1_bit.goog_in21k",
        licence="Apache-2.0",
        fits=_fits,
        drawable=True,
    ),
)
