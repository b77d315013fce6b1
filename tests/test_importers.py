"""Features of others: their numbers, at the right times, under names of their own, and no pickle is ever run."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gerund.cli import app
from gerund.errors import AssetError, GerundError, UsageError
from gerund.examples import Inputs
from gerund.features import FeatureError, FeatureStore, TrackKind, open_features
from gerund.features.arrays import read_arrays, read_text_features
from gerund.features.timing import Clock, spans_from_times
from gerund.types import Track
from gerund.video import Video

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TSP = DATA / "features" / "thumos14_tsp_r2plus1d34_max_gvf.npz"
FRAMES = DATA / "features" / "clip_vitb32_v_GGSY1Qvo990.npz"
GAP_LIST = DATA / "annotations" / "thumos14_gap_clip_info_8frame.json"


def needs(path):
    if not path.exists():
        pytest.skip(f"the shared data is not here ({path})")
    return path


def vectors(count, dim=4, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def save(folder, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


class Boom:
    """What it does when it is unpickled must never happen."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def test_files_of_arrays_with_a_rate(tmp_path):
    """One vector for 8 frames of 25 a second: vector i lasts from 0.32 i seconds; numbers are the file's."""
    rows = {name: vectors(count, seed=count) for name, count in (("v_b", 3), ("v_a", 5))}
    opened = open_features(save(tmp_path, **rows), encoder="clip", layout="arrays", fps=25, stride=8)
    assert opened.ids() == ["v_a", "v_b"]
    assert (len(opened), opened.dim, opened.sampling) == (2, 4, "imported-every-8-at-25")
    track = opened.read("v_b")
    np.testing.assert_array_equal(track.vectors, rows["v_b"])
    np.testing.assert_allclose(track.spans_s, [[0, 0.32], [0.32, 0.64], [0.64, 0.96]], atol=1e-12)
    assert track.encoder == opened.fingerprint
    np.testing.assert_array_equal(Inputs(opened.tracks(["v_b", "v_a"])).vectors[1], rows["v_a"].mean(axis=0))
    assert opened.missing(["v_c", "v_a"]) == ["v_c"]
    assert opened.describe()["encoder"] == "clip"


def test_gap_files_with_gap_s_list(tmp_path):
    """The last vector ends when the snippets do: 126 of 8/30 s; one at 29.97 frames a second ends at 746.61 s."""
    info = needs(GAP_LIST)
    listed = json.loads(info.read_text())
    save(
        tmp_path,
        video_test_0000004=vectors(126),
        video_validation_0000363=vectors(2797),
        video_test_0000672=vectors(152),
    )
    opened = open_features(tmp_path, encoder="clip-b16-gap", layout="arrays", info=info)
    assert opened.sampling == "imported-every-8"
    short, long = opened.read("video_test_0000004"), opened.read("video_validation_0000363")
    np.testing.assert_allclose(short.spans_s[:2], [[0, 8 / 30], [8 / 30, 16 / 30]], atol=1e-9)
    assert short.spans_s[-1, 1] == pytest.approx(33.6)
    assert long.spans_s[-1, 1] == pytest.approx(listed["video_validation_0000363"]["snippet_duration"])
    assert np.ptp(long.spans_s[:, 1] - long.spans_s[:, 0] - 8 / 29.97002997002997) < 1e-9
    with pytest.raises(FeatureError, match=r"152 vectors, but .* says 153"):
        opened.read("video_test_0000672")
    save(tmp_path, stranger=vectors(2))
    with pytest.raises(FeatureError, match="says nothing of stranger"):
        open_features(tmp_path, encoder="clip-b16-gap", layout="arrays", info=info).read("stranger")


def test_a_list_of_rates_alone(tmp_path):
    """A list that says only how fast each video is takes the stride from the user."""
    save(tmp_path / "files", a=vectors(2), b=vectors(2))
    (tmp_path / "info.json").write_text('{"a": {"fps": 10}, "b": {"video_fps": 20.0}}')
    settings = {"encoder": "clip", "layout": "arrays", "info": tmp_path / "info.json"}
    opened = open_features(tmp_path / "files", stride=5, **settings)
    assert opened.read("a").spans_s.tolist() == [[0, 0.5], [0.5, 1]]
    assert opened.read("b").spans_s.tolist() == [[0, 0.25], [0.25, 0.5]]
    with pytest.raises(UsageError, match="give the stride"):
        open_features(tmp_path / "files", **settings).read("a")


def test_times_are_never_guessed(tmp_path):
    """Without a rate and a stride, with half of them or with both a rate and a list, nothing is opened."""
    save(tmp_path, a=vectors(2))
    for some in ({}, {"fps": 25}, {"stride": 8}):
        with pytest.raises(UsageError, match="do not say when"):
            open_features(tmp_path, encoder="clip", layout="arrays", **some)
    (tmp_path / "info.json").write_text('{"a": {"fps": 10}}')
    with pytest.raises(UsageError, match="not both"):
        open_features(tmp_path, encoder="clip", layout="arrays", fps=25, stride=8, info=tmp_path / "info.json")
    (tmp_path / "info.json").write_text("[1]")
    with pytest.raises(UsageError, match="video id"):
        open_features(tmp_path, encoder="clip", layout="arrays", info=tmp_path / "info.json")
    with pytest.raises(UsageError, match="above 0"):
        Clock(fps=-1, stride=8)


def test_one_vector_for_each_video(tmp_path):
    """Elaborative Rehearsal's files of (1, 2048): the whole video, of a length that only a list can tell."""
    rows = vectors(2, 2048)
    save(tmp_path / "files", a=rows[:1], b=rows[1])
    opened = open_features(tmp_path / "files", encoder="tsm", layout="vectors")
    np.testing.assert_array_equal(Inputs(opened.tracks(["b", "a"])).vectors, rows[::-1])
    assert opened.read("a").spans_s.tolist() == [[0, np.inf]]
    (tmp_path / "info.json").write_text('{"a": {"duration": 7.5}, "b": {}}')
    timed = open_features(tmp_path / "files", encoder="tsm", layout="vectors", info=tmp_path / "info.json")
    assert timed.read("a").spans_s.tolist() == [[0, 7.5]]
    with pytest.raises(FeatureError, match="says of b neither"):
        timed.read("b")
    save(tmp_path / "files", c=vectors(2, 2048))
    with pytest.raises(FeatureError, match=r"c\.npy: expected one vector .* got 2"):
        open_features(tmp_path / "files", encoder="tsm", layout="vectors").read("c")


def test_what_video_features_saves(tmp_path):
    """Vectors, timestamps and rate in three files; ids that end like another's files are told apart."""
    for name in ("a", "a_clip", "b_timestamps_ms"):
        save(
            tmp_path,
            **{
                f"{name}_clip": vectors(3, seed=len(name)).astype(np.float64),
                f"{name}_timestamps_ms": np.array([0.0, 40.0, 120.0]),
                f"{name}_fps": np.array(25.0),
            },
        )
    opened = open_features(tmp_path, encoder="clip-b32", layout="video-features")
    assert opened.ids() == ["a", "a_clip", "b_timestamps_ms"]
    np.testing.assert_array_equal(opened.read("a").vectors, vectors(3, seed=1))
    np.testing.assert_array_equal(opened.read("a_clip").vectors, vectors(3, seed=6))
    np.testing.assert_allclose(opened.read("a").spans_s, [[0, 0.04], [0.04, 0.12], [0.12, 0.18]], atol=1e-12)
    save(tmp_path, **{f"{name}_rgb": vectors(3) for name in ("a", "a_clip", "b_timestamps_ms")})
    with pytest.raises(UsageError, match=r"which features are meant.*clip, rgb"):
        open_features(tmp_path, encoder="clip-b32", layout="video-features")
    rgb = open_features(tmp_path, encoder="i3d", layout="video-features", key="rgb")
    np.testing.assert_array_equal(rgb.read("b_timestamps_ms").vectors, vectors(3))
    plain = open_features(tmp_path, encoder="i3d", layout="arrays", name="{id}_rgb", fps=25, stride=64)
    assert plain.ids() == opened.ids()
    assert plain.read("a").spans_s[1].tolist() == [2.56, 5.12]


def test_real_features_of_every_frame():
    """CLIP's vectors of all 355 frames of a real clip span the frames that the reader finds in the clip itself."""
    settings = {"encoder": "clip-b32", "layout": "video-features", "name": "clip_vitb32_{id}"}
    with pytest.raises(UsageError, match=r"which array is meant.*clip_all, clip_5fps"):
        open_features(needs(FRAMES), **settings)
    opened = open_features(FRAMES, key="clip_all", **settings)
    assert opened.ids() == ["v_GGSY1Qvo990"]
    track = opened.read("v_GGSY1Qvo990")
    with np.load(FRAMES) as content:
        np.testing.assert_array_equal(track.vectors, content["clip_all"])
    video = Video(needs(DATA / "clips/activitynet/v_GGSY1Qvo990.mp4"))
    edges_s = np.append(video.times_s, video.duration_s)
    np.testing.assert_allclose(track.spans_s, np.stack([edges_s[:-1], edges_s[1:]], axis=1), atol=2e-3)
    fifth = open_features(FRAMES, key="clip_5fps", times="ts5_ms", **settings).read("v_GGSY1Qvo990")
    np.testing.assert_allclose(fifth.spans_s, np.stack([np.arange(90), np.arange(1, 91)], axis=1) / 5, atol=1e-9)
    with pytest.raises(FeatureError, match="90 vectors need as many timestamps"):
        open_features(FRAMES, key="clip_5fps", **settings)


def test_timestamps_that_do_not_ascend_are_refused():
    """Some decoders write them for videos with B-frames; the message says what to do instead."""
    for broken in ([0.0, 0.0, 0.1], [0.1, 0.0], [0.0, np.nan]):
        with pytest.raises(FeatureError, match="with fps and stride"):
            spans_from_times(np.array(broken), 25.0, "a.npy")
    assert spans_from_times(np.array([0.0]), 25.0, "a.npy").tolist() == [[0.0, 0.04]]
    with pytest.raises(FeatureError, match="no frame rate"):
        spans_from_times(np.array([0.0]), None, "a.npy")


@given(st.lists(st.floats(1e-3, 10), min_size=2, max_size=30))
def test_spans_follow_each_other(steps_s):
    """Each span ends where the next begins, and none is empty."""
    starts_s = np.cumsum(steps_s)
    spans_s = spans_from_times(starts_s, None, "a")
    np.testing.assert_array_equal(spans_s[:, 0], starts_s)
    np.testing.assert_array_equal(spans_s[1:, 0], spans_s[:-1, 1])
    assert (spans_s[:, 1] > spans_s[:, 0]).all()


def test_a_real_table():
    """TSP's vectors of 413 THUMOS14 videos: each id has its own row."""
    opened = open_features(needs(TSP), encoder="tsp-r2plus1d34", layout="table")
    with np.load(TSP) as content:
        names, rows = content["names"].tolist(), content["X"]
    assert (len(opened), opened.dim) == (413, 512)
    np.testing.assert_array_equal(Inputs(opened.tracks(names)).vectors, rows)
    (first,) = open_features(TSP, encoder="tsp", layout="table", info=needs(GAP_LIST)).tracks(names[:1])
    assert first.spans_s.tolist() == [[0, json.loads(GAP_LIST.read_text())[names[0]]["frame_duration"]]]


def test_tables_that_do_not_fit(tmp_path):
    """Ids listed twice, too few of them, or none at all."""
    for arrays in ({"names": ["a", "a"]}, {"names": ["a"]}, {"names": [1, 2]}, {}):
        np.savez(tmp_path / "table.npz", X=vectors(2), **arrays)
        with pytest.raises(FeatureError, match=r"table\.npz"):
            open_features(tmp_path / "table.npz", encoder="x", layout="table")


def test_pickles_are_refused(tmp_path):
    """Object arrays, in .npy or .npz, and bare pickles are refused in words and never run."""
    np.save(tmp_path / "a.npy", np.array([Boom()], object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", allow_pickle=True, X=vectors(2), labels=np.array([Boom()], object))
    (tmp_path / "c.npy").write_bytes(pickle.dumps({"x": Boom()}))
    for name in ("a.npy", "b.npz", "c.npy"):
        with pytest.raises(FeatureError, match=rf"{name}: holds pickled Python objects.*gerund refuses"):
            read_arrays(tmp_path / name)
    with pytest.raises(FeatureError, match="pickled"):
        open_features(tmp_path, encoder="x", layout="arrays", fps=1, stride=1)


def test_torch_files_are_read_without_running_them(tmp_path):
    """STDD's text features and other tensors, alone or in a dict, in any width; anything else is refused."""
    torch = pytest.importorskip("torch", reason="torch writes the files; install gerund[torch]")
    texts = torch.tensor(vectors(6, 4)).reshape(2, 3, 4)
    for kind in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        torch.save(texts.to(kind), tmp_path / "texts.pt")
        read = read_text_features(tmp_path / "texts.pt")
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, texts.to(kind).to(torch.float32).numpy())
    torch.save({"feats": texts.transpose(0, 2), "other": texts[0]}, tmp_path / "texts.pt")
    np.testing.assert_array_equal(read_text_features(tmp_path / "texts.pt"), texts.transpose(0, 2).numpy())
    torch.save(texts[0], tmp_path / "v.pt")
    with pytest.raises(FeatureError, match=r"v\.pt: expected .* 3 axes"):
        read_text_features(tmp_path / "v.pt")
    torch.save({"x": Boom()}, tmp_path / "evil.pt")
    with pytest.raises(AssetError, match=r"evil\.pt.*allow-list"):
        read_text_features(tmp_path / "evil.pt")
    (tmp_path / "v.pt").rename(tmp_path / "only.pt")
    for name in ("texts.pt", "evil.pt"):
        (tmp_path / name).unlink()
    opened = open_features(tmp_path, encoder="x", layout="arrays", fps=1, stride=1)
    np.testing.assert_array_equal(opened.read("only").vectors, texts[0].numpy())


def test_damaged_files_are_named(tmp_path):
    """Cut off anywhere, with another content, or with numbers that are none, a file is an error that names it."""
    np.save(tmp_path / "a.npy", vectors(2))
    whole = (tmp_path / "a.npy").read_bytes()
    for length in range(0, len(whole), 5):
        (tmp_path / "a.npy").write_bytes(whole[:length])
        with pytest.raises(FeatureError, match=r"a\.npy"):
            open_features(tmp_path, encoder="x", layout="arrays", fps=1, stride=1)
    for broken in (np.full((2, 2), np.nan), np.zeros((2, 2), int), np.zeros(3), np.zeros((2, 0)), np.zeros((0, 2))):
        np.save(tmp_path / "a.npy", broken)
        with pytest.raises(GerundError):
            open_features(tmp_path, encoder="x", layout="arrays", fps=1, stride=1).read("a")


def test_files_of_two_encoders_in_one_folder(tmp_path):
    """A file with vectors of another length is refused when it is read."""
    save(tmp_path, a=vectors(2, 4), b=vectors(2, 5))
    opened = open_features(tmp_path, encoder="x", layout="arrays", fps=1, stride=1)
    with pytest.raises(FeatureError, match="vectors of 5 numbers for b, of 4 for others"):
        opened.read("b")


def test_settings_that_do_not_fit(tmp_path):
    """Every setting that cannot be right is an error that says what would be."""
    save(tmp_path, a=vectors(1))
    for settings, words in (
        ({"fps": 25}, "name the layout"),
        ({"layout": "arrays"}, "name it (encoder)"),
        ({"layout": "pickles", "encoder": "x"}, "no layout 'pickles'"),
        ({"layout": "vectors", "encoder": "x", "name": "rgb"}, "must hold {id} once"),
        ({"layout": "vectors", "encoder": "x", "name": "{id}_flow"}, "no features in it"),
        ({"layout": "vectors", "encoder": "x", "sampling": "own"}, "a sampling is chosen"),
        ({"layout": "vectors", "encoder": "x", "times": "ts"}, "vectors has none"),
        ({"layout": "vectors", "encoder": "x", "key": "rgb"}, "no array 'rgb'"),
    ):
        with pytest.raises(UsageError, match=re.escape(words)):
            open_features(tmp_path, **settings)
    with pytest.raises(UsageError, match="no such file or folder"):
        open_features(tmp_path / "nowhere", layout="vectors", encoder="x")
    with pytest.raises(UsageError, match="no features of the video 'b'"):
        open_features(tmp_path, layout="vectors", encoder="x").read("b")
    np.savez(tmp_path / "a.npz", x=vectors(1))
    with pytest.raises(UsageError, match=r"a\.npy and .*a\.npz are both features of a"):
        open_features(tmp_path, layout="vectors", encoder="x")


def test_imported_fingerprints_are_nobody_else_s(tmp_path):
    """They tell encoders and layouts apart, are no hash that a model has, and are the user's where he names one."""
    save(tmp_path, a=vectors(1))
    settings = {"fps": 1, "stride": 1}
    found = [
        open_features(tmp_path, encoder="x", layout="arrays", **settings),
        open_features(tmp_path, encoder="y", layout="arrays", **settings),
        open_features(tmp_path, encoder="x", layout="vectors"),
    ]
    prints = {features.fingerprint for features in found}
    assert len(prints) == 3
    assert all(re.fullmatch("imported-[0-9a-f]{16}", one) for one in prints)
    assert open_features(tmp_path, encoder="x", layout="arrays", **settings).fingerprint == found[0].fingerprint
    named = open_features(tmp_path, encoder="x", layout="vectors", fingerprint="31ca21d3673578f3")
    assert named.read("a").encoder == "31ca21d3673578f3"


def test_a_store_opens_through_the_same_door(tmp_path):
    """Without a layout the folder is a store, with its own choice and check."""
    store = FeatureStore.create(tmp_path, TrackKind("clip", "1f5a", 4, "own"))
    store.write("a", Track(vectors(1), np.array([[0.0, 1.0]]), "1f5a"))
    assert open_features(tmp_path).ids() == ["a"]
    with pytest.raises(UsageError, match="another encoder"):
        open_features(tmp_path, fingerprint="beef")


def test_the_command_converts_and_resumes(tmp_path):
    """Every readable file goes into the store as it is, the bad one is named with status 1; again adds what was bad."""
    good = {"a": vectors(2), "b": vectors(3, seed=1)}
    source = save(tmp_path / "files", **good)
    (source / "c.npy").write_bytes(b"\x93NUMPY")
    words = ["import-features", str(source), "--format", "arrays", "--encoder", "clip-b16", "--fps", "30"]
    words += ["--stride", "8", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "2 of 3 are here, 2 of them new" in result.stderr
    assert "c.npy: damaged" in result.stderr
    store = open_features(tmp_path / "out")
    assert (store.encoder, store.sampling) == ("clip-b16", "imported-every-8-at-30")
    before = open_features(source, encoder="clip-b16", layout="arrays", fps=30, stride=8)
    for video in store.ids():
        kept, given = store.read(video), before.read(video)
        assert kept.vectors.tobytes() == given.vectors.tobytes() == good[video].tobytes()
        assert (kept.spans_s.tobytes(), kept.encoder) == (given.spans_s.tobytes(), given.encoder)
    save(source, c=vectors(1))
    again = CliRunner().invoke(app, words)
    assert (again.exit_code, store.ids()) == (0, ["a", "b", "c"])
    assert "3 of 3 are here, 1 of them new" in again.stderr


def test_the_command_never_mixes(tmp_path):
    """Other arrays, rates or files under the same encoder's name become a kind of their own, or are refused."""
    source = save(tmp_path / "files", a_rgb=vectors(2), a_flow=vectors(2, seed=1))
    np.savez(tmp_path / "a.npz", rgb=vectors(2), flow=vectors(2, seed=1))

    def typed(place, *options):
        words = [
            "import-features",
            str(place),
            "--format",
            "arrays",
            "--encoder",
            "i3d",
            "--out",
            str(tmp_path / "out"),
        ]
        return CliRunner().invoke(app, [*words, *options])

    by = ["--fps", "25", "--stride", "8"]
    assert typed(source, "--name", "{id}_rgb", *by).exit_code == 0
    result = typed(source, "--name", "{id}_flow", *by)
    assert result.exit_code == 2
    assert re.search(r"was made from \S*a_rgb\.npy .* not from \S*a_flow\.npy", result.stderr)
    assert typed(source, "--name", "{id}_flow", "--fps", "25", "--stride", "16").exit_code == 0
    for key in ("rgb", "flow"):
        assert typed(tmp_path / "a.npz", "--key", key, *by).exit_code == 0
    keys = ["every-8-at-25", "every-16-at-25", "every-8-at-25-rgb", "every-8-at-25-flow"]
    for key, seed in zip(keys, (0, 1, 0, 1), strict=True):
        kept = FeatureStore(tmp_path / "out", sampling=f"imported-{key}").read("a")
        np.testing.assert_array_equal(kept.vectors, vectors(2, seed=seed))


def test_the_command_refuses_what_cannot_be(tmp_path):
    """No times, no such format, no place to write: status 2 and no store."""
    source = save(tmp_path / "files", a=vectors(2))
    for options in (["--format", "arrays"], ["--format", "pickles"], ["--format", "arrays", "--fps", "30", "--stride"]):
        words = ["import-features", str(source), *options, "--encoder", "x", "--out", str(tmp_path / "out")]
        assert CliRunner().invoke(app, words).exit_code == 2
        assert not (tmp_path / "out").exists()
    words = ["import-features", str(source), "--format", "vectors", "--encoder", "x", "--out", str(source)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "is no store of features" in result.stderr
