"""CLIP, SigLIP 2 and Perception Encoder: pictures and texts into one space, frame by frame."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gerund.encoders.base import Encoder, Window, unit
from gerund.encoders.engines import Device, Engine, EngineName, Precision, choose, compile_graph
from gerund.encoders.graph import Graph
from gerund.encoders.networks.clip import image_graph, text_graph
from gerund.encoders.scripts import unreadable
from gerund.encoders.shares import at_rate, of_equal_parts
from gerund.encoders.tokenizer import TextTokens, batches
from gerund.encoders.weights.checkpoint import read_checkpoint
from gerund.encoders.weights.layouts import (
    Architecture,
    check_weights,
    from_hub_config,
    from_open_clip,
    from_shapes,
    to_hub_names,
)
from gerund.errors import AssetError, UsageError
from gerund.reading import parse_json
from gerund.text.classes import ClassSpace
from gerund.text.descriptions.choosing import TEMPLATES
from gerund.text.descriptions.lookup import defined_name
from gerund.text.names import to_words
from gerund.types import FloatArray, FrameArray, IntArray
from gerund.video.memory import FrameSource
from gerund.video.transforms import Preparation

_FRAMES = 16
_DENSE_HZ = 4.0
OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class PictureRule:
    """How a picture becomes what the network looks at.

    Attributes:
        size_px: side of the square that comes out.
        short_px: the shorter side is scaled to this and the central square cut out; None squashes the whole picture.
        bicubic: which filter scales, with antialiasing; else bilinear.
        mean: of each colour in [0, 1], for the network's first product.
        std: see `mean`.
    """

    size_px: int
    short_px: int | None
    bicubic: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def preparation(self) -> Preparation:
        """The part of it that is done to pixels; equal to the reference processors to the bit."""
        return Preparation(self.size_px, self.short_px, self.bicubic)


class ContrastiveEncoder(Encoder):
    """Frames and texts to unit vectors with a model whose two towers were trained on pairs of pictures and texts.

    Args:
        path: a folder in the hub's layout (`config.json`, `preprocessor_config.json`, weights, tokenizer), one in
            Open-CLIP's (`open_clip_config.json`), or a weight file of OpenAI's CLIP or of Perception Encoder.
        name: what users call the model.
        tokenizer: a folder or file with the vocabulary, where it does not lie beside the weights.
        engine: what computes, as `gerund.encoders.engines.compile_graph` takes it.
        precision: see `engine`. Of int8 the text network takes no part.
        device: see `engine`.
        threads: how many threads to compute with; 0 takes every core.
        batch: how many frames are encoded together.

    Raises:
        AssetError: a file is missing or damaged, or the weights are not what the configuration says.
        UsageError: the engine, precision and device cannot be had together here.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        tokenizer: Path | None = None,
        engine: EngineName = "auto",
        precision: Precision = "auto",
        device: Device = "auto",
        threads: int = 0,
        batch: int = 16,
    ) -> None:
        self.name = name
        self.batch = batch
        self._setup = choose(engine, precision, device)
        self._asked = precision
        self._threads = threads
        self._folder = path if path.is_dir() else path.parent
        config = _read_config(path)
        self._checkpoint = read_checkpoint(path)
        self._weights = to_hub_names(self._checkpoint.tensors)
        self.architecture, self.pictures = _describe(path, config, self._weights)
        check_weights(self._weights, self.architecture, str(path))
        self.preparation = self.pictures.preparation
        self.dim = self.architecture.dim
        self.logit_scale = float(np.exp(self._weights["logit_scale"].astype(np.float64)).item())
        self._tokenizer_path = tokenizer or self._folder

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the weights, the sizes, the preprocessing, the sampling and the arithmetic."""
        settled = self._asked != "auto" or self._setup.precision == "fp32"
        precision = self._setup.precision if settled else self._image_network.precision
        recipe = [astuple(self.architecture), astuple(self.pictures), precision, _DENSE_HZ, _FRAMES, TEMPLATES]
        return hashlib.sha256(repr((self._checkpoint.sha256, recipe)).encode()).hexdigest()[:16]

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """Single frames: the centres of 16 equal parts of the video, or when dense four a second.

        Every frame speaks for its part. A frame that would be asked for twice, in a very short or slow video, is
        asked for once.
        """
        return at_rate(video, _DENSE_HZ) if dense else of_equal_parts(video.num_frames, _FRAMES)

    def raw_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Prepared frames ``[B, T, size, size, 3]`` to vectors ``[B, T, dim]``, one for each frame."""
        vectors = self.encode_pictures(frames.reshape(-1, *frames.shape[2:]), normalise=False)
        return vectors.reshape(*frames.shape[:2], self.dim)

    def encode_pictures(self, pictures: FrameArray, *, normalise: bool = True) -> FloatArray:
        """Prepared pictures to vectors.

        Args:
            pictures: uint8 ``[N, size, size, 3]``, as `prepare` gives them.
            normalise: make the vectors unit vectors; else they are what the network's last layer says.

        Returns:
            ``[N, dim]``; a picture has the same vector whatever its neighbours.

        Raises:
            UsageError: the pictures are of another size or type.
        """
        size = self.architecture.image.size_px
        if pictures.dtype != np.uint8 or pictures.shape[1:] != (size, size, 3):
            raise UsageError(f"pictures must be uint8 [N, {size}, {size}, 3], got {pictures.dtype} {pictures.shape}")
        vectors = np.zeros((len(pictures), self.dim), np.float32)
        for begin in range(0, len(pictures), self.batch):
            part = slice(begin, begin + self.batch)
            vectors[part] = self._image_network(np.ascontiguousarray(pictures[part]))
        return unit(vectors) if normalise else vectors

    def encode_texts(self, texts: Sequence[str], *, normalise: bool = True, truncate: bool = False) -> FloatArray:
        """Texts to vectors ``[N, dim]``.

        Args:
            texts: any number; those of one length are encoded together.
            normalise: make the vectors unit vectors; else they are what the network's last layer says.
            truncate: cut texts that are too long for the model; `overlong` says which those are.

        Raises:
            AssetError: there is no tokenizer.
            UsageError: a text is too long and `truncate` is not set.
        """
        rows = self._tokens(texts, truncate=truncate)
        vectors = np.zeros((len(rows), self.dim), np.float32)
        for places, ids, _ in batches(rows):
            read = np.zeros_like(ids)
            for line, place in enumerate(places):
                read[line, self._place_to_read(rows[place])] = 1
            vectors[places] = self._text_network(ids, read)
        return unit(vectors) if normalise else vectors

    def overlong(self, texts: Sequence[str]) -> list[str]:
        """Those of the texts that are longer than the model can take, and would be cut."""
        return self._tokens.overlong(texts)

    def texts_of(self, classes: ClassSpace) -> tuple[tuple[str, ...], ...]:
        """The texts that stand for the classes.

        Those given; else the name in the sentences of `TEMPLATES`, in lower case, and with its definition where gerund
        has one that fits. What the definition adds was not measured with this kind of model.
        """
        if classes.as_given:
            return classes.texts
        found = [_texts_of(name, given) for name, given in zip(classes.names, classes.texts, strict=True)]
        cut = set(self.overlong([texts[-1] for texts in found if len(texts) > len(TEMPLATES)]))
        return tuple(texts[:-1] if texts[-1] in cut else texts for texts in found)

    def unreadable(self, classes: ClassSpace) -> list[str]:
        """Names of the classes whose texts the vocabulary has no words for; CLIP's spells all but Latin by bytes."""
        return unreadable(classes, lambda: self._tokens.tokenizer)

    def remarks(self) -> list[str]:
        """How well int8 agrees with float32."""
        return [f"int8 image network: {self._image_network.agreement}"] if self._setup.precision == "int8" else []

    def graphs(self) -> dict[str, Graph]:
        """The two towers: pictures and token numbers to embeddings, not yet at unit length."""
        net, look = self.architecture, self.pictures
        return {"image": image_graph(self._weights, net, look.mean, look.std), "text": text_graph(self._weights, net)}

    def _place_to_read(self, row: IntArray) -> int:
        text = self.architecture.text
        if not text.causal:
            return len(row) - 1
        return int(np.argmax(row if text.end is None else row == text.end))

    @cached_property
    def _tokens(self) -> TextTokens:
        text = self.architecture.text
        return TextTokens(
            self._tokenizer_path, context=text.context, vocabulary=text.vocabulary, padded=not text.causal
        )

    @cached_property
    def _image_network(self) -> Engine:
        return self._compile(self.graphs()["image"], self._asked)

    @cached_property
    def _text_network(self) -> Engine:
        return self._compile(self.graphs()["text"], "auto" if self._asked == "int8" else self._asked)

    def _compile(self, graph: Graph, precision: Precision) -> Engine:
        engine, device = self._setup.engine, self._setup.device
        return compile_graph(graph, engine=engine, precision=precision, device=device, threads=self._threads)


def _texts_of(name: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    if texts != (name,):
        return texts
    words = to_words(name).lower()
    defined = defined_name(words)
    return (*(template.format(words) for template in TEMPLATES), *((defined,) if defined else ()))


def _read_config(path: Path) -> dict[str, Any] | None:
    """The configuration beside the weights; None where there is none and none is needed."""
    folder = path if path.is_dir() else path.parent
    for name in ("config.json", "open_clip_config.json"):
        if (folder / name).is_file():
            config = _read_json(folder / name)
            if "model_type" in config or "model_cfg" in config:
                return config
    if path.is_dir() and not any(path.glob("*.pt")):
        raise AssetError(f"{path}: no config.json; download the whole model, not its weights alone")
    return None


def _describe(
    path: Path, config: dict[str, Any] | None, weights: Mapping[str, FloatArray]
) -> tuple[Architecture, PictureRule]:
    folder = path if path.is_dir() else path.parent
    if config is None:
        net = from_shapes(weights, str(path))
        size = net.image.size_px
        if net.image.rotary:
            return net, PictureRule(size, None, False, HALF, HALF)
        return net, PictureRule(size, size, True, OPENAI_MEAN, OPENAI_STD)
    if "model_cfg" in config:
        net = from_open_clip(config["model_cfg"], weights, str(folder))
        return net, _open_clip_rule(config.get("preprocess_cfg") or {}, net.image.size_px)
    net = from_hub_config(config, str(folder / "config.json"))
    return net, _hub_rule(folder, net.image.size_px)


def _open_clip_rule(settings: Mapping[str, Any], size_px: int) -> PictureRule:
    """Open-CLIP's preprocessing; what it does not say is OpenAI's."""
    squash = settings.get("resize_mode", "shortest") == "squash"
    bicubic = settings.get("interpolation", "bicubic") == "bicubic"
    mean, std = (tuple(settings.get(key, value)) for key, value in (("mean", OPENAI_MEAN), ("std", OPENAI_STD)))
    return PictureRule(size_px, None if squash else size_px, bicubic, mean, std)


def _hub_rule(folder: Path, size_px: int) -> PictureRule:
    """The preprocessing that a checkpoint in the hub's layout asks for.

    Raises:
        AssetError: the file is missing, or asks for something else than scaling, cutting and normalising.
    """
    file = folder / "preprocessor_config.json"
    if file.is_file():
        settings = _read_json(file)
    elif (folder / "processor_config.json").is_file():
        file = folder / "processor_config.json"
        settings = _read_json(file).get("image_processor") or {}
    else:
        raise AssetError(f"{folder}: no preprocessor_config.json, which says how pictures are scaled; download it too")
    try:
        size = settings.get("size", size_px)
        size = size if isinstance(size, dict) else {"shortest_edge": size}
        crop = settings.get("crop_size", size_px)
        crop = crop if isinstance(crop, dict) else {"height": crop, "width": crop}
        filters = {int(Image.Resampling.BILINEAR): False, int(Image.Resampling.BICUBIC): True}
        bicubic = filters[settings.get("resample", int(Image.Resampling.BICUBIC))]
        short = int(size.get("shortest_edge", 0))
        centred = short > 0 and settings.get("do_center_crop", True)
        out = (crop["height"], crop["width"]) if centred else (size["height"], size["width"])
        mean, std = (tuple(float(value) for value in settings[key]) for key in ("image_mean", "image_std"))
        steps = [settings.get(key, True) for key in ("do_resize", "do_rescale", "do_normalize")]
        scale = settings.get("rescale_factor", 1 / 255)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AssetError(f"{file}: not the preprocessing of such a model; {error!r}") from error
    if out != (size_px, size_px) or (centred and short < size_px) or len(mean) != 3 or len(std) != 3:
        raise AssetError(f"{file}: makes pictures of {out} from size {size}, the network takes {size_px} x {size_px}")
    if not all(steps) or abs(scale * 255 - 1) > 1e-6:
        raise AssetError(f"{file}: leaves out scaling, rescaling or normalising, which this model needs")
    return PictureRule(size_px, short if centred else None, bicubic, mean, std)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AssetError(f"{file}: cannot be read as JSON; {error}") from error
    if not isinstance(content, dict):
        raise AssetError(f"{file}: expected an object, got {type(content).__name__}")
    return content
