"""The catalogue of encoders: each is found, described, built and run; what cannot be is refused in words."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import gerund
from gerund.api import load
from gerund.assets import find_asset, is_here
from gerund.bench.runs.evaluate import evaluate, train_and_save
from gerund.bench.runs.request import Request
from gerund.bench.runs.toyworld import ToyWorld
from gerund.cli import app
from gerund.encoders import catalog
from gerund.encoders.base import is_random
from gerund.encoders.catalog import build, encoders, find_encoder
from gerund.encoders.networks import backbone, bert, bit, c3d, efficientnet, i3d, r2plus1d, tsm
from gerund.encoders.weights.drawn import draw
from gerund.errors import AssetError, UsageError
from gerund.features import FeatureStore
from gerund.text.classes import ClassSpace
from small_networks import DIMS, narrow
from stub import write_colours

CLIP = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips" / "kinetics" / "mmaction2_rawvideo_part_0.mp4"
SEEING = [card.name for card in catalog._built_in() if card.kind != "text" and (card.drawable or not card.needs_file)]
PLAIN = {"engine": "openvino", "precision": "fp32", "threads": 1}
FP32 = ("--engine", "openvino", "--precision", "fp32", "--threads", "1")


def run(*words):
    """Types a command."""
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def small(monkeypatch):
    """Networks of a few channels."""
    narrow(monkeypatch)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Eight frames in a second, red."""
    return write_colours(tmp_path_factory.mktemp("short") / "video.mp4", ["red"], fps=8)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Forty frames in two seconds, first red, then blue."""
    return write_colours(tmp_path_factory.mktemp("video") / "video.mp4", ["red", "blue"], fps=20)


# what there is


def test_every_card_says_what_it_is():
    """Names differ, and each card has a kind, a length or a reason, a licence, and one place for its weights."""
    cards = encoders()
    assert len({card.name for card in cards}) == len(cards)
    wanted = {"tsm-r50", "c3d", "r2plus1d-18", "bit", "efficientnet-lite0", "i3d", "i3d-minilm", "clip-b16", "minilm"}
    assert wanted | {"bert", "words"} <= {card.name for card in cards}
    for card in cards:
        assert card.kind in ("video+text", "video", "text")
        assert card.dim or card.needs_file
        assert card.licence or card.assets
        assert bool(card.assets or card.repository) != card.needs_file


def test_a_name_that_is_none_is_answered_with_the_nearest():
    """The error names what was meant, and all that there is."""
    with pytest.raises(UsageError, match="did you mean tsm-r50"):
        find_encoder("tsm-r5")
    with pytest.raises(UsageError, match=r"no model 'nothing'; give one of .*c3d.*, a file, a folder, a hub name"):
        build("nothing")


@pytest.mark.parametrize("name", [card.name for card in encoders()])
def test_show_tells_all_of_a_card(name):
    """`gerund models show` has kind, space, dimension, needs, licence, training data, and whether it is here."""
    shown = run("models", "show", name)
    card = find_encoder(name)
    assert shown.exit_code == 0
    facts = dict(line.strip().split("  ", 1) for line in shown.stdout.strip().splitlines()[1:])
    facts = {key: value.strip() for key, value in facts.items()}
    assert facts["kind"] == card.kind and facts["space"] == card.space
    assert str(card.dim or "its weights say") in facts["dimension"]
    assert all(what in facts["needs"] for what in (*card.assets, card.repository, card.published))
    assert facts["trained on"] == ("kinetics400" if card.trained_on else "none of gerund's data sets")
    assert facts["licence"] and facts["here"]


def test_models_lists_as_it_did():
    """`gerund models` and `gerund models list` are the same list, the default model first; each card has its line."""
    listed = run("models", "list").stdout
    assert listed == run("models").stdout
    assert listed.startswith("i3d-minilm ")
    assert all(f"{card.name}  {card.kind}" in listed for card in encoders())


def test_get_says_what_cannot_be_fetched():
    """Weights that no index has are not fetched: status 2, with the place where they are."""
    refused = run("models", "get", "c3d")
    assert refused.exit_code == 2
    assert "DavideA" in refused.stderr
    assert "did you mean c3d" in run("models", "get", "c3").stderr


# every encoder that sees frames


@pytest.mark.parametrize("name", SEEING)
def test_every_encoder_that_sees_frames_extracts(name, small, video, short, tmp_path):
    """`gerund extract` keeps unit vectors of its length over the whole video; random weights are said to be so."""
    card = find_encoder(name)
    if not card.drawable and not all(is_here(find_asset(asset)) for asset in card.assets):
        pytest.skip(f"the weights of {name} are not here; 'gerund models get {name}' fetches them")
    words = ["--random-weights"] if card.drawable else []
    duration_s = 1 if name.startswith("i3d") else 2  # the one network here that is as wide as it is
    result = run(
        "extract", short if duration_s == 1 else video, "--encoder", name, *words, *FP32, "--out", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    store = FeatureStore(tmp_path / "out")
    track = store.read("video")
    assert store.encoder == name
    assert track.vectors.shape[1] == store.dim == DIMS.get(name, card.dim)
    np.testing.assert_allclose(np.linalg.norm(track.vectors, axis=1), 1, atol=1e-5)
    assert (track.spans_s[0, 0], track.spans_s[-1, 1]) == (0, duration_s)
    np.testing.assert_array_equal(track.spans_s[1:, 0], track.spans_s[:-1, 1])
    assert len(track) == {"tsm-r50": 1, "c3d": 3, "r2plus1d-18": 3}.get(name, 1 if name.startswith("i3d") else 8)
    assert len(track) == 1 or not np.allclose(track.vectors[0], track.vectors[-1], atol=1e-4)
    assert is_random(store.fingerprint) == card.drawable
    assert ("weights are random" in result.stderr) == card.drawable


def test_a_real_clip_through_a_network_of_pictures(small, tmp_path):
    """What is kept of a real clip is what the network says of its frames, brought to unit length."""
    if not CLIP.is_file():
        pytest.skip(f"the shared clips are not here ({CLIP})")
    words = ("--encoder", "efficientnet-lite0", "--random-weights", "--few", *FP32, "--out", tmp_path / "out")
    assert run("extract", CLIP, *words).exit_code == 0
    net = efficientnet.EfficientNetLite(
        file=draw(backbone.shapes_of(efficientnet.layers(0))), output="features", **PLAIN
    )
    opened = gerund.Video(CLIP)
    frames = np.stack([net.prepare(picture) for _, picture in opened.frames(net.sample(opened.num_frames))])
    kept = FeatureStore(tmp_path / "out").read(CLIP.stem).vectors
    raw = net(frames)
    np.testing.assert_allclose(kept, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-5)
    encoder = build("efficientnet-lite0", random_weights=True, **PLAIN)
    np.testing.assert_allclose(encoder.raw_windows(frames[:, None], dense=False)[:, 0], raw, rtol=1e-5, atol=1e-6)
    assert np.linalg.norm(raw, axis=1).max() > 1.5


class Long:
    """A video that only has a length: 25 frames a second."""

    def __init__(self, num_frames):
        self.num_frames, self.duration_s = num_frames, num_frames / 25
        self.times_s = np.arange(num_frames) / 25

    def frames_at(self, moments_s):
        return np.minimum((np.asarray(moments_s) * 25 + 1e-6).astype(int), self.num_frames - 1)


def windows_of(encoder, num_frames, **settings):
    return [(w.frames.tolist(), w.spans.tolist()) for w in encoder.sample(Long(num_frames), **settings)]


def test_clips_follow_each_other_to_the_end(small):
    """Of 40 frames C3D sees 0-15, 16-31 and, reaching back, 24-39, which speaks for 32-39."""
    encoder = build("c3d", random_weights=True, **PLAIN)
    found = windows_of(encoder, 40, dense=True)
    assert [frames for frames, _ in found] == [list(range(start, start + 16)) for start in (0, 16, 24)]
    assert [spans for _, spans in found] == [[[0, 16]], [[16, 32]], [[32, 40]]]
    assert windows_of(encoder, 1, dense=True) == [([0] * 16, [[0, 1]])]


def test_the_few_windows_are_those_of_the_paper(small):
    """25 clips of 16 frames, one period apart, the last frame repeated; eight pictures from the first to the last."""
    encoder = build("c3d", random_weights=True, **PLAIN)
    clips = windows_of(encoder, 40, dense=False)
    assert [frames for frames, _ in clips] == [[min(start + i, 39) for i in range(16)] for start in range(25)]
    assert [spans for _, spans in clips] == [[[start, min(start + 16, 40)]] for start in range(25)]
    pictures = windows_of(build("bit", random_weights=True, **PLAIN), 40, dense=False)
    assert [frames[0] for frames, _ in pictures] == [0, 6, 11, 17, 22, 28, 33, 39]
    borders = [0, 3, 9, 14, 20, 25, 31, 36, 40]
    assert [spans for _, spans in pictures] == [[[a, b]] for a, b in pairwise(borders)]


def test_tsm_sees_every_eighth_frame_of_64(small):
    """Of 130 frames: 4, 12, ..., 60, then 68, ..., 124, then the last 64; a shorter video is eight equal parts."""
    encoder = build("tsm-r50", random_weights=True, **PLAIN)
    found = windows_of(encoder, 130, dense=True)
    assert [frames[0] for frames, _ in found] == [4, 68, 70]
    assert found[0][0] == list(range(4, 64, 8))
    assert [spans for _, spans in found] == [[[0, 64]], [[64, 128]], [[128, 130]]]
    assert windows_of(encoder, 16, dense=True) == [(list(range(1, 16, 2)), [[0, 16]])]
    assert windows_of(encoder, 130, dense=False) == [([8, 24, 40, 56, 73, 89, 105, 121], [[0, 130]])]


def test_pictures_are_looked_at_four_times_a_second(small):
    """Of a second at 25 frames: those on screen at 1/8, 3/8, 5/8 and 7/8 of it."""
    encoder = build("bit", random_weights=True, **PLAIN)
    assert [frames for frames, _ in windows_of(encoder, 25, dense=True)] == [[3], [9], [15], [21]]


# random weights


def test_random_weights_are_the_same_every_time(small):
    """Two builds share a fingerprint that says random; other networks and arithmetics do not share it."""
    one, again = (build("c3d", random_weights=True, **PLAIN) for _ in range(2))
    assert one.fingerprint == again.fingerprint and one.fingerprint.startswith("random-")
    frames = np.zeros((1, 16, 112, 112, 3), np.uint8)
    np.testing.assert_array_equal(one.encode_windows(frames, dense=True), again.encode_windows(frames, dense=True))
    assert build("r2plus1d-18", random_weights=True, **PLAIN).fingerprint != one.fingerprint
    other = backbone.Backbone.fingerprint.func(c3d.C3d(draw(backbone.shapes_of(c3d.layers()), seed=1), **PLAIN))
    assert other != one._backbone.fingerprint


def test_random_weights_are_never_taken_unasked(tmp_path, video):
    """Without --random-weights a network whose weights are not here is refused before anything is written: status 2."""
    refused = run("extract", video, "--encoder", "c3d", "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert "DavideA" in refused.stderr and "--random-weights" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_what_is_nothing_without_learning_is_not_drawn(tmp_path, video):
    """The default model's space is made of learned words; a file has weights of its own: both are refused."""
    refused = run("extract", video, "--random-weights", "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert "nothing without what it has learned" in refused.stderr
    np.savez(
        tmp_path / "words.npz", **{"conv3a.weight": np.ones(1), "conv5b.weight": np.ones(1), "fc6.weight": np.ones(1)}
    )
    with pytest.raises(UsageError, match=r"words\.npz has weights"):
        build(str(tmp_path / "words.npz"), random_weights=True)


@pytest.mark.parametrize("side", ["train", "test"])
def test_evaluate_refuses_features_of_random_weights(monkeypatch, tmp_path, side):
    """A figure about them would mean nothing, so there is none, whichever side they are on."""
    monkeypatch.setattr(ToyWorld, "describe", lambda world: {"encoder": "c3d", "fingerprint": "random-0123"})
    with pytest.raises(UsageError, match="c3d with random weights"):
        if side == "test":
            evaluate(Request("eszsl", "toyworld"), load_encoder=pytest.fail)
        else:
            train_and_save(Request("eszsl", "toyworld"), tmp_path, load_encoder=pytest.fail)


def test_class_texts_are_asked_of_an_encoder_that_has_some(monkeypatch):
    """Features of videos alone: the error says to name another encoder for the texts, and nothing is loaded."""
    monkeypatch.setattr(ToyWorld, "describe", lambda world: {"encoder": "c3d", "fingerprint": "0123"})
    with pytest.raises(UsageError, match=r"encodes videos alone.*--model minilm"):
        evaluate(Request("similarity", "toyworld"), load_encoder=pytest.fail)


# one half is missing


def test_an_encoder_of_videos_says_that_it_knows_no_words(small, video):
    """Each question about texts is refused with what to do instead; `classify` refuses before it decodes."""
    encoder = build("c3d", random_weights=True, **PLAIN)
    asked = ClassSpace(("punching",))
    for ask in (encoder.encode_classes, encoder.texts_of, encoder.unreadable, lambda _: encoder.encode_texts(["a"])):
        with pytest.raises(UsageError, match=r"c3d encodes videos alone.*gerund extract.*gerund train"):
            ask(asked)
    model = load("c3d", random_weights=True, **PLAIN)
    with pytest.raises(UsageError, match="knows no words"):
        model.classify(video, ["punching"])
    assert len(model.encode(video, dense=True)) == 3


def test_an_encoder_of_texts_says_that_it_sees_nothing(tmp_path, video):
    """`extract` and `classify` with a table of words: status 2, and nothing is written."""
    np.save(tmp_path / "words.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "words.txt").write_text("punching\npouring\ncoffee\n")
    table = build(str(tmp_path / "words.npy"))
    assert (table.dim, table.name) == (3, str(tmp_path / "words.npy"))
    np.testing.assert_allclose(
        table.encode_classes(ClassSpace(("pouring coffee", "Punching"))), [[0, 0.5, 0.5], [1, 0, 0]]
    )
    for words in (
        ("extract", video, "--encoder", tmp_path / "words.npy", "--out", tmp_path / "out"),
        ("classify", video, "--actions", "punching", "--model", tmp_path / "words.npy"),
    ):
        refused = run(*words)
        assert refused.exit_code == 2
        assert "encodes texts alone" in refused.stderr
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="encodes texts alone"):
        table.sample(Long(3), dense=True)
    with pytest.raises(UsageError, match="encodes texts alone"):
        table.encode_windows(np.zeros((1, 1, 8, 8, 3), np.uint8), dense=True)


def test_minilm_alone():
    """Texts are unit vectors, a class is the unit mean of its texts, remembered until other classes are asked about."""
    if not all(is_here(find_asset(name)) for name in ("minilm", "minilm-tokenizer")):
        pytest.skip("MiniLM is not in the cache; 'gerund models get minilm' fetches it")
    encoder = build("minilm", engine="openvino", threads=1)
    asked = ClassSpace(("a", "b"), (("playing guitar", "shoot bow"), ("playing guitar",)), as_given=True)
    one, two = encoder.encode_texts(["playing guitar", "shoot bow"])
    np.testing.assert_allclose(one[:4], [0.04012, 0.00249, -0.00679, -0.0189], atol=1e-4)
    mean = (one + two) / np.linalg.norm(one + two)
    np.testing.assert_allclose(encoder.encode_classes(asked), [mean, one], atol=1e-5)
    assert encoder.encode_classes(asked) is encoder.encode_classes(asked)
    np.testing.assert_allclose(encoder.encode_classes(ClassSpace(("shoot bow",)))[0], two, atol=1e-5)
    assert encoder.unreadable(ClassSpace(("弹吉他", "waving"))) == ["弹吉他"]
    assert len(encoder.fingerprint) == 16


def test_a_bert_in_a_folder(tmp_path):
    """A folder whose configuration says BERT is one: texts are unit means of their tokens' states."""
    sizes = {"vocab_size": 8, "hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 8, "max_position_embeddings": 9, "type_vocab_size": 2, "layer_norm_eps": 1e-12}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", **sizes}))
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwaving\nrunning\njumping\n")
    save(draw(dict(bert._shapes(bert.BertConfig(**sizes)))).tensors, tmp_path / "model.safetensors")
    encoder = build(str(tmp_path), threads=1)
    found = encoder.encode_texts(["waving", "running jumping"])
    states = bert.Bert(tmp_path)(["waving", "running jumping"])
    np.testing.assert_allclose(found, states / np.linalg.norm(states, axis=1, keepdims=True), atol=1e-5)
    assert (encoder.dim, find_encoder("bert").kind) == (12, "text")


# files


def save(arrays, path):
    from safetensors.numpy import save_file

    save_file(arrays, path)


def as_published(name, arrays):
    """The names that each network's file has."""
    if name == "tsm-r50":
        wrapped = {key.replace(".conv1.", ".conv1.net.") if "layer" in key else key: a for key, a in arrays.items()}
        return {f"module.{'new_' if key.startswith('fc') else 'base_model.'}{key}": a for key, a in wrapped.items()}
    return {f"module.{key}" if name == "efficientnet-lite1" else key: array for key, array in arrays.items()}


SHAPES = {
    "tsm-r50": lambda: backbone.shapes_of(tsm.layers()),
    "c3d": lambda: backbone.shapes_of(c3d.layers()),
    "r2plus1d-18": lambda: backbone.shapes_of(r2plus1d.layers()),
    "bit": bit.shapes,
    **{f"efficientnet-lite{n}": (lambda n=n: backbone.shapes_of(efficientnet.layers(n))) for n in (0, 1, 2)},
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_is_known_by_what_it_holds(name, small, tmp_path, video):
    """A checkpoint, a folder with it, or its ``.npz`` becomes the encoder of its family, which is not random."""
    drawn = draw(SHAPES[name](), seed=3).tensors
    (tmp_path / "folder").mkdir()
    save(as_published(name, drawn), tmp_path / "folder" / "weights.safetensors")
    encoder = build(str(tmp_path / "folder" / "weights.safetensors"), **PLAIN)
    assert encoder.name == name
    assert not is_random(encoder.fingerprint)
    assert encoder.remarks() == []
    if name == "c3d":
        np.savez(tmp_path / "weights.npz", **drawn)
        again, other = build(str(tmp_path / "folder"), **PLAIN), build(str(tmp_path / "weights.npz"), **PLAIN)
        assert again.fingerprint == encoder.fingerprint != other.fingerprint
        frames = np.random.default_rng(0).integers(0, 256, (1, 16, 112, 112, 3), np.uint8)
        np.testing.assert_allclose(other.raw_windows(frames, dense=True), encoder.raw_windows(frames, dense=True))
        result = run("extract", video, "--encoder", tmp_path / "folder", *FP32, "--out", tmp_path / "out")
        assert result.exit_code == 0 and "random" not in result.stderr
        assert FeatureStore(tmp_path / "out").fingerprint == encoder.fingerprint


def test_a_file_of_nobody_knows_what(tmp_path):
    """Arrays of another network, and what holds no arrays, are refused with the encoders whose files are known."""
    save({"x.weight": np.ones((2, 2), np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(AssetError, match=r"x\.safetensors: not the weights of an encoder .*c3d.*none of the arrays"):
        build(str(tmp_path / "x.safetensors"))
    (tmp_path / "notes.md").write_text("# notes\n")
    with pytest.raises(AssetError, match=r"notes\.md: not the weights .*safetensors"):
        build(str(tmp_path / "notes.md"))


def test_i3d_by_its_file():
    """The released file is known, and is the same encoder as the name; so are its shapes."""
    asset = find_asset("i3d-kinetics400")
    if not is_here(asset):
        pytest.skip("I3D's weights are not in the cache; 'gerund models get i3d' fetches them")
    from gerund.assets import path_of

    by_name, by_file = build("i3d", **PLAIN), build(str(path_of(asset)), **PLAIN)
    assert by_name.fingerprint == by_file.fingerprint
    assert (by_file.name, by_file.dim) == ("i3d", 1024)
    assert {name: array.shape for name, array in i3d.load().items()} == i3d.shapes()
    assert {name: array.shape for name, array in by_file._i3d_weights.items()} == i3d.shapes()
