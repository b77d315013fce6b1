"""The picture towers of CLIP's kin at full size with random weights, where the real ones cannot be had."""

from __future__ import annotations

from typing import Any

import numpy as np

from gerund.encoders.contrastive import HALF, OPENAI_MEAN, OPENAI_STD, PictureRule
from gerund.encoders.networks.backbone import Backbone
from gerund.encoders.networks.clip import image_graph
from gerund.encoders.weights.drawn import draw
from gerund.encoders.weights.layouts import Activation, Architecture, ImageTower, expected_shapes, from_hub_config
from gerund.types import IntArray
from gerund.video.sampling import segment_centres
from gerund.video.transforms import Preparation

_FRAMES = 16
_TOWER = "vision_model.", "visual_projection."


def _clip(patch_px: int, width: int, layers: int, dim: int) -> dict[str, Any]:
    sizes = {"patch_size": patch_px, "hidden_size": width, "num_hidden_layers": layers}
    heads = {"intermediate_size": 4 * width, "num_attention_heads": width // 64}
    return {"model_type": "clip", "projection_dim": dim, "vision_config": sizes | heads}


CONFIGS = {
    "clip-b32": _clip(32, 768, 12, 512),
    "clip-b16": _clip(16, 768, 12, 512),
    "clip-l14": _clip(14, 1024, 24, 768),
    "siglip2-b16": {"model_type": "siglip"},
}
"""As their `config.json` on the model hub has them; what is left out is the base size."""
PERCEPTION = {"pe-b16": (224, 16, 768, 12), "pe-l14": (336, 14, 1024, 24)}
"""Side, patch, width and layers of the published models (Bolya et al., "Perception Encoder", 2025)."""


class DrawnTower(Backbone):
    """Pictures to what the picture tower of a model with random weights makes of them.

    Args:
        name: of the model.
        settings: of `Backbone`.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        net = _architecture(name)
        self._rule = _rule(name, net.image.size_px)
        self.name, self.dim = name, net.dim
        self.size_px, self.short_px = net.image.size_px, self._rule.short_px or 0
        checkpoint = draw({key: shape for key, shape in expected_shapes(net).items() if key.startswith(_TOWER)})
        graph = image_graph(checkpoint.tensors, net, self._rule.mean, self._rule.std)
        super().__init__(graph, checkpoint, **settings)

    @property
    def preparation(self) -> Preparation:
        """As the real model's pictures are prepared."""
        return self._rule.preparation

    def sample(self, num_frames: int) -> IntArray:
        """The centres of 16 equal parts of the video, each frame once."""
        return np.unique(segment_centres(num_frames, _FRAMES))


def _architecture(name: str) -> Architecture:
    if name in CONFIGS:
        return from_hub_config(CONFIGS[name], name)
    size_px, patch_px, width, layers = PERCEPTION[name]
    activation: Activation = "gelu"
    image = ImageTower(
        width=width,
        layers=layers,
        heads=width // 64,
        hidden=4 * width,
        activation=activation,
        eps=1e-5,
        size_px=size_px,
        patch_px=patch_px,
        class_token=True,
        patch_bias=False,
        pre_norm=True,
        pool_heads=8,
        pool_hidden=4 * width,
        rotary=True,
        projected=True,
    )
    return Architecture(image, from_hub_config(CONFIGS["clip-b16"], name).text, 1024)


def _rule(name: str, size_px: int) -> PictureRule:
    if name.startswith("clip"):
        return PictureRule(size_px, size_px, True, OPENAI_MEAN, OPENAI_STD)
    return PictureRule(size_px, None, False, HALF, HALF)
