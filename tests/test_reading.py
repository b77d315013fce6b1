"""Files of others: what they promise is compared with what they hold before memory is spent on it."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from gerund.bench.runs.answers import load_answers
from gerund.bench.scoring.predictions import read_score_tables
from gerund.encoders.table import VectorTable
from gerund.encoders.tokenizer import BPE_FILE, count_tokens, open_tokenizer
from gerund.encoders.weights.checkpoint import read_checkpoint
from gerund.encoders.weights.legacy import MAGIC, read_legacy
from gerund.errors import AssetError, GerundError, UsageError
from gerund.features import FeatureError
from gerund.features.arrays import read_arrays
from gerund.features.store import FeatureStore, TrackKind
from gerund.reading import (
    MOST_JSON_DEPTH,
    DamageError,
    Members,
    PickledError,
    open_arrays,
    open_members,
    parse_json,
    parse_yaml,
    read_array,
)
from gerund.text.descriptions.readers import read_descriptions
from gerund.types import Track

MB = 1 << 20


def test_folders_are_no_members():
    """An archive that lists its folders holds the same files as one that does not."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.mkdir("a")
        archive.writestr("a/x", b"1")
        archive.writestr("y", b"2")
    with zipfile.ZipFile(buffer) as archive:
        assert Members(archive, len(buffer.getvalue())).names == ["a/x", "y"]


@contextmanager
def at_most(size_bytes):
    """Fails when Python and NumPy allocate more than this in between, even where it is freed at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size_bytes
    finally:
        tracemalloc.stop()


def npy(shape, descr="<f4", data=b"", order=False, version=b"\x01\x00"):
    """A .npy file with a header of one's own."""
    header = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}".encode() + b"\n"
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header))
    return b"\x93NUMPY" + version + size + header + data


def archive(path, compression=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_arrays_come_back_as_they_were(tmp_path):
    """Every order, type and rank that NumPy saves, alone and together, compressed and not, is read as it was."""
    arrays = {
        "a": np.arange(12.0).reshape(3, 4),
        "columns": np.asfortranarray(np.arange(6, dtype="i2").reshape(2, 3)),
        "empty": np.zeros((0, 5)),
        "number": np.array(3.5),
        "words": np.array("später"),
        "flags": np.array([True, False]),
        "big": np.arange(3, dtype=">i4"),
    }
    for name, array in arrays.items():
        np.save(tmp_path / "x.npy", array)
        np.testing.assert_array_equal(read_array(tmp_path / "x.npy"), array)
        assert read_array(tmp_path / "x.npy").dtype == array.dtype, name
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", **arrays)
        with open_arrays(tmp_path / "x.npz") as found:
            assert list(found) == list(arrays)
            for name, array in arrays.items():
                np.testing.assert_array_equal(found[name], array)
                assert found[name].shape == array.shape
    with open_arrays(tmp_path / "x.npz") as found:
        found["a"][0, 0] = 7  # what was read may be written to


LYING = {
    "huge": npy((1 << 40,)),
    "product": npy((1 << 32, 1 << 32)),
    "words": npy((), "<U1000000000"),
    "few wide": npy((900,), "<U100000", bytes(1000)),
    "void": npy((1 << 40,), "|V0"),
    "negative": npy((-1, -4), data=bytes(16)),
    "short": npy((5,), data=bytes(16)),
    "long header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + b"{",
    "deep header": npy("(" * 3000),
    "version": b"\x93NUMPY\x09\x09" + bytes(20),
    "no header": b"\x93NUMPY",
}


@pytest.mark.parametrize("content", LYING.values(), ids=LYING)
def test_headers_that_lie_cost_nothing(tmp_path, content):
    """A header that promises more than the file holds is refused before anything is allocated, in an archive too."""
    (tmp_path / "a.npy").write_bytes(content)
    archive(tmp_path / "b.npz", **{"x.npy": content})
    archive(tmp_path / "c.npz", zipfile.ZIP_DEFLATED, **{"x.npy": content})
    with at_most(4 * MB):
        for name in ("a.npy", "b.npz", "c.npz"):
            with pytest.raises(FeatureError, match=name.replace(".", r"\.")):
                read_arrays(tmp_path / name)


def test_python_objects_are_refused(tmp_path):
    """Arrays of objects, alone, in structures, and bare pickles are told as what they are."""
    (tmp_path / "a.npy").write_bytes(npy((1,), "|O", pickle.dumps([1])))
    (tmp_path / "b.npy").write_bytes(npy((1,), [("x", "|O")], bytes(64)))
    (tmp_path / "c.npy").write_bytes(pickle.dumps([1]))
    for name in ("a.npy", "b.npy", "c.npy"):
        with pytest.raises(PickledError):
            read_array(tmp_path / name)


def test_a_bomb_is_not_unfolded(tmp_path):
    """Members that unfold beyond the bound are refused by their own account, and stopped when the account lies."""
    bomb = archive(tmp_path / "a.npz", zipfile.ZIP_DEFLATED, **{"x.npy": npy((257 * MB,), "|u1", bytes(257 * MB))})
    assert bomb.stat().st_size < MB
    with at_most(4 * MB), pytest.raises(FeatureError, match=r"a\.npz.*unfolds to \d+ bytes"):
        read_arrays(bomb)
    raw = bytearray(archive(tmp_path / "b.npz", zipfile.ZIP_DEFLATED, **{"x.npy": bytes(40 * MB)}).read_bytes())
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # where the unfolded size stands
        begin = raw.find(signature) + place
        raw[begin : begin + 4] = struct.pack("<I", 1000)
    (tmp_path / "b.npz").write_bytes(raw)
    with at_most(8 * MB), pytest.raises(FeatureError, match=r"b\.npz"):
        read_arrays(tmp_path / "b.npz")


def test_many_members_share_one_bound(tmp_path, monkeypatch):
    """What all members of an archive unfold to is bounded together, not each alone."""
    monkeypatch.setattr("gerund.reading.MOST_UNFOLDED_BYTES", 4 * MB)
    part = npy((MB,), "|u1", bytes(MB))
    archive(tmp_path / "a.npz", zipfile.ZIP_DEFLATED, **{f"{number}.npy": part for number in range(5)})
    with pytest.raises(DamageError, match="unfolds"), open_members(tmp_path / "a.npz") as members:
        for name in members.names:
            members.read(name)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(tmp_path, compression):
    """Ways of compressing whose pieces cannot be bounded are not unfolded at all."""
    path = archive(tmp_path / "a.npz", compression, **{"x.npy": npy((4,), data=bytes(16))})
    with pytest.raises(FeatureError, match="unusual way"):
        read_arrays(path)


def test_an_encrypted_or_endless_member_is_refused(tmp_path):
    """A member that needs a password, and one that says it is longer than its file, are damage."""
    whole = archive(tmp_path / "a.npz", **{"x.npy": npy((4,), data=bytes(16))}).read_bytes()
    locked = bytearray(whole)
    locked[whole.find(b"PK\x01\x02") + 8] |= 1
    longer = bytearray(whole)
    for signature, place in ((b"PK\x03\x04", 18), (b"PK\x01\x02", 20)):
        begin = whole.find(signature) + place
        longer[begin : begin + 8] = struct.pack("<II", 1 << 30, 1 << 30)
    for content in (locked, longer):
        (tmp_path / "b.npz").write_bytes(content)
        with at_most(4 * MB), pytest.raises(FeatureError, match=r"b\.npz"):
            read_arrays(tmp_path / "b.npz")


def torch_zip(path, pickled, storage=bytes(16), **more):
    return archive(path, **{"a/data.pkl": pickled, "a/data/0": storage, **more})


def text(words):
    return b"X" + struct.pack("<I", len(words)) + words.encode()


def tensor(count=4, shape=(4,), strides=(1,), kind="FloatStorage", legacy=False):
    """The steps that put one tensor down."""
    number = lambda value: b"\x8a\x08" + struct.pack("<q", value)  # noqa: E731
    out = b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + f"ctorch\n{kind}\n".encode() + text("0")
    out += text("cpu") + number(count) + (b"N" if legacy else b"") + b"tQ" + number(0)
    for values in (shape, strides):
        out += b"(" + b"".join(map(number, values)) + b"t"
    return out + b"\x89ccollections\nOrderedDict\n)RtR"


def old_file(path, tree, keys=("0",), storages=b""):
    head = MAGIC + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    path.write_bytes(head + tree + pickle.dumps(list(keys), 2) + storages)
    return path


def twice(place):
    """The steps of a dict that holds the one remembered at a place two times, and is remembered at the next."""
    return b"}" + text("a") + b"h%cs" % place + text("b") + b"h%csq%c" % (place, place + 1)


GREEDY = {
    "lists": b"\x80\x02" + b"]" * (MB // 4) + b".",
    "dicts": b"\x80\x02" + b"}" * (MB // 4) + b".",
    "sets": b"\x80\x04" + b"\x8f" * (MB // 4) + b".",
    "modules": b"\x80\x02" + b"c__torch__.a\nb\n)\x81" * (MB // 8) + b".",
    "classes": b"\x80\x02" + b"c__torch__.a\nb\n" * (MB // 6) + b".",
    "sizes": b"\x80\x02(" + b"K\x01" * 60000 + b"tq\x000" + b"ctorch\nSize\nh\x00\x85R" * 4000 + b".",
    "copies": b"\x80\x02(" + b"".join(b"(" + text(f"{n}") + b"Nt" for n in range(20000)) + b"lq\x000"
              + b"ccollections\nOrderedDict\nh\x00\x85R" * 400 + b".",
    "long text": b"\x80\x02X\xff\xff\xff\x7fabc",
    "long bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abc",
    "long number": b"\x80\x02\x8b" + struct.pack("<i", (1 << 31) - 1) + b"abc",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"]",
    "digits": b"\x80\x02I" + b"9" * 100_000 + b"\n.",
    "key": b"\x80\x02" + b"K\x01\x85" + b"q\x00h\x00\x86" * 60 + b"q\x01}h\x01Ns.",
    "expanded": b"\x80\x02}" + text("x") + tensor(shape=(1 << 34,), strides=(0,)) + b"s.",
    "squared": b"\x80\x02}" + text("x") + tensor(shape=(1 << 20, 1 << 20), strides=(0, 0)) + b"s.",
    "many views": b"\x80\x02}" + tensor(shape=(1000, 1000), strides=(0, 0)) + b"q\x00}"
                  + b"".join(text(f"{n}") + b"h\x00s" for n in range(300)) + b".",
    "shared modules": b"\x80\x02}" + text("x") + tensor() + b"sq\x00" + b"".join(map(twice, range(30))) + b".",
    "deep": b"\x80\x02" + b"}" + (text("x") + b"}") * 300 + b"s" * 300 + b".",
}  # fmt: skip


@pytest.mark.parametrize("pickled", GREEDY.values(), ids=GREEDY)
def test_pickles_that_ask_for_much_get_nothing(tmp_path, pickled):
    """Neither kind of PyTorch file can make its reader allocate, hash or walk what its bytes do not hold."""
    new = torch_zip(tmp_path / "a.pt", pickled)
    old = old_file(tmp_path / "b.pt", pickled.replace(b"NtQ", b"tQ"), storages=struct.pack("<q", 4) + bytes(16))
    with at_most(24 * MB):
        with pytest.raises(AssetError, match=r"a\.pt"):
            read_checkpoint(new)
        with pytest.raises(AssetError, match=r"b\.pt"):
            read_legacy(old)


def test_the_handmade_steps_are_what_is_read(tmp_path):
    """The files of the test above are refused for what they ask, not for their form."""
    values = np.arange(4, dtype="f4").tobytes()
    for memo in (b"", b"r\xff\xff\xff\x7f"):  # a place to remember something at is a name, not an amount of memory
        tree = b"\x80\x02}" + memo + text("x") + tensor() + b"s."
        with at_most(MB):
            found = read_checkpoint(torch_zip(tmp_path / "a.pt", tree, values)).tensors
        np.testing.assert_array_equal(found["x"], range(4))
    old = old_file(
        tmp_path / "b.pt",
        b"\x80\x02}" + text("x") + tensor(legacy=True) + b"s.",
        storages=struct.pack("<q", 4) + values,
    )
    np.testing.assert_array_equal(read_legacy(old)["x"], range(4))


def test_storages_are_those_of_the_file(tmp_path):
    """A storage larger than its file, or many that add up to more, is refused before it is made."""
    for count in (1 << 28, 1 << 40):
        tree = b"\x80\x02}" + text("x") + tensor(count=count, legacy=True) + b"s."
        with at_most(4 * MB), pytest.raises(AssetError, match=r"b\.pt.*larger than the file"):
            read_legacy(old_file(tmp_path / "b.pt", tree))
    many = b"".join(
        text(str(n)) + tensor(count=1000, legacy=True).replace(text("0"), text(str(n))) + b"s" for n in range(400)
    )
    path = old_file(tmp_path / "c.pt", b"\x80\x02}" + many + b".", storages=bytes(4000))
    with at_most(8 * MB), pytest.raises(AssetError, match=r"c\.pt.*larger than the file"):
        read_legacy(path)


def test_safetensors_headers_that_lie(tmp_path):
    """A header longer than the file, too deep, or with shapes and places that are not there is refused."""
    deep = b'{"__metadata__":' + b"[" * 5000 + b"]" * 5000 + b"}"
    wide = b'{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}}'
    for header, size in ((b"{}", 1 << 62), (b"{}", 90 * MB), (deep, len(deep)), (wide, len(wide))):
        (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", size) + header + bytes(16))
        with at_most(4 * MB), pytest.raises(AssetError, match=r"m\.safetensors"):
            read_checkpoint(tmp_path / "m.safetensors")


def test_json_has_a_depth_and_a_length(monkeypatch):
    """What is nested too deep, too long, or holds numbers of thousands of digits is refused; what is not is read."""
    deepest = "[" * MOST_JSON_DEPTH + "]" * MOST_JSON_DEPTH
    assert parse_json(deepest) and parse_json("3") == 3 and parse_json('{"a": [1, {}]}') == {"a": [1, {}]}
    for text_ in (f"[{deepest}]", "[" * 900 + "]" * 900, '{"a":' * 100_000):
        with pytest.raises(DamageError, match="deeper than"):
            parse_json(text_)
    with pytest.raises(DamageError, match="digits"):
        parse_json("9" * 5000)
    with pytest.raises(ValueError):
        parse_json(b"\xff\xfe\xfd")
    monkeypatch.setattr("gerund.reading.MOST_JSON_BYTES", 10)
    with pytest.raises(DamageError, match="MiB of JSON"):
        parse_json("[1, 2, 3, 4]")
    with pytest.raises(DamageError, match="MiB of YAML"):
        parse_yaml("[1, 2, 3, 4]")


def test_yaml_does_not_multiply(tmp_path):
    """References that multiply, and lists without end, are refused; the file is named."""
    laughs = "a0: &a0 {x: [lol]}\n" + "".join(f"a{n}: &a{n} {{x: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
    for content in (laughs, "a: " + "[" * 5000, "a: {x: 1", "a: 0o9\x07"):
        (tmp_path / "t.yaml").write_text(content)
        with pytest.raises(UsageError, match=r"t\.yaml"):
            read_descriptions(tmp_path / "t.yaml")
    assert parse_yaml("a: {b: [1, x]}") == {"a": {"b": [1, "x"]}}


def test_every_reader_of_json_names_its_file(tmp_path):
    """Nested JSON is an error of the room that reads it, wherever it comes in."""
    from gerund.bench.datasets.lists import read_annotations, read_metas
    from gerund.bench.scoring.predictions import read_detections
    from gerund.features.object_lists import read_lists
    from gerund.features.timing import read_info
    from gerund.text.descriptions import Descriptions

    path = tmp_path / "deep.json"
    path.write_text('{"database": {"results": ' + "[" * 900 + "]" * 900 + "}}")
    readers = (read_annotations, read_metas, read_detections, read_lists, read_info, Descriptions.read)
    for reader in (*readers, read_descriptions):
        with pytest.raises(GerundError, match=r"deep\.json"):
            reader(path)


def test_tokenizers_are_bounded(tmp_path):
    """A vocabulary that unfolds without end, and files that make the library panic, are errors that name them."""
    (tmp_path / BPE_FILE).write_bytes(gzip.compress(bytes(60 * MB)))
    with at_most(60 * MB), pytest.raises(AssetError, match="unfolds to more"):
        count_tokens(tmp_path / BPE_FILE)
    for content in ("[" * 100_000, "{}", '{"version": "1.0"', '{"model": {"type": "BPE", "vocab": {"a": -1}}}'):
        (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(AssetError, match=r"tokenizer\.json"):
            open_tokenizer(tmp_path / "tokenizer.json")


def test_other_rooms_read_with_the_same_bounds(tmp_path):
    """Tables of vectors, score files, answers and stores name the file that promises more than it holds."""
    (tmp_path / "v.npy").write_bytes(npy((1 << 36, 300)))
    (tmp_path / "v.txt").write_text("one\n")
    bomb = archive(tmp_path / "s.npz", **{"label.npy": npy((1 << 40,), "<i8"), "heads.npy": npy((1 << 40,), "|u1")})
    with at_most(4 * MB):
        with pytest.raises(UsageError, match=r"v\.npy"):
            VectorTable.read(tmp_path / "v.npy")
        for reader in (read_score_tables, load_answers):
            with pytest.raises(UsageError, match=r"s\.npz"):
                reader(bomb)
    store = FeatureStore.create(tmp_path / "store", TrackKind("clip", "1f5a", 2, "own"))
    store.write("a", Track(np.ones((1, 2), np.float32), np.array([[0.0, 0.5]]), "1f5a"))
    archive(store.file_of("a"), **{"about.npy": npy((), "<U1000000000")})
    with at_most(4 * MB), pytest.raises(FeatureError, match=r"a\.npz: damaged"):
        store.read("a")


def valid_files():
    """Small files of every kind, with what reads them."""
    rows = np.arange(6, dtype="f4").reshape(2, 3)
    one, many, small, safe, new = (io.BytesIO() for _ in range(5))
    np.save(one, rows)
    np.savez(many, a=rows, words=np.array("text"))
    np.savez_compressed(small, a=rows)
    tree = b"\x80\x02}" + text("x") + tensor() + b"s."
    with zipfile.ZipFile(new, "w") as file:
        file.writestr("a/data.pkl", tree)
        file.writestr("a/data/0", rows.tobytes()[:16])
    old = MAGIC + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    old += b"\x80\x02}" + text("x") + tensor(legacy=True) + b"s." + pickle.dumps(["0"], 2)
    old += struct.pack("<q", 4) + bytes(16)
    header = json.dumps({"x": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    safe.write(struct.pack("<Q", len(header)) + header + rows.tobytes())
    return {
        "a.npy": (one.getvalue(), read_arrays),
        "b.npz": (many.getvalue(), read_arrays),
        "c.npz": (small.getvalue(), read_arrays),
        "d.pt": (new.getvalue(), read_checkpoint),
        "e.pth": (old, read_arrays),
        "f.safetensors": (safe.getvalue(), read_checkpoint),
    }


FILES = valid_files()


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bits_make_only_errors_in_words(tmp_path, name, data):
    """However a small good file is altered or cut, it is read or refused with an error of gerund's that names it."""
    content, reader = FILES[name]
    altered = bytearray(content)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        altered[place] = data.draw(st.integers(0, 255))
    path = tmp_path / name
    path.write_bytes(altered[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        reader(path)
    except GerundError as error:
        assert name in str(error)


@pytest.mark.parametrize("name", FILES)
def test_the_unaltered_files_are_read(tmp_path, name):
    """What is altered above is good before that."""
    content, reader = FILES[name]
    (tmp_path / name).write_bytes(content)
    assert reader(tmp_path / name)


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError(), OverflowError("big"), struct.error("s"), zlib.error("z")]
)
def test_no_error_of_a_library_escapes(tmp_path, monkeypatch, error):
    """Whatever NumPy or zipfile raise about a file, the room's own error names it."""

    def fails(*_, **__):
        raise error

    np.savez(tmp_path / "a.npz", x=np.ones(3))
    monkeypatch.setattr("gerund.reading._header", fails)
    with pytest.raises(FeatureError, match=r"a\.npz"):
        read_arrays(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", np.ones(3))
    with pytest.raises(FeatureError, match=r"b\.npy"):
        read_arrays(tmp_path / "b.npy")
    monkeypatch.setattr("pickletools.genops", fails)
    with pytest.raises(AssetError, match=r"c\.pt"):
        read_checkpoint(torch_zip(tmp_path / "c.pt", b"."))


def test_safetensors_still_load(tmp_path):
    """What safetensors writes is read as it was."""
    save_file({"x": np.ones((2, 2), "f2")}, tmp_path / "m.safetensors")
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "m.safetensors").tensors["x"], np.ones((2, 2)))
