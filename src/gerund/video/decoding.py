"""Decoding with PyAV: where the frames of a file are, and the pictures of some of them.

Files whose packets fix the order of their frames are read by seeking (`gerund.video.planner`); all others are decoded
from the start. Both give the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from av.video.reformatter import VideoReformatter

from gerund.errors import VideoError
from gerund.types import FrameArray
from gerund.video.index import Index
from gerund.video.limits import Limits
from gerund.video.media import open_media
from gerund.video.orientation import as_seen
from gerund.video.planner import Packet, Run, order_is_certain, plan_runs

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet as AvPacket
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_Item = TypeVar("_Item")

_SKIPPABLE_CODECS = frozenset({"h264", "hevc"})
"""Codecs whose decoder drops a frame that nothing refers to without decoding it."""

_MISSING_FRAMES_ALLOWED = 2
"""AVI writers commonly count one frame too many in the header; a larger gap means that the file was cut off."""


_LONGEST_S = 1e6
"""Eleven days. A damaged timestamp lets two pictures last for years, which whoever samples by time would go through."""


class CannotSeekError(Exception):
    """A seek did not land where the plan said; the file has to be decoded from the start."""


class Decoder:
    """One video file, opened anew for every question.

    Args:
        path: the file.
        limits: what its pictures may be.

    Attributes:
        steps: how many packets and pictures were met so far; who watches sees whether there is progress.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path, self._limits = path, limits
        self._colours = VideoReformatter()  # one for all frames: a new one for each sets up its tables again
        self.steps = 0

    def build_index(self) -> Index:
        """Finds out where every frame is.

        Raises:
            VideoError: the file cannot be opened or decoded, or was cut off.
        """
        with open_media(self._path, self._limits) as (container, stream):
            name, codec = container.format.name, stream.codec_context.codec.canonical_name
            base = stream.time_base or Fraction(1, 1000)
            fps = stream.average_rate or stream.guessed_rate or Fraction(25)
            promised = stream.frames
            packets: list[Packet] = []
            last: tuple[float, int] = (-np.inf, 0)
            for packet in self._counted(container.demux(stream)):
                if packet.size:
                    packets.append(Packet(packet.pts, packet.is_keyframe, packet.is_discard))
                    if packet.pts is not None and not packet.is_discard:
                        last = max(last, (packet.pts, packet.duration or 0))
        if promised - len(packets) > _MISSING_FRAMES_ALLOWED:
            self._require_stored(promised)
        with open_media(self._path, self._limits) as (container, stream):
            if order_is_certain(packets, name, codec):
                stamps = sorted(p.pts for p in packets if p.pts is not None and not p.is_discard)
                last_duration = last[1]
                first = next(self._counted(container.decode(stream)), None)
                count = len(stamps) if first is not None else 0
                seekable = True
            else:
                stamps, count, first, last_duration = [], 0, None, 0
                for frame in self._counted(container.decode(stream)):
                    first = first or frame
                    count += 1
                    last_duration = frame.duration or 0
                    if frame.pts is not None:
                        stamps.append(frame.pts)
                seekable = False
            if first is None:
                raise VideoError(self._path, "it holds no picture (0 frames could be decoded)")
            stored_px = first.width, first.height
            rows, columns = self._picture(first, stored_px).shape[:2]
        ascending = len(stamps) == count and all(a < b for a, b in pairwise(stamps))
        if ascending:
            times_s = (np.array(stamps, np.float64) - stamps[0]) * float(base)
        else:
            times_s = np.arange(count) / float(fps)
        last_s = last_duration * float(base) if ascending and last_duration else 1 / float(fps)
        if times_s[-1] + last_s > _LONGEST_S:
            raise VideoError(
                self._path, f"its clock runs to {times_s[-1] + last_s:.0f} s, which no video does; re-encode it"
            )
        return Index(
            times_s=times_s,
            duration_s=float(times_s[-1] + last_s),
            fps=Fraction(fps),
            width=columns,
            height=rows,
            stored_px=stored_px,
            stamps=np.array(stamps, np.int64) if seekable else None,
            keyframes=np.array(sorted(p.pts for p in packets if p.is_keyframe and p.pts is not None), np.int64),
        )

    def by_seeking(self, wanted: list[int], index: Index) -> Iterator[tuple[int, FrameArray]]:
        """Frames of a file that can be sought in, each near where it lies.

        Raises:
            CannotSeekError: a seek lands elsewhere than the file says.
            VideoError: the file cannot be decoded.
        """
        stamps = tuple(index.stamps.tolist()) if index.stamps is not None else ()
        number_of = {stamps[i]: i for i in wanted}
        runs = plan_runs([stamps[i] for i in wanted], stamps, tuple(index.keyframes.tolist()))
        with open_media(self._path, self._limits) as (container, stream):
            for run in runs:
                expected = iter(run.pts)
                for frame in _decode_run(container, stream, run, self._counted):
                    stamp = next(expected, None)
                    if stamp is None or frame.pts != stamp:
                        raise CannotSeekError
                    yield number_of[stamp], self._picture(frame, index.stored_px)
                if next(expected, None) is not None:
                    raise CannotSeekError

    def from_start(self, wanted: list[int], index: Index) -> Iterator[tuple[int, FrameArray]]:
        """Frames of any file, decoding all that lie before them.

        Raises:
            VideoError: the file cannot be decoded, or ends early.
        """
        targets = iter(wanted)
        target = next(targets, None)
        if target is None:
            return
        stamps = index.stamps
        with open_media(self._path, self._limits) as (container, stream):
            for number, frame in enumerate(self._counted(container.decode(stream))):
                if (number == target) if stamps is None else (frame.pts == stamps[target]):
                    yield target, self._picture(frame, index.stored_px)
                    target = next(targets, None)
                    if target is None:
                        return
        raise VideoError(self._path, f"decoding stopped before frame {target}; the file is damaged or has changed")

    def count_damaged(self, index: Index) -> int:
        """Decodes every frame and counts those that the decoder itself calls damaged.

        Raises:
            VideoError: the file cannot be decoded, or fewer frames come out than it has.
        """
        stamps = None if index.stamps is None else set(index.stamps.tolist())
        shown, damaged = 0, 0
        with open_media(self._path, self._limits) as (container, stream):
            for frame in self._counted(container.decode(stream)):
                if stamps is None or frame.pts in stamps:
                    shown += 1
                    damaged += frame.is_corrupt
        if shown < len(index.times_s):
            raise VideoError(
                self._path, f"only {shown} of its {len(index.times_s)} frames can be decoded; the file is damaged"
            )
        return damaged

    def _require_stored(self, promised: int) -> None:
        """Tells a file that was cut off from one that shows only a part of what it stores (a trim without re-encoding).

        Raises:
            VideoError: the file holds fewer frames than its header promises.
        """
        with open_media(self._path, self._limits, {"ignore_editlist": "1"}) as (container, stream):
            stored = [packet.dts for packet in self._counted(container.demux(stream)) if packet.size]
            if container.format.name == "avi":
                # AVI headers count slots of equal length, which may be empty; the timestamps are numbers of slots.
                present = max((dts + 1 for dts in stored if dts is not None), default=0)
            else:
                present = len(stored)
        if promised - present > _MISSING_FRAMES_ALLOWED:
            raise VideoError(
                self._path,
                f"the file is cut off: its header promises {promised} frames and {present} are there; "
                "fetch it again, or re-encode the readable part",
            )

    def _picture(self, frame: VideoFrame, stored_px: tuple[int, int]) -> FrameArray:
        """The frame as full-range RGB, uint8 ``[H, W, 3]``, turned and mirrored the way it is meant to be seen."""
        width, height = stored_px
        # one thread: PyAV's default starts one for each core and frame, which costs more than it brings
        rgb = self._colours.reformat(frame, width, height, "rgb24", threads=1)
        picture = np.asarray(rgb.to_ndarray(), np.uint8)
        return as_seen(picture, frame)

    def _counted(self, items: Iterable[_Item]) -> Iterator[_Item]:
        for item in items:
            self.steps += 1
            yield item


def _decode_run(
    container: InputContainer,
    stream: VideoStream,
    run: Run,
    counted: Callable[[Iterable[AvPacket[VideoStream]]], Iterator[AvPacket[VideoStream]]],
) -> Iterator[VideoFrame]:
    """Decodes one run of the plan and yields its wanted frames.

    Raises:
        CannotSeekError: the container did not land on a keyframe at or before the planned one, or the picture of that
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
    for packet in counted(container.demux(stream)):
        if landing and entry_pts is None and packet.size:
            if not packet.is_keyframe or packet.pts is None or packet.pts > run.pts[0]:
                raise CannotSeekError
            entry_pts = packet.pts
        if skippable:
            stream.codec_context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
        for frame in packet.decode():
            if landing and entry_pts is not None and frame.pts is not None and frame.pts >= entry_pts:
                if frame.pts != entry_pts or not frame.key_frame:
                    raise CannotSeekError
                landing = False
            if frame.pts in wanted:
                yield frame
                left -= 1
                if left == 0:
                    return
