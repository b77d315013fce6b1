from __future__ import annotations

import os
import tracemalloc
import weakref
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from gerund.encoders.base import Window
from gerund.errors import GerundError, UsageError, VideoError
from gerund.features import extract
from gerund.video import Video, decoding, media
from gerund.video.planner import Run
from painted import (
    RECIPES,
    Recipe,
    decode_plainly,
    join,
    numbers,
    read_paint,
    set_display_matrix,
    set_edit,
    traits,
    write_pictures,
    write_sound,
)

MS = 0.0011
"""Matroska rounds timestamps to milliseconds, and the painted time is rounded to one as well."""

every_recipe = pytest.mark.parametrize("name", RECIPES)
seekable_recipe = pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.seekable])


@pytest.fixture(scope="session")
def painted_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the file of a recipe, made once."""
    folder = tmp_path_factory.mktemp("painted")

    def give(name: str) -> Path:
        path = folder / f"{name}{RECIPES[name].ending}"
        return path if path.exists() else RECIPES[name].write(path)

    return give


# What is in the files


@every_recipe
def test_painted_file_is_the_case_it_is_named_for(name, painted_file):
    """The packets show the trait (B-frames, leading pictures, keyframes) that makes the file worth testing."""
    assert RECIPES[name].traits <= traits(painted_file(name))


@every_recipe
def test_frames_are_counted_timed_and_in_order(name, painted_file):
    """Frame i is the one painted i, at the painted time; the times start at 0, and the size is that of the picture."""
    video, recipe = Video(painted_file(name)), RECIPES[name]
    clip = video.read()
    assert video.num_frames == len(recipe.stamps)
    assert numbers(clip.frames) == list(range(len(recipe.stamps)))
    assert clip.times_s[0] == 0
    assert (np.diff(clip.times_s) > 0).all()
    np.testing.assert_allclose(clip.times_s, [read_paint(picture)[1] / 1000 for picture in clip.frames], atol=MS)
    np.testing.assert_array_equal(clip.times_s, video.times_s)
    assert (video.width, video.height) == (recipe.width, recipe.height)


@pytest.mark.parametrize(
    "name", [name for name, recipe in RECIPES.items() if recipe.time_base != Fraction(1, 1000) and "gaps" not in name]
)
def test_duration_and_rate_are_those_of_the_recipe(name, painted_file):
    """A video of n frames at a steady rate lasts n / rate, and the rate is told exactly where the file can hold it."""
    video, recipe = Video(painted_file(name)), RECIPES[name]
    assert video.duration_s == pytest.approx(len(recipe.stamps) * float(recipe.time_base), abs=MS)
    assert float(video.fps) == pytest.approx(1 / float(recipe.time_base), abs=0.01)


@every_recipe
def test_any_frame_in_any_order_is_the_one_asked_for(name, painted_file):
    """Random access with repeats gives the painted numbers that were asked for, in the order asked for."""
    video = Video(painted_file(name))
    order = np.random.default_rng(0).integers(0, video.num_frames, 40)
    assert numbers(video.read(order).frames) == order.tolist()


@every_recipe
def test_every_way_of_reading_gives_the_bits_of_a_plain_decoder(name, painted_file):
    """One frame alone, a few frames and all frames equal what a decoder without any seeking gives, bit for bit."""
    video, plain = Video(painted_file(name)), decode_plainly(painted_file(name))
    np.testing.assert_array_equal(video.read().frames, plain)
    rng = np.random.default_rng(1)
    for i in rng.integers(0, len(plain), 12):
        np.testing.assert_array_equal(video.read([i]).frames[0], plain[i], err_msg=f"frame {i} alone")
    some = np.unique(rng.integers(0, len(plain), 6))
    for i, picture in video.frames(some):
        np.testing.assert_array_equal(picture, plain[i], err_msg=f"frame {i} of {some}")


@seekable_recipe
def test_frames_around_every_keyframe_are_found_by_seeking(name, painted_file, monkeypatch):
    """Where the reader says that it can seek it does: no file of these kinds falls back to decoding from its start."""
    video, plain = Video(painted_file(name)), decode_plainly(painted_file(name))
    monkeypatch.setattr(decoding.Decoder, "from_start", lambda *_: pytest.fail("decoded from the start"))
    with av.open(str(video.path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    shown = sorted(packet.pts for packet in packets)
    for packet in [packet for packet in packets if packet.is_keyframe][:12]:
        number = shown.index(packet.pts)
        for i in range(max(0, number - 2), min(len(shown), number + 2)):
            np.testing.assert_array_equal(video.read([i]).frames[0], plain[i], err_msg=f"frame {i}")


@every_recipe
def test_reading_by_time_gives_the_frame_on_screen(name, painted_file):
    """At its first moment, in the middle of its span and until just before its end, a frame is the one that is read."""
    video = Video(painted_file(name))
    edges_s = np.append(video.times_s, video.duration_s)
    everything = list(range(video.num_frames))
    assert video.frames_at(video.times_s).tolist() == everything
    assert video.frames_at((edges_s[:-1] + edges_s[1:]) / 2).tolist() == everything
    assert video.frames_at(edges_s[1:] - 1e-5).tolist() == everything
    picks = np.random.default_rng(2).integers(0, video.num_frames, 5)
    by_time = video.read(times_s=((edges_s[:-1] + edges_s[1:]) / 2)[picks])
    np.testing.assert_array_equal(by_time.frames, video.read(picks).frames)
    np.testing.assert_array_equal(by_time.times_s, video.times_s[picks])


def test_a_moment_that_rounding_has_moved_is_still_that_of_its_frame(painted_file):
    """Half a microsecond before a frame begins is taken for its beginning; two microseconds are not."""
    video = Video(painted_file("gif"))
    assert video.frames_at(video.times_s - 5e-7).tolist() == list(range(40))
    assert video.frames_at(video.times_s[1:] - 2e-6).tolist() == list(range(39))


def test_times_outside_the_video_give_its_ends(painted_file):
    """Moments before the start and after the end give the first and the last frame."""
    assert Video(painted_file("gif")).frames_at([-5.0, 1e6]).tolist() == [0, 39]


def test_the_last_frame_ends_when_its_own_packet_says(tmp_path):
    """The duration is that of the frame shown last, though B-frames are stored after it with other durations."""
    recipe = Recipe(".mp4", "libx264", {"x264-params": "bframes=3:b-adapt=0:scenecut=0"}, stamps=tuple(range(9)))
    source, target = recipe.write(tmp_path / "a.mp4"), tmp_path / "b.mkv"
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(container.streams.video[0])
        for packet in [packet for packet in container.demux(video=0) if packet.size]:
            packet.duration = int((0.7 if packet.pts * packet.time_base * 25 == 8 else 0.04) / packet.time_base)
            packet.stream = stream
            output.mux(packet)
    with av.open(str(target)) as container:
        stored = [(packet.pts, packet.duration) for packet in container.demux(video=0) if packet.size]
    if max(stored) != (320, 700):
        pytest.skip("this version of FFmpeg does not store the duration in Matroska")
    assert stored[-1] != max(stored), "no B-frame follows the frame shown last"
    assert Video(target).duration_s == pytest.approx(8 / 25 + 0.7, abs=MS)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
def test_pictures_of_a_pixel_or_two(codec, size, tmp_path):
    """A video of 1 x 1, 2 x 2 or 3 x 3 pixels is read like any other: each frame has the grey level it was given."""
    levels = np.arange(40, 240, 10)
    pictures = [np.full((size, size, 3), level, np.uint8) for level in levels]
    recipe = Recipe(
        ".mkv",
        codec,
        {"x264-params": "qp=1"} if codec == "libx264" else {},
        pix_fmt="yuv444p",
        width=size,
        height=size,
        stamps=tuple(range(len(levels))),
    )
    video = Video(write_pictures(tmp_path / "small.mkv", pictures, recipe))
    order = [7, 0, 19, 19, 3]
    clip = video.read(order)
    assert clip.frames.shape == (5, size, size, 3)
    np.testing.assert_allclose(clip.frames.mean(axis=(1, 2, 3)), levels[order], atol=3)


@pytest.mark.parametrize(
    ("matrix", "full_range", "kr_kb"),
    [
        ("bt709", False, (0.2126, 0.0722)),
        ("bt709", True, (0.2126, 0.0722)),
        ("smpte170m", False, (0.299, 0.114)),
        ("smpte170m", True, (0.299, 0.114)),
        ("bt2020nc", False, (0.2627, 0.0593)),
    ],
)
def test_colours_follow_the_matrix_and_the_range_of_the_file(matrix, full_range, kr_kb, tmp_path):
    """A flat colour comes out as the equations of ITU-R BT.601, BT.709 and BT.2020 say, within rounding."""
    luma, blue, red = 120, 90, 200
    options = {"x264-params": f"qp=0:colormatrix={matrix}:fullrange={'on' if full_range else 'off'}"}
    with av.open(str(tmp_path / "flat.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv444p"
        frame = av.VideoFrame(64, 64, "yuv444p")
        for plane, value in zip(frame.planes, (luma, blue, red), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    kr, kb = kr_kb
    y, scale = (luma / 255, 255) if full_range else ((luma - 16) / 219, 224)
    r, b = y + 2 * (1 - kr) * (red - 128) / scale, y + 2 * (1 - kb) * (blue - 128) / scale
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    expected = 255 * np.clip([r, g, b], 0, 1)
    np.testing.assert_allclose(Video(tmp_path / "flat.mp4").read().frames[0, 30, 30], expected, atol=1.5)


@pytest.mark.parametrize(
    ("matrix", "undo"),
    [
        ((1, 0, 0, 1), lambda seen: seen),
        ((0, 1, -1, 0), lambda seen: np.rot90(seen, 1)),
        ((-1, 0, 0, -1), lambda seen: np.rot90(seen, 2)),
        ((0, -1, 1, 0), lambda seen: np.rot90(seen, 3)),
        ((-1, 0, 0, 1), lambda seen: seen[:, ::-1]),
        ((1, 0, 0, -1), lambda seen: seen[::-1]),
        ((0, 1, 1, 0), lambda seen: seen.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda seen: np.rot90(seen, 2).swapaxes(0, 1)),
    ],
    ids=["none", "90", "180", "270", "mirrored", "upside_down_mirrored", "transposed", "transposed_180"],
)
def test_turned_and_mirrored_pictures_are_shown_as_the_file_asks(matrix, undo, painted_file, tmp_path):
    """Undoing the turn by hand gives the stored picture, bit for bit; width and height are those after the turn."""
    source = painted_file("h264_closed_gop_mp4")
    video = Video(set_display_matrix(source, tmp_path / "turned.mp4", matrix))
    clip = video.read([50, 7])
    assert (video.width, video.height) == ((96, 64) if matrix[0] else (64, 96))
    assert clip.frames.shape == (2, video.height, video.width, 3)
    for seen, stored in zip(clip.frames, decode_plainly(source)[[50, 7]], strict=True):
        np.testing.assert_array_equal(undo(seen), stored)


@pytest.mark.parametrize("name", ["h264_open_gop_mp4", "hevc_open_gop_mp4", "mpeg4_mp4"])
@pytest.mark.parametrize(("first", "count"), [(10, 70), (30, 30), (45, 20), (60, 30), (31, 1)])
def test_a_trim_by_edit_list_shows_only_the_kept_part(name, first, count, painted_file, tmp_path):
    """An MP4 trimmed without re-encoding has the frames of its edit, at times from 0, by every way of reading."""
    start_s, duration_s = Fraction(first, 25), Fraction(count, 25)
    video = Video(set_edit(painted_file(name), tmp_path / "trimmed.mp4", start_s, duration_s))
    assert numbers(video.read().frames) == list(range(first, first + count))
    np.testing.assert_allclose(video.times_s, np.arange(count) / 25, atol=1e-9)
    assert video.duration_s == pytest.approx(count / 25)
    for i in (count - 1, 0, count // 2):
        assert numbers(video.read([i]).frames) == [first + i]


@pytest.mark.parametrize("ending", [".webm", ".ts"])
def test_pictures_that_change_size_are_scaled_to_the_first(ending, tmp_path):
    """A stream whose size changes on the way, as of a video call, keeps its first size, and all frames are there."""
    name = {".webm": "vp9_webm", ".ts": "h264_ts"}[ending]
    small = replace(RECIPES[name], stamps=tuple(range(20)))
    first = small.write(tmp_path / f"small{ending}")
    second = replace(small, width=160, height=96).write(tmp_path / f"large{ending}")
    if ending == ".ts":
        both = tmp_path / "both.ts"
        both.write_bytes(first.read_bytes() + second.read_bytes())
    else:
        both = join(tmp_path / "both.webm", first, second)
    video = Video(both)
    assert numbers(video.read().frames) == [*range(20), *range(20)]
    assert (video.width, video.height) == (96, 64)
    assert numbers(video.read([30, 3]).frames) == [10, 3]


@pytest.mark.parametrize("name", ["h264_open_gop_mp4", "vp9_webm", "mpeg4_avi"])
def test_names_of_files_are_never_taken_for_something_else(name, painted_file, tmp_path, monkeypatch):
    """Colons, percent signs, brackets, spaces, accents and bytes that are not UTF-8 are just parts of a name."""
    monkeypatch.chdir(tmp_path)
    content = painted_file(name).read_bytes()
    for stem in (b"http:x", b"a: b", b"%03d", b"[x]*?", "pliée à 5 h".encode(), b"n\xff\xe9", b"-i", b"concat:a|b"):
        path = Path(os.fsdecode(stem + RECIPES[name].ending.encode()))
        path.write_bytes(content)
        assert numbers(Video(path).read([5]).frames) == [5], path


def test_nothing_is_opened_before_the_first_question(tmp_path):
    """A handle on a file that is not there can be made and shown; asking it something is the error."""
    video = Video(tmp_path / "absent.mp4")
    assert repr(video) == f"Video({str(tmp_path / 'absent.mp4')!r})"
    with pytest.raises(VideoError):
        _ = video.num_frames


def test_no_file_stays_open(painted_file):
    """After reading, and after a reading that was broken off, no descriptor is left behind."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("the open files are counted in /proc")
    video = Video(painted_file("h264_mp4"))
    video.read([1])
    before = len(list(descriptors.iterdir()))
    for i in (1, 300):
        stream = video.frames([i, i + 1, i + 2])
        next(stream)
        stream.close()
        video.read([i])
    assert len(list(descriptors.iterdir())) == before


# Wrong questions


@pytest.mark.parametrize("wrong", [[-1], [90], [3, 90], [-90]])
def test_a_number_outside_the_video_is_a_usage_error(wrong, painted_file):
    """Frames are numbered 0 to num_frames - 1: anything else is refused by name and number, never wrapped around."""
    video = Video(painted_file("h264_closed_gop_mp4"))
    with pytest.raises(UsageError, match=rf"h264_closed_gop_mp4\.mp4: asked for frame {wrong[-1]}.* 0 to 89"):
        video.read(wrong)


@pytest.mark.parametrize("wrong", [[3, 2], [3, 3], [0, 5, 4]])
def test_frames_must_ascend_when_they_are_streamed(wrong, painted_file):
    """Streaming asks for strictly ascending numbers."""
    with pytest.raises(UsageError, match="ascending"):
        list(Video(painted_file("gif")).frames(wrong))


def test_numbers_and_times_at_once_are_a_usage_error(painted_file):
    """A reading is by number or by time."""
    with pytest.raises(UsageError, match="not both"):
        Video(painted_file("gif")).read([1], times_s=[0.1])


@pytest.mark.parametrize("name", ["h264_closed_gop_mp4", "gif"])
def test_asking_for_nothing_gives_an_empty_clip(name, painted_file):
    """No numbers, no frames: the clip is empty and keeps the size of the picture."""
    video = Video(painted_file(name))
    assert video.read([]).frames.shape == (0, 64, 96, 3)
    assert len(video.read(times_s=[])) == 0
    assert list(video.frames([])) == []


# Files that are no videos


def _truncated(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


@pytest.fixture
def broken_file(tmp_path, painted_file):
    """Makes a file that cannot be read, by the name of what is wrong with it."""
    front = replace(RECIPES["h264_mp4"], container_options={"movflags": "faststart"})

    def make(kind: str) -> Path:
        path = tmp_path / f"{kind}.mp4"
        whole = painted_file("h264_closed_gop_mp4").read_bytes()
        match kind:
            case "empty":
                path.touch()
            case "text":
                path.write_text("this is no video\n" * 100)
            case "ansi_text":
                path = path.with_suffix(".txt")
                path.write_text("this is no video\n" * 100)
            case "noise":
                path.write_bytes(np.random.default_rng(0).bytes(50_000))
            case "zeros":
                path.write_bytes(bytes(50_000))
            case "folder":
                path.mkdir()
            case "sound":
                write_sound(path)
            case "sound_with_cover":
                write_sound(path, cover=True)
            case "half_in_front":
                path.write_bytes(_truncated(front.write(tmp_path / "whole.mp4").read_bytes(), 0.5))
            case "almost_all_in_front":
                path.write_bytes(_truncated(front.write(tmp_path / "whole.mp4").read_bytes(), 0.97))
            case "half_without_index":
                path.write_bytes(_truncated(whole, 0.5))
            case "half_avi":
                path.write_bytes(_truncated(painted_file("mpeg4_avi").read_bytes(), 0.5))
            case "webm_start":
                path.write_bytes(painted_file("vp9_webm").read_bytes()[:300])
            case "wmv_start":
                path.write_bytes(painted_file("wmv2_wmv").read_bytes()[:302])
            case "gif_start":
                path.write_bytes(b"G")
            case "no_frames":
                with av.open(str(path), "w") as container:
                    stream = container.add_stream("libx264", rate=25)
                    stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
                    container.start_encoding()
            case "unknown_codec":
                path.write_bytes(whole.replace(b"avc1", b"zzzz"))
            case "link_to_itself":
                path.symlink_to(path)
            case "link_to_nothing":
                path.symlink_to(tmp_path / "gone.mp4")
            case "long_name":
                path = tmp_path / ("a" * 300 + ".mp4")
        return path

    return make


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "empty"),
        ("text", "text file"),
        ("ansi_text", "text file"),
        ("noise", "cannot be decoded|no video"),
        ("zeros", "cannot be decoded|no video"),
        ("folder", "folder"),
        ("missing", "No such file"),
        ("sound", "no video stream"),
        ("sound_with_cover", "no video stream"),
        ("half_in_front", "cut off: its header promises 400 frames and [0-9]+ are there"),
        ("almost_all_in_front", "cut off: its header promises 400 frames and 3[0-9]+ are there"),
        ("half_without_index", "cannot be decoded"),
        ("half_avi", "cut off: its header promises 90 frames"),
        ("webm_start", "cannot be decoded"),
        ("wmv_start", "cannot be decoded"),
        ("gif_start", "ends before the first picture|cannot be decoded"),
        ("no_frames", "no picture|cannot be decoded|no video"),
        ("unknown_codec", "no decoder"),
        ("link_to_itself", "symbolic links"),
        ("link_to_nothing", "No such file"),
        ("long_name", "too long"),
    ],
)
def test_what_cannot_be_read_is_a_video_error(kind, reason, broken_file):
    """Every question about a file that is no video raises a VideoError that names the file and says why."""
    path = broken_file(kind)
    for ask in (lambda: Video(path).num_frames, lambda: Video(path).read([0]), lambda: list(Video(path).frames([0]))):
        with pytest.raises(VideoError, match=reason) as caught:
            ask()
        assert caught.value.path == str(path)
        assert str(caught.value) == f"{path}: {caught.value.reason}"


def test_a_file_that_may_not_be_read_is_a_video_error(painted_file, tmp_path):
    """Without permission the error says so."""
    path = tmp_path / "secret.mp4"
    path.write_bytes(painted_file("gif").read_bytes())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(VideoError, match="Permission denied"):
        _ = Video(path).num_frames


def test_a_file_that_vanishes_is_a_video_error(painted_file, tmp_path):
    """A file that is gone after it was indexed gives the same kind of error when it is read."""
    path = tmp_path / "short_lived.mp4"
    path.write_bytes(painted_file("h264_closed_gop_mp4").read_bytes())
    video = Video(path)
    assert video.num_frames == 90
    path.unlink()
    with pytest.raises(VideoError, match="No such file"):
        video.read([5])


@pytest.mark.parametrize("name", ["h264_ts", "h264_late_start_mkv", "vp9_webm", "flv1_flv"])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_recording_that_breaks_off_gives_what_is_there(name, share, painted_file, tmp_path):
    """Where no header promises a number of frames, those before the break are read at their right times."""
    path = tmp_path / f"part{RECIPES[name].ending}"
    path.write_bytes(_truncated(painted_file(name).read_bytes(), share))
    clip = Video(path).read()
    painted = [read_paint(picture) for picture in clip.frames]
    whole = max(1, len(painted) - 5)  # the packet at the break is damaged, and so are up to four that lean on it
    expected = RECIPES[name].times_s[[number for number, _ in painted[:whole]]]
    np.testing.assert_allclose(clip.times_s[:whole], expected, atol=MS)
    assert len(clip) > share * 90 * 0.3


def _overwritten(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    start, length = int(rng.integers(len(content) // 4, len(content) // 2)), int(rng.integers(1, 200))
    damaged[start : start + length] = rng.bytes(length)
    return bytes(damaged)


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(1, len(content)))]


@pytest.mark.parametrize("harm", [_overwritten, _cut])
@pytest.mark.parametrize(
    "name",
    ["h264_open_gop_mp4", "hevc_open_gop_mp4", "h264_ts", "vp9_webm", "vp8_webm", "av1_mkv", "mpeg4_avi", "gif"],
)
def test_damage_is_an_error_or_leaves_the_frames_countable(name, harm, painted_file, tmp_path):
    """With bytes overwritten or cut off, reading raises a VideoError or returns as many frames as it counted."""
    content = painted_file(name).read_bytes()
    for seed in range(12):
        path = tmp_path / f"{seed}{RECIPES[name].ending}"
        path.write_bytes(harm(content, np.random.default_rng(seed)))
        video = Video(path)
        try:
            clip = video.read()
            alone = video.read([video.num_frames - 1])
        except VideoError as error:
            assert error.reason
        else:
            assert len(clip) == video.num_frames > 0
            assert alone.times_s == clip.times_s[-1]


@pytest.mark.parametrize("after", [3, 40])
def test_a_frame_that_does_not_come_out_never_shifts_the_others(after, painted_file, tmp_path):
    """Where a packet holds no picture, asking for its frame is an error, and all other frames are the right ones."""
    source, holed, gap = painted_file("hevc_open_gop_mp4"), tmp_path / "holed.mp4", None
    with av.open(str(source)) as container, av.open(str(holed), "w") as output:
        stream = output.add_stream_from_template(container.streams.video[0])
        for packet in [packet for packet in container.demux(video=0) if packet.size]:
            mine, number = packet, round(packet.pts * packet.time_base * 25)
            if gap is None and number > after and bytes(packet)[4] >> 1 in (0, 8):  # nothing refers to this frame
                gap, mine = number, av.Packet(b"\0\0\0\3\x4c\1\x80")  # filler data instead of a picture
                mine.pts, mine.dts, mine.time_base = packet.pts, packet.dts, packet.time_base
                mine.duration = packet.duration
            mine.stream = stream
            output.mux(mine)
    video, plain = Video(holed), decode_plainly(source)
    others = [gap - 2, gap - 1, gap + 1, gap + 2, 80]
    np.testing.assert_array_equal(video.read(others).frames, plain[others])
    for wanted in ([gap], [gap - 1, gap, gap + 1], list(range(90))):
        with pytest.raises(VideoError, match=f"stopped before frame {gap}"):
            for i, picture in video.frames(wanted):
                np.testing.assert_array_equal(picture, plain[i], err_msg=f"frame {i} of {wanted}")


# Seeks that go wrong


class _Container:
    """A container whose seeks are replaced."""

    def __init__(self, container: av.container.InputContainer, seek: Callable) -> None:
        self._container, self._seek = container, seek

    def __getattr__(self, name: str) -> object:
        return getattr(self._container, name)

    def __enter__(self) -> _Container:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def seek(self, pts: int, **where: object) -> None:
        self._seek(self._container, pts, **where)


def _seek_refused(container, pts, **where):
    raise av.error.PermissionError(1, "Operation not permitted")


def _seek_too_late(container, pts, **where):
    container.seek(10**9, **where)


def _seek_nowhere(container, pts, **where):
    next(container.demux(where["stream"]))


def _seek_too_early(container, pts, **where):
    container.seek(0, **where)


@pytest.mark.parametrize("seek", [_seek_refused, _seek_too_late, _seek_nowhere, _seek_too_early])
@pytest.mark.parametrize("name", ["h264_open_gop_mp4", "vp9_webm", "av1_mkv"])
def test_a_seek_that_fails_or_lands_wrong_changes_nothing(seek, name, painted_file, monkeypatch):
    """Whatever a container does when told to seek, the frames that come back are the ones asked for, each once."""
    plain = decode_plainly(painted_file(name))
    really_open = av.open
    monkeypatch.setattr(media.av, "open", lambda *given, **named: _Container(really_open(*given, **named), seek))
    video = Video(painted_file(name))
    for wanted in ([75], [40, 42, 80], list(range(35, 90))):
        np.testing.assert_array_equal(video.read(wanted).frames, plain[wanted])


def test_a_plan_that_fails_half_way_gives_each_frame_once(painted_file, monkeypatch):
    """When only the second seek lands wrong, the frames already given are not given again."""
    video = Video(painted_file("h264_mp4"))
    monkeypatch.setattr(
        decoding,
        "plan_runs",
        lambda targets, stamps, keyframes: [Run(None, tuple(targets[:3])), Run(keyframes[-1], tuple(targets[3:]))],
    )
    found = [(i, read_paint(picture)[0]) for i, picture in video.frames([2, 3, 9, 100, 101, 390])]
    assert found == [(i, i) for i in (2, 3, 9, 100, 101, 390)]


@pytest.mark.parametrize("name", ["h264_closed_gop_mp4", "h264_open_gop_mp4", "hevc_open_gop_mp4", "av1_mp4"])
def test_a_file_that_calls_every_packet_a_keyframe_is_read_right(name, painted_file, tmp_path):
    """Without its table of sync samples an MP4 claims that decoding may start anywhere; all frames come out right.

    FFmpeg sees through the claim for H.264 and AV1, and believes it for HEVC.
    """
    path = tmp_path / "no_table.mp4"
    path.write_bytes(painted_file(name).read_bytes().replace(b"stss", b"free"))
    video, plain = Video(path), decode_plainly(path)
    assert "hevc" not in name or len(video.index.keyframes) == video.num_frames
    for i in (89, 45, 31, 30, 29, 1):
        np.testing.assert_array_equal(video.read([i]).frames[0], plain[i], err_msg=f"frame {i}")


# Memory


@pytest.mark.parametrize("name", ["h264_closed_gop_mp4", "mpeg4_avi"])
def test_streaming_needs_the_same_memory_for_any_length(name, tmp_path):
    """Ten times as many frames need no more memory to stream than a tenth, but for their numbers."""
    peaks = []
    for count in (200, 2000):
        recipe = replace(RECIPES[name], stamps=tuple(range(count)))
        video = Video(recipe.write(tmp_path / f"{count}{recipe.ending}"))
        assert video.num_frames == count
        tracemalloc.start()
        seen = sum(1 for _ in video.frames(range(count)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert seen == count
    picture_bytes, bytes_a_number = 96 * 64 * 3, 300
    assert peaks[1] < 1.1 * peaks[0] + 2 * picture_bytes + 1800 * bytes_a_number


# From a video to a track


class _Recorder:
    """An encoder that looks at given windows and notes which pictures it is shown."""

    name, dim, batch, logit_scale, fingerprint = "recorder", 2, 1, 1.0, "recorder-1"

    def __init__(self, windows: list[Window]) -> None:
        self.windows = windows
        self.prepared: list[int] = []
        self.encoded: list[list[int]] = []
        self.most_alive = 0
        self._pictures: list[weakref.ref] = []

    def sample(self, video, *, dense):
        return self.windows

    def prepare(self, picture):
        self.prepared.append(read_paint(picture)[0])
        mine = picture.copy()
        self._pictures = [known for known in self._pictures if known() is not None] + [weakref.ref(mine)]
        self.most_alive = max(self.most_alive, len(self._pictures))
        return mine

    def encode_windows(self, frames, *, dense):
        self.encoded += [numbers(window) for window in frames]
        return np.array([[[n, dense] for n in window] for window in self.encoded[-len(frames) :]], np.float32)

    def encode_texts(self, texts):
        raise NotImplementedError

    def encode_classes(self, classes):
        raise NotImplementedError


def _window(frames, spans, skip=0):
    return Window(np.array(frames, np.int64), np.array(spans, np.int64).reshape(-1, 2), skip)


@pytest.mark.parametrize("name", ["h264_open_gop_mp4", "mpeg4_avi"])
def test_extract_shows_each_window_its_frames_and_decodes_each_once(name, painted_file):
    """Overlapping windows with repeats and gaps get the frames they name; every frame is prepared once, in order."""
    windows = [
        _window([0, 1, 2, 3], [[0, 4]] * 4),
        _window([2, 3, 4, 5], [[4, 6]] * 2, skip=1),
        _window([3, 5, 9, 60], [[6, 61]]),
        _window([9, 10], [[61, 62]] * 2),
        _window([88, 89, 89, 89], [[88, 90]] * 4),
    ]
    encoder, steps = _Recorder(windows), []
    track = extract(
        Video(painted_file(name)), encoder, dense=True, progress=lambda done, total: steps.append((done, total))
    )
    assert encoder.encoded == [window.frames.tolist() for window in windows]
    assert encoder.prepared == [0, 1, 2, 3, 4, 5, 9, 10, 60, 88, 89]
    assert track.vectors[:, 0].tolist() == [0, 1, 2, 3, 3, 4, 3, 9, 10, 88, 89, 89, 89]
    assert (track.vectors[:, 1] == 1).all()
    expected = [[0, 4]] * 4 + [[4, 6]] * 2 + [[6, 61]] + [[61, 62]] * 2 + [[88, 90]] * 4
    np.testing.assert_allclose(track.spans_s, np.array(expected) / 25, atol=1e-9)
    assert track.encoder == "recorder-1"
    assert steps[-1] == (11, 11)
    assert all(total == 11 for _, total in steps)


def test_extract_ends_spans_with_the_video(painted_file):
    """A span that reaches past the last frame ends when the video ends."""
    video = Video(painted_file("h264_one_frame_mp4"))
    track = extract(video, _Recorder([_window([0, 0, 0], [[0, 16]] * 3)]), dense=False)
    np.testing.assert_array_equal(track.spans_s, [[0, video.duration_s]] * 3)


def test_extract_keeps_one_window_of_pictures(painted_file):
    """While sliding over 400 frames, no more prepared pictures are alive than one window and the next frame."""
    windows = [_window(range(start, start + 8), [[start, start + 8]] * 8) for start in range(0, 393, 4)]
    encoder = _Recorder(windows)
    extract(Video(painted_file("h264_mp4")), encoder, dense=True)
    assert len(encoder.prepared) == 400
    assert all(a + 1 == b for a, b in pairwise(encoder.prepared))
    assert encoder.most_alive <= 9


def test_extract_passes_on_what_is_wrong_with_the_video(broken_file):
    """A file that cannot be read is a VideoError here too."""
    with pytest.raises(GerundError, match="cut off"):
        extract(Video(broken_file("half_in_front")), _Recorder([_window([0], [[0, 1]])]), dense=True)
