"""MiniLM: sentences as unit vectors, for the class texts of methods that learn."""

from __future__ import annotations

from gerund.assets import find_asset, verified
from gerund.encoders.base import Encoder
from gerund.encoders.card import EncoderCard, Order


def _build(order: Order) -> Encoder:
    from gerund.encoders.sentence import SentenceEncoder

    weights, tokenizer = (
        verified(find_asset(name), progress=order.progress) for name in ("minilm", "minilm-tokenizer")
    )
    return SentenceEncoder(weights, tokenizer, threads=order.threads, engine=order.engine, device=order.device)


CARDS = (
    EncoderCard(
        "minilm",
        "all-MiniLM-L6-v2: sentences and names as vectors",
        "text",
        _build,
        space="MiniLM's",
        dim=384,
        assets=("minilm", "minilm-tokenizer"),
    ),
)
