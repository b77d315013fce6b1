"""What there is to know of an encoder before it is built, and what it is built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gerund.assets import DownloadProgress
from gerund.errors import AssetError, UsageError
from gerund.reading import parse_json

if TYPE_CHECKING:
    from gerund.encoders.base import Encoder
    from gerund.encoders.engines import Device, EngineName, Precision
    from gerund.encoders.weights.checkpoint import Checkpoint
    from gerund.types import FloatArray


class Held:
    """What lies under a path that somebody gave for a model, looked at once.

    Attributes:
        path: a file or a folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration in a folder; empty where there is none."""
        for name in ("config.json", "open_clip_config.json"):
            try:
                found = parse_json((self.path / name).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(found, dict):
                return found
        return {}

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The arrays in it.

        Raises:
            AssetError: there are none that can be read.
        """
        from gerund.encoders.networks.backbone import read_arrays

        return read_arrays(self.path)

    @cached_property
    def arrays(self) -> Mapping[str, FloatArray]:
        """The arrays in it; none where it has none that can be read, or where a configuration says what they are."""
        if {"model_type", "model_cfg"} & self.config.keys():
            return {}
        try:
            return self.checkpoint.tensors
        except AssetError:
            return {}

    def has(self, *endings: str) -> bool:
        """True when for each of the endings there is an array whose name ends so."""
        return all(any(name.endswith(ending) for name in self.arrays) for ending in endings)


@dataclass(frozen=True)
class Order:
    """What an encoder is built from, and how it is to compute.

    Attributes:
        name: what users will call it: the card's, or the path or hub name that was given.
        held: the weights that were given, or fetched from the hub; None for those of gerund's own list.
        random_weights: draw the weights.
        engine: see `gerund.encoders.engines.compile_graph`, as are the next three.
        precision: arithmetic.
        device: where to compute.
        threads: how many threads to compute with; 0 takes every core.
        progress: told about downloads.
    """

    name: str
    held: Held | None = None
    random_weights: bool = False
    engine: EngineName = "auto"
    precision: Precision = "auto"
    device: Device = "auto"
    threads: int = 0
    progress: DownloadProgress | None = None

    @property
    def computing(self) -> dict[str, Any]:
        """Engine, precision, device and threads, as encoders and networks take them."""
        return {"engine": self.engine, "precision": self.precision, "device": self.device, "threads": self.threads}

    @property
    def given(self) -> Held:
        """The weights that were given, for cards whose weights always are.

        Raises:
            UsageError: there are none.
        """
        if self.held is None:
            raise UsageError(f"{self.name} is built from a file or a folder; give one")
        return self.held

    def checkpoint(self, shapes: Callable[[], Mapping[str, Sequence[int]]]) -> Checkpoint:
        """The arrays that were given, or random ones.

        Args:
            shapes: gives those of the published arrays by their names.

        Raises:
            AssetError: what was given has no arrays.
        """
        from gerund.encoders.weights.drawn import draw

        return draw(shapes()) if self.random_weights else self.given.checkpoint


@dataclass(frozen=True)
class EncoderCard:
    """An encoder by its name. Cards are light: what is heavy is imported by `build` when it is called.

    Attributes:
        name: what users call it.
        what: one line for people.
        kind: ``"video+text"`` can be asked about actions; ``"video"`` gives features to train on; ``"text"`` gives
            vectors of class texts.
        build: makes it.
        space: what its vectors lie in; only those of one space are compared.
        dim: length of its vectors; 0 where the weights say.
        assets: files of gerund's own list that it needs.
        repository: where its folder lies on the model hub, for those that come from there.
        file: the one weight file to take, for repositories that hold no folder of the usual kind.
        published: where its weights can be had, for those that gerund cannot fetch: their file is given.
        licence: of weights that are no files of gerund's own list, as their authors state it.
        trained_on: data sets whose labels it has learned, for what is then no longer unseen.
        fits: says whether a file or folder that somebody gave holds its weights; None where that is never so.
        drawable: it can be built with random weights.
    """

    name: str
    what: str
    kind: Literal["video+text", "video", "text"]
    build: Callable[[Order], Encoder]
    space: str = "its own"
    dim: int = 0
    assets: tuple[str, ...] = ()
    repository: str = ""
    file: str = ""
    published: str = ""
    licence: str = ""
    trained_on: tuple[str, ...] = ()
    fits: Callable[[Held], bool] | None = None
    drawable: bool = False

    @property
    def needs_file(self) -> bool:
        """True when its weights have to be given, because gerund cannot fetch them."""
        return bool(self.published)
