"""Weight files: what torch and safetensors write is read without them, and nothing else is."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from gerund.encoders.weights import checkpoint
from gerund.encoders.weights.checkpoint import read_checkpoint
from gerund.errors import AssetError

torch = pytest.importorskip("torch", reason="torch writes the files that are read here; install gerund[torch]")


def tensors():
    """Tensors of every kind: all widths, a scalar, an empty one, views with strides, two that share their numbers."""
    torch.manual_seed(0)
    whole = torch.randn(6, 4)
    return {
        "whole": whole,
        "turned": whole.T,
        "part": whole[1::2, 1:3],
        "stretched": torch.randn(3, 1).expand(3, 5),
        "half": torch.randn(5).half(),
        "brain": torch.randn(2, 3).bfloat16(),
        "double": torch.randn(3).double(),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.randn(2)),
    }


def check(found, given):
    assert set(found) == set(given)
    for name, value in given.items():
        assert found[name].dtype == np.float32
        assert found[name].shape == tuple(value.shape)
        np.testing.assert_array_equal(found[name], value.detach().float().numpy())


def test_torch_files(tmp_path):
    """A state dict comes back as it was, in float32; whole numbers are left out."""
    given = tensors()
    torch.save(OrderedDict({**given, "position_ids": torch.arange(4), "flag": torch.tensor([True])}), tmp_path / "a.pt")
    check(read_checkpoint(tmp_path / "a.pt").tensors, given)


def test_modules_may_be_nested_to_a_depth(tmp_path):
    """A tensor below 64 names is found under all of them; one name more is refused."""
    inner = {"w": torch.ones(2)}
    for depth in range(1, 66):
        inner = {"m": inner}
        torch.save(inner, tmp_path / f"{depth}.pt") if depth >= 64 else None
    assert list(read_checkpoint(tmp_path / "64.pt").tensors) == ["m." * 64 + "w"]
    with pytest.raises(AssetError, match="nested deeper than 64 levels"):
        read_checkpoint(tmp_path / "65.pt")


def test_names_are_counted_through_all_parts(tmp_path, monkeypatch):
    """As many names as are allowed are read, those of shared parts each time they are met; one more is refused."""
    shared = {"w": torch.ones(1), "b": torch.ones(1)}
    torch.save({"a": shared, "b": shared}, tmp_path / "a.pt")
    monkeypatch.setattr(checkpoint, "_MOST_ENTRIES", 6)
    assert set(read_checkpoint(tmp_path / "a.pt").tensors) == {"a.w", "a.b", "b.w", "b.b"}
    monkeypatch.setattr(checkpoint, "_MOST_ENTRIES", 5)
    with pytest.raises(AssetError, match="more names, or longer ones, than any model has"):
        read_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("key", ["state_dict", "model", "weights", "model_state_dict"])
def test_training_checkpoints(tmp_path, key):
    """The tensors are found beside an epoch, an optimiser and a name."""
    given = tensors()
    torch.save(
        {"epoch": 1, key: given, "optimizer": {"lr": 0.1, "betas": (0.9, 0.98)}, "name": "x"}, tmp_path / "a.bin"
    )
    check(read_checkpoint(tmp_path / "a.bin").tensors, given)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torchscript(tmp_path):
    """Parameters and buffers of a TorchScript archive have dotted names; its code and its numbers are left alone."""

    class Inner(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Conv2d(1, 2, 3, bias=False))
            self.register_buffer("scale", torch.ones(2).half())
            self.size, self.names = 7, [1, 2]

        def forward(self, x):
            return self.layers[0](x) * self.scale + self.size + self.names[0]

    class Outer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.logit_scale = Inner(), torch.nn.Parameter(torch.tensor(4.6))

        def forward(self, x):
            return self.inner(x) * self.logit_scale

    model = Outer()
    torch.jit.save(torch.jit.script(model), tmp_path / "a.pt")
    check(read_checkpoint(tmp_path / "a.pt").tensors, dict(model.state_dict()))


def test_safetensors(tmp_path):
    """One file, or shards with an index; the digest follows the content."""
    from safetensors.torch import save_file

    given = {name: value.detach().contiguous().clone() for name, value in tensors().items()}
    (tmp_path / "one").mkdir()
    save_file({**given, "position_ids": torch.arange(4)}, tmp_path / "one" / "model.safetensors", {"format": "pt"})
    one = read_checkpoint(tmp_path / "one")
    check(one.tensors, given)
    names = sorted(given)
    (tmp_path / "two").mkdir()
    for part, keys in (("m-1.safetensors", names[:4]), ("m-2.safetensors", names[4:])):
        save_file({key: given[key] for key in keys}, tmp_path / "two" / part)
    weight_map = {key: f"m-{1 if key in names[:4] else 2}.safetensors" for key in names}
    (tmp_path / "two" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    two = read_checkpoint(tmp_path / "two")
    check(two.tensors, given)
    assert len(two.files) == 3
    before = two.sha256
    save_file({key: given[key] + 1 for key in names[4:]}, tmp_path / "two" / "m-2.safetensors")
    assert read_checkpoint(tmp_path / "two").sha256 != before
    (tmp_path / "two" / "m-1.safetensors").unlink()
    with pytest.raises(AssetError, match=r"m-1\.safetensors is missing"):
        read_checkpoint(tmp_path / "two")


class Evil:
    """Runs a command when it is unpickled in earnest."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def archive(path, pickled, storages=(), compression=zipfile.ZIP_STORED):
    """A zip file in torch's layout with a pickle of one's own."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("a/data.pkl", pickled)
        for key, content in storages:
            file.writestr(f"a/data/{key}", content)
    return path


def tensor_pickle(*, count=4, offset=0, shape=(4,), strides=(1,), key="0", kind="FloatStorage"):
    """The pickle of ``{"x": tensor}`` as torch writes it, with any numbers."""
    out = [b"\x80\x02}X\x01\x00\x00\x00xctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage"]
    out.append(f"ctorch\n{kind}\n".encode() + b"X" + struct.pack("<I", len(key)) + key.encode())
    out.append(b"X\x03\x00\x00\x00cpu" + number(count) + b"tQ" + number(offset))
    out += [b"(" + b"".join(map(number, values)) + b"t" for values in (shape, strides)]
    return b"".join(out) + b"\x89ccollections\nOrderedDict\n)RtRs."


def number(value):
    return b"J" + struct.pack("<i", value)


def test_the_handmade_pickle_is_what_torch_reads(tmp_path):
    """The pickles of the next tests are refused for what is wrong in them, not for their form."""
    path = archive(tmp_path / "a.pt", tensor_pickle(), [("0", np.arange(4, dtype="f4").tobytes())])
    np.testing.assert_array_equal(read_checkpoint(path).tensors["x"], np.arange(4))


@pytest.mark.parametrize(("name", "said"), [(b"X\x01\x00\x00\x00x", ""), (b"K\x07", "something else than names")])
def test_dicts_of_python_2_are_lists_of_pairs(tmp_path, name, said):
    """Files of before Python 3 give the items of an ordered dict as pairs; what is not named by a text is refused."""
    head, item, tail = (
        b"\x80\x02",
        tensor_pickle().removeprefix(b"\x80\x02}X\x01\x00\x00\x00x").removesuffix(b"s."),
        b"eetR.",
    )
    pickled = head + b"ccollections\nOrderedDict\n(](](" + name + item + tail
    path = archive(tmp_path / "a.pt", pickled, [("0", np.arange(4, dtype="f4").tobytes())])
    if said:
        with pytest.raises(AssetError, match=said):
            read_checkpoint(path)
    else:
        np.testing.assert_array_equal(read_checkpoint(path).tensors["x"], np.arange(4))


WRONG = {
    "beyond": ({"shape": (5,)}, "beyond its 4 numbers"),
    "stride": ({"strides": (2,)}, "beyond its 4 numbers"),
    "offset": ({"offset": 1}, "beyond its 4 numbers"),
    "negative offset": ({"offset": -1}, "with strides"),
    "negative stride": ({"strides": (-1,)}, "with strides"),
    "ranks": ({"strides": (1, 1)}, "with strides"),
    "count": ({"count": 1 << 30}, "should hold 1073741824 numbers"),
    "no storage": ({"key": "7"}, "data/7"),
    "other storage": ({"key": "../data.pkl"}, "not a file of plain tensors"),
    "quantised": ({"kind": "QInt8Storage"}, r"torch\.QInt8Storage, which is not on the allow-list"),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG)
def test_tensors_stay_inside_their_storage(tmp_path, wrong, message):
    """Shapes, strides, offsets and sizes that lie are refused, so that no memory is read that is not the file's."""
    path = archive(tmp_path / "a.pt", tensor_pickle(**wrong), [("0", np.arange(4, dtype="f4").tobytes())])
    with pytest.raises(AssetError, match=message):
        read_checkpoint(path)


def test_a_compressed_storage_is_refused(tmp_path):
    """A small file cannot unfold into a large one."""
    path = archive(tmp_path / "a.pt", tensor_pickle(), [("0", bytes(16))], zipfile.ZIP_DEFLATED)
    with pytest.raises(AssetError, match="storage 0"):
        read_checkpoint(path)


HOSTILE = {
    "builtins": b"cbuiltins\neval\n(X\x03\x00\x00\x001+1tR.",
    "numpy": b"cnumpy\nload\n(X\x01\x00\x00\x00atR.",
    "dotted": b"\x80\x04\x8c\x05torch\x8c\x0bSize.__bases\x93.",
    "own module": b"cgerund.encoders.weights.checkpoint\nread_checkpoint\n.",
    "altered function": b"ctorch._utils\n_rebuild_tensor_v2\n}b.",
    "endless": b"\x80\x02" + b"(" * 10 + b"l" * 3,
    "cut off": b"\x80\x02}X\x01\x00\x00",
    "empty": b"",
}


@pytest.mark.parametrize("pickled", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles(tmp_path, pickled):
    """Whatever is not tensors in dicts is an error that names the file, never a crash and never a call."""
    with pytest.raises(AssetError, match=r"a\.pt"):
        read_checkpoint(archive(tmp_path / "a.pt", pickled))


def test_a_pickle_cannot_run_commands(tmp_path):
    """The classic attack is refused before it runs, wherever in the file it hides."""
    witness = tmp_path / "witness"
    for content in (Evil(f"touch {witness}"), {"state_dict": {"x": Evil(f"touch {witness}")}}):
        torch.save(content, tmp_path / "a.pt")
        with pytest.raises(AssetError, match=r"posix\.system|nt\.system"):
            read_checkpoint(tmp_path / "a.pt")
        (tmp_path / "b.pt").write_bytes(pickle.dumps(content))
        with pytest.raises(AssetError, match="neither safetensors nor"):
            read_checkpoint(tmp_path / "b.pt")
    assert not witness.exists()


def test_a_module_class_of_the_pickle_is_inert(tmp_path):
    """TorchScript's classes become empty holders; one that carries itself does not hang the reader."""
    circle = b"\x80\x02c__torch__.posix\nsystem\nq\x00)\x81q\x01}X\x01\x00\x00\x00ah\x01sb."
    with pytest.raises(AssetError, match="not a file of plain tensors"):
        read_checkpoint(archive(tmp_path / "a.pt", circle))


def test_files_that_are_something_else(tmp_path):
    """Each kind of wrong file says what it is taken for and what to do."""
    old = tmp_path / "old.pt"
    torch.save({"x": torch.ones(2)}, old, _use_new_zipfile_serialization=False)
    with pytest.raises(AssetError, match=r"before PyTorch 1\.6"):
        read_checkpoint(old)
    (tmp_path / "page.safetensors").write_text("<html>not found</html>")
    with pytest.raises(AssetError, match="damaged, or not safetensors"):
        read_checkpoint(tmp_path / "page.safetensors")
    with zipfile.ZipFile(tmp_path / "z.pt", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(AssetError, match=r"no data\.pkl"):
        read_checkpoint(tmp_path / "z.pt")
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    with pytest.raises(AssetError, match="holds no tensors"):
        read_checkpoint(tmp_path / "none.pt")
    with pytest.raises(AssetError, match="no such file or folder"):
        read_checkpoint(tmp_path / "absent")


def test_a_cut_off_safetensors_file_is_refused(tmp_path):
    """A download that broke off is told from a whole one before any tensor is touched."""
    from safetensors.numpy import save_file

    file = tmp_path / "model.safetensors"
    save_file({"x": np.ones(100, "f4")}, file)
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(AssetError, match="download it again"):
        read_checkpoint(tmp_path)


def test_folders(tmp_path):
    """A folder's only weight file is taken; of several the user has to name one; an index stays in its folder."""
    with pytest.raises(AssetError, match="holds no weights"):
        read_checkpoint(tmp_path)
    torch.save({"x": torch.ones(2)}, tmp_path / "ViT-B-32.pt")
    check(read_checkpoint(tmp_path).tensors, {"x": torch.ones(2)})
    torch.save({"x": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(AssetError, match=r"ViT-B-32\.pt, other\.pt; name the one"):
        read_checkpoint(tmp_path)
    for index in ({"weight_map": {"x": "../secret.safetensors"}}, {"weight_map": {}}, {}, []):
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(AssetError, match="index of a sharded"):
            read_checkpoint(tmp_path)
