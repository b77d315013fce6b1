"""TSM-R50: features of eight frames that look at their neighbours."""

from __future__ import annotations

from gerund.encoders.base import Encoder
from gerund.encoders.card import EncoderCard, Held, Order


def _build(order: Order) -> Encoder:
    from gerund.encoders.features import FeatureEncoder
    from gerund.encoders.networks import tsm
    from gerund.encoders.networks.backbone import shapes_of

    network = tsm.Tsm(order.checkpoint(lambda: shapes_of(tsm.layers())), **order.computing)
    return FeatureEncoder(network, "tsm-r50")


def _fits(held: Held) -> bool:
    return held.has("layer1.0.conv1.net.weight", "layer4.0.conv1.net.weight")


CARDS = (
    EncoderCard(
        "tsm-r50",
        "TSM ResNet-50: features of eight frames together, trained on the 400 actions of Kinetics-400",
        "video",
        _build,
        dim=2048,
        published="TSM_kinetics_RGB_resnet50_shift8_blockres_avg_segment8_e100_dense.pth, which "
        "github.com/mit-han-lab/temporal-shift-module links to",
        licence="as its authors state",
        trained_on=("kinetics400",),
        fits=_fits,
        drawable=True,
    ),
)
