"""Features as networks give them and at half the room; clips and views of frames; and that none are mixed up."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import gerund.api
from gerund.api import Model
from gerund.cli import app
from gerund.encoders.base import Window, unit
from gerund.encoders.conse import ConseEncoder
from gerund.encoders.graph import Graph
from gerund.encoders.networks.backbone import Backbone, normalise
from gerund.encoders.weights.checkpoint import Checkpoint
from gerund.errors import UsageError
from gerund.features import FeatureStore, Resampled, Sampling, TrackKind, extract, open_features
from gerund.features.lengths import UnitTracks
from gerund.features.sampling import parse_pair
from gerund.features.size import size_in_words
from gerund.types import Track
from gerund.video import Video
from gerund.video.memory import MemoryVideo
from gerund.video.sampling import consecutive_clips, strided_views
from gerund.video.transforms import Preparation
from painted import RECIPES, read_paint
from stub import ColourEncoder, write_colours

_FRAMES, _SIZE = 4, 16


class TinyBackbone(Backbone):
    """The mean colour of a clip of four frames, through a layer with weights of any size."""

    name, dim, short_px, size_px = "tiny-backbone", 5, _SIZE, _SIZE

    def __init__(self, file):
        graph = Graph("tiny")
        frames = graph.input("frames", [-1, _FRAMES, _SIZE, _SIZE, 3], "uint8")
        colours = graph.mean(normalise(graph, frames, (0.4, 0.5, 0.6), (0.2, 0.3, 0.2)), (1, 2, 3))
        weight = np.random.default_rng(0).normal(size=(self.dim, 3)).astype(np.float32) * 9
        graph.output("features", graph.linear(colours, weight))
        file.write_bytes(b"weights")
        super().__init__(graph, Checkpoint({}, (file,)), threads=1, precision="fp32")


class Clipped(ColourEncoder):
    """An encoder made of the backbone: four consecutive frames make one vector, of whatever length."""

    name, dim, batch = "tiny-backbone", 5, 3

    def __init__(self, network):
        self.network, self.fingerprint, self.preparation = network, network.fingerprint, network.preparation

    def sample(self, video, *, dense):
        return [
            Window(row, np.array([[row[0], row[-1] + 1]]))
            for row in consecutive_clips(video.num_frames, _FRAMES, max(1, video.num_frames // _FRAMES))
        ]

    def prepare(self, picture):
        return self.preparation(picture)

    def raw_windows(self, frames, *, dense):
        return self.network(frames)[:, None]

    def encode_windows(self, frames, *, dense):
        return unit(self.raw_windows(frames, dense=dense))


class Reader(ColourEncoder):
    """Reads what is painted into single frames: number and milliseconds, a vector of any length."""

    name, fingerprint, dim, batch = "reader", "reader-1", 2, 5
    preparation = Preparation(64, None)

    def sample(self, video, *, dense):
        return [Window(np.array([i]), np.array([[i, i + 1]])) for i in range(video.num_frames)]

    def prepare(self, picture):
        return self.preparation(picture)

    def raw_windows(self, frames, *, dense):
        return np.array([[read_paint(picture) for picture in window] for window in frames], np.float32)

    def encode_windows(self, frames, *, dense):
        return unit(self.raw_windows(frames, dense=dense))


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """A painted video of 90 frames, 25 a second."""
    return RECIPES["h264_closed_gop_mp4"].write(tmp_path_factory.mktemp("painted") / "clip.mp4")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Types a command to a gerund whose models are stubs."""
    made = {"reader": Reader, "colours": ColourEncoder, "tiny": lambda: Clipped(TinyBackbone(tmp_path / "weights"))}
    monkeypatch.setattr(gerund.api, "load", lambda name, **_: Model(made[name]()))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_raw_vectors_are_the_networks(run, painted, tmp_path):
    """What `extract --raw` keeps of a backbone is its output to 1e-6; what it keeps otherwise has length 1."""
    for option in (["--raw"], []):
        result = run("extract", painted, "--encoder", "tiny", *option, "--out", tmp_path / "out")
        assert result.exit_code == 0, result.stderr
    network = TinyBackbone(tmp_path / "weights")
    frames = np.stack([network.prepare(picture) for picture in Video(painted).read().frames[:88]])
    expected = network(frames.reshape(22, 4, _SIZE, _SIZE, 3))
    raw = FeatureStore(tmp_path / "out", raw=True).read("clip")
    assert np.ptp(np.linalg.norm(expected, axis=1)) > 0.01
    np.testing.assert_allclose(raw.vectors, expected, rtol=0, atol=1e-6)
    alike = FeatureStore(tmp_path / "out", raw=False).read("clip")
    np.testing.assert_allclose(alike.vectors, unit(expected), atol=1e-6)
    np.testing.assert_array_equal(raw.spans_s, alike.spans_s)


def test_raw_vectors_of_a_tiny_clip(painted, tmp_path):
    """The same of a checkpoint folder: what transformers says before anything is brought to length 1."""
    torch = pytest.importorskip("torch", reason="torch makes the tiny checkpoint; install gerund[torch]")
    pytest.importorskip("transformers", reason="transformers makes the tiny checkpoint; install it")
    from gerund.encoders.contrastive import ContrastiveEncoder
    from test_clip import write_clip

    model, processor, _ = write_clip(tmp_path / "tiny")
    words = ["extract", str(painted), "--encoder", str(tmp_path / "tiny"), "--precision", "fp32", "--raw"]
    result = CliRunner().invoke(app, [*words, "--frames", "6", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.stderr
    found = FeatureStore(tmp_path / "out", raw=True).read("clip").vectors
    pictures = Video(painted).read([7, 22, 37, 52, 67, 82]).frames
    encoder = ContrastiveEncoder(tmp_path / "tiny", name="tiny", precision="fp32")
    own = encoder.encode_pictures(np.stack([encoder.prepare(picture) for picture in pictures]), normalise=False)
    np.testing.assert_allclose(found, own, rtol=0, atol=1e-6)
    with torch.no_grad():
        told = model.get_image_features(processor(list(pictures), return_tensors="pt")["pixel_values"]).pooler_output
    np.testing.assert_allclose(found, told.numpy(), atol=2e-5 * float(told.norm(dim=1).max()))
    assert np.abs(np.linalg.norm(found, axis=1) - 1).min() > 0.01


@pytest.mark.parametrize("encoder", [ConseEncoder.__new__(ConseEncoder), ColourEncoder()])
def test_directions_have_no_raw_vectors(encoder):
    """ConSE makes directions by construction: raw is refused in words, as it is where nobody wrote it."""
    encoder.name = "conse-or-stub"
    with pytest.raises(UsageError, match="conse-or-stub has no raw vectors"):
        Sampling().of(encoder, raw=True)


def test_raw_is_refused_before_anything_is_written(run, painted, tmp_path):
    """Status 2, and no store."""
    result = run("extract", painted, "--encoder", "colours", "--raw", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "has no raw vectors" in result.stderr
    assert not (tmp_path / "out").exists()


def test_raw_and_unit_tracks_never_mix(tmp_path):
    """Each has a kind of its own; a track of one is refused by the other, whatever its vectors."""
    raw = FeatureStore.create(tmp_path, TrackKind("clip", "1f5a-raw", 2, "own"))
    alike = FeatureStore.create(tmp_path, TrackKind("clip", "1f5a", 2, "own"))
    assert (raw.kind.raw, alike.kind.raw) == (True, False)
    assert (raw.describe().get("raw"), alike.describe().get("raw")) == (True, None)
    assert str(raw.kind).endswith(", raw")
    spans_s = np.array([[0.0, 1.0]])
    raw.write("a", Track(np.array([[3.0, 4.0]], np.float32), spans_s, "1f5a-raw"))
    for store, fingerprint in ((raw, "1f5a"), (alike, "1f5a-raw")):
        with pytest.raises(UsageError, match="got a track of an encoder with fingerprint"):
            store.write("b", Track(np.ones((1, 2), np.float32), spans_s, fingerprint))
    assert (raw.ids(), alike.ids()) == (["a"], [])


def test_a_raw_track_answers_no_question_about_unit_ones(painted):
    """`classify` refuses a track with lengths, as it does one of another encoder."""
    track = extract(Video(painted), Sampling(frames=4).of(Reader(), raw=True), dense=True)
    assert track.encoder == "reader-1-raw"
    np.testing.assert_array_equal(track.vectors[:, 0], [11, 33, 56, 78])
    with pytest.raises(UsageError, match="reader-1-raw"):
        Model(Reader()).classify(track, ["red"])


def test_where_raw_is_needed_unit_is_refused(tmp_path):
    """The message says what to do; features of others, of which nothing is known, are taken; raw ones are preferred."""
    FeatureStore.create(tmp_path / "unit", TrackKind("clip", "1f5a", 2, "own"))
    with pytest.raises(UsageError, match="extract them again with --raw"):
        open_features(tmp_path / "unit", raw=True)
    FeatureStore.create(tmp_path / "unit", TrackKind("clip", "1f5a-raw", 2, "own"))
    assert open_features(tmp_path / "unit", raw=True).fingerprint == "1f5a-raw"
    assert open_features(tmp_path / "unit", raw=False).fingerprint == "1f5a"
    FeatureStore.create(tmp_path / "gap", TrackKind("clip", "imported-1", 2, "imported-8"))
    assert open_features(tmp_path / "gap", raw=True).kind.raw is None


def test_unit_maths_gets_unit_vectors(run, painted, tmp_path):
    """Raw features read for a method that does not need them are, to rounding, what the encoder gives otherwise."""
    run("extract", painted, "--encoder", "tiny", "--raw", "--out", tmp_path / "raw")
    run("extract", painted, "--encoder", "tiny", "--out", tmp_path / "unit")
    there = FeatureStore(tmp_path / "unit")
    found = open_features(tmp_path / "raw", raw=False)
    assert found.describe() == there.describe()
    assert found.ids() == ["clip"]
    (track,) = found.tracks(["clip"])
    assert track.encoder == there.fingerprint
    np.testing.assert_allclose(track.vectors, there.read("clip").vectors, atol=1e-6)
    means = FeatureStore.create(tmp_path / "means", TrackKind("clip", "1f5a-raw", 2, "stride8-mean"))
    with pytest.raises(UsageError, match="means of raw vectors"):
        UnitTracks(means)


def test_raw_means_are_plain_means(painted):
    """Of a chunk's raw vectors the mean is kept; of unit ones the unit mean."""
    sampling = Sampling(stride=30, mean=True)
    raw = extract(Video(painted), sampling.of(Reader(), raw=True), dense=True).vectors
    np.testing.assert_allclose(raw[:, 0], [14.5, 44.5, 74.5])
    np.testing.assert_allclose(
        np.linalg.norm(extract(Video(painted), sampling.of(Reader()), dense=True).vectors, axis=1), 1
    )


# half


def test_half_takes_half_the_room_and_reads_as_float32(run, painted, tmp_path):
    """The numbers are those of float16; the file says so, and is about half as long."""
    for option, out in ((["--half"], "half"), ([], "whole")):
        words = ("extract", painted, "--encoder", "reader", "--raw", *option, "--out", tmp_path / out)
        assert run(*words).exit_code == 0
    half, whole = (FeatureStore(tmp_path / name) for name in ("half", "whole"))
    assert (half.kind.half, whole.kind.half) == (True, False)
    assert half.describe()["half"] is True and "half" not in whole.describe()
    one, other = half.read("clip"), whole.read("clip")
    assert one.vectors.dtype == np.float32
    np.testing.assert_array_equal(one.vectors, other.vectors.astype(np.float16).astype(np.float32))
    with np.load(half.file_of("clip")) as kept:
        assert kept["vectors"].dtype == np.float16


def test_half_and_whole_never_mix(run, painted, tmp_path):
    """A store that keeps one refuses the other, with what to do."""
    words = ("extract", painted, "--encoder", "reader", "--out", tmp_path / "out")
    run(*words, "--half")
    result = run(*words)
    assert result.exit_code == 2
    assert "keeps these as float16; give --half" in result.stderr
    assert "0 of them new" in run(*words, "--half").stderr


def test_numbers_that_float16_cannot_hold_are_refused(tmp_path):
    """Nothing is kept as infinity."""
    store = FeatureStore.create(tmp_path, TrackKind("clip", "1f5a-raw", 1, "own", half=True))
    with pytest.raises(UsageError, match="has the number 70000, which float16 cannot hold"):
        store.write("a", Track(np.array([[70_000.0]], np.float32), np.array([[0.0, 1.0]]), "1f5a-raw"))
    assert store.ids() == []


def test_stores_from_before_are_read(tmp_path):
    """A description without the new words is one of unit vectors as float32."""
    kind = TrackKind("clip", "1f5a", 1, "own")
    FeatureStore.create(tmp_path, kind)
    (file,) = tmp_path.glob("*/kind.json")
    assert not {"raw", "half"} & set(json.loads(file.read_text()))
    assert FeatureStore(tmp_path).kind == kind


def test_the_room_is_told_before_anything_is_computed(run, painted, tmp_path, monkeypatch):
    """An hour of 25 vectors a second, each two numbers and a span, in both types; of fixed samplings for each video."""
    hour = 3600 * 25
    assert size_in_words(Reader(), Video(painted), dense=True, fixed=False) == (
        f"{hour * (2 * 4 + 16) / 1e6:.1f} MB an hour of video as float32, {hour * (2 * 2 + 16) / 1e6:.1f} MB as "
        "float16 (--half)"
    )
    monkeypatch.setattr(Reader, "encode_windows", lambda *_, **__: pytest.fail("it was computed"))
    monkeypatch.setattr(
        FeatureStore, "create", lambda *_: (_ for _ in ()).throw(UsageError("here it would have begun"))
    )
    told = run("extract", painted, "--encoder", "reader", "--out", tmp_path / "out").stderr
    assert "reader: the vectors take about 2.2 MB an hour of video as float32, 1.8 MB as float16" in told
    told = run("extract", painted, "--encoder", "reader", "--clips", "5x16", "--out", tmp_path / "out").stderr
    assert "1.9 kB a video as float32, 1.6 kB as float16" in told


# clips and views


def test_clips_of_single_frames(run, painted, tmp_path):
    """Every frame of every clip has its vector and its time, clip after clip, under a key that says how many."""
    result = run("extract", painted, "--encoder", "reader", "--raw", "--clips", "7x16", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    store = FeatureStore(tmp_path / "out", sampling="clips7x16")
    track, expected = store.read("clip"), consecutive_clips(90, 16, 7)
    np.testing.assert_array_equal(track.vectors[:, 0].reshape(7, 16), expected)
    np.testing.assert_allclose(track.spans_s[:, 0].reshape(7, 16), expected / 25, atol=1e-9)
    np.testing.assert_allclose(track.spans_s[:, 1] - track.spans_s[:, 0], 1 / 25, atol=1e-9)
    assert store.kind.words == "7 clips of 16 consecutive frames, one from each equal part"


def test_clips_of_an_encoder_of_clips(run, painted, tmp_path):
    """One of four frames has a vector for each clip of four; other lengths are refused, with its own."""
    words = ("extract", painted, "--encoder", "tiny", "--raw", "--out", tmp_path / "out")
    assert run(*words, "--clips", "3x4").exit_code == 0
    track = FeatureStore(tmp_path / "out").read("clip")
    network = TinyBackbone(tmp_path / "weights")
    clips = [
        [network.prepare(picture) for picture in Video(painted).read(row).frames]
        for row in ([0, 1, 2, 3], [30, 31, 32, 33], [60, 61, 62, 63])
    ]
    np.testing.assert_allclose(track.vectors, network(np.array(clips)), rtol=0, atol=1e-6)
    np.testing.assert_allclose(track.spans_s, np.array([[0, 4], [30, 34], [60, 64]]) / 25, atol=1e-9)
    result = run(*words, "--clips", "3x16")
    assert result.exit_code == 2
    assert "looks at consecutive frames, 4 together," in result.stderr


def test_views_and_crops():
    """Views in time, each with its squares from left to right, in the order of the track."""

    class Places(Reader):
        """Tells the number of the frame (blue) and where the square begins (red)."""

        preparation = Preparation(60, 60)
        fingerprint, batch = "places", 1

        def raw_windows(self, frames, *, dense):
            return frames[:, :, 0, 0, [2, 0]].astype(np.float32)

    rows = np.zeros((300, 60, 100, 3), np.uint8)
    rows[..., 0], rows[..., 2] = np.arange(100), (np.arange(300) // 2)[:, None, None]
    video = MemoryVideo(rows, fps=30)
    track = extract(video, Sampling(views=(4, 3)).of(Places(), raw=True), dense=True)
    found = track.vectors.reshape(4, 3, 8, 2)
    expected = strided_views(300, 8, 16, 4)
    assert (found[..., 1] == np.array([0, 20, 40])[None, :, None]).all()
    assert (found[..., 0] == (expected // 2)[:, None]).all()
    assert Sampling(views=(4, 3)).words == "4 views of 8 frames, 16 apart at 30 a second, x 3 crops"


def test_views_of_a_file_are_those_in_memory(tmp_path):
    """The worker cuts the same squares."""
    path = write_colours(tmp_path / "a.mp4", ["red", "blue"])

    class Whole(Reader):
        preparation = Preparation(16, 20)
        dim = 16 * 16 * 3

        def raw_windows(self, frames, *, dense):
            return frames.reshape(*frames.shape[:2], -1).astype(np.float32)

    encoder = Sampling(views=(2, 3)).of(Whole(), raw=True)
    there, here = (
        extract(video, encoder, dense=True) for video in (Video(path), MemoryVideo(Video(path).read(), name="here"))
    )
    np.testing.assert_array_equal(there.vectors, here.vectors)


def test_crops_need_a_preparation():
    """An encoder that prepares pictures itself has none to cut by; a stub of one view has."""
    bare = Reader()
    bare.preparation = None
    with pytest.raises(UsageError, match="prepares pictures in a way of its own"):
        Resampled(bare, Sampling(views=(4, 3))).sample(MemoryVideo(np.zeros((9, 4, 4, 3), np.uint8), fps=9), dense=True)


@pytest.mark.parametrize("given", ["25", "25x", "0x16", "25x16x3", "a x b", "-1x2", "1.5x2"])
def test_pairs_that_are_none_are_refused(run, painted, tmp_path, given):
    """Two numbers with an x; status 2."""
    with pytest.raises(UsageError, match="expected two numbers"):
        parse_pair(given, "--clips")
    result = run("extract", painted, "--encoder", "reader", f"--views={given}", "--out", tmp_path / "out")
    assert (result.exit_code, "--views" in result.stderr) == (2, True)


def test_samplings_are_told_apart():
    """Keys of clips and views differ, two of them at once are refused, and so are counts below 1."""
    samplings = [Sampling(clips=(25, 16)), Sampling(clips=(16, 25)), Sampling(views=(25, 16)), Sampling(frames=25)]
    assert len({sampling.key for sampling in samplings}) == len({sampling.words for sampling in samplings}) == 4
    with pytest.raises(UsageError, match="one of stride, rate, frames, few, clips and views"):
        Sampling(clips=(1, 2), frames=3)
    with pytest.raises(UsageError, match="at least 1"):
        Sampling(views=(0, 1))
