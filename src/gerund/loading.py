"""From the name of a model to its encoder."""

from __future__ import annotations

from pathlib import Path

from gerund.assets import MODELS, DownloadProgress, find_asset, hub_folder, verified
from gerund.encoders.base import Encoder
from gerund.encoders.conse import ConseEncoder
from gerund.encoders.contrastive import ContrastiveEncoder
from gerund.encoders.engines import Device, EngineName, Precision
from gerund.encoders.i3d import I3dEncoder
from gerund.errors import UsageError

_METHODS_NOW = {f"i3d-{learner}": f"rows-{learner}" for learner in ("eszsl", "gcn", "devise")}
"""What were models once."""


def load_encoder(
    model: str,
    threads: int,
    engine: EngineName,
    precision: Precision,
    device: Device,
    progress: DownloadProgress | None,
) -> Encoder:
    """The encoder that a name, a folder or a weight file stands for; see `gerund.api.load`.

    Raises:
        UsageError: there is no such model, or it cannot be had with these settings here.
        AssetError: its weights cannot be had.
    """
    card = next((card for card in MODELS if card.name == model), None)
    if model in _METHODS_NOW:
        raise UsageError(f"{model} is a method now: --method {_METHODS_NOW[model]}, with the model i3d or none")
    if model == "i3d":
        return I3dEncoder(threads=threads, engine=engine, precision=precision, device=device, progress=progress)
    if card and not card.repository:
        plain = model == "i3d-minilm-plain"
        return ConseEncoder(
            plain=plain, threads=threads, engine=engine, precision=precision, device=device, progress=progress
        )
    tokenizer = None
    if card:
        folder = hub_folder(card.repository, file=card.file) / card.file
        tokenizer = next((verified(find_asset(name), progress=progress) for name in card.assets), None)
    elif Path(model).exists():
        folder = Path(model)
        if folder.suffix == ".pt":
            tokenizer = verified(find_asset("clip-vocabulary"), progress=progress)
    elif model.count("/") == 1 and not model.startswith((".", "/")):
        folder = hub_folder(model)
    else:
        names = ", ".join(card.name for card in MODELS)
        raise UsageError(f"no model {model!r}; give one of {names}, a folder, or a hub name such as 'owner/name'")
    name = card.name if card else model
    return ContrastiveEncoder(
        folder, name=name, tokenizer=tokenizer, engine=engine, precision=precision, device=device, threads=threads
    )
