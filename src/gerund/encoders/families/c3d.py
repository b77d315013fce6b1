"""C3D: features of clips of 16 frames."""

from __future__ import annotations

from gerund.encoders.base import Encoder
from gerund.encoders.card import EncoderCard, Held, Order


def _build(order: Order) -> Encoder:
    from gerund.encoders.features import FeatureEncoder
    from gerund.encoders.networks import c3d
    from gerund.encoders.networks.backbone import shapes_of

    network = c3d.C3d(order.checkpoint(lambda: shapes_of(c3d.layers())), **order.computing)
    return FeatureEncoder(network, "c3d")


def _fits(held: Held) -> bool:
    return held.has("conv3a.weight", "conv5b.weight", "fc6.weight")


CARDS = (
    EncoderCard(
        "c3d",
        "C3D: features of clips of 16 frames, trained on the 487 sports of Sports-1M",
        "video",
        _build,
        dim=4096,
        published="c3d.pickle, which github.com/DavideA/c3d-pytorch links to",
        licence="as its authors state",
        fits=_fits,
        drawable=True,
    ),
)
