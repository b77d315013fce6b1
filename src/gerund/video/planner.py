"""Which packets to decode for the frames that are wanted: pure functions on presentation timestamps.

Frame numbers are positions in display order. A file is *seekable* here only when that order is certain from the
packets alone; everything else is decoded from the start.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

SEEKABLE_CONTAINERS = frozenset({"mov", "mp4", "matroska", "webm"})
SEEKABLE_CODECS = frozenset({"h264", "hevc", "av1", "vp9"})
"""Codecs with exactly one picture behind every packet. VP8 hides alternate reference frames in packets of their own,
and MPEG-4 part 2 packs two frames into one or none."""

_DECODE_ON_FRAMES = 64
"""Below this distance decoding forward is cheaper than a seek, which empties the decoder and restarts at a keyframe."""


@dataclass(frozen=True)
class Packet:
    """The facts of one demuxed packet that planning needs; `pts` is in units of the stream's time base."""

    pts: int | None
    is_keyframe: bool
    is_discard: bool = False


@dataclass(frozen=True)
class Run:
    """A stretch to decode without a break.

    Attributes:
        seek_pts: keyframe to start from, or None to start at the beginning of the file.
        pts: the wanted timestamps, ascending.
    """

    seek_pts: int | None
    pts: tuple[int, ...]


def order_is_certain(packets: Sequence[Packet], container: str, codec: str) -> bool:
    """True when the packets alone tell which picture is the n-th, so that the file may be read by seeking.

    Args:
        packets: all packets of the stream, in the order of the file.
        container: comma-separated format name as FFmpeg gives it, e.g. ``"mov,mp4,m4a"``.
        codec: codec name as FFmpeg gives it.
    """
    if SEEKABLE_CONTAINERS.isdisjoint(container.split(",")) or codec not in SEEKABLE_CODECS or not packets:
        return False
    stamps = [packet.pts for packet in packets]
    if None in stamps or len(set(stamps)) != len(stamps):
        return False
    first = packets[0]
    shown = [packet.pts for packet in packets if packet.pts is not None and not packet.is_discard]
    return bool(shown) and first.is_keyframe and first.pts is not None and min(shown) >= first.pts


def plan_runs(targets: Sequence[int], stamps: Sequence[int], keyframes: Sequence[int]) -> list[Run]:
    """Groups the wanted frames into stretches, each decoded from the last keyframe at or before its first frame.

    A picture is shown after the keyframe it depends on, also in an open group of pictures: leading pictures are
    shown before their keyframe, so the keyframe *before* them is chosen, from which they decode exactly.

    Args:
        targets: wanted timestamps, ascending and without repeats; each is in `stamps`.
        stamps: timestamps of all frames, ascending.
        keyframes: timestamps of the keyframes, ascending.

    Returns:
        Runs in ascending order; together they hold every target once.

    Example:
        >>> plan_runs([10, 990], range(1000), [0, 500, 980])
        [Run(seek_pts=None, pts=(10,)), Run(seek_pts=980, pts=(990,))]
    """
    runs: list[Run] = []
    open_run: list[int] = []
    seek: int | None = None
    for target in targets:
        keyframe = keyframes[bisect_right(keyframes, target) - 1]
        start = None if keyframe == keyframes[0] else keyframe
        far = not open_run or bisect_right(stamps, keyframe) - bisect_right(stamps, open_run[-1]) > _DECODE_ON_FRAMES
        if far and (start is not None or not open_run):
            if open_run:
                runs.append(Run(seek, tuple(open_run)))
            open_run, seek = [], start
        open_run.append(target)
    if open_run:
        runs.append(Run(seek, tuple(open_run)))
    return runs
