"""Which frames of a video become vectors, when that is not left to the encoder."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gerund.encoders.base import VideoHalf, Window, unit
from gerund.encoders.shares import at_rate, of_equal_parts, single_frames
from gerund.errors import UsageError
from gerund.features.tracks import RAW
from gerund.types import FloatArray, FrameArray, IntArray
from gerund.video.clipping import Strided
from gerund.video.memory import FrameSource, MemoryVideo
from gerund.video.sampling import consecutive_clips
from gerund.video.transforms import Preparation

_PAIR = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")
_VIEW = Strided()
_ASKED_FRAMES = 64


@dataclass(frozen=True)
class Sampling:
    """A choice of frames; with no setting, what the encoder itself does when it covers a whole video.

    Attributes:
        stride: one vector for every so many frames. The centre frame stands for its chunk; frames after the last whole
            chunk are left out; a video shorter than one chunk is one chunk.
        mean: with `stride`, all frames of a chunk are encoded and the unit mean of their vectors stands for it.
        rate_hz: so many vectors a second, each the frame on screen in the middle of its share of a second.
        frames: the centre frames of so many equal parts of the video.
        few: the windows that the encoder looks at to tell what a whole video shows.
        clips: so many clips of so many consecutive frames, one from each equal part of the video, as LoCATe-GAT tests
            with 25 of 16. Encoders of single frames give a vector for each frame of a clip, those of clips that long
            one for each clip. A video of fewer frames than clips has a clip for each frame.
        views: so many views in time, of 8 frames 16 apart at 30 a second, with so many squares cut from each picture,
            as STDD tests with 3 and 1. The vectors of a view's squares follow each other.

    A frame that `rate_hz` or `frames` would ask for twice, in a slow or short video, is asked for once.

    Raises:
        UsageError: a number is negative, or none, or two of the settings are given.

    Source: `stride` follows the features of GAP (arXiv 2408.13777), one vector for 8 or 16 frames with the number of
    chunks rounded down; whether a chunk was averaged there is not published, hence `mean`.

    Example:
        >>> Sampling(stride=8).key, Sampling(stride=16, mean=True).key, Sampling(rate_hz=2.5).key, Sampling().key
        ('stride8', 'stride16-mean', 'rate2.5', 'own')
        >>> Sampling(clips=(25, 16)).key, Sampling(views=(4, 3)).key
        ('clips25x16', 'views4x3')
    """

    stride: int = 0
    mean: bool = False
    rate_hz: float = 0.0
    frames: int = 0
    few: bool = False
    clips: tuple[int, int] | None = None
    views: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("stride", "rate_hz", "frames", "few", "clips", "views") if getattr(self, name)]
        if len(given) > 1:
            raise UsageError(
                f"a sampling is one of stride, rate, frames, few, clips and views; got {' and '.join(given)}"
            )
        if self.stride < 0 or self.frames < 0 or not 0 <= self.rate_hz < np.inf:
            raise UsageError(f"stride, rate and frames must be above 0, got {self}")
        if min(self.clips or (1,)) < 1 or min(self.views or (1,)) < 1:
            raise UsageError(f"clips and views are numbers of at least 1, got {self}")
        if self.mean and not self.stride:
            raise UsageError("mean goes with a stride: it is over the frames of each chunk")

    @property
    def key(self) -> str:
        """What tells it from other samplings in the name of a folder."""
        if self.stride:
            return f"stride{self.stride}" + ("-mean" if self.mean else "")
        if self.rate_hz:
            return f"rate{plain_number(self.rate_hz)}"
        if self.frames:
            return f"frames{self.frames}"
        if self.clips:
            return "clips{}x{}".format(*self.clips)
        if self.views:
            return "views{}x{}".format(*self.views)
        return "few" if self.few else "own"

    @property
    def words(self) -> str:
        """What it is, for people."""
        if self.stride:
            what = "the unit mean of all frames" if self.mean else "the centre frame"
            return f"{what} of every whole chunk of {self.stride} frames"
        if self.rate_hz:
            return f"{plain_number(self.rate_hz)} frames a second, from the middle of each share"
        if self.frames:
            return f"the centre frames of {self.frames} equal parts"
        if self.clips:
            return "{} clips of {} consecutive frames, one from each equal part".format(*self.clips)
        if self.views:
            return (
                f"{self.views[0]} views of {_VIEW.frames} frames, {_VIEW.step:g} apart at {_VIEW.rate_hz:g} a second, "
                f"x {self.views[1]} crops"
            )
        return "the encoder's own few windows" if self.few else "the encoder's own, over the whole video"

    @property
    def dense(self) -> bool:
        """What encoders are told: the whole video in time order, or a few windows."""
        return not self.few

    def of(self, encoder: VideoHalf, *, raw: bool = False) -> VideoHalf:
        """An encoder that samples so; its vectors and its fingerprint stay those of the given one.

        Args:
            encoder: what to encode with.
            raw: its vectors as its network gives them (`raw_windows`), not of length 1. They have a fingerprint of
                their own, so that they are never compared with others by mistake.

        Raises:
            UsageError: it cannot look at frames that are chosen so, or its vectors have no length but 1.
        """
        if raw and (getattr(encoder, "unit_only", False) or not hasattr(encoder, "raw_windows")):
            raise UsageError(
                f"{encoder.name} has no raw vectors: they are made to be directions, and have length 1. Leave raw out, "
                "or take an encoder whose network gives the vectors, such as CLIP"
            )
        chooses = self.key not in ("own", "few")
        return Resampled(encoder, self, raw=raw) if chooses or raw else encoder

    @property
    def clip_frames(self) -> int:
        """How many frames go through the encoder together; 1 for single frames."""
        return self.clips[1] if self.clips else _VIEW.frames if self.views else 1

    @property
    def is_fixed(self) -> bool:
        """True where the number of vectors does not grow with the length of a video."""
        return bool(self.few or self.frames or self.clips or self.views)

    def windows(
        self, video: FrameSource, preparation: Preparation | None = None, *, whole: bool = False
    ) -> list[Window]:
        """The frames to look at and the time that each speaks for, by frame numbers.

        Args:
            video: how long it is decides.
            preparation: the encoder's, for several crops of a picture.
            whole: a clip has one vector, not one for each of its frames.

        Raises:
            UsageError: the choice is the encoder's, or there is nothing to cut crops by.
        """
        num_frames = video.num_frames
        if self.clips:
            count, length = self.clips
            return [_clip(row, whole=whole) for row in consecutive_clips(num_frames, length, count)]
        if self.views:
            count, crops = self.views
            rows = replace(_VIEW, clips=count).numbers(num_frames, float(video.fps))
            if crops > 1 and preparation is None:
                raise UsageError("this encoder prepares pictures in a way of its own; leave crops out (--views 4x1)")
            ways = preparation.crops(crops) if preparation and crops > 1 else (None,)
            return [_clip(row, whole=whole, preparation=way) for row in rows for way in ways]
        if self.stride:
            starts = np.arange(max(1, num_frames // self.stride)) * self.stride
            ends = np.minimum(starts + self.stride, num_frames)
            if self.mean:
                return [Window(np.arange(a, b), np.array([[a, b]])) for a, b in zip(starts, ends, strict=True)]
            return single_frames((starts + ends) // 2, starts, ends)
        if self.rate_hz:
            return at_rate(video, self.rate_hz)
        if self.frames:
            return of_equal_parts(num_frames, self.frames)
        raise UsageError("this sampling is the encoder's own; ask the encoder")


class Resampled(VideoHalf):
    """An encoder that looks at other frames than it would by itself, or keeps the lengths of its vectors.

    Args:
        encoder: the encoder; everything else is its own.
        sampling: the choice of frames; it belongs into the key of whatever is kept.
        raw: keep lengths.

    Raises:
        UsageError: the encoder looks at frames in a way that the sampling does not have.
    """

    def __init__(self, encoder: VideoHalf, sampling: Sampling, *, raw: bool = False) -> None:
        self.name = encoder.name
        self.dim = encoder.dim
        self.preparation = getattr(encoder, "preparation", None)
        self.sampling = sampling
        self._encoder = encoder
        self._raw = raw
        self._chooses = sampling.key not in ("own", "few")
        if self._chooses:
            self._require_fit()
        together = sampling.stride if sampling.mean else 1 if self._whole else sampling.clip_frames
        self.batch = max(1, encoder.batch // together)

    @property
    def fingerprint(self) -> str:
        """The encoder's, for its vectors are the same ones; of raw ones with an ending of its own."""
        return self._encoder.fingerprint + (RAW if self._raw else "")

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """The frames of the sampling, whatever `dense` says; where it leaves the choice to the encoder, its own."""
        if not self._chooses:
            return self._encoder.sample(video, dense=dense)
        return self.sampling.windows(video, self.preparation, whole=self._whole)

    def prepare(self, picture: FrameArray) -> FrameArray:
        """As the encoder does."""
        return self._encoder.prepare(picture)

    def raw_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Frames ``[B, T, h, w, 3]`` to vectors ``[B, S, dim]``: of each frame, of the clip, or the mean of all."""
        return self._vectors(frames, dense=dense, raw=True)

    def encode_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Frames ``[B, T, h, w, 3]`` to what is kept: unit vectors, or raw ones; see `raw_windows`."""
        vectors = self._vectors(frames, dense=dense, raw=self._raw)
        return vectors if self._raw or not self.sampling.mean else unit(vectors)

    def _vectors(self, frames: FrameArray, *, dense: bool, raw: bool) -> FloatArray:
        encode = self._encoder.raw_windows if raw else self._encoder.encode_windows
        if not self._chooses or self._whole:
            return np.asarray(encode(frames, dense=dense), np.float32)
        alone = frames.reshape(-1, 1, *frames.shape[2:])
        vectors = np.asarray(encode(alone, dense=dense), np.float32).reshape(*frames.shape[:2], self.dim)
        if not self.sampling.mean or vectors.shape[1] == 1:
            return vectors
        return np.asarray(vectors.mean(axis=1, keepdims=True), np.float32)

    def remarks(self) -> list[str]:
        """Those of the encoder."""
        return self._encoder.remarks()

    @cached_property
    def _whole(self) -> bool:
        """Whether the encoder gives one vector for a clip, not one for each of its frames."""
        return self._chooses and any(length > 1 for length, _ in self._own_windows)

    @cached_property
    def _own_windows(self) -> set[tuple[int, int]]:
        """Lengths of the encoder's own windows, with the number of vectors of each, in a video that is none."""
        video = MemoryVideo(np.zeros((_ASKED_FRAMES, 1, 1, 3), np.uint8), fps=25)
        windows = self._encoder.sample(video, dense=True)
        return {(len(window.frames), len(window.spans) + window.skip) for window in windows}

    def _require_fit(self) -> None:
        wanted = self.sampling.clip_frames
        if self._whole and self._own_windows != {(wanted, 1)}:
            lengths = sorted({length for length, _ in self._own_windows})
            own = f"consecutive frames, {lengths[0]} together," if len(lengths) == 1 else "consecutive frames"
            raise UsageError(
                f"{self.name} looks at {own} and samples in a way of its own; leave out {self.sampling.key} for it "
                "(stride, rate and frames are for encoders of single frames, such as CLIP; clips and views also for "
                "encoders of clips of the same length)"
            )


def plain_number(value: float) -> str:
    """A number with all its digits and no needless ones, so that different numbers never read alike.

    Example:
        >>> plain_number(8.0), plain_number(29.97)
        ('8', '29.97')
    """
    return repr(float(value)).removesuffix(".0")


def parse_pair(given: str, option: str) -> tuple[int, int]:
    """Two numbers as typed, ``25x16``.

    Raises:
        UsageError: it is none.

    Example:
        >>> parse_pair("25x16", "--clips")
        (25, 16)
    """
    found = _PAIR.fullmatch(given.strip().lower())
    if not found:
        raise UsageError(f"{option} {given}: expected two numbers of at least 1 with an x between them, such as 4x3")
    return int(found[1]), int(found[2])


def _clip(row: IntArray, *, whole: bool, preparation: Preparation | None = None) -> Window:
    spans = np.array([[row[0], row[-1] + 1]]) if whole else np.stack([row, row + 1], axis=1)
    return Window(row, spans, preparation=preparation)
