"""CLIP, SigLIP 2 and Perception Encoder: pictures and texts in one space."""

from __future__ import annotations

from gerund.assets import find_asset, verified
from gerund.encoders.base import Encoder
from gerund.encoders.card import EncoderCard, Held, Order


def _build(order: Order) -> Encoder:
    if order.random_weights:
        from gerund.encoders.features import FeatureEncoder
        from gerund.encoders.towers import DrawnTower

        return FeatureEncoder(DrawnTower(order.name, **order.computing), order.name)
    from gerund.encoders.contrastive import ContrastiveEncoder

    path = order.given.path
    alone = path.suffix == ".pt"  # the archives of OpenAI and of Perception Encoder come without a vocabulary
    vocabulary = verified(find_asset("clip-vocabulary"), progress=order.progress) if alone else None
    return ContrastiveEncoder(path, name=order.name, tokenizer=vocabulary, **order.computing)


def _fits(held: Held) -> bool:
    if held.config.get("model_type") in ("clip", "siglip", "siglip2") or "model_cfg" in held.config:
        return True
    return held.has("visual.conv1.weight") or held.has("embeddings.patch_embedding.weight")


_HUB = {
    "clip-b32": ("CLIP ViT-B/32", 512, "openai/clip-vit-base-patch32"),
    "clip-b16": ("CLIP ViT-B/16", 512, "openai/clip-vit-base-patch16"),
    "clip-l14": ("CLIP ViT-L/14", 768, "openai/clip-vit-large-patch14"),
    "siglip2-b16": ("SigLIP 2 B/16", 768, "google/siglip2-base-patch16-224"),
}
_PERCEPTION = {
    "pe-b16": ("Perception Encoder (core) B/16", "PE-Core-B16-224"),
    "pe-l14": ("Perception Encoder (core) L/14, 336 pixels", "PE-Core-L14-336"),
}

CARDS = (
    *(
        EncoderCard(
            name,
            what,
            "video+text",
            _build,
            dim=dim,
            repository=repository,
            licence="as its repository states",
            drawable=True,
        )
        for name, (what, dim, repository) in _HUB.items()
    ),
    *(
        EncoderCard(
            name,
            what,
            "video+text",
            _build,
            dim=1024,
            assets=("clip-vocabulary",),
            repository=f"facebook/{repository}",
            file=f"{repository}.pt",
            licence="Apache-2.0",
            drawable=True,
        )
        for name, (what, repository) in _PERCEPTION.items()
    ),
    EncoderCard(
        "clip",
        "a CLIP, SigLIP 2 or Perception Encoder of yours: a folder of the hub's or Open-CLIP's, or the authors' file",
        "video+text",
        _build,
        published="on the model hub",
        licence="as its authors state",
        fits=_fits,
    ),
)
