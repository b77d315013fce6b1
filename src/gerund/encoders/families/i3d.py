"""I3D: its features, and the default model, which carries its 400 scores into MiniLM's space."""

from __future__ import annotations

from functools import partial

from gerund.encoders.base import Encoder
from gerund.encoders.card import EncoderCard, Held, Order


def _build(order: Order) -> Encoder:
    from hashlib import file_digest

    from gerund.assets import find_asset
    from gerund.encoders.i3d import I3dEncoder
    from gerund.encoders.networks import i3d
    from gerund.encoders.weights.drawn import draw

    if order.random_weights:
        return I3dEncoder(draw(i3d.shapes()).tensors, "", **order.computing)
    if order.held is not None:
        with order.held.path.open("rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
        return I3dEncoder(i3d.convert_checkpoint(order.held.path), sha256, **order.computing)
    return I3dEncoder(i3d.load(order.progress), find_asset("i3d-kinetics400").sha256, **order.computing)


def _fits(held: Held) -> bool:
    if held.path.suffix != ".ckpt" or not held.path.is_file():
        return False
    with held.path.open("rb") as file:
        return file.read(1) == b"\x80"  # a pickle; other checkpoints of this ending are archives


def _build_conse(order: Order, *, plain: bool) -> Encoder:
    from gerund.encoders.conse import ConseEncoder

    return ConseEncoder(plain=plain, progress=order.progress, **order.computing)


_SENTENCES = ("i3d-kinetics400", "minilm", "minilm-tokenizer")

CARDS = (
    EncoderCard(
        "i3d-minilm",
        "default: I3D's 400 action scores carried into MiniLM's sentence space through gerund's definitions",
        "video+text",
        partial(_build_conse, plain=False),
        space="MiniLM's, measured from the mean of the 400 labels",
        dim=384,
        assets=_SENTENCES,
        trained_on=("kinetics400",),
    ),
    EncoderCard(
        "i3d-minilm-plain",
        "the same with plain ConSE over bare names, as published: the baseline",
        "video+text",
        partial(_build_conse, plain=True),
        space="MiniLM's",
        dim=384,
        assets=_SENTENCES,
        trained_on=("kinetics400",),
    ),
    EncoderCard(
        "i3d",
        "I3D alone: the 1024 features that its classifier of 400 actions looks at",
        "video",
        _build,
        dim=1024,
        assets=("i3d-kinetics400",),
        trained_on=("kinetics400",),
        fits=_fits,
        drawable=True,
    ),
)
