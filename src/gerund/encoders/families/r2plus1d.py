"""R(2+1)D-18: features of clips of 16 frames."""

from __future__ import annotations

from gerund.encoders.base import Encoder
from gerund.encoders.card import EncoderCard, Held, Order


def _build(order: Order) -> Encoder:
    from gerund.encoders.features import FeatureEncoder
    from gerund.encoders.networks import r2plus1d
    from gerund.encoders.networks.backbone import shapes_of

    network = r2plus1d.R2Plus1d(order.checkpoint(lambda: shapes_of(r2plus1d.layers())), **order.computing)
    return FeatureEncoder(network, "r2plus1d-18")


def _fits(held: Held) -> bool:
    return held.has("stem.3.weight", "layer1.0.conv1.0.3.weight")


CARDS = (
    EncoderCard(
        "r2plus1d-18",
        "R(2+1)D-18: features of clips of 16 frames, trained on the 400 actions of Kinetics-400",
        "video",
        _build,
        dim=512,
        published="download.pytorch.org/models/r2plus1d_18-91a641e6.pth",
        licence="as its authors state",
        trained_on=("kinetics400",),
        fits=_fits,
        drawable=True,
    ),
)
