"""The reader on real videos: those that everyone who works on the project has beside the repository."""

from __future__ import annotations

import csv
import zlib
from pathlib import Path

import av
import numpy as np
import pytest

from gerund.video import Video

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TABLE = DATA / "clips.csv"
ROWS = list(csv.DictReader(TABLE.open(newline="", encoding="utf-8"))) if TABLE.exists() else []

if not ROWS:
    pytest.skip(f"the shared clips are not here ({TABLE})", allow_module_level=True)


def _plain_frames(path: Path, wanted: set[int], quarter_turns: int) -> dict[int, np.ndarray]:
    """The wanted frames, counted from the start of the file by a decoder that never seeks."""
    with av.open(str(path), metadata_errors="ignore") as container:
        container.streams.video[0].thread_type = "AUTO"
        found = {}
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                found[number] = np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns)
            if len(found) == len(wanted):
                break
    return found


@pytest.mark.parametrize("row", [pytest.param(row, id=Path(row["file"]).name) for row in ROWS])
def test_clip_is_as_the_table_says_and_seeking_finds_its_frames(row):
    """Frames, size, rate and duration are those of the table; frames read alone equal those of a plain decoder."""
    path = DATA / row["file"]
    video = Video(path)
    size = int(row["width"]), int(row["height"])
    rotation = int(row["rotation"])
    assert video.num_frames == int(row["decoded_frames"])
    assert (video.width, video.height) == (size if rotation % 180 == 0 else size[::-1])
    assert float(video.fps) == pytest.approx(float(row["fps"]), abs=0.01)
    assert video.duration_s == pytest.approx(float(row["duration_s"]), abs=0.06)
    assert video.times_s[0] == 0
    assert (np.diff(video.times_s) > 0).all()
    picks = np.random.default_rng(zlib.crc32(row["file"].encode())).integers(0, video.num_frames, 5)
    plain = _plain_frames(path, set(picks.tolist()), rotation // 90)
    for number in picks.tolist():
        np.testing.assert_array_equal(video.read([number]).frames[0], plain[number], err_msg=f"frame {number}")


def test_first_frame_is_that_of_an_unrelated_decoder():
    """The mean of the first frame of a UCF101 clip is the one that scikit-video's tests hold for it."""
    first = Video(DATA / "clips/ucf101/v_ApplyEyeMakeup_g01_c01.avi").read([0]).frames
    assert first.mean() == pytest.approx(87.119574652778, abs=1e-9)
