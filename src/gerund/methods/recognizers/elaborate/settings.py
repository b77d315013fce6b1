"""Settings of Elaborative Rehearsal: those that were published, and which go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gerund.encoders.table import VectorTable
from gerund.errors import UsageError
from gerund.methods.recognizers.bilinear import LOSSES
from gerund.methods.training.learner import NOT_SETTINGS

_VSE = {"streams": "video", "video_dropout": 0.5}
_PUBLISHED: dict[str, dict[str, Any]] = {
    "full": {},
    "vse": {**_VSE, "bert_weight_decay": 1e-4},
    "vse-words": {**_VSE, "text": "words", "epochs": 30, "warmup_steps": 2000, "period_steps": 50_000},
    "objects": {"streams": "objects", "bert_weight_decay": 1e-4},
}

NOT_ON_THE_CARD = {
    *NOT_SETTINGS, "bert", "words", "concepts", "epochs", "checkpoint_steps", "compat", "decay_vectors", "accumulate",
    "half", "recompute",
}  # fmt: skip
"""Settings that a run folder need not remember here: they do not change a step, their content is hashed instead, or the
training loop notes them itself."""


def published(which: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a published model, those for Kinetics, with some of one's own in their place.

    Args:
        which: ``"full"``, ``"vse"``, ``"vse-words"`` or ``"objects"``; ``"vse"`` with ``text="words"`` is the third.
        settings: instead of the published ones.

    Raises:
        UsageError: there is no such model.

    Source: the released configurations.

    Example:
        >>> published("objects", {"epochs": 2})["streams"], published("full", {})["period_steps"]
        ('objects', 17000)
    """
    if which == "vse" and settings.get("text") == "words":
        which = "vse-words"
    if which not in _PUBLISHED:
        raise UsageError(f"the published models are {', '.join(_PUBLISHED)}; got {which!r}")
    return {"warmup_steps": 1700, "period_steps": 17_000, **_PUBLISHED[which], **settings}


def require_together(
    *, streams: str, text: str, words: object, recompute: bool, fusion: int, loss: str, compat: str
) -> None:
    """Refuses values that there are not, and those that do not go together; see `Elaborate` for what each means.

    Raises:
        UsageError: which, and what there is.
    """
    if streams not in ("video", "objects", "both") or text not in ("bert", "words"):
        raise UsageError(
            f"streams is 'video', 'objects' or 'both' and text 'bert' or 'words', got {streams!r} and {text!r}"
        )
    if fusion not in (0, 1, 2, 3):
        raise UsageError(f"fusion is 0, 1, 2 or 3, got {fusion}")
    if text == "words" and not isinstance(words, VectorTable):
        raise UsageError(
            f"text='words' needs a table of word vectors such as GloVe's: words=VectorTable.read(...), --vectors "
            f"words=VECTORS@WORDS; got {words!r}"
        )
    if recompute and text != "bert":
        raise UsageError("recompute=True is for the layers of BERT, and text='words' has none")
    if loss not in ("ce", "l2", *LOSSES) or (loss == "l2" and streams == "both"):
        raise UsageError(
            f"loss is 'ce', {', '.join(map(repr, LOSSES))}, or 'l2' for one stream; got {loss!r} for "
            f"streams={streams!r}"
        )
    if compat not in ("", "early-fusion") or (compat and (streams != "both" or fusion == 2)):
        raise UsageError(f"compat is '' or, with streams='both' and fusion 0, 1 or 3, 'early-fusion'; got {compat!r}")
