"""I3D: the graph against a plain numpy network, and the released weights against published values."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from gerund.assets import cache_dir, find_asset, is_here
from gerund.encoders.engines import compile_graph
from gerund.encoders.networks import i3d
from gerund.errors import AssetError
from oracles import i3d_features

needs_weights = pytest.mark.skipif(
    not is_here(find_asset("i3d-kinetics400")), reason="I3D's weights are not in the cache; run 'gerund models get'"
)


def tiny_weights(rng):
    """An I3D with the released layer names and a few channels everywhere."""
    weights = {}

    def layer(name, out, into, size):
        weights[f"{name}/weight"] = rng.normal(0, (into * size**3) ** -0.5, (out, into) + (size,) * 3).astype("f4")
        weights[f"{name}/bias"] = rng.normal(0, 0.1, out).astype("f4")

    layer("Conv3d_1a_7x7", 3, 3, 7)
    layer("Conv3d_2b_1x1", 2, 3, 1)
    layer("Conv3d_2c_3x3", 4, 2, 3)
    into = 4
    for block in ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"):
        name = f"Mixed_{block}"
        layer(f"{name}/Branch_0/Conv3d_0a_1x1", 2, into, 1)
        layer(f"{name}/Branch_1/Conv3d_0a_1x1", 2, into, 1)
        layer(f"{name}/Branch_1/Conv3d_0b_3x3", 3, 2, 3)
        layer(f"{name}/Branch_2/Conv3d_0a_1x1", 1, into, 1)
        layer(f"{name}/Branch_2/Conv3d_0b_3x3", 2, 1, 3)
        layer(f"{name}/Branch_3/Conv3d_0b_1x1", 2, into, 1)
        into = 9
    return weights


def test_graph_equals_the_plain_network():
    """A tiny I3D gives the features of the numpy network, at every position."""
    rng = np.random.default_rng(0)
    weights = tiny_weights(rng)
    frames = rng.integers(0, 256, (16, 224, 224, 3), dtype=np.uint8)
    run = compile_graph(i3d.build(weights), precision="fp32")
    expected = i3d_features(frames, weights)
    assert expected.shape == (2, 9)
    assert expected.std() > 1e-3
    np.testing.assert_allclose(run(frames[None])[0], expected, atol=2e-5)


def test_batch_neighbours_do_not_matter():
    """A window gives the same features alone and beside another."""
    rng = np.random.default_rng(1)
    run = compile_graph(i3d.build(tiny_weights(rng)), precision="fp32")
    frames = rng.integers(0, 256, (2, 8, 224, 224, 3), dtype=np.uint8)
    np.testing.assert_allclose(run(frames)[1], run(frames[1:])[0], atol=1e-6)


def checkpoint(tmp_path, rng):
    """A file in the layout of the released pickle with two layers, one of them with batch normalisation."""
    params = {
        "Conv3d_1a_7x7": {
            "Conv_0": {"kernel": rng.normal(size=(1, 1, 1, 2, 3)).astype("f4")},
            "BatchNorm_0": {"bias": rng.normal(size=3).astype("f4")},
        },
        "Logits": {"Conv3d_0c_1x1": {"Conv_0": {"kernel": np.ones((1, 1, 1, 3, 4), "f4"), "bias": np.arange(4.0)}}},
    }
    stats = {
        "Conv3d_1a_7x7": {
            "BatchNorm_0": {
                "mean": rng.normal(size=(1, 1, 1, 1, 3)).astype("f4"),
                "var": rng.uniform(0.5, 2, size=(1, 1, 1, 1, 3)).astype("f4"),
            }
        }
    }
    file = tmp_path / "i3d.ckpt"
    file.write_bytes(pickle.dumps({"params": params, "batch_stats": stats}))
    return file, params, stats


def test_folding_equals_convolution_then_batch_normalisation(tmp_path):
    """Folded weight and bias give what the convolution followed by batch normalisation gives."""
    rng = np.random.default_rng(2)
    file, params, stats = checkpoint(tmp_path, rng)
    folded = i3d.convert_checkpoint(file)
    x = rng.normal(size=2)
    plain = x @ params["Conv3d_1a_7x7"]["Conv_0"]["kernel"][0, 0, 0]
    norm = stats["Conv3d_1a_7x7"]["BatchNorm_0"]
    expected = (plain - norm["mean"].ravel()) / np.sqrt(norm["var"].ravel() + 1e-3)
    expected += params["Conv3d_1a_7x7"]["BatchNorm_0"]["bias"]
    got = folded["Conv3d_1a_7x7/weight"][:, :, 0, 0, 0] @ x + folded["Conv3d_1a_7x7/bias"]
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@needs_weights
def test_the_pickle_is_read_once(monkeypatch):
    """The second load takes the converted weights and never the pickle; damaged ones are converted again."""
    first = i3d.load()
    calls = []
    original = i3d.convert_checkpoint
    monkeypatch.setattr(i3d, "convert_checkpoint", lambda path: (calls.append(path), original(path))[1])
    second = i3d.load()
    assert calls == []
    assert all((first[name] == second[name]).all() for name in first)
    (kept,) = (cache_dir() / "derived").glob("i3d-folded-*.safetensors")
    content = bytearray(kept.read_bytes())
    content[-1000:] = bytes(1000)
    kept.write_bytes(content)
    third = i3d.load()
    assert len(calls) == 1
    assert all((first[name] == third[name]).all() for name in first)


def test_a_pickle_that_asks_for_code_is_refused(tmp_path):
    """A checkpoint that names any global but numpy's array makers is an error, and nothing of it runs."""
    trace = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(trace), "w"))

    file = tmp_path / "evil.ckpt"
    file.write_bytes(pickle.dumps({"params": Evil(), "batch_stats": {}}))
    with pytest.raises(AssetError, match="allow-list"):
        i3d.convert_checkpoint(file)
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x04garbage", pickle.dumps({"params": {}}), pickle.dumps([1, 2])])
def test_another_file_is_refused_in_words(tmp_path, content):
    """What is no such checkpoint raises an AssetError that names the file."""
    file = tmp_path / "other.ckpt"
    file.write_bytes(content)
    with pytest.raises(AssetError, match=r"other\.ckpt"):
        i3d.convert_checkpoint(file)


def test_pairs_are_averaged_before_the_mean():
    """Pooling weighs inner steps twice as much as the two outer ones, as a stride-1 pool of two does."""
    features = np.array([[1.0], [2.0], [4.0]], np.float32)
    assert i3d.pool(features)[0, 0] == pytest.approx(((1 + 2) / 2 + (2 + 4) / 2) / 2)
    assert i3d.pool(features[:1])[0, 0] == 1


@needs_weights
def test_released_weights_give_the_published_logits():
    """The weights file's reference values: a 16-frame sine pattern gives the logits of an independent port.

    The pattern is rounded to 8 bits here, because that is what the network is fed; the tolerance allows for it.
    """
    weights = i3d.load()
    frames = np.clip(np.round((sine_pattern(16) + 1) * 127.5), 0, 255).astype(np.uint8)
    rows, bias = i3d.classifier(weights)
    features = compile_graph(i3d.build(weights), precision="fp32")(frames[None])[0]
    logits = (i3d.pool(features) @ rows.T + bias)[0]
    np.testing.assert_allclose(logits[:4], [1.19412, 5.70754, 3.3915, 0.9455], atol=0.02)
    best = np.argsort(-logits)[:5]
    np.testing.assert_allclose(logits[best], [13.12619, 10.19413, 9.69704, 7.6343, 7.15837], atol=0.03)


@needs_weights
def test_unrounded_pattern_gives_the_published_values_exactly():
    """Fed in floating point, logits agree to 1e-3 and the feature to its printed digits, at 16 and at 32 frames."""
    from gerund.text.classes import read_vocabulary

    weights = i3d.load()
    rows, bias = i3d.classifier(weights)
    run = compile_graph(i3d.build(weights, normalised=True), precision="fp32")
    feature = i3d.pool(run(sine_pattern(16)[None].astype(np.float32))[0])
    logits = (feature @ rows.T + bias)[0]
    np.testing.assert_allclose(logits[:4], [1.19412, 5.70754, 3.3915, 0.9455], atol=1e-3)
    assert logits.sum() == pytest.approx(2.7831, abs=0.05)
    best = np.argsort(-logits)[:5]
    np.testing.assert_allclose(logits[best], [13.12619, 10.19413, 9.69704, 7.6343, 7.15837], atol=1e-3)
    names = [read_vocabulary("kinetics400")[i] for i in best]
    assert names == [
        "spray painting",
        "using remote controller (not gaming)",
        "playing xylophone",
        "playing keyboard",
        "using computer",
    ]
    np.testing.assert_allclose(feature[0, :4], [0.188127, 0.146182, 0.656561, 0.227745], atol=1e-5)
    assert np.linalg.norm(feature) == pytest.approx(8.24987, abs=1e-4)
    assert (feature > 0).sum() == 985

    dense = run(sine_pattern(32)[None].astype(np.float32))[0]
    pairs = (dense[:-1] + dense[1:]) / 2 @ rows.T + bias
    np.testing.assert_allclose(pairs[:, 0], [2.0746, 1.86371, -0.19272], atol=1e-3)


def sine_pattern(num_frames):
    """x[t, h, w, c] = sin(.05 h + .03 w + .7 t + 1.3 c)."""
    t, h, w, c = np.meshgrid(np.arange(num_frames), np.arange(224), np.arange(224), np.arange(3), indexing="ij")
    return np.sin(0.05 * h + 0.03 * w + 0.7 * t + 1.3 * c)
