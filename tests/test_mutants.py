"""Damaged files: whatever their bytes, each is answered or named, and its neighbours are as they are alone."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.endurance.mutants import HARMS, mutant

from gerund.errors import VideoError
from gerund.features import extract, extract_many
from gerund.video import Video
from gerund.video.limits import Limits
from gerund.video.workers import Workers
from painted import RECIPES
from stub import ColourEncoder, write_colours

KINDS = ("h264_mp4", "hevc_open_gop_mp4", "vp9_webm", "mpeg4_avi", "h264_open_gop_mp4")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Small files of several kinds."""
    folder = tmp_path_factory.mktemp("sources")
    return [RECIPES[name].write(folder / f"{name}{RECIPES[name].ending}") for name in KINDS if name in RECIPES]


def test_damaged_files_hurt_nobody(sources, tmp_path):
    """Sixty mutants between good videos: an answer or a VideoError each, and the good ones' vectors as alone."""
    good = write_colours(tmp_path / "good.mp4", ["red", "blue"])
    paths = []
    for number in range(60):
        name, content = mutant(number, 1, sources)
        (tmp_path / name).write_bytes(content)
        paths += [tmp_path / name] if number % 6 else [tmp_path / name, good]
    with Workers(Limits(step_s=5, cpu_s=10)) as workers:
        alone = extract(Video(good), ColourEncoder(), dense=True, workers=workers)
        done = list(extract_many([Video(p) for p in paths], [ColourEncoder()], dense=True, workers=workers, decoders=2))
    assert len(done) == len(paths)
    for path, item in zip(paths, done, strict=True):
        assert item.error is None or isinstance(item.error, VideoError), path
        if path == good:
            np.testing.assert_allclose(item.tracks[0].vectors, alone.vectors, atol=1e-6)
        elif item.error is None:
            assert np.isfinite(item.tracks[0].vectors).all()
            assert np.isfinite(item.tracks[0].spans_s).all()
    failed = sum(item.error is not None for item in done)
    assert 5 < failed < 55  # else the damage is too small or too large to tell anything


def test_a_mutant_is_known_by_its_number(sources):
    """The same number and seed give the same bytes, another number others; every way of harming is drawn."""
    assert mutant(3, 1, sources) == mutant(3, 1, sources)
    assert mutant(3, 1, sources)[1] != mutant(4, 1, sources)[1]
    drawn = {harm for number in range(200) for harm in mutant(number, 1, sources)[0].split("-")[1:-1]}
    assert {harm.__name__ for harm in HARMS} <= drawn
