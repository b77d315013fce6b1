"""Tables of word vectors, such as GloVe's or word2vec's."""

from __future__ import annotations

from gerund.encoders.base import Encoder
from gerund.encoders.card import EncoderCard, Held, Order


def _build(order: Order) -> Encoder:
    from gerund.encoders.table import VectorTable

    return VectorTable.read(order.given.path, mean_of_words=True, name=order.name)


def _fits(held: Held) -> bool:
    return held.path.suffix == ".npy"


CARDS = (
    EncoderCard(
        "words",
        "a table of word vectors of yours: FILE.npy with names in FILE.json or FILE.txt; other names are the mean of "
        "their words",
        "text",
        _build,
        published="by the authors of the vectors",
        licence="as its authors state",
        fits=_fits,
    ),
)
