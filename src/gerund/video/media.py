"""The one door through which media files are opened: as plain files, in formats that hold pictures, within limits."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import av

from gerund.errors import VideoError
from gerund.video.limits import OUT_OF_MEMORY, Limits

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

FORMATS = (
    *("3gp", "apng", "asf", "av1", "avi", "bmp_pipe", "dv", "flv", "gif", "h264", "hevc", "ivf", "jpeg_pipe", "m4v"),
    *("matroska", "mov", "mp4", "mpeg", "mpegts", "mpegvideo", "mxf", "nut", "obu", "ogg", "png_pipe", "rm"),
    *("tiff_pipe", "webm", "webp_pipe", "wtv", "yuv4mpegpipe"),
)
"""The demuxers that may open a file: those whose files hold the pictures themselves. Playlists, lists of pictures,
descriptions of streams and everything else that names other files or hosts are not among them."""

_SAFE = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}
_ERRNOS_OF_DAMAGE = frozenset({errno.EPERM, errno.EIO, errno.EINVAL})
"""What FFmpeg's demuxers also report for files that break off; alone it reads as a fault of the machine."""

_PICTURES = {b"\xff\xd8\xff": "jpeg_pipe", b"\x89PNG\r\n\x1a\n": "png_pipe"}
"""How the pictures of a folder begin, and what opens them: FFmpeg takes a file named so for a pattern of files."""

_SNIFFED_BYTES = 4096
_BETWEEN_WORDS = set(" \t\n\r")
_NOT_IN_TEXT = {chr(code) for code in range(32)} - _BETWEEN_WORDS - set("\f\x1b")
_REFERENCES = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<?xml", b"<MPD", b"<asx", b"v=0\r\n", b"v=0\n")


@contextmanager
def open_media(
    path: Path, limits: Limits, options: dict[str, str] | None = None, *, kind: str | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens a file on its first video stream and turns every failure inside into a VideoError.

    Whatever its name says, it is opened as a file of this machine and in no format outside `FORMATS`.

    Args:
        path: the file.
        limits: its pictures may have so many pixels.
        options: for FFmpeg's demuxer.
        kind: the one format to open it in; without it FFmpeg finds out.

    Raises:
        VideoError: it is no plain file, empty, no video, damaged, or its pictures are too large.
    """
    try:
        _require_plain_file(path)
        with av.open(
            f"file:{path}", format=kind, metadata_errors="replace", options={**(options or {}), **_SAFE}
        ) as container:
            pictures = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
            if not pictures:
                raise VideoError(path, "it holds no video stream (is it a sound file?)")
            stream = pictures[0]
            codec = stream.codec_context
            if not codec:
                raise VideoError(path, "its video is in a format that FFmpeg has no decoder for")
            _require_within(path, codec.width, codec.height, limits)
            codec.options = {"max_pixels": str(limits.pixels)}  # also for pictures that grow on the way
            stream.thread_type = "NONE"
            yield container, stream
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(path, _reason(path, error)) from error
    except MemoryError as error:
        raise VideoError(path, OUT_OF_MEMORY) from error


def open_picture(path: Path, limits: Limits) -> VideoFrame:
    """The picture in a JPEG or PNG file, within the same limits; what it is its first bytes say, not its name.

    Raises:
        VideoError: it is no plain file, another kind of file, damaged, or too large.
    """
    try:
        _require_plain_file(path)
        with path.open("rb") as file:
            start = file.read(max(map(len, _PICTURES)))
    except OSError as error:
        raise VideoError(path, _reason(path, error)) from error
    kind = next((kind for begin, kind in _PICTURES.items() if start.startswith(begin)), None)
    if kind is None:
        raise VideoError(path, "it is neither JPEG nor PNG, whatever its name says")
    with open_media(path, limits, kind=kind) as (container, stream):
        frame = next(container.decode(stream), None)
    if frame is None:
        raise VideoError(path, "it holds no picture that can be decoded")
    return frame


def _require_plain_file(path: Path) -> None:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise VideoError(path, "it is a folder, not a video file")
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device could be anything
        raise VideoError(path, "it is a pipe or a device, not a file; save the video to a file first")
    if status.st_size == 0:
        raise VideoError(path, "the file is empty (0 bytes)")


def _require_within(path: Path, width: int, height: int, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise VideoError(
            path,
            f"its pictures are too large: {width} x {height} pixels, at most {limits.pixels:,} are read; scale it down "
            "first",
        )
    if max(width, height) > limits.aspect * min(width, height) > 0:
        raise VideoError(
            path,
            f"its pictures are strips of {width} x {height} pixels; at most {limits.aspect:g} times as long as wide "
            "are read; cut out the part that matters first",
        )


_IN_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (MemoryError, OUT_OF_MEMORY),
    (av.error.InvalidDataError, "it cannot be decoded (not a video, or damaged)"),
    (av.error.EOFError, "it ends before the first picture (cut off, or damaged)"),
    (av.error.PatchWelcomeError, "it is coded in a way that FFmpeg cannot decode yet; convert it to H.264 first"),
)


def _reason(path: Path, error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    if isinstance(error, av.error.ArgumentError | av.error.InvalidDataError) and (other := _other_kind(path)):
        return other
    if isinstance(error, av.error.FFmpegError) and error.errno in _ERRNOS_OF_DAMAGE:
        return f"it cannot be decoded (not a video, or damaged; FFmpeg says: {text})"
    return next((words for kind, words in _IN_WORDS if isinstance(error, kind)), str(text))


def _other_kind(path: Path) -> str | None:
    """What a file that FFmpeg would not take is instead, where its first bytes tell."""
    try:
        with path.open("rb") as file:
            start = file.read(_SNIFFED_BYTES)
    except OSError:
        return None
    if start.lstrip().startswith(_REFERENCES):
        return (
            "it is a playlist or a description of a stream, which names other files; give gerund the videos themselves"
        )
    try:
        text = start[: -4 if len(start) == _SNIFFED_BYTES else None].decode()  # the cut may go through a letter
    except UnicodeDecodeError:
        return None
    is_text = not set(text) & _NOT_IN_TEXT and bool(set(text) & _BETWEEN_WORDS)
    return "it is a text file, not a video" if is_text else None
