"""BERT: class texts as Elaborative Rehearsal reads them."""

from __future__ import annotations

from gerund.encoders.base import Encoder
from gerund.encoders.card import EncoderCard, Held, Order


def _build(order: Order) -> Encoder:
    from gerund.encoders.networks.bert import Bert

    return Bert(order.given.path, threads=order.threads, name=order.name)


def _fits(held: Held) -> bool:
    return held.config.get("model_type") == "bert"


CARDS = (
    EncoderCard(
        "bert",
        "BERT base, uncased: a text is the mean of its tokens; any BERT of yours in a folder",
        "text",
        _build,
        space="BERT's",
        dim=768,
        repository="google-bert/bert-base-uncased",
        licence="Apache-2.0",
        fits=_fits,
    ),
)
