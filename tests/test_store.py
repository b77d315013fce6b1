"""The store of features: exact, whole or absent, never mixed, and flat in memory."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gerund.errors import UsageError, VideoError
from gerund.examples import Inputs
from gerund.features import FeatureError, FeatureStore, TrackKind
from gerund.features import store as store_module
from gerund.features.store import name_videos
from gerund.types import Track
from gerund.writing import write_bytes

KIND = TrackKind("clip", "1f5a", 3, "own", "the encoder's own")
FINITE = st.floats(allow_nan=False, allow_infinity=False)
FINITE_32 = st.floats(allow_nan=False, allow_infinity=False, width=32)


def track(seed=0, count=4, dim=3, encoder="1f5a"):
    rng = np.random.default_rng(seed)
    edges_s = np.cumsum(rng.random(count + 1))
    vectors = rng.standard_normal((count, dim)).astype(np.float32)
    return Track(vectors, np.stack([edges_s[:-1], edges_s[1:]], axis=1), encoder)


def assert_same(one, other):
    assert one.encoder == other.encoder
    assert (one.vectors.dtype, one.spans_s.dtype) == (np.float32, np.float64)
    assert one.vectors.shape == other.vectors.shape
    assert one.vectors.tobytes() == np.ascontiguousarray(other.vectors).tobytes()
    assert one.spans_s.tobytes() == np.ascontiguousarray(other.spans_s).tobytes()


@pytest.fixture
def store(tmp_path):
    return FeatureStore.create(tmp_path / "store", KIND)


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and not name.startswith("._")
)


@settings(max_examples=60, deadline=None)
@given(
    vectors=hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(3)), elements=FINITE_32),
    video=st.lists(names, min_size=1, max_size=3).map("/".join),
    order=st.sampled_from("CF"),
    data=st.data(),
)
def test_what_is_written_is_read_back_exactly(vectors, video, order, data):
    """Any finite numbers, the largest and negative zero included, under any name, come back bit by bit."""
    spans_s = np.sort(data.draw(hnp.arrays(np.float64, (len(vectors), 2), elements=FINITE)), axis=1)
    with tempfile.TemporaryDirectory() as folder:
        written = Track(np.asarray(vectors, order=order), spans_s, "1f5a")
        FeatureStore.create(folder, KIND).write(video, written)
        opened = FeatureStore(folder)
        assert opened.ids() == [video]
        assert video in opened
        assert_same(opened.read(video), written)


def test_a_file_is_what_the_documentation_says(store):
    """Anyone reads it with numpy alone, and nothing in it needs a pickle."""
    store.write("a", track())
    folder = store.path / "clip-1f5a-own"
    with np.load(folder / "a.npz", allow_pickle=False) as content:
        assert sorted(content.files) == ["about", "spans_s", "vectors"]
        assert json.loads(str(content["about"])) == {"encoder": "1f5a", "sampling": "own", "source": None}
        np.testing.assert_array_equal(content["vectors"], track().vectors)
    assert json.loads((folder / "kind.json").read_text()) == {**KIND.to_dict(), "gerund": "0.1.0"}
    assert json.loads((store.path / "store.json").read_text())["format"] == 1


def test_writing_again_replaces(store):
    """The last track written is the one that is read."""
    store.write("a", track(1))
    store.write("a", track(2, count=9))
    assert_same(store.read("a"), track(2, count=9))
    assert len(store) == 1


def test_tracks_of_another_encoder_are_refused(store):
    """A wrong fingerprint or length is an error when writing, and nothing is written."""
    with pytest.raises(UsageError, match=r"fingerprint 1f5a.*fingerprint beef"):
        store.write("a", track(encoder="beef"))
    with pytest.raises(UsageError, match="vectors of 4 numbers"):
        store.write("a", track(dim=4))
    assert store.ids() == []
    with pytest.raises(UsageError, match="vectors of 7 numbers"):
        FeatureStore.create(store.path, TrackKind("clip", "1f5a", 7, "own"))


def test_reading_with_another_fingerprint_is_refused(store):
    """Who expects another encoder is told which one made the features; the right one opens."""
    store.write("a", track())
    with pytest.raises(UsageError, match=r"one with fingerprint beef[\s\S]*fingerprint 1f5a"):
        FeatureStore(store.path, fingerprint="beef")
    assert FeatureStore(store.path, fingerprint="1f5a").ids() == ["a"]


def test_a_file_among_those_of_another_kind_is_refused(store):
    """A file that someone copied into the wrong folder is noticed when it is read."""
    other = FeatureStore.create(store.path, TrackKind("clip", "beef", 3, "own"))
    other.write("a", track(encoder="beef"))
    other.file_of("a").rename(store.file_of("a"))
    with pytest.raises(FeatureError, match=r"a\.npz: made by an encoder with fingerprint beef"):
        store.read("a")
    assert not store.has("a")


def test_samplings_never_mix(store):
    """One encoder, two samplings, one video: two tracks, and a choice is needed."""
    store.write("a", track(1))
    strided = FeatureStore.create(store.path, TrackKind("clip", "1f5a", 3, "stride8"))
    assert "a" not in strided
    strided.write("a", track(2))
    with pytest.raises(UsageError, match=r"several kinds[\s\S]*sampling own[\s\S]*sampling stride8"):
        FeatureStore(store.path)
    assert_same(FeatureStore(store.path, sampling="own").read("a"), track(1))
    assert_same(FeatureStore(store.path, sampling="stride8").read("a"), track(2))
    with pytest.raises(UsageError, match=r"no features of sampling rate4[\s\S]*stride8"):
        FeatureStore(store.path, sampling="rate4")
    strided.file_of("a").rename(store.file_of("a"))
    with pytest.raises(FeatureError, match="sampling stride8"):
        store.read("a")


def test_an_encoder_is_chosen_by_name(tmp_path):
    """The name, or the last part of a hub name or path, tells encoders apart; a kind without tracks does not count."""
    one = FeatureStore.create(tmp_path, TrackKind("owner/clip-b16", "1f5a", 3, "own"))
    FeatureStore.create(tmp_path, TrackKind("i3d", "beef", 3, "own"))
    with pytest.raises(UsageError, match="several kinds"):
        FeatureStore(tmp_path)
    one.write("a", track())
    assert FeatureStore(tmp_path).encoder == "owner/clip-b16"
    assert FeatureStore(tmp_path, encoder="clip-b16").ids() == ["a"]
    assert FeatureStore(tmp_path, encoder="owner/clip-b16").ids() == ["a"]
    assert FeatureStore(tmp_path, encoder="i3d").ids() == []
    with pytest.raises(UsageError, match="no features of encoder bert"):
        FeatureStore(tmp_path, encoder="bert")


def test_one_encoder_under_two_names_is_one_kind(store):
    """The fingerprint decides, not what the user called the model."""
    store.write("a", track())
    again = FeatureStore.create(store.path, TrackKind("/models/clip", "1f5a", 3, "own"))
    assert again.ids() == ["a"]
    assert again.kind == KIND


def test_every_damage_is_noticed(store):
    """Cut off anywhere or with any byte changed, a file is an error that names it, or reads exactly as before."""
    store.write("a", track())
    file = store.file_of("a")
    whole = file.read_bytes()
    for length in range(0, len(whole), 23):
        file.write_bytes(whole[:length])
        with pytest.raises(FeatureError, match=r"a\.npz: damaged.*delete it"):
            store.read("a")
        assert not store.has("a")
    unharmed = 0
    places = range(0, len(whole), 3)
    for place in places:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            assert_same(store.read("a"), track())
            unharmed += 1
        except FeatureError as error:
            assert "a.npz" in str(error)
    assert unharmed < len(places) / 3, "what does no harm are dates and attributes in the zip's directory"
    file.write_bytes(whole)
    assert_same(store.read("a"), track())


def test_an_exception_while_writing_leaves_what_was(store, monkeypatch):
    """When the disk is full half way, the old track is still read, and no half file stays behind."""
    store.write("old", track(1))

    def savez(file, **_):
        file.write(b"PK half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.np, "savez", savez)
    for video in ("old", "new"):
        with pytest.raises(OSError, match="No space"):
            store.write(video, track(2))
    monkeypatch.undo()
    assert store.ids() == ["old"]
    assert_same(store.read("old"), track(1))
    assert [path.name for path in store.file_of("old").parent.iterdir() if path.suffix == ".part"] == []


def test_a_process_killed_while_writing_leaves_no_track(store):
    """Killed outright in the middle of a file, a process leaves something that nobody takes for a track."""
    code = f"""
import os, signal
from pathlib import Path
from gerund.writing import whole_file
with whole_file(Path({str(store.file_of("a"))!r})) as file:
    file.write(b"PK half of it")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.suffix for path in store.file_of("a").parent.iterdir()].count(".part") == 1
    assert store.ids() == []
    assert store.missing(["a"]) == ["a"]
    store.write("a", track())
    assert_same(store.read("a"), track())


def test_a_whole_file_is_as_readable_as_others(tmp_path):
    """A file that is renamed into place has the permissions that a plainly written one has."""
    write_bytes(tmp_path / "one", b"1")
    (tmp_path / "other").write_bytes(b"1")
    assert (tmp_path / "one").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_many_may_fill_one_store(tmp_path):
    """Eight writers make the same store and write the same videos at once; every track is whole."""

    def fill(_):
        store = FeatureStore.create(tmp_path / "store", KIND)
        for number in range(20):
            store.write(f"v{number}", track(number))
            assert_same(store.read(f"v{number}"), track(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fill, range(8)))
    store = FeatureStore(tmp_path / "store")
    assert store.ids() == sorted(f"v{number}" for number in range(20))
    for number in range(20):
        assert_same(store.read(f"v{number}"), track(number))


def test_thousands_of_tracks_do_not_fill_memory(tmp_path):
    """Going through 2,000 tracks of 64 kB holds a few of them, not 128 MB."""
    store = FeatureStore.create(tmp_path, TrackKind("clip", "1f5a", 512, "own"))
    store.write("v0", track(0, count=32, dim=512))
    for number in range(1, 2000):
        os.link(store.file_of("v0"), store.file_of(f"v{number}"))
    inputs = Inputs(store.tracks(store.ids()))
    gc.collect()
    tracemalloc.start()
    total = sum(float(one.vectors[0, 0]) for batch in inputs.batches(8) for one in batch)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == pytest.approx(2000 * float(track(0, count=32, dim=512).vectors[0, 0]))
    assert peak < 16e6, "a few tracks, and what waits for Python's garbage collection"


def test_tracks_come_in_the_order_asked_for(store):
    """Any order, repeats and slices; what is not indexed is not read."""
    for number in range(4):
        store.write(f"v{number}", track(number))
    tracks = store.tracks(["v2", "v0", "v2", "v3"])
    assert len(tracks) == 4
    assert_same(tracks[1], track(0))
    assert_same(tracks[-1], track(3))
    assert [one.vectors.tolist() for one in tracks[:3:2]] == [track(2).vectors.tolist()] * 2
    store.file_of("v3").write_bytes(b"broken")
    assert len(list(tracks[:3])) == 3
    with pytest.raises(FeatureError, match=r"v3\.npz"):
        tracks[3]


def test_videos_without_features_are_named(store):
    """What is missing is listed in order, and asking for it is an error before anything is read."""
    store.write("b", track())
    assert store.missing(["a", "b", "c"]) == ["a", "c"]
    with pytest.raises(UsageError, match=r"2 of 3 videos have no features here \(a, c\)"):
        store.tracks(["a", "b", "c"])
    with pytest.raises(UsageError, match="no features of the video 'a'"):
        store.read("a")
    assert "a" not in store
    assert 7 not in store


@pytest.mark.parametrize("video", ["", "/etc/passwd", "../up", "a/../../b", "a//b", "a/", ".", "..", "nul\0"])
def test_an_id_never_leaves_the_store(store, video):
    """Names that are no file names, or lead elsewhere, are refused."""
    with pytest.raises(UsageError, match="cannot be the id"):
        store.write(video, track())


def test_two_videos_of_one_name_are_noticed(store, tmp_path):
    """Another file under the same name is an error that names both; the same file elsewhere is the same video."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first, second = tmp_path / "one" / "clip.mp4", tmp_path / "two" / "clip.mp4"
    first.write_bytes(b"123")
    second.write_bytes(b"12345")
    store.write("clip", track(1), source=first)
    assert store.has("clip", first)
    with pytest.raises(UsageError, match=r"one/clip\.mp4 \(3 bytes\), not from .*two/clip\.mp4 \(5 bytes\)"):
        store.has("clip", second)
    with pytest.raises(UsageError, match=r"two/clip\.mp4"):
        store.write("clip", track(2), source=second)
    assert_same(store.read("clip"), track(1))
    second.write_bytes(b"123")
    assert store.has("clip", second), "moved or copied to another folder"
    assert store.has("clip", second.rename(tmp_path / "renamed.mp4"))
    with pytest.raises(VideoError, match="cannot be read"):
        store.has("clip", second)


def test_a_video_that_has_changed_is_noticed(store, tmp_path):
    """Other content under the same path, of the same length too, leaves no track of it; a new one takes its place."""
    video = tmp_path / "clip.mp4"
    for content in (b"123", b"124"):
        video.write_bytes(content)
        os.utime(video, ns=(0, content[-1]))
        assert not store.has("clip", video)
        store.write("clip", track(content[-1]), source=video)
        assert store.has("clip", video)
        assert_same(store.read("clip"), track(content[-1]))


def test_tracks_of_before_contents_were_known(store, tmp_path):
    """A track whose source has no content id is read; path or name with the size decide whose it is."""
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"123")
    about = {"encoder": "1f5a", "sampling": "own", "source": {"path": "/old/clip.mp4", "bytes": 3}}
    one = track()
    np.savez(store.file_of("clip"), vectors=one.vectors, spans_s=one.spans_s, about=np.array(json.dumps(about)))
    assert_same(store.read("clip"), one)
    assert store.has("clip", video)
    video.write_bytes(b"1234")
    with pytest.raises(UsageError, match="two videos of one name"):
        store.has("clip", video)


def test_names_of_videos(tmp_path):
    """The stem by default; below a root the path; two of one name are an error that names both."""
    paths = [tmp_path / "a" / "x.y.mp4", tmp_path / "b" / "z.avi"]
    assert name_videos(paths) == {"x.y": paths[0], "z": paths[1]}
    assert list(name_videos(paths, tmp_path)) == ["a/x.y", "b/z"]
    twins = [tmp_path / "a" / "x.mp4", tmp_path / "b" / "x.mp4"]
    with pytest.raises(UsageError, match=r"a/x\.mp4 and .*b/x\.mp4"):
        name_videos(twins)
    assert list(name_videos(twins, tmp_path)) == ["a/x", "b/x"]
    with pytest.raises(UsageError, match=r"z\.avi is not below"):
        name_videos(paths, tmp_path / "a")


def test_only_stores_are_opened(tmp_path):
    """Nothing there, another folder, a file, a store of a later layout or a broken description: each says so."""
    with pytest.raises(UsageError, match="no store of features"):
        FeatureStore(tmp_path / "nowhere")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"")
    with pytest.raises(UsageError, match=r"holds a\.mp4 and is no store"):
        FeatureStore.create(tmp_path / "videos", KIND)
    with pytest.raises(UsageError, match="a file; give a folder"):
        FeatureStore.create(tmp_path / "videos" / "a.mp4", KIND)
    assert [path.name for path in (tmp_path / "videos").iterdir()] == ["a.mp4"]
    store = FeatureStore.create(tmp_path / "store", KIND)
    (store.path / "clip-1f5a-own" / "kind.json").write_text('{"encoder": "clip"')
    with pytest.raises(FeatureError, match=r"kind\.json: cannot be read as JSON"):
        FeatureStore(store.path)
    (store.path / "clip-1f5a-own" / "kind.json").write_text('{"encoder": "clip"}')
    with pytest.raises(FeatureError, match=r"kind\.json: says nothing of 'fingerprint'"):
        FeatureStore(store.path)
    (store.path / "store.json").write_text('{"format": 2}')
    with pytest.raises(UsageError, match="layout 2"):
        FeatureStore(store.path)


@pytest.mark.parametrize("word", ["", "a/b", "../x", ".hidden", "a b"])
def test_what_names_a_kind_must_be_a_file_name(tmp_path, word):
    """A fingerprint that a user made up cannot lead out of the store."""
    with pytest.raises(UsageError, match="cannot be part of a file name"):
        FeatureStore.create(tmp_path, TrackKind("clip", word, 3, "own"))
    assert list(tmp_path.iterdir()) == []


def test_a_store_describes_itself(store):
    """A report can print what the features are, as JSON."""
    said = {"encoder": "clip", "fingerprint": "1f5a", "dim": 3, "sampling": "own"}
    assert json.loads(json.dumps(store.describe())) == {**said, "sampling_in_words": "the encoder's own"}
    assert (store.encoder, store.fingerprint, store.dim, store.sampling) == tuple(said.values())


def test_a_store_may_be_moved(store, tmp_path):
    """Nothing in it depends on where it lies."""
    store.write("a", track())
    Path(store.path).rename(tmp_path / "elsewhere")
    assert_same(FeatureStore(tmp_path / "elsewhere").read("a"), track())
