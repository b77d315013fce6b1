from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.video.planner import Packet, Run, order_is_certain, plan_runs

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
MKV = "matroska,webm"


def _packets(*pts: int | None, keyframes: tuple[int, ...] = (0,), discard: tuple[int, ...] = ()) -> list[Packet]:
    """Packets with these timestamps in the order of the file; `keyframes` and `discard` are timestamps."""
    return [Packet(stamp, stamp in keyframes, stamp in discard) for stamp in pts]


# When the packets tell the order of the pictures


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9"])
@pytest.mark.parametrize("container", [MP4, MKV])
def test_order_is_certain_for_modern_codecs_in_files_with_an_index(container, codec):
    """B-frames stored out of order are no obstacle: their timestamps say where they belong."""
    assert order_is_certain(_packets(0, 4, 2, 1, 3), container, codec)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("avi", "h264"),
        ("mpegts", "h264"),
        ("flv", "h264"),
        ("gif", "gif"),
        (MP4, "mpeg4"),
        (MKV, "vp8"),
        (MP4, "mjpeg"),
    ],
)
def test_order_is_uncertain_for_other_containers_and_codecs(container, codec):
    """Containers without trustworthy timestamps, and codecs with hidden or packed frames, are not read by seeking."""
    assert not order_is_certain(_packets(0, 1, 2), container, codec)


@pytest.mark.parametrize(
    "packets",
    [
        pytest.param([], id="nothing"),
        pytest.param(_packets(0, None, 2), id="no_timestamp"),
        pytest.param(_packets(0, 1, 1, 2), id="same_timestamp_twice"),
        pytest.param(_packets(0, 1, 2, keyframes=()), id="starts_without_a_keyframe"),
        pytest.param(_packets(2, 0, 1, 3, keyframes=(2,)), id="shown_before_its_first_keyframe"),
        pytest.param(_packets(0, 1, 2, discard=(0, 1, 2)), id="nothing_is_shown"),
    ],
)
def test_order_is_uncertain_where_the_packets_leave_a_doubt(packets):
    """Missing or repeated timestamps, and pictures that cannot be decoded from the first keyframe, leave a doubt."""
    assert not order_is_certain(packets, MP4, "h264")


def test_pictures_trimmed_away_do_not_count():
    """What an edit list hides may lie before the first keyframe's time; only what is shown has to follow it."""
    packets = _packets(-3, -5, -4, 0, 1, keyframes=(-3,), discard=(-3, -5, -4))
    assert order_is_certain(packets, MP4, "h264")


# What to decode


@st.composite
def _questions(draw) -> tuple[list[int], list[int], list[int]]:
    """Timestamps of a video, its keyframes (the first frame is one), and frames that are wanted."""
    steps = draw(st.lists(st.integers(1, 50), min_size=1, max_size=400))
    start = draw(st.integers(-1000, 1000))
    stamps = [start]
    for step in steps:
        stamps.append(stamps[-1] + step)
    keyframes = sorted({stamps[0], *draw(st.lists(st.sampled_from(stamps), max_size=8))})
    targets = sorted(set(draw(st.lists(st.sampled_from(stamps), max_size=20))))
    return targets, stamps, keyframes


def _last_keyframe(target: int, keyframes: list[int]) -> int:
    return max(keyframe for keyframe in keyframes if keyframe <= target)


@given(_questions())
def test_every_wanted_frame_is_in_one_run_in_order(question):
    """Put one after the other, the runs are the targets."""
    targets, stamps, keyframes = question
    assert [stamp for run in plan_runs(targets, stamps, keyframes) for stamp in run.pts] == targets


@given(_questions())
def test_every_run_starts_at_the_last_keyframe_before_its_first_frame(question):
    """No run starts later, so that leading pictures of an open group are decoded right, nor earlier than it must."""
    targets, stamps, keyframes = question
    for number, run in enumerate(plan_runs(targets, stamps, keyframes)):
        if run.seek_pts is None:
            assert number == 0
            assert _last_keyframe(run.pts[0], keyframes) == keyframes[0]
        else:
            assert run.seek_pts == _last_keyframe(run.pts[0], keyframes)


@given(_questions())
def test_no_long_stretch_is_decoded_for_nothing(question):
    """From a wanted frame to the keyframe before the next one of its run it is at most 64 frames, else a seek pays."""
    targets, stamps, keyframes = question
    for run in plan_runs(targets, stamps, keyframes):
        for here, following in zip(run.pts, run.pts[1:], strict=False):
            assert bisect_left(stamps, _last_keyframe(following, keyframes)) - bisect_left(stamps, here) <= 64


@given(_questions())
def test_a_plan_never_decodes_more_than_reading_from_the_start(question):
    """The frames decoded over all runs are at most those from the first frame to the last wanted one."""
    targets, stamps, keyframes = question
    decoded = sum(
        bisect_left(stamps, run.pts[-1]) + 1 - (0 if run.seek_pts is None else bisect_left(stamps, run.seek_pts))
        for run in plan_runs(targets, stamps, keyframes)
    )
    assert decoded <= (bisect_left(stamps, targets[-1]) + 1 if targets else 0)


def test_frames_near_each_other_share_a_run_and_far_ones_do_not():
    """With keyframes every 100 frames: 10 and 40 go together, 150 is reached sooner by decoding on, 420 by a seek."""
    runs = plan_runs([10, 40, 150, 420, 499], range(500), [0, 100, 200, 300, 400])
    assert runs == [Run(None, (10, 40, 150)), Run(400, (420, 499))]


@pytest.mark.parametrize(("keyframe", "seek"), [(64, False), (65, True)])
def test_a_seek_pays_when_it_saves_more_than_64_frames(keyframe, seek):
    """With frame 0 just decoded, a keyframe 64 frames on is reached by decoding, one 65 frames on by a seek."""
    runs = plan_runs([0, keyframe], range(200), [0, keyframe])
    assert runs == ([Run(None, (0,)), Run(keyframe, (keyframe,))] if seek else [Run(None, (0, keyframe))])


def test_leading_pictures_are_decoded_from_the_keyframe_before_theirs():
    """A picture shown just before a keyframe is reached from the keyframe before that one."""
    assert plan_runs([299], range(500), [0, 100, 200, 300]) == [Run(200, (299,))]


def test_wanting_nothing_plans_nothing():
    """No targets, no runs."""
    assert plan_runs([], range(10), [0]) == []
