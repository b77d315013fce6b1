"""`gerund extract`: the right frames at the right times, kept once, resumed, and never mixed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import gerund.api
from gerund.api import Model
from gerund.assets import find_asset, is_here
from gerund.cli import app
from gerund.encoders.base import VideoHalf, Window
from gerund.errors import UsageError
from gerund.features import FeatureStore, Resampled, Sampling, extract
from gerund.video import Video
from gerund.video.sampling import segment_centres
from gerund.video.workers import Reading
from painted import RECIPES, read_paint
from stub import ColourEncoder, Rounded, write_colours

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips"
SHORT = [
    "hmdb51/Documentario_Le_Parkour_Londrina_jump_f_cm_np1_ri_bad_6.mp4",
    "kinetics/mmaction2_rawvideo_part_0.mp4",
    "hmdb51/RATRACE_wave_f_nm_np1_fr_goo_37.avi",
]


class Frames(ColourEncoder):
    """The same, looking at every second frame alone."""

    name, fingerprint = "frames-stub", "frames-stub-1"

    def sample(self, video, *, dense):
        return [Window(np.array([i]), np.array([[i, i + 2]])) for i in range(0, video.num_frames, 2)]


class Reader(Frames):
    """Reads what is painted: the vector of a frame is its number and its milliseconds; of several, their mean."""

    name, fingerprint, dim = "reader", "reader-1", 2

    def prepare(self, picture):
        return picture

    def encode_windows(self, frames, *, dense):
        return np.array([[read_paint(picture) for picture in window] for window in frames], np.float32)


ENCODERS = {"colours": ColourEncoder, "frames": Frames, "reader": Reader}


@pytest.fixture
def run(monkeypatch):
    """Types a command to a gerund whose models are stubs."""
    monkeypatch.setattr(gerund.api, "load", lambda name, **_: Model(ENCODERS[name]()))

    def typed(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    return typed


@pytest.fixture
def videos(tmp_path):
    """Four videos of one to three seconds, eight frames a second."""
    folder = tmp_path / "videos"
    (folder / "deep").mkdir(parents=True)
    plans = {"a": ["red"], "b": ["green", "red"], "c": ["red", "blue", "green"], "deep/d": ["blue"]}
    for name, colours in plans.items():
        write_colours(folder / f"{name}.mp4", colours)
    return folder


@pytest.fixture
def decoded(monkeypatch):
    """The files whose frames were decoded, in order."""
    passes = []
    original = Reading.pictures
    monkeypatch.setattr(
        Reading, "pictures", lambda self, *asked: (passes.append(self.video.path.stem), original(self, *asked))[1]
    )
    return passes


def assert_same(one, other):
    assert one.encoder == other.encoder
    np.testing.assert_array_equal(one.spans_s, other.spans_s)
    np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-6)


def test_what_is_kept_is_what_extract_gives(run, videos, tmp_path):
    """Every video of a folder is kept under its stem, equal to its track; status 0."""
    result = run("extract", videos, "--encoder", "colours", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "c.mp4  3.0 s  colour-stub: 6 x 3" in result.stdout
    assert "4 of 4 are here, 4 of them new" in result.stderr
    store = FeatureStore(tmp_path / "out")
    assert store.ids() == ["a", "b", "c", "d"]
    for path in videos.rglob("*.mp4"):
        assert_same(store.read(path.stem), extract(Video(path), ColourEncoder(), dense=True))


def test_running_again_decodes_nothing(run, videos, tmp_path, decoded):
    """What is there is skipped and counted; only a new video is decoded."""
    words = ("extract", videos, "--encoder", "colours", "--out", tmp_path / "out")
    run(*words)
    decoded.clear()
    again = run(*words)
    assert again.exit_code == 0
    assert decoded == []
    assert "4 of 4 are here, 0 of them new" in again.stderr
    write_colours(videos / "e.mp4", ["red"])
    assert "5 of 5 are here, 1 of them new" in run(*words).stderr
    assert decoded == ["e"]


def test_a_stopped_command_goes_on_where_it_was(run, videos, tmp_path, monkeypatch, decoded):
    """After Ctrl-C in the third video the first two are kept, status 130; the rest comes with the next run."""
    words = ("extract", videos, "--encoder", "colours", "--decode-threads", 1, "--out", tmp_path / "out")
    original = FeatureStore.write
    written = []

    def write(self, video, track, **source):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(video)
        original(self, video, track, **source)

    monkeypatch.setattr(FeatureStore, "write", write)
    stopped = run(*words)
    assert stopped.exit_code == 130
    assert "2 of 4 are here, 2 of them new" in stopped.stderr
    assert "what was finished is kept" in stopped.stderr
    assert FeatureStore(tmp_path / "out").ids() == ["a", "b"]
    monkeypatch.setattr(FeatureStore, "write", original)
    decoded.clear()
    assert run(*words).exit_code == 0
    assert decoded == ["c", "d"]
    run("extract", videos, "--encoder", "colours", "--out", tmp_path / "at once")
    for video in "abcd":
        once, twice = (FeatureStore(tmp_path / name).read(video) for name in ("at once", "out"))
        assert_same(once, twice)


def test_a_track_that_is_cut_off_is_made_again(run, videos, tmp_path):
    """A damaged file counts as missing for the command that can make it."""
    words = ("extract", videos, "--encoder", "colours", "--out", tmp_path / "out")
    run(*words)
    store = FeatureStore(tmp_path / "out")
    file = store.file_of("b")
    file.write_bytes(file.read_bytes()[:-30])
    assert "4 of 4 are here, 0 of them new" in run(*words).stderr
    assert len(store.read("b")) == 4


def test_a_video_that_changed_is_made_again_a_renamed_one_is_not(run, videos, tmp_path, decoded):
    """Other content under a known name is decoded and replaces the track; the same content elsewhere is known."""
    words = ("extract", videos, "--encoder", "colours", "--out", tmp_path / "out")
    run(*words)
    write_colours(videos / "a.mp4", ["green", "blue"])
    (videos / "b.mp4").rename(tmp_path / "b.mp4")
    (videos / "sub").mkdir()
    (tmp_path / "b.mp4").rename(videos / "sub" / "b.mp4")
    decoded.clear()
    assert run(*words).exit_code == 0
    assert decoded == ["a"]
    assert_same(FeatureStore(tmp_path / "out").read("a"), extract(Video(videos / "a.mp4"), ColourEncoder(), dense=True))


def test_a_full_disk_stops_extract_and_names_the_track(run, videos, tmp_path, monkeypatch):
    """No room for the second track: status 1, its file is named, the first is kept, the third is not tried."""
    original, tried = FeatureStore.write, []

    def write(self, video, track, **source):
        tried.append(video)
        if len(tried) == 2:
            raise OSError(28, "No space left on device")
        original(self, video, track, **source)

    monkeypatch.setattr(FeatureStore, "write", write)
    result = run("extract", videos, "--encoder", "colours", "--decode-threads", 1, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "b.npz: No space left on device" in result.stderr.replace("\n", "")
    assert tried == ["a", "b"]
    assert FeatureStore(tmp_path / "out").ids() == ["a"]


def test_failures_are_named_and_the_others_finished(run, videos, tmp_path):
    """A broken video and a missing one: both listed with their reasons, status 1, the rest is kept."""
    (videos / "broken.mp4").write_bytes(b"no video")
    result = run("extract", videos, tmp_path / "nowhere.mp4", "--encoder", "colours", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "2 not answered" in result.stderr
    assert "nowhere.mp4: no such file or folder" in result.stderr
    assert "broken.mp4: " in result.stderr
    assert "4 of 5 are here, 4 of them new" in result.stderr
    assert FeatureStore(tmp_path / "out").ids() == ["a", "b", "c", "d"]


def test_several_encoders_share_one_decode(run, videos, tmp_path, decoded):
    """Two encoders: each file is decoded once, and the tracks are those of each encoder alone."""
    result = run("extract", videos, "--encoder", "colours", "--encoder", "frames", "--out", tmp_path / "both")
    assert result.exit_code == 0
    assert sorted(decoded) == ["a", "b", "c", "d"]
    assert "a.mp4  1.0 s  colour-stub: 2 x 3  frames-stub: 4 x 3" in result.stdout
    for name, encoder in (("colours", ColourEncoder()), ("frames", Frames())):
        run("extract", videos, "--encoder", name, "--out", tmp_path / name)
        both = FeatureStore(tmp_path / "both", encoder=encoder.name)
        for video in "abcd":
            assert_same(both.read(video), FeatureStore(tmp_path / name).read(video))


def test_only_the_encoder_that_is_missing_is_run(run, videos, tmp_path, monkeypatch):
    """A video that one of two encoders was run on already is decoded for the other alone."""
    run("extract", videos / "a.mp4", "--encoder", "colours", "--out", tmp_path / "out")
    seen = []
    original = ColourEncoder.encode_windows

    def encode_windows(self, frames, *, dense):
        seen.append((self.name, len(frames)))
        return original(self, frames, dense=dense)

    monkeypatch.setattr(ColourEncoder, "encode_windows", encode_windows)
    run("extract", videos / "a.mp4", "--encoder", "frames", "--encoder", "colours", "--out", tmp_path / "out")
    assert {name for name, _ in seen} == {"frames-stub"}


def test_samplings_lie_side_by_side(run, videos, tmp_path):
    """Each sampling of one encoder has tracks of its own, and reading needs a choice among them."""
    for option in ([], ["--stride", 4], ["--stride", 4, "--mean"], ["--rate", 2], ["--frames", 3], ["--few"]):
        assert run("extract", videos, "--encoder", "frames", *option, "--out", tmp_path / "out").exit_code == 0
    with pytest.raises(UsageError, match="several kinds"):
        FeatureStore(tmp_path / "out")
    expected = {"own": 12, "few": 12, "stride4": 6, "stride4-mean": 6, "rate2": 6, "frames3": 3}
    assert {key: len(FeatureStore(tmp_path / "out", sampling=key).read("c")) for key in expected} == expected


@pytest.mark.parametrize(
    "recipe", ["h264_irregular_mp4", "h264_late_start_mkv", "mpeg4_gaps_avi", "h264_one_frame_mp4"]
)
@pytest.mark.parametrize("stride", [1, 4, 8, 1000])
def test_a_stride_takes_the_centre_of_every_whole_chunk(tmp_path, recipe, stride):
    """The painted number is that of the chunk's centre, and the span runs from its first frame to the next chunk's."""
    path = RECIPES[recipe].write(tmp_path / f"video{RECIPES[recipe].ending}")
    times_s = [*RECIPES[recipe].times_s, Video(path).duration_s]
    num_frames = len(times_s) - 1
    track = extract(Video(path), Sampling(stride=stride).of(Reader()), dense=True)
    chunks = [(k * stride, (k + 1) * stride) for k in range(num_frames // stride)] or [(0, num_frames)]
    assert track.vectors[:, 0].tolist() == [(a + b) // 2 for a, b in chunks]
    assert track.spans_s == pytest.approx(np.array([[times_s[a], times_s[b]] for a, b in chunks]), abs=2e-3)
    assert track.encoder == Reader.fingerprint


def test_the_chunks_of_gap():
    """8,273 frames by 8 are 1,034 snippets, as in GAP's list of THUMOS14; 20 by 8 are two, with centres 4 and 12."""

    class Long:
        num_frames = 8273

    assert len(Sampling(stride=8).windows(Long())) == 1034
    Long.num_frames = 20
    windows = Sampling(stride=8).windows(Long())
    assert [window.frames.tolist() for window in windows] == [[4], [12]]
    assert [window.spans.tolist() for window in windows] == [[[0, 8]], [[8, 16]]]


@pytest.mark.parametrize(("less_s", "first"), [(0.0, 5), (5e-7, 5), (2e-6, 6)])
def test_shares_begin_with_a_frame_that_rounding_has_moved(less_s, first):
    """A share begins with the frame that is half a microsecond early, and not with one that is two."""
    spans = np.concatenate([window.spans for window in Sampling(rate_hz=4.0).windows(Rounded(less_s))])
    assert spans[1:, 0].tolist() == [first + 5 * k for k in range(7)]


def test_the_mean_of_a_stride(videos):
    """With mean, every frame of a chunk counts: chunks of 12 that are 8 red and 4 blue, then 4 blue and 8 green."""
    track = extract(Video(videos / "c.mp4"), Sampling(stride=12, mean=True).of(Frames()), dense=True)
    alone = extract(Video(videos / "c.mp4"), Sampling(stride=1).of(Frames()), dense=True).vectors
    means = alone.reshape(2, 12, 3).mean(axis=1)
    np.testing.assert_allclose(track.vectors, means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-6)
    assert track.vectors[0].argsort().tolist() == [1, 2, 0]
    np.testing.assert_allclose(track.spans_s, [[0, 1.5], [1.5, 3.0]], atol=1e-6)


@pytest.mark.parametrize("recipe", ["h264_irregular_mp4", "h264_mp4", "mpeg4_gaps_avi", "h264_one_frame_mp4"])
@pytest.mark.parametrize("rate_hz", [0.5, 2.0, 7.3, 1000.0])
def test_a_rate_takes_the_frame_on_screen(tmp_path, recipe, rate_hz):
    """Each vector is of the frame on screen in the middle of its share; shares cover the video without a gap."""
    path = RECIPES[recipe].write(tmp_path / f"video{RECIPES[recipe].ending}")
    video = Video(path)
    track = extract(video, Sampling(rate_hz=rate_hz).of(Reader()), dense=True)
    count = max(1, int(video.duration_s * rate_hz + 0.5))
    middles_s = (np.arange(count) + 0.5) / rate_hz
    times_s = RECIPES[recipe].times_s
    shown = [int(np.sum(times_s <= moment + 1e-6)) - 1 for moment in middles_s]
    assert track.vectors[:, 0].tolist() == sorted(set(shown))
    assert track.spans_s[0, 0] == 0
    assert track.spans_s[-1, 1] == video.duration_s
    np.testing.assert_array_equal(track.spans_s[1:, 0], track.spans_s[:-1, 1])
    first_s = track.vectors[:, 1] / 1000
    assert (track.spans_s[:, 0] <= first_s + 2e-3).all()
    assert (first_s < track.spans_s[:, 1]).all()


def test_frames_are_the_centres_of_equal_parts(tmp_path):
    """Sixteen of 400 frames are 12, 37, 62, ...; a video of one frame gives one vector."""
    path = RECIPES["h264_mp4"].write(tmp_path / "video.mp4")
    track = extract(Video(path), Sampling(frames=16).of(Reader()), dense=True)
    assert track.vectors[:, 0].tolist() == segment_centres(400, 16).tolist() == list(range(12, 400, 25))
    single = RECIPES["h264_one_frame_mp4"].write(tmp_path / "single.mp4")
    assert len(extract(Video(single), Sampling(frames=16).of(Reader()), dense=True)) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--stride", 8], "looks at consecutive frames"),
        (["--rate", 2], "looks at consecutive frames"),
        (["--frames", 8, "--encoder", "frames"], "looks at consecutive frames"),
        (["--stride", 8, "--rate", 2], "one of stride, rate, frames, few, clips and views; got stride and rate_hz"),
        (["--mean"], "mean goes with a stride"),
    ],
)
def test_a_sampling_that_cannot_be_is_refused(run, videos, tmp_path, options, words):
    """For an encoder of consecutive frames only its own sampling makes sense: status 2, nothing is written."""
    result = run("extract", videos, "--encoder", "colours", *options, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_two_videos_of_one_name_are_refused(run, videos, tmp_path):
    """Both are named, status 2, nothing is written; below a root their paths tell them apart."""
    write_colours(videos / "deep" / "a.mp4", ["green"])
    result = run("extract", videos, "--encoder", "colours", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert f"{videos / 'a.mp4'} and {videos / 'deep' / 'a.mp4'}" in result.stderr
    assert not (tmp_path / "out").exists()
    assert run("extract", videos, "--root", videos, "--encoder", "colours", "--out", tmp_path / "out").exit_code == 0
    assert FeatureStore(tmp_path / "out").ids() == ["a", "b", "c", "deep/a", "deep/d"]


def test_a_later_video_of_a_known_name_is_refused(run, videos, tmp_path):
    """A second command with another file of the same name does not pass the first one's track off as its own."""
    run("extract", videos / "a.mp4", "--encoder", "colours", "--out", tmp_path / "out")
    write_colours(videos / "deep" / "a.mp4", ["green", "blue"])
    result = run("extract", videos / "deep" / "a.mp4", "--encoder", "colours", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "two videos of one name" in result.stderr


def test_an_output_that_cannot_be_is_refused_before_anything_is_loaded(run, videos, monkeypatch):
    """A folder of videos, or a file, is no place for a store."""
    monkeypatch.setattr(gerund.api, "load", lambda *_, **__: pytest.fail("it was loaded"))
    for out, words in ((videos, "is no store of features"), (videos / "a.mp4", "a file; give a folder")):
        result = run("extract", videos, "--encoder", "colours", "--out", out)
        assert result.exit_code == 2
        assert words in result.stderr


def test_quiet_is_quiet(run, videos, tmp_path):
    """Nothing on either stream when all goes well."""
    result = run("extract", videos, "--encoder", "colours", "--quiet", "--out", tmp_path / "out")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_resampled_encoder_is_an_encoder_of_videos():
    """It offers all that the half for videos does, with the fingerprint of the one inside."""
    inner = Frames()
    encoder: VideoHalf = Resampled(inner, Sampling(stride=8))
    assert (encoder.name, encoder.dim, encoder.fingerprint) == (inner.name, inner.dim, inner.fingerprint)
    offered = {name for name in (*dir(VideoHalf), *VideoHalf.__annotations__) if not name.startswith("_")}
    assert {name for name in offered if not hasattr(encoder, name)} == set()
    assert Sampling().of(inner) is inner


def test_different_samplings_have_different_keys():
    """Rates that differ in the last digit do not share a folder."""
    samplings = [Sampling(rate_hz=rate) for rate in (1.0, 10.0, 1.0000001, 29.97, 29.970029)]
    samplings += [Sampling(stride=8), Sampling(stride=8, mean=True), Sampling(frames=8), Sampling(few=True), Sampling()]
    assert len({sampling.key for sampling in samplings}) == len(samplings)
    assert len({sampling.words for sampling in samplings}) == len(samplings)
    with pytest.raises(UsageError, match="must be above 0"):
        Sampling(stride=-1)


def test_real_clips_with_the_default_model(tmp_path):
    """Three real clips: what is kept is unit vectors over the whole video, equal to those of the encoder."""
    if not CLIPS.is_dir():
        pytest.skip(f"the shared clips are not here ({CLIPS})")
    if not all(is_here(find_asset(name)) for name in ("i3d-kinetics400", "minilm", "minilm-tokenizer")):
        pytest.skip("the default model is not in the cache; 'gerund models get i3d-minilm' fetches it")
    paths = [CLIPS / name for name in SHORT]
    for words in (map(str, paths), [str(paths[0]), "--few"]):
        result = CliRunner().invoke(app, ["extract", *words, "--out", str(tmp_path / "out")])
        assert result.exit_code == 0, result.stderr
    store = FeatureStore(tmp_path / "out", sampling="own")
    assert store.encoder == "i3d-minilm"
    encoder = gerund.api.load().encoder
    assert store.fingerprint == encoder.fingerprint
    for path in paths:
        video, track = Video(path), store.read(path.stem)
        np.testing.assert_allclose(np.linalg.norm(track.vectors, axis=1), 1, atol=1e-5)
        assert track.spans_s[0, 0] == 0
        assert track.spans_s[-1, 1] == video.duration_s
        np.testing.assert_array_equal(track.spans_s[1:, 0], track.spans_s[:-1, 1])
        assert set(track.spans_s.ravel()) <= {*video.times_s, video.duration_s}
    assert_same(store.read(paths[0].stem), extract(Video(paths[0]), encoder, dense=True))
    few = FeatureStore(tmp_path / "out", sampling="few").read(paths[0].stem)
    assert_same(few, extract(Video(paths[0]), encoder, dense=False))


def test_real_clips_with_a_tiny_clip(tmp_path):
    """A checkpoint folder by its path: 4 a second and 16 frames are what the encoder itself does, to the bit."""
    pytest.importorskip("torch", reason="torch makes the tiny checkpoint; install gerund[torch] and transformers")
    pytest.importorskip("transformers", reason="transformers makes the tiny checkpoint; install it")
    if not CLIPS.is_dir():
        pytest.skip(f"the shared clips are not here ({CLIPS})")
    from test_clip import write_clip

    write_clip(tmp_path / "tiny")
    paths = [CLIPS / name for name in SHORT]
    kept = {}
    for option in ([], ["--rate", "4"], ["--few"], ["--frames", "16"], ["--stride", "8"]):
        words = ["extract", *map(str, paths), "--encoder", str(tmp_path / "tiny"), "--precision", "fp32", *option]
        result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")])
        assert result.exit_code == 0, result.stderr
    for key in ("own", "rate4", "few", "frames16", "stride8"):
        store = FeatureStore(tmp_path / "out", encoder="tiny", sampling=key)
        kept[key] = [store.read(path.stem) for path in paths]
    for own, rated in zip(kept["own"] + kept["few"], kept["rate4"] + kept["frames16"], strict=True):
        assert_same(own, rated)
    assert [len(track) for track in kept["stride8"]] == [Video(path).num_frames // 8 for path in paths]
    for path, track in zip(paths, kept["stride8"], strict=True):
        np.testing.assert_array_equal(track.spans_s[:, 0], Video(path).times_s[::8][: len(track)])
    kinds = [json.loads(file.read_text()) for file in (tmp_path / "out").glob("*/kind.json")]
    assert len({kind["fingerprint"] for kind in kinds}) == 1
    assert len({kind["sampling"] for kind in kinds}) == 5
