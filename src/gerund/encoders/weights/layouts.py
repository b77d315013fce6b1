"""What a checkpoint of an image-text model holds: the sizes of its two towers and its tensors by name.

CLIP, SigLIP 2 and Perception Encoder come in three layouts: the hub's (`config.json` beside the weights), Open-CLIP's
(`open_clip_config.json`) and OpenAI's (weights alone, whose shapes tell the rest; Perception Encoder's too). All are
brought to the tensor names of the hub and checked against the sizes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from gerund.errors import AssetError
from gerund.types import FloatArray

Activation = Literal["quick_gelu", "gelu", "gelu_pytorch_tanh"]
Weights = Mapping[str, FloatArray]


@dataclass(frozen=True)
class Tower:
    """A pre-norm transformer.

    Attributes:
        width: length of a token's vector.
        layers: how many blocks.
        heads: of every attention; they divide the width.
        hidden: width inside the perceptrons.
        activation: inside the perceptrons, by the hub's name.
        eps: added to the variance in layer norms.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    activation: Activation
    eps: float


@dataclass(frozen=True)
class ImageTower(Tower):
    """A vision transformer.

    Attributes:
        size_px: side of the square picture.
        patch_px: side of a patch.
        class_token: an extra token stands before the patches.
        patch_bias: the patch embedding has a bias.
        pre_norm: a layer norm stands before the first block.
        pool_heads: heads of the attention that pools all tokens; None takes the class token.
        pool_hidden: width inside the perceptron behind that attention.
        rotary: queries and keys are turned by their place in the picture.
        projected: a linear map without bias leads into the common space.
    """

    size_px: int
    patch_px: int
    class_token: bool
    patch_bias: bool
    pre_norm: bool
    pool_heads: int | None
    pool_hidden: int
    rotary: bool
    projected: bool

    @property
    def grid(self) -> int:
        """Whole patches along a side; pixels that are left over on the right and at the bottom are not looked at."""
        return self.size_px // self.patch_px


@dataclass(frozen=True)
class TextTower(Tower):
    """A text transformer.

    Attributes:
        vocabulary: how many tokens it knows.
        context: how many tokens a text may have.
        causal: no token looks at later ones; the text's vector is read at its end token, else at the last place.
        end: number of the token that ends a text; None where it is the highest number in it.
        projection: name of the linear map into the common space; only the head of SigLIP has a bias.
    """

    vocabulary: int
    context: int
    causal: bool
    end: int | None
    projection: str


@dataclass(frozen=True)
class Architecture:
    """Both towers and the length of the vectors they share."""

    image: ImageTower
    text: TextTower
    dim: int


def expected_shapes(net: Architecture) -> dict[str, tuple[int, ...]]:
    """Every tensor that the two graphs read, with its shape."""
    image, text = net.image, net.text
    vision, words = "vision_model.embeddings", "text_model.embeddings"
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        f"{vision}.patch_embedding.weight": (image.width, 3, image.patch_px, image.patch_px),
        f"{vision}.position_embedding.weight": (image.grid**2 + image.class_token, image.width),
        f"{words}.token_embedding.weight": (text.vocabulary, text.width),
        f"{words}.position_embedding.weight": (text.context, text.width),
    }

    def linear(name: str, out: int, into: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into), (out,)

    def norm(name: str, width: int) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    def blocks(name: str, tower: Tower) -> None:
        for layer in range(tower.layers):
            block = f"{name}.encoder.layers.{layer}"
            norm(f"{block}.layer_norm1", tower.width)
            norm(f"{block}.layer_norm2", tower.width)
            for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                linear(f"{block}.self_attn.{part}", tower.width, tower.width)
            linear(f"{block}.mlp.fc1", tower.hidden, tower.width)
            linear(f"{block}.mlp.fc2", tower.width, tower.hidden)

    blocks("vision_model", image)
    blocks("text_model", text)
    norm("vision_model.post_layernorm", image.width)
    norm("text_model.final_layer_norm", text.width)
    if image.class_token:
        shapes[f"{vision}.class_embedding"] = (image.width,)
    if image.patch_bias:
        shapes[f"{vision}.patch_embedding.bias"] = (image.width,)
    if image.pre_norm:
        norm("vision_model.pre_layrnorm", image.width)
    if image.pool_heads:
        head = "vision_model.head"
        shapes[f"{head}.probe"] = (1, 1, image.width)
        shapes[f"{head}.attention.in_proj_weight"] = (3 * image.width, image.width)
        shapes[f"{head}.attention.in_proj_bias"] = (3 * image.width,)
        linear(f"{head}.attention.out_proj", image.width, image.width)
        norm(f"{head}.layernorm", image.width)
        linear(f"{head}.mlp.fc1", image.pool_hidden, image.width)
        linear(f"{head}.mlp.fc2", image.width, image.pool_hidden)
    if image.projected:
        shapes["visual_projection.weight"] = (net.dim, image.width)
    shapes[f"{text.projection}.weight"] = (net.dim, text.width)
    if not text.causal:
        shapes[f"{text.projection}.bias"] = (net.dim,)
    return shapes


def check_weights(weights: Weights, net: Architecture, source: str) -> None:
    """Makes sure that a checkpoint is what its configuration says.

    Raises:
        AssetError: a tensor is missing or has another shape, or there is one that the towers have no use for; the
            message names it.
    """
    expected = expected_shapes(net)
    for name, shape in expected.items():
        if name not in weights:
            raise AssetError(f"{source}: no tensor {name!r}, which the configuration asks for with shape {shape}")
        found = weights[name].shape
        if found != shape and not (name == "logit_scale" and weights[name].size == 1):
            raise AssetError(f"{source}: tensor {name!r} should have the shape {shape}, it has {found}")
    for name in weights:
        if name not in expected and name.startswith(_TOWERS) and not name.endswith(_IDLE):
            raise AssetError(f"{source}: tensor {name!r} belongs to no model that can be read; its towers differ")


_TOWERS = ("vision_model.", "text_model.", "visual.", "visual_", "text.", "text_", "transformer.")
_IDLE = (".position_ids", "attn_mask")
"""Endings of tensors that a tower keeps and does not compute with."""

_RENAMED = (
    (r"^module\.", ""),
    (r"^text\.(?=transformer|token_embedding|positional|ln_final|text_projection)", ""),
    (r"^visual\.conv1\.", "vision_model.embeddings.patch_embedding."),
    (r"^visual\.class_embedding$", "vision_model.embeddings.class_embedding"),
    (r"^visual\.positional_embedding$", "vision_model.embeddings.position_embedding.weight"),
    (r"^visual\.ln_pre\.", "vision_model.pre_layrnorm."),
    (r"^visual\.ln_post\.", "vision_model.post_layernorm."),
    (r"^visual\.proj$", "visual_projection.weight"),
    (r"^visual\.transformer\.resblocks\.", "vision_model.encoder.layers."),
    (r"^visual\.attn_pool\.attn\.", "vision_model.head.attention."),
    (r"^visual\.attn_pool\.", "vision_model.head."),
    (r"^token_embedding\.", "text_model.embeddings.token_embedding."),
    (r"^positional_embedding$", "text_model.embeddings.position_embedding.weight"),
    (r"^ln_final\.", "text_model.final_layer_norm."),
    (r"^text_projection$", "text_projection.weight"),
    (r"^transformer\.resblocks\.", "text_model.encoder.layers."),
    (r"\.ln_([12])\.", r".layer_norm\1."),
    (r"(layers\.\d+)\.attn\.", r"\1.self_attn."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)
"""From the names of OpenAI's and Open-CLIP's files, which Perception Encoder shares, to the hub's."""


def to_hub_names(weights: Weights) -> dict[str, FloatArray]:
    """A checkpoint of OpenAI, Open-CLIP or Perception Encoder under the hub's tensor names.

    Fused projections are split; projections stored as ``[in, out]`` are turned round. Names of the hub stay.
    """
    renamed: dict[str, FloatArray] = {}
    for name, value in weights.items():
        new = name
        for pattern, replacement in _RENAMED:
            new = re.sub(pattern, replacement, new)
        if match := re.fullmatch(r"(.*\.self_attn)\.in_proj_(weight|bias)", new):
            for part, piece in zip("qkv", np.split(value, 3), strict=True):
                renamed[f"{match[1]}.{part}_proj.{match[2]}"] = piece
        else:
            turn = new != name and new in ("visual_projection.weight", "text_projection.weight")
            renamed[new] = value.T if turn else value
    return renamed


def from_hub_config(config: Mapping[str, Any], source: str) -> Architecture:
    """The sizes in a `config.json` of the hub; what it leaves out has the value that its model type implies.

    Raises:
        AssetError: the model is of another type, or of a kind that is not supported.
    """
    kind = config.get("model_type")
    if kind not in ("clip", "siglip"):
        hint = "; of SigLIP 2 only the fixed-resolution models, not NaFlex" if kind == "siglip2" else ""
        raise AssetError(f"{source}: model_type is {kind!r}; 'clip' and 'siglip' can be read{hint}")
    clip = kind == "clip"
    common = {"layer_norm_eps": 1e-5, "hidden_act": "quick_gelu"}
    if not clip:
        common = {"layer_norm_eps": 1e-6, "hidden_act": "gelu_pytorch_tanh"}
    base = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    small = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8}
    try:
        vision = {**common, **base, "image_size": 224, "patch_size": 32 if clip else 16, **_section(config, "vision")}
        words = {**common, **(small if clip else base), **_section(config, "text")}
        if not vision.get("vision_use_head", True):
            raise AssetError(
                f"{source}: a vision tower without its pooling head has no embeddings to compare with texts"
            )
        image = ImageTower(
            **_tower(vision),
            size_px=int(vision["image_size"]),
            patch_px=int(vision["patch_size"]),
            class_token=clip,
            patch_bias=not clip,
            pre_norm=clip,
            pool_heads=None if clip else int(vision["num_attention_heads"]),
            pool_hidden=int(vision["intermediate_size"]),
            rotary=False,
            projected=clip,
        )
        end = words.get("eos_token_id", 49407)
        text = TextTower(
            **_tower(words),
            vocabulary=int(words.get("vocab_size", 49408 if clip else 32000)),
            context=int(words.get("max_position_embeddings", 77 if clip else 64)),
            causal=clip,
            end=None if end == _WRONG_END else int(end),
            projection="text_projection" if clip else "text_model.head",
        )
        dim = int(config.get("projection_dim", 512) if clip else words.get("projection_size") or text.width)
    except (TypeError, ValueError) as error:
        raise AssetError(f"{source}: not the configuration of such a model; {error}") from error
    return _checked(Architecture(image, text, dim), source)


_WRONG_END = 2
"""Early configurations of CLIP name 2 as the end token, which it never was; there the highest number is meant."""


def _section(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One tower's settings; early CLIP configurations say some of them in a second place, which wins."""
    return {**(config.get(f"{name}_config") or {}), **(config.get(f"{name}_config_dict") or {})}


def _tower(section: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "width": int(section["hidden_size"]),
        "layers": int(section["num_hidden_layers"]),
        "heads": int(section["num_attention_heads"]),
        "hidden": int(section["intermediate_size"]),
        "activation": section["hidden_act"],
        "eps": float(section["layer_norm_eps"]),
    }


def from_shapes(weights: Weights, source: str, *, activation: Activation | None = None) -> Architecture:
    """The sizes of a checkpoint that has no configuration, from its tensors by the hub's names.

    OpenAI's models have heads of 64 channels and their own approximation of GELU; Perception Encoder (told by its
    pooling attention) has the exact one, 8 heads in that attention, and heads of 96 channels at its largest width.

    Args:
        weights: tensors by the hub's names.
        source: what to call the file in messages.
        activation: where it is known to be another one.

    Raises:
        AssetError: tensors are missing that tell the sizes.
    """
    try:
        kernel = weights["vision_model.embeddings.patch_embedding.weight"]
        places = weights["vision_model.embeddings.position_embedding.weight"]
        tokens = weights["text_model.embeddings.token_embedding.weight"]
        context = weights["text_model.embeddings.position_embedding.weight"]
        perception = "vision_model.head.probe" in weights
        class_token = "vision_model.embeddings.class_embedding" in weights
        grid = round((len(places) - class_token) ** 0.5)
        act = activation or ("gelu" if perception else "quick_gelu")
        width = len(kernel)
        image = ImageTower(
            width=width,
            layers=_count_layers(weights, "vision_model"),
            heads=width // (96 if perception and width == 1536 else 64),
            hidden=len(weights["vision_model.encoder.layers.0.mlp.fc1.weight"]),
            activation=act,
            eps=1e-5,
            size_px=grid * kernel.shape[2],
            patch_px=kernel.shape[2],
            class_token=class_token,
            patch_bias=False,
            pre_norm=True,
            pool_heads=8 if perception else None,
            pool_hidden=4 * width,
            rotary=perception,
            projected=True,
        )
        text = TextTower(
            width=tokens.shape[1],
            layers=_count_layers(weights, "text_model"),
            heads=tokens.shape[1] // 64,
            hidden=len(weights["text_model.encoder.layers.0.mlp.fc1.weight"]),
            activation=act,
            eps=1e-5,
            vocabulary=len(tokens),
            context=len(context),
            causal=True,
            end=None,
            projection="text_projection",
        )
        dim = len(weights["text_projection.weight"])
    except (KeyError, IndexError) as error:
        raise AssetError(
            f"{source}: no config.json, and not the weights of a CLIP with a vision transformer, as OpenAI publishes "
            f"them, nor of Perception Encoder (no {error})"
        ) from error
    return _checked(Architecture(image, text, dim), source)


def _count_layers(weights: Weights, tower: str) -> int:
    return 1 + max(
        int(match[1]) for name in weights if (match := re.match(rf"{tower}\.encoder\.layers\.(\d+)\.", name))
    )


def _checked(net: Architecture, source: str) -> Architecture:
    for name, tower in (("picture", net.image), ("text", net.text)):
        if tower.activation not in get_args(Activation):
            raise AssetError(
                f"{source}: activation {tower.activation!r} of the {name} tower; expected one of {get_args(Activation)}"
            )
        if tower.heads < 1 or tower.width % tower.heads or tower.layers < 1:
            raise AssetError(
                f"{source}: the {name} tower has {tower.heads} heads and {tower.layers} layers at width {tower.width}"
            )
    if not 1 <= net.image.patch_px <= net.image.size_px:
        raise AssetError(f"{source}: patches of {net.image.patch_px} in pictures of {net.image.size_px} pixels")
    return net


def from_open_clip(config: Mapping[str, Any], weights: Weights, source: str) -> Architecture:
    """The sizes of an Open-CLIP model: those of its weights, with the activation and heads its configuration names.

    Raises:
        AssetError: its towers are not the plain ones of CLIP.
    """
    vision, words = config.get("vision_cfg") or {}, config.get("text_cfg") or {}
    foreign = [key for key in ("timm_model_name", "attentional_pool", "ls_init_value") if vision.get(key)]
    foreign += [key for key in ("hf_model_name", "embed_cls", "ls_init_value", "no_causal_mask") if words.get(key)]
    if foreign or vision.get("pool_type", "tok") != "tok" or words.get("pool_type", "argmax") != "argmax":
        raise AssetError(
            f"{source}: its towers differ from CLIP's ({', '.join(foreign) or 'pool_type'}); take the model in the "
            "hub's layout"
        )
    net = from_shapes(weights, source, activation="quick_gelu" if config.get("quick_gelu") else "gelu")
    heads = net.image.width // int(vision.get("head_width", 64))
    image = replace(net.image, heads=heads)
    return _checked(replace(net, image=image, text=replace(net.text, heads=int(words.get("heads", 8)))), source)
