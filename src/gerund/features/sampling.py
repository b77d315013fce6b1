"""Which frames of a video become vectors, when that is not left to the encoder."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from gerund.encoders.base import VideoHalf, Window, unit
from gerund.encoders.shares import at_rate, of_equal_parts, single_frames
from gerund.errors import UsageError
from gerund.types import FloatArray, FrameArray
from gerund.video.memory import FrameSource


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

    A frame that `rate_hz` or `frames` would ask for twice, in a slow or short video, is asked for once.

    Raises:
        UsageError: a number is negative, or two of the settings are given.

    Source: `stride` follows the features of GAP (arXiv 2408.13777), one vector for 8 or 16 frames with the number of
    chunks rounded down; whether a chunk was averaged there is not published, hence `mean`.

    Example:
        >>> Sampling(stride=8).key, Sampling(stride=16, mean=True).key, Sampling(rate_hz=2.5).key, Sampling().key
        ('stride8', 'stride16-mean', 'rate2.5', 'own')
    """

    stride: int = 0
    mean: bool = False
    rate_hz: float = 0.0
    frames: int = 0
    few: bool = False

    def __post_init__(self) -> None:
        given = [name for name in ("stride", "rate_hz", "frames", "few") if getattr(self, name)]
        if len(given) > 1:
            raise UsageError(f"a sampling is one of stride, rate, frames and few; got {' and '.join(given)}")
        if self.stride < 0 or self.frames < 0 or not 0 <= self.rate_hz < np.inf:
            raise UsageError(f"stride, rate and frames must be above 0, got {self}")
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
        return "few" if self.few else "own"

    @classmethod
    def from_key(cls, key: str) -> Sampling | None:
        """The sampling that has this key; None where none has, as of features that others made.

        Example:
            >>> Sampling.from_key("stride16-mean").mean, Sampling.from_key("imported-arrays")
            (True, None)
        """
        found = re.fullmatch(r"(own|few)|stride(\d+)(-mean)?|rate([\d.e+-]+)|frames(\d+)", key)
        if not found:
            return None
        named, stride, mean, rate, frames = found.groups()
        try:
            made = cls(int(stride or 0), bool(mean), float(rate or 0), int(frames or 0), named == "few")
        except (ValueError, OverflowError):
            return None
        return made if made.key == key else None

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
        return "the encoder's own few windows" if self.few else "the encoder's own, over the whole video"

    @property
    def dense(self) -> bool:
        """What encoders are told: the whole video in time order, or a few windows."""
        return not self.few

    def of(self, encoder: VideoHalf) -> VideoHalf:
        """An encoder that samples so; its vectors and its fingerprint stay those of the given one."""
        return encoder if self.key in ("own", "few") else Resampled(encoder, self)

    def windows(self, video: FrameSource) -> list[Window]:
        """The frames to look at and the time that each speaks for, by frame numbers.

        Raises:
            UsageError: the choice is the encoder's.
        """
        num_frames = video.num_frames
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
    """An encoder of single frames that looks at other frames than it would by itself.

    Args:
        encoder: the encoder; everything but the choice of frames is its own, the fingerprint included.
        sampling: the choice of frames; it belongs into the key of whatever is kept.
    """

    def __init__(self, encoder: VideoHalf, sampling: Sampling) -> None:
        self.name = encoder.name
        self.dim = encoder.dim
        self.preparation = getattr(encoder, "preparation", None)
        self.batch = max(1, encoder.batch // sampling.stride) if sampling.mean else encoder.batch
        self.sampling = sampling
        self._encoder = encoder

    @property
    def fingerprint(self) -> str:
        """The encoder's: its vectors are the same ones."""
        return self._encoder.fingerprint

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """The frames of the sampling, whatever `dense` says.

        Raises:
            UsageError: the encoder looks at consecutive frames, whose number and distance are its own.
        """
        if any(len(window.frames) != 1 for window in self._encoder.sample(video, dense=True)):
            raise UsageError(
                f"{self.name} looks at consecutive frames and samples in a way of its own; leave out stride, rate and "
                "frames for it (they are for encoders of single frames, such as CLIP)"
            )
        return self.sampling.windows(video)

    def prepare(self, picture: FrameArray) -> FrameArray:
        """As the encoder does."""
        return self._encoder.prepare(picture)

    def raw_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Frames ``[B, T, h, w, 3]`` to vectors ``[B, 1, dim]``: of the one frame, or the mean of several."""
        return self._means(frames, self._encoder.raw_windows(_alone(frames), dense=dense))

    def encode_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """The same as unit vectors: of the one frame, or the unit mean of several, each of which counts the same."""
        means = self._means(frames, self._encoder.encode_windows(_alone(frames), dense=dense))
        return means if frames.shape[1] == 1 else unit(means)

    def _means(self, frames: FrameArray, vectors: FloatArray) -> FloatArray:
        vectors = vectors.reshape(*frames.shape[:2], self.dim)
        return vectors if vectors.shape[1] == 1 else np.asarray(vectors.mean(axis=1, keepdims=True), np.float32)

    def remarks(self) -> list[str]:
        """Those of the encoder."""
        return self._encoder.remarks()


def _alone(frames: FrameArray) -> FrameArray:
    return frames.reshape(-1, 1, *frames.shape[2:])


def plain_number(value: float) -> str:
    """A number with all its digits and no needless ones, so that different numbers never read alike.

    Example:
        >>> plain_number(8.0), plain_number(29.97)
        ('8', '29.97')
    """
    return repr(float(value)).removesuffix(".0")
