"""Videos that say in their pixels which frame they show and when, so that a wrong frame cannot hide.

Each picture is a grid of 8 x 4 black and white fields: two rows of bits for the number of the frame, two rows for its
time in milliseconds. The fields are large enough to survive lossy compression.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.codec.codec import UnknownCodecError

_ROWS, _COLUMNS = 4, 8


def paint(number: int, time_ms: int, width: int = 96, height: int = 64) -> np.ndarray:
    """A picture that carries two numbers below 65536: uint8 ``[height, width, 3]``, at least 64 x 32 pixels."""
    bits = [number >> place & 1 for place in range(16)] + [time_ms >> place & 1 for place in range(16)]
    grid = 28 + 200 * np.array(bits, np.uint8).reshape(_ROWS, _COLUMNS)
    rows, columns = np.arange(height) * _ROWS // height, np.arange(width) * _COLUMNS // width
    return np.repeat(grid[rows][:, columns, None], 3, axis=2)


def read_paint(picture: np.ndarray) -> tuple[int, int]:
    """The number and the milliseconds in a picture; the middle of each field decides."""
    height, width = picture.shape[:2]
    rows = ((np.arange(_ROWS) + 0.5) * height / _ROWS).astype(int)
    columns = ((np.arange(_COLUMNS) + 0.5) * width / _COLUMNS).astype(int)
    around = [picture[rows + down][:, columns + right].mean(axis=2) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    bits = (np.mean(around, axis=0) > 128).ravel()
    weights = 1 << np.arange(16)
    return int(bits[:16] @ weights), int(bits[16:] @ weights)


def numbers(pictures: np.ndarray) -> list[int]:
    """The numbers of several pictures."""
    return [read_paint(picture)[0] for picture in pictures]


@dataclass(frozen=True)
class Recipe:
    """How to make a painted video, and what is true of the file.

    Attributes:
        seekable: the reader is expected to find frames without decoding from the start.
        traits: what the packets must show for the file to be the hard case that it is here for: ``"b-frames"``
            (stored in another order than shown), ``"leading"`` (pictures stored after a keyframe and shown before it),
            ``"keyframes"`` (more than one).
    """

    ending: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    pix_fmt: str = "yuv420p"
    width: int = 96
    height: int = 64
    time_base: Fraction = Fraction(1, 25)
    stamps: tuple[int, ...] = tuple(range(90))
    gop: int | None = None
    max_b_frames: int | None = None
    seekable: bool = True
    traits: frozenset[str] = frozenset()

    @property
    def times_s(self) -> np.ndarray:
        """When each frame is shown, counted from the first."""
        return np.array([float((stamp - self.stamps[0]) * self.time_base) for stamp in self.stamps])

    def pictures(self) -> list[np.ndarray]:
        """What is painted."""
        times_ms = np.round(self.times_s * 1000).astype(int)
        return [paint(i, int(ms), self.width, self.height) for i, ms in enumerate(times_ms)]

    def write(self, path: Path) -> Path:
        """Makes the file; skips the test where PyAV was built without the encoder."""
        return write_pictures(path, self.pictures(), self)


def write_pictures(path: Path, pictures: list[np.ndarray], recipe: Recipe) -> Path:
    """Encodes RGB pictures as the recipe says."""
    try:
        av.codec.Codec(recipe.codec, "w")
    except UnknownCodecError:
        pytest.skip(f"PyAV has no encoder {recipe.codec} here")
    with av.open(str(path), "w", options=dict(recipe.container_options)) as container:
        stream = container.add_stream(recipe.codec, rate=1 / recipe.time_base, options=dict(recipe.options))
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, recipe.pix_fmt
        stream.codec_context.time_base = recipe.time_base
        stream.codec_context.thread_count = 1
        if recipe.gop is not None:
            stream.codec_context.gop_size = recipe.gop
        if recipe.max_b_frames is not None:
            stream.codec_context.max_b_frames = recipe.max_b_frames
        for stamp, picture in zip(recipe.stamps, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=recipe.pix_fmt)
            frame.pts, frame.time_base = stamp, recipe.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _x264(**options: object) -> dict[str, str]:
    settings = {"threads": 1, "scenecut": 0, **options}
    return {
        "preset": "veryfast",
        "x264-params": ":".join(f"{name.replace('_', '-')}={value}" for name, value in settings.items()),
    }


_VPX = {"deadline": "realtime", "cpu-used": "8", "b": "1M", "g": "30"}
_ALT_REF = {"deadline": "good", "cpu-used": "5", "b": "1M", "g": "40", "auto-alt-ref": "1", "lag-in-frames": "16"}
_SVT = {"preset": "8", "crf": "20"}
_MPEG = {"b": "1M"}
_IRREGULAR_MS = (0, 33, 50, 90, 170, 171, 300, 400, 1000, 1010, 1020, 1500, 1600, 1601, 1700, 1950, 4000, 4001, 4100)
_B, _KEYS, _LEADING = "b-frames", "keyframes", "leading"

RECIPES = {
    "h264_mp4": Recipe(
        ".mp4",
        "libx264",
        _x264(keyint=250, bframes=3, b_pyramid="normal"),
        stamps=tuple(range(400)),
        time_base=Fraction(1001, 30000),
        traits=frozenset({_B, _KEYS}),
    ),
    "h264_closed_gop_mp4": Recipe(
        ".mp4", "libx264", _x264(keyint=30, min_keyint=30, bframes=3), traits=frozenset({_B, _KEYS})
    ),
    "h264_open_gop_mp4": Recipe(
        ".mp4",
        "libx264",
        _x264(keyint=30, min_keyint=30, bframes=3, open_gop=1),
        traits=frozenset({_B, _KEYS, _LEADING}),
    ),
    "h264_intra_refresh_mp4": Recipe(
        ".mp4", "libx264", _x264(keyint=30, bframes=0, intra_refresh=1), traits=frozenset({_KEYS}), seekable=False
    ),
    "h264_intra_only_mov": Recipe(
        ".mov", "libx264", _x264(keyint=1), stamps=tuple(range(40)), traits=frozenset({_KEYS})
    ),
    "h264_fragmented_mp4": Recipe(
        ".mp4",
        "libx264",
        _x264(keyint=30, bframes=2),
        container_options={"movflags": "frag_keyframe+empty_moov"},
        traits=frozenset({_B, _KEYS}),
    ),
    "h264_irregular_mp4": Recipe(
        ".mp4",
        "libx264",
        _x264(keyint=6, min_keyint=6, bframes=2),
        stamps=_IRREGULAR_MS,
        time_base=Fraction(1, 1000),
        traits=frozenset({_B, _KEYS}),
    ),
    "h264_irregular_mkv": Recipe(
        ".mkv",
        "libx264",
        _x264(keyint=6, min_keyint=6, bframes=2),
        stamps=_IRREGULAR_MS,
        time_base=Fraction(1, 1000),
        traits=frozenset({_B, _KEYS}),
    ),
    "h264_late_start_mkv": Recipe(
        ".mkv",
        "libx264",
        _x264(keyint=30, bframes=3, open_gop=1),
        stamps=tuple(range(70, 160)),
        time_base=Fraction(1001, 30000),
        traits=frozenset({_B, _KEYS}),
    ),
    "h264_late_start_mp4": Recipe(
        ".mp4", "libx264", _x264(keyint=30), stamps=tuple(range(70, 160)), traits=frozenset({_B, _KEYS})
    ),
    "h264_ts": Recipe(".ts", "libx264", _x264(keyint=30, bframes=2), traits=frozenset({_B, _KEYS}), seekable=False),
    "h264_avi": Recipe(".avi", "libx264", _x264(keyint=30, bframes=2), seekable=False),
    "h264_10_bit_mp4": Recipe(
        ".mp4", "libx264", _x264(keyint=30), pix_fmt="yuv420p10le", traits=frozenset({_B, _KEYS})
    ),
    "h264_odd_size_mp4": Recipe(
        ".mp4", "libx264", _x264(keyint=30), pix_fmt="yuv444p", width=97, height=53, traits=frozenset({_B, _KEYS})
    ),
    "h264_upright_mp4": Recipe(".mp4", "libx264", _x264(keyint=30), width=66, height=134, traits=frozenset({_KEYS})),
    "h264_one_frame_mp4": Recipe(".mp4", "libx264", _x264(), stamps=(0,)),
    "hevc_open_gop_mp4": Recipe(
        ".mp4",
        "libx265",
        {
            "preset": "veryfast",
            "x265-params": "keyint=30:min-keyint=30:scenecut=0:open-gop=1:bframes=3:pools=none:log-level=none",
        },
        traits=frozenset({_B, _KEYS, _LEADING}),
    ),
    "vp9_webm": Recipe(".webm", "libvpx-vp9", _VPX, traits=frozenset({_KEYS})),
    "vp9_hidden_frames_webm": Recipe(".webm", "libvpx-vp9", _ALT_REF, traits=frozenset({_KEYS})),
    "vp9_odd_size_webm": Recipe(".webm", "libvpx-vp9", _VPX, width=97, height=53, traits=frozenset({_KEYS})),
    "vp8_webm": Recipe(".webm", "libvpx", _VPX, stamps=tuple(range(60)), traits=frozenset({_KEYS}), seekable=False),
    "vp8_hidden_frames_webm": Recipe(
        ".webm", "libvpx", _ALT_REF, stamps=tuple(range(60)), traits=frozenset({_KEYS}), seekable=False
    ),
    "av1_mkv": Recipe(".mkv", "libsvtav1", {**_SVT, "g": "30"}, traits=frozenset({_KEYS})),
    "av1_mp4": Recipe(".mp4", "libsvtav1", {**_SVT, "g": "30"}, traits=frozenset({_KEYS})),
    "mpeg4_avi": Recipe(".avi", "mpeg4", _MPEG, gop=12, max_b_frames=2, traits=frozenset({_KEYS}), seekable=False),
    "mpeg4_gaps_avi": Recipe(
        ".avi", "mpeg4", _MPEG, stamps=(0, 1, 2, 5, 6, 9, 10, 20, 21, 22, 30), gop=4, seekable=False
    ),
    "mpeg4_mp4": Recipe(".mp4", "mpeg4", _MPEG, gop=12, max_b_frames=2, traits=frozenset({_B, _KEYS}), seekable=False),
    "mpeg2_mpg": Recipe(
        ".mpg", "mpeg2video", {"b": "2M"}, gop=12, max_b_frames=2, traits=frozenset({_B, _KEYS}), seekable=False
    ),
    "wmv2_wmv": Recipe(".wmv", "wmv2", _MPEG, seekable=False),
    "flv1_flv": Recipe(".flv", "flv", _MPEG, seekable=False),
    "mjpeg_mov": Recipe(".mov", "mjpeg", pix_fmt="yuvj420p", stamps=tuple(range(30)), seekable=False),
    "gif": Recipe(".gif", "gif", pix_fmt="rgb8", stamps=tuple(range(40)), seekable=False),
}


def traits(path: Path) -> set[str]:
    """Which of the traits named in `Recipe` the packets of a file show."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    stamps = [packet.pts for packet in packets]
    found = set()
    if None in stamps:
        return found
    if stamps != sorted(stamps):
        found.add(_B)
    if sum(packet.is_keyframe for packet in packets) > 1:
        found.add(_KEYS)
    for place, packet in enumerate(packets):
        if place and packet.is_keyframe and any(stamp < packet.pts for stamp in stamps[place + 1 :]):
            found.add(_LEADING)
    return found


def decode_plainly(path: Path) -> np.ndarray:
    """All pictures of a file in the order of the decoder, without any of gerund's reader."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def set_display_matrix(source: Path, target: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Copies an MP4 with the turn of its picture replaced.

    `matrix` is ``(a, b, c, d)`` of ISO/IEC 14496-12, track header box: the point (x, y), y downwards, is shown at
    (a x + c y, b x + d y).
    """
    data = bytearray(source.read_bytes())
    a, b, c, d = (65536 * value for value in matrix)
    start = data.index(b"tkhd") + 44
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target


def set_edit(source: Path, target: Path, start_s: Fraction, duration_s: Fraction) -> Path:
    """Copies an MP4 that has one edit so that only a part of its frames is shown, as phones trim videos."""
    data = bytearray(source.read_bytes())
    movie_hz = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    media_hz = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]
    place = data.index(b"elst") + 12
    media_start = struct.unpack_from(">i", data, place + 4)[0]
    struct.pack_into(">Ii", data, place, int(duration_s * movie_hz), media_start + int(start_s * media_hz))
    target.write_bytes(data)
    return target


def join(target: Path, *sources: Path) -> Path:
    """Puts the packets of several files one after the other into one stream, without encoding."""
    with av.open(str(target), "w") as output:
        stream, offset = None, 0
        for source in sources:
            with av.open(str(source)) as container:
                template = container.streams.video[0]
                stream = stream or output.add_stream_from_template(template)
                end = offset
                for packet in container.demux(template):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                    end = max(end, packet.pts + packet.duration)
                    output.mux(packet)
                offset = end
    return target


def write_sound(path: Path, *, cover: bool = False) -> Path:
    """A second of silence as an MP4; with `cover`, also the still picture that music players show."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        if cover:
            still = container.add_stream("mjpeg", rate=1)
            still.width, still.height, still.pix_fmt = 96, 64, "yuvj420p"
            still.disposition = still.disposition.attached_pic.value
            frame = av.VideoFrame.from_ndarray(paint(1, 1), format="rgb24").reformat(format="yuvj420p")
            container.mux(still.encode(frame))
            container.mux(still.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    return path
