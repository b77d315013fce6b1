"""Frame-exact reading of video files with PyAV.

A frame is named by its position in display order. Files whose packets fix that order are read by seeking
(`gerund.video.planner`); all others are decoded from the start. Both give the same pictures.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.buffer import Buffer

from gerund.errors import UsageError, VideoError
from gerund.types import Clip, FloatArray64, FrameArray, IntArray
from gerund.video.planner import Packet, Run, order_is_certain, plan_runs

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

VIDEO_SUFFIXES = frozenset(
    (
        ".3gp",
        ".avi",
        ".flv",
        ".gif",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    )
)
"""Endings by which a folder is searched; a file named outright is tried whatever its ending."""

_SKIPPABLE_CODECS = frozenset({"h264", "hevc"})
"""Codecs whose decoder drops a frame that nothing refers to without decoding it."""

_MISSING_FRAMES_ALLOWED = 2
"""AVI writers commonly count one frame too many in the header; a larger gap means that the file was cut off."""


@dataclass(frozen=True)
class _Index:
    """Where every frame is: built in one pass over the packets, or over the pictures where packets are not enough."""

    times_s: FloatArray64
    duration_s: float
    fps: Fraction
    width: int
    height: int
    stored_px: tuple[int, int]
    """Width and height of the first picture before any turn; pictures of another size are scaled to it."""
    stamps: tuple[int, ...] | None
    """Timestamp of every frame in display order where the file can be read by seeking, else None."""
    keyframes: tuple[int, ...]


class _CannotSeekError(Exception):
    """A seek did not land where the plan said; the file has to be decoded from the start."""


class Video:
    """A video file, frame by frame and second by second; nothing is opened before the first question.

    Time 0 is the moment the first frame is shown, whatever the file's own clock says. Frame ``i`` is on screen over
    ``[times_s[i], times_s[i + 1])``. Rotation flags are applied, so `width` and `height` are those of the picture as
    seen; pictures that differ in size from the first are scaled to it. Colours are full-range RGB, converted with the
    matrix that the file names.

    Args:
        path: the file.

    Example:
        >>> clip = Video("match.mp4").read(times_s=[1.0, 2.0])  # doctest: +SKIP
        >>> clip.frames.shape  # doctest: +SKIP
        (2, 240, 320, 3)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"Video({str(self.path)!r})"

    @property
    def num_frames(self) -> int:
        """How many frames the file really shows; headers are often off by one."""
        return len(self._index.times_s)

    @property
    def times_s(self) -> FloatArray64:
        """When each frame is first shown: ``[num_frames]``, ascending, starting at 0."""
        return self._index.times_s

    @property
    def duration_s(self) -> float:
        """From the start of the first frame to the end of the last."""
        return self._index.duration_s

    @property
    def fps(self) -> Fraction:
        """Average frame rate as the file states it."""
        return self._index.fps

    @property
    def width(self) -> int:
        """Width of the picture as seen, in pixels."""
        return self._index.width

    @property
    def height(self) -> int:
        """Height of the picture as seen, in pixels."""
        return self._index.height

    @property
    def keyframes(self) -> IntArray:
        """Numbers of the frames that decode without any other, ascending; empty where the file cannot be sought in."""
        stamps = self._index.stamps
        if stamps is None:
            return np.empty(0, np.int64)
        shown = sorted(set(self._index.keyframes) & set(stamps))
        return np.searchsorted(stamps, shown).astype(np.int64)

    def frames_at(self, times_s: Sequence[float] | FloatArray64) -> IntArray:
        """Numbers of the frames on screen at some moments; moments outside the video give its first or last frame."""
        found = np.searchsorted(self.times_s, np.asarray(times_s, np.float64) + _TIME_SLACK_S, side="right") - 1
        return np.clip(found, 0, self.num_frames - 1).astype(np.int64)

    def read(
        self, indices: Sequence[int] | IntArray | None = None, *, times_s: Sequence[float] | FloatArray64 | None = None
    ) -> Clip:
        """Decodes the named frames into memory, in the order asked for, repeats included.

        Args:
            indices: frame numbers in display order, ``0 <= i < num_frames``. Without `indices` and `times_s`: all.
            times_s: moments instead of numbers; the frame on screen at each is returned.

        Raises:
            VideoError: the file cannot be opened or decoded.
            UsageError: both arguments are given, or a number is outside the video.
        """
        if indices is not None and times_s is not None:
            raise UsageError("read() takes frame numbers or times, not both")
        if times_s is not None:
            wanted = self.frames_at(times_s)
        elif indices is not None:
            wanted = np.asarray(indices, np.int64).reshape(-1)
        else:
            wanted = np.arange(self.num_frames)
        unique, places = np.unique(wanted, return_inverse=True)
        pictures = [picture for _, picture in self.frames(unique)]
        empty = np.empty((0, self.height, self.width, 3), np.uint8)
        stacked = np.stack(pictures)[places] if pictures else empty
        return Clip(stacked, self.times_s[wanted])

    def frames(self, indices: Sequence[int] | IntArray) -> Generator[tuple[int, FrameArray]]:
        """Decodes the named frames one at a time, in constant memory.

        Args:
            indices: frame numbers, strictly ascending.

        Yields:
            Pairs of frame number and picture, uint8 ``[H, W, 3]``.

        Raises:
            VideoError: the file cannot be opened, or decoding breaks.
            UsageError: a number is outside the video, or they do not ascend.
        """
        wanted = [int(i) for i in indices]
        if any(a >= b for a, b in pairwise(wanted)):
            raise UsageError("frames() expects strictly ascending frame numbers")
        if wanted and not (wanted[0] >= 0 and wanted[-1] < self.num_frames):
            raise UsageError(
                f"{self.path}: asked for frame {wanted[0] if wanted[0] < 0 else wanted[-1]}, "
                f"the video has frames 0 to {self.num_frames - 1}"
            )
        done = 0
        if self._index.stamps is not None:
            try:
                for item in self._frames_by_seeking(wanted, self._index.stamps):
                    yield item
                    done += 1
            except (_CannotSeekError, VideoError):
                pass  # decoding from the start tells whether the file is at fault or the seek
        if done < len(wanted):
            yield from self._frames_from_start(wanted[done:])

    def _frames_by_seeking(self, wanted: list[int], stamps: tuple[int, ...]) -> Iterator[tuple[int, FrameArray]]:
        number_of = {stamps[i]: i for i in wanted}
        runs = plan_runs([stamps[i] for i in wanted], stamps, self._index.keyframes)
        with self._open() as (container, stream):
            for run in runs:
                expected = iter(run.pts)
                for frame in _decode_run(container, stream, run):
                    stamp = next(expected, None)
                    if stamp is None or frame.pts != stamp:
                        raise _CannotSeekError
                    yield number_of[stamp], _picture(frame, self._index.stored_px)
                if next(expected, None) is not None:
                    raise _CannotSeekError

    def _frames_from_start(self, wanted: list[int]) -> Iterator[tuple[int, FrameArray]]:
        targets = iter(wanted)
        target = next(targets, None)
        if target is None:
            return
        stamps = self._index.stamps
        with self._open() as (container, stream):
            for number, frame in enumerate(container.decode(stream)):
                if (number == target) if stamps is None else (frame.pts == stamps[target]):
                    yield target, _picture(frame, self._index.stored_px)
                    target = next(targets, None)
                    if target is None:
                        return
        raise VideoError(self.path, f"decoding stopped before frame {target}; the file is damaged or has changed")

    @cached_property
    def _index(self) -> _Index:
        with self._open() as (container, stream):
            name, codec = container.format.name, stream.codec_context.codec.canonical_name
            base = stream.time_base or Fraction(1, 1000)
            fps = stream.average_rate or stream.guessed_rate or Fraction(25)
            promised = stream.frames
            packets: list[Packet] = []
            last: tuple[float, int] = (-np.inf, 0)
            for packet in container.demux(stream):
                if packet.size:
                    packets.append(Packet(packet.pts, packet.is_keyframe, packet.is_discard))
                    if packet.pts is not None and not packet.is_discard:
                        last = max(last, (packet.pts, packet.duration or 0))
        if promised - len(packets) > _MISSING_FRAMES_ALLOWED:
            self._require_stored(promised)
        with self._open() as (container, stream):
            if order_is_certain(packets, name, codec):
                stamps = sorted(p.pts for p in packets if p.pts is not None and not p.is_discard)
                last_duration = last[1]
                first = next(container.decode(stream), None)
                count = len(stamps) if first is not None else 0
                seekable = True
            else:
                stamps, count, first, last_duration = [], 0, None, 0
                for frame in container.decode(stream):
                    first = first or frame
                    count += 1
                    last_duration = frame.duration or 0
                    if frame.pts is not None:
                        stamps.append(frame.pts)
                seekable = False
            if first is None:
                raise VideoError(self.path, "it holds no picture (0 frames could be decoded)")
            stored_px = first.width, first.height
            rows, columns = _picture(first, stored_px).shape[:2]
        ascending = len(stamps) == count and all(a < b for a, b in pairwise(stamps))
        if ascending:
            times_s = (np.array(stamps, np.float64) - stamps[0]) * float(base)
        else:
            times_s = np.arange(count) / float(fps)
        last_s = last_duration * float(base) if ascending and last_duration else 1 / float(fps)
        return _Index(
            times_s=times_s,
            duration_s=float(times_s[-1] + last_s),
            fps=Fraction(fps),
            width=columns,
            height=rows,
            stored_px=stored_px,
            stamps=tuple(stamps) if seekable else None,
            keyframes=tuple(sorted(p.pts for p in packets if p.is_keyframe and p.pts is not None)),
        )

    def _require_stored(self, promised: int) -> None:
        """Tells a file that was cut off from one that shows only a part of what it stores (a trim without re-encoding).

        Raises:
            VideoError: the file holds fewer frames than its header promises.
        """
        with self._open({"ignore_editlist": "1"}) as (container, stream):
            stored = [packet.dts for packet in container.demux(stream) if packet.size]
            if container.format.name == "avi":
                # AVI headers count slots of equal length, which may be empty; the timestamps are numbers of slots.
                present = max((dts + 1 for dts in stored if dts is not None), default=0)
            else:
                present = len(stored)
        if promised - present > _MISSING_FRAMES_ALLOWED:
            raise VideoError(
                self.path,
                f"the file is cut off: its header promises {promised} frames and {present} are there; "
                "fetch it again, or re-encode the readable part",
            )

    @contextmanager
    def _open(self, options: dict[str, str] | None = None) -> Iterator[tuple[InputContainer, VideoStream]]:
        """Opens the file on its first video stream and turns every failure inside into a VideoError."""
        try:
            if self.path.is_dir():
                raise VideoError(self.path, "it is a folder, not a video file")
            if self.path.stat().st_size == 0:
                raise VideoError(self.path, "the file is empty (0 bytes)")
            # The prefix keeps FFmpeg from taking the part before a colon for a protocol.
            with av.open(f"file:{self.path}", metadata_errors="replace", options=options) as container:
                if container.format.name == "tty":
                    raise VideoError(self.path, "it is a text file, not a video")
                pictures = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
                if not pictures:
                    raise VideoError(self.path, "it holds no video stream (is it a sound file?)")
                stream = pictures[0]
                if not stream.codec_context:
                    raise VideoError(self.path, "its video is in a format that FFmpeg has no decoder for")
                stream.thread_type = "NONE"
                yield container, stream
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(self.path, _reason(error)) from error


_ERRNOS_OF_DAMAGE = frozenset({errno.EPERM, errno.EIO, errno.EINVAL})
"""What FFmpeg's demuxers also report for files that break off; alone it reads as a fault of the machine."""

_TIME_SLACK_S = 1e-6
"""Half of nothing on screen, but more than the rounding of a timestamp that was printed with six digits."""


def _decode_run(container: InputContainer, stream: VideoStream, run: Run) -> Iterator[VideoFrame]:
    """Decodes one run of the plan and yields its wanted frames.

    Raises:
        _CannotSeekError: the container did not land on a keyframe at or before the planned one, or the picture of that
            keyframe does not come out. The latter happens with intra refresh, where what is marked as a keyframe only
            starts a gradual recovery, and with files that mark every packet as a keyframe.
    """
    if run.seek_pts is not None:
        container.seek(run.seek_pts, stream=stream, backward=True)
    wanted = set(run.pts)
    left = len(wanted)
    skippable = stream.codec_context.codec.canonical_name in _SKIPPABLE_CODECS
    landing = run.seek_pts is not None
    entry_pts: int | None = None
    for packet in container.demux(stream):
        if landing and entry_pts is None and packet.size:
            if not packet.is_keyframe or packet.pts is None or packet.pts > run.pts[0]:
                raise _CannotSeekError
            entry_pts = packet.pts
        if skippable:
            stream.codec_context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
        for frame in packet.decode():
            if landing and entry_pts is not None and frame.pts is not None and frame.pts >= entry_pts:
                if frame.pts != entry_pts or not frame.key_frame:
                    raise _CannotSeekError
                landing = False
            if frame.pts in wanted:
                yield frame
                left -= 1
                if left == 0:
                    return


def _picture(frame: VideoFrame, stored_px: tuple[int, int]) -> FrameArray:
    """The frame as full-range RGB, uint8 ``[H, W, 3]``, turned and mirrored the way it is meant to be seen."""
    width, height = stored_px
    picture = np.asarray(frame.to_ndarray(format="rgb24", width=width, height=height), np.uint8)
    quarter_turns = round(frame.rotation / 90) % 4
    turned = np.rot90(picture, quarter_turns) if quarter_turns else picture
    return np.ascontiguousarray(np.flip(turned, quarter_turns % 2) if _is_mirrored(frame) else turned)


def _is_mirrored(frame: VideoFrame) -> bool:
    """True when the file asks for a mirror image as well: `VideoFrame.rotation` only tells where its right goes."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV before version 19 stumbles over every kind of side data that it has no name for.
        return False
    if not isinstance(matrix, Buffer):
        return False
    right_x, right_y, _, down_x, down_y = np.frombuffer(bytes(matrix), np.int32)[:5].astype(np.float64)
    return bool(right_x * down_y < right_y * down_x)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    if isinstance(error, av.error.InvalidDataError):
        return "it cannot be decoded (not a video, or damaged)"
    if isinstance(error, av.error.EOFError):
        return "it ends before the first picture (cut off, or damaged)"
    if isinstance(error, av.error.FFmpegError) and error.errno in _ERRNOS_OF_DAMAGE:
        return f"it cannot be decoded (not a video, or damaged; FFmpeg says: {text})"
    return str(text)
