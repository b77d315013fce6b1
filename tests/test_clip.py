"""Image-text encoders: tiny random checkpoints in the hub's layout against the forward pass of transformers."""

from __future__ import annotations

import dataclasses
import gzip
import json
import logging

import numpy as np
import pytest

from gerund.encoders.base import Encoder, unit
from gerund.encoders.contrastive import ContrastiveEncoder
from gerund.encoders.engines.openvino import has_bf16
from gerund.encoders.tokenizer import BPE_FILE, TextTokens, count_tokens
from gerund.errors import AssetError, UsageError
from gerund.text.classes import ClassSpace
from gerund.text.descriptions.choosing import TEMPLATES
from gerund.types import Track
from stub import Rounded, write_colours

torch = pytest.importorskip("torch", reason="torch is the oracle here; install gerund[torch] and transformers")
transformers = pytest.importorskip("transformers", reason="transformers is the oracle here; install it")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
logging.getLogger("transformers").setLevel(logging.ERROR)

TOLERANCE = 2e-5
"""Largest difference of two numbers in unit vectors of float32 networks."""
TEXTS = ["a", "Playing the guitar!", "", "a person  rides\na bike", "x y z é 7"]
MERGES = [("t", "h"), ("th", "e</w>"), ("i", "n"), ("in", "g</w>"), ("p", "l"), ("pl", "a"), ("g", "u")]


def clip_vocabulary():
    """A vocabulary in CLIP's order: bytes, bytes that end a word, merges, the two marks."""
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in MERGES)]
    return {token: number for number, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}


def shake(model):
    """Moves every weight, so that no bias is 0 and no layer norm is the identity."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return model.eval()


CLIPS = {
    "quick": {},
    "gelu": {"hidden_act": "gelu", "layer_norm_eps": 1e-3},
    "old-end": {"eos_token_id": 2},
}


def write_clip(folder, *, eos_token_id=None, size=32, patch=8, **both):
    """A CLIP in the hub's layout; returns its model, image processor and tokenizer as transformers has them."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    vocabulary = clip_vocabulary()
    end = vocabulary["<|endoftext|>"]
    text = {"hidden_size": 128, "intermediate_size": 72, "num_hidden_layers": 3, "num_attention_heads": 2}
    text |= {"vocab_size": len(vocabulary), "max_position_embeddings": 40, "eos_token_id": eos_token_id or end}
    vision = {"hidden_size": 192, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 3}
    vision |= {"image_size": size, "patch_size": patch}
    config = transformers.CLIPConfig(
        text_config={**text, "bos_token_id": end - 1, **both}, vision_config={**vision, **both}, projection_dim=24
    )
    torch.manual_seed(0)
    model = shake(transformers.CLIPModel(config))
    processor = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size=size)
    tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=MERGES)
    for part in (model, processor, tokenizer):
        part.save_pretrained(folder)
    return model, processor, tokenizer


def write_siglip(folder, *, size=32, **_):
    """A SigLIP 2 of fixed resolution in the hub's layout, with a small vocabulary of Gemma's kind."""
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    letters = "▁abcdefghijklmnopqrstuvwxyz!0123456789"
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    tokens += ["th", "the", "▁a", "in", "ing"]
    merges = [("t", "h"), ("th", "e"), ("▁", "a"), ("i", "n"), ("in", "g")]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tower = {"num_hidden_layers": 3, "num_attention_heads": 3, "hidden_size": 48, "intermediate_size": 80}
    config = transformers.SiglipConfig(
        text_config={**tower, "vocab_size": len(tokens), "max_position_embeddings": 64},
        vision_config={**tower, "image_size": size, "patch_size": 8},
    )
    torch.manual_seed(0)
    model = shake(transformers.SiglipModel(config))
    processor = SiglipImageProcessorPil(size={"height": size, "width": size}, resample=2)
    tokenizer = transformers.Siglip2Tokenizer(vocab=vocabulary, merges=merges, padding_side="right", add_eos_token=True)
    for part in (model, processor, tokenizer):
        part.save_pretrained(folder)
    return model, processor, tokenizer


MODELS = [("clip", key) for key in CLIPS] + [("siglip", ""), ("siglip", "uneven")]


@pytest.fixture(scope="module", params=MODELS, ids=lambda pair: "-".join(pair).strip("-"))
def pair(request, tmp_path_factory):
    """One tiny model twice: our encoder and what transformers makes of the same folder."""
    family, key = request.param
    folder = tmp_path_factory.mktemp(family)
    write = write_clip if family == "clip" else write_siglip
    reference = write(folder, size=36 if key == "uneven" else 32, **CLIPS.get(key, {}))
    return ContrastiveEncoder(folder, name="tiny", precision="fp32", threads=1), *reference


def pictures(count=5, sizes=((50, 77), (33, 32), (32, 32), (20, 25), (301, 64))):
    """Random pictures, larger and smaller than what the models look at, upright and lying."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*sizes[place % len(sizes)], 3), dtype=np.uint8) for place in range(count)]


def close(ours, reference, *, normalise=True):
    reference = reference.detach().numpy()
    if normalise:
        reference = reference / np.linalg.norm(reference, axis=1, keepdims=True)
        np.testing.assert_allclose(ours, reference, atol=TOLERANCE)
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    else:
        np.testing.assert_allclose(ours, reference, atol=TOLERANCE * np.linalg.norm(reference, axis=1).max())
    assert np.abs(ours - ours.mean(axis=0)).max() > 1e-2, "all vectors are alike, so that nothing was tested"


def test_pictures_equal_the_reference(pair):
    """From decoded pictures to vectors, preprocessing included, nothing differs from transformers."""
    encoder, model, processor, _ = pair
    images = pictures()
    with torch.no_grad():
        found = model.get_image_features(processor(images, return_tensors="pt")["pixel_values"]).pooler_output
    ready = np.stack([encoder.prepare(image) for image in images])
    close(encoder.encode_pictures(ready), found)
    close(encoder.encode_pictures(ready, normalise=False), found, normalise=False)
    np.testing.assert_array_equal(
        encoder.encode_windows(ready[:, None], dense=True)[:, 0], encoder.encode_pictures(ready)
    )


def test_texts_equal_the_reference(pair):
    """Texts of several lengths in one batch have the vectors that transformers gives to padded ones."""
    encoder, model, _, tokenizer = pair
    given = [text.lower() for text in TEXTS]
    tokens = tokenizer(given, padding="max_length", max_length=encoder.architecture.text.context, return_tensors="pt")
    with torch.no_grad():
        found = model.get_text_features(input_ids=tokens["input_ids"]).pooler_output
    close(encoder.encode_texts(TEXTS), found)
    close(encoder.encode_texts(TEXTS, normalise=False), found, normalise=False)


def test_logits_equal_the_reference(pair):
    """The logit scale is the one that the model multiplies its cosines with."""
    encoder, model, *_ = pair
    assert encoder.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()), rel=1e-6)


def test_vectors_do_not_depend_on_neighbours(pair):
    """A picture or a text has one vector, alone or in a batch, whatever the batch size."""
    encoder, *_ = pair
    rng = np.random.default_rng(3)
    size = encoder.architecture.image.size_px
    ready = rng.integers(0, 256, (37, size, size, 3), dtype=np.uint8)
    together = encoder.encode_pictures(ready)
    for place in (0, 17, 36):
        np.testing.assert_allclose(encoder.encode_pictures(ready[place : place + 1])[0], together[place], atol=1e-6)
    texts = encoder.encode_texts(TEXTS * 9)
    for place, text in enumerate(TEXTS):
        np.testing.assert_allclose(encoder.encode_texts([text])[0], texts[place], atol=1e-6)
        np.testing.assert_allclose(texts[place + len(TEXTS) * 8], texts[place], atol=1e-6)
    assert encoder.encode_texts([]).shape == (0, encoder.dim)
    assert encoder.encode_pictures(ready[:0]).shape == (0, encoder.dim)


@pytest.mark.skipif(not has_bf16(), reason="this processor does not compute in bfloat16")
def test_bfloat16_agrees(pair):
    """Vectors in bfloat16 have a cosine of at least 0.999 to those in float32."""
    exact, *_ = pair
    fast = ContrastiveEncoder(exact._folder, name="tiny", precision="bf16", threads=1)
    ready = np.stack([exact.prepare(image) for image in pictures(20)])
    assert (exact.encode_pictures(ready) * fast.encode_pictures(ready)).sum(axis=1).min() >= 0.999
    assert (exact.encode_texts(TEXTS) * fast.encode_texts(TEXTS)).sum(axis=1).min() >= 0.999
    assert fast.fingerprint != exact.fingerprint


SIZES = [(1, 1), (7, 5), (31, 33), (32, 32), (33, 31), (64, 37), (37, 64), (100, 32), (32, 101), (241, 319), (719, 405)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_preprocessing_is_the_reference_to_the_bit(pair, size):
    """Scaling and cutting give the very pixels of the reference processor: no tolerance at all."""
    encoder, _, processor, _ = pair
    image = np.random.default_rng(sum(size)).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = processor(image, input_data_format="channels_last", do_rescale=False, do_normalize=False)["pixel_values"][0]
    np.testing.assert_array_equal(encoder.prepare(image), np.moveaxis(np.asarray(found), 0, -1))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A tiny CLIP: its folder, transformers' model and our encoder."""
    folder = tmp_path_factory.mktemp("clip")
    model, *_ = write_clip(folder)
    return folder, model, ContrastiveEncoder(folder, name="tiny", precision="fp32", threads=1)


def test_too_long_a_text_is_refused_or_cut_on_demand(clip):
    """A text beyond the window is an error that shows it; cutting is asked for, and keeps the end mark."""
    _, _, encoder = clip
    long = "zebra " * 40
    assert encoder.overlong(["short", long]) == [long]
    with pytest.raises(UsageError, match=r"the model takes 38: 'zebra zebra"):
        encoder.encode_texts(["short", long])
    ids = encoder._tokens([long], truncate=True)[0]
    assert len(ids) == 40
    assert ids[-1] == encoder._tokens.end
    assert encoder.encode_texts([long], truncate=True).shape == (1, 24)


def test_cut_texts_equal_the_reference(pair):
    """What `truncate` keeps is what the reference tokenizer keeps."""
    encoder, _, _, tokenizer = pair
    long = "the king sings " * 30
    kept = tokenizer([long], max_length=encoder.architecture.text.context, truncation=True)["input_ids"][0]
    np.testing.assert_array_equal(encoder._tokens([long], truncate=True)[0], kept)


def test_vocabulary_files_are_alike(tmp_path, monkeypatch):
    """tokenizer.json, vocab.json with merges.txt and OpenAI's file, whose end is not used, give equal numbers."""
    monkeypatch.setattr("gerund.encoders.tokenizer._BPE_MERGES", len(MERGES))
    vocabulary = clip_vocabulary()
    reference = transformers.CLIPTokenizer(vocab=vocabulary, merges=MERGES)
    for kind in ("a", "b", "c"):
        (tmp_path / kind).mkdir()
    reference.save_pretrained(tmp_path / "a")
    (tmp_path / "b" / "vocab.json").write_text(json.dumps(vocabulary))
    lines = [" ".join(pair) for pair in MERGES]
    (tmp_path / "b" / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]))
    with gzip.open(tmp_path / "c" / BPE_FILE, "wt", encoding="utf-8") as file:
        file.write("\n".join(["a header", *lines, "k i", "ki ng</w>", ""]))
    texts = [*TEXTS, "they're singing the thing's 1st 名前 🎸", "<|endoftext|> in a text"]
    expected = reference(texts)["input_ids"]
    for kind in ("a", "b", "c"):
        tokens = TextTokens(tmp_path / kind, context=77, vocabulary=len(vocabulary), padded=False)
        assert [row.tolist() for row in tokens(texts)] == expected
        assert list(map(count_tokens(tmp_path / kind), texts)) == list(map(len, expected))


def test_classes_are_prompted(clip):
    """A bare name becomes four sentences in lower case; texts of its own are taken as they are."""
    _, _, encoder = clip
    classes = ClassSpace(("PullUp", "wave"), (("PullUp",), ("a hand", "Goodbye")))
    vectors = encoder.encode_classes(classes)
    first = encoder.encode_texts([prompt.format("pull up") for prompt in TEMPLATES])
    np.testing.assert_allclose(vectors[0], unit(first.mean(axis=0)), atol=1e-6)
    np.testing.assert_allclose(vectors[1], unit(encoder.encode_texts(["a hand", "Goodbye"]).mean(axis=0)), atol=1e-6)
    assert encoder.encode_classes(classes) is vectors
    assert not encoder.hubness(vectors).any()
    assert encoder.unfamiliar(classes) == []


def test_frames_are_sampled(clip, tmp_path):
    """16 centres tell what a video shows; densely a frame every quarter of a second; spans tile the video."""
    from gerund.features import extract
    from gerund.video.reader import Video

    _, _, encoder = clip
    protocol: Encoder = encoder
    video = Video(write_colours(tmp_path / "v.mp4", ["red", "green", "blue"], fps=20))
    few = protocol.sample(video, dense=False)
    assert [int(window.frames[0]) for window in few] == [int((place + 0.5) * 60 / 16) for place in range(16)]
    many = protocol.sample(video, dense=True)
    assert [int(window.frames[0]) for window in many] == [2, 7, 12, 17, 22, 27, 32, 37, 42, 47, 52, 57]
    for windows in (few, many):
        spans = np.concatenate([window.spans for window in windows])
        assert spans[0, 0] == 0
        assert spans[-1, 1] == 60
        np.testing.assert_array_equal(spans[1:, 0], spans[:-1, 1])
        assert all(start <= window.frames[0] < end for window, (start, end) in zip(windows, spans, strict=True))
    track = extract(video, encoder, dense=True)
    assert isinstance(track, Track)
    np.testing.assert_allclose(track.spans_s, [[k / 4, (k + 1) / 4] for k in range(12)], atol=1e-6)
    alone = encoder.encode_pictures(encoder.prepare(video.read(times_s=[1.125]).frames[0])[None])
    np.testing.assert_allclose(track.vectors[4], alone[0], atol=1e-6)


@pytest.mark.parametrize(("less_s", "first"), [(0.0, 5), (5e-7, 5), (2e-6, 6)])
def test_shares_begin_with_a_frame_that_rounding_has_moved(clip, less_s, first):
    """A quarter of a second begins with the frame that is half a microsecond early, and not with one that is two."""
    windows = clip[2].sample(Rounded(less_s), dense=True)
    assert [window.spans[0, 0] for window in windows][1:] == [first + 5 * k for k in range(7)]


def test_slow_videos_are_asked_for_each_frame_once(clip, tmp_path):
    """With fewer frames than samples every frame is there once and speaks for itself."""
    from gerund.video.reader import Video

    _, _, encoder = clip
    video = Video(write_colours(tmp_path / "v.mp4", ["red", "green", "blue"], fps=2))
    for dense in (False, True):
        windows = encoder.sample(video, dense=dense)
        assert [int(window.frames[0]) for window in windows] == list(range(6))
        assert [window.spans.tolist() for window in windows] == [[[k, k + 1]] for k in range(6)]


def test_fingerprint_follows_weights_and_preprocessing(clip, tmp_path):
    """Another weight or another mean is another fingerprint; another folder is not."""
    import shutil

    from safetensors.numpy import load_file, save_file

    folder, _, encoder = clip
    copies = []
    for kind in ("same", "weights", "mean"):
        copies.append(tmp_path / kind)
        shutil.copytree(folder, copies[-1])
    tensors = load_file(copies[1] / "model.safetensors")
    tensors["visual_projection.weight"][0, 0] += 1
    save_file(tensors, copies[1] / "model.safetensors")
    settings = json.loads((copies[2] / "preprocessor_config.json").read_text())
    (copies[2] / "preprocessor_config.json").write_text(json.dumps({**settings, "image_mean": [0.5, 0.5, 0.5]}))
    prints = [ContrastiveEncoder(copy, name="x", precision="fp32").fingerprint for copy in copies]
    assert prints[0] == encoder.fingerprint
    assert len({*prints}) == 3


def hub_to_openai(state):
    """The tensors of a hub CLIP under OpenAI's names, written from the two model definitions."""
    out = {"logit_scale": state["logit_scale"]}
    out["visual.conv1.weight"] = state["vision_model.embeddings.patch_embedding.weight"]
    out["visual.class_embedding"] = state["vision_model.embeddings.class_embedding"]
    out["visual.positional_embedding"] = state["vision_model.embeddings.position_embedding.weight"]
    out["visual.proj"] = state["visual_projection.weight"].T.contiguous()
    out["text_projection"] = state["text_projection.weight"].T.contiguous()
    out["token_embedding.weight"] = state["text_model.embeddings.token_embedding.weight"]
    out["positional_embedding"] = state["text_model.embeddings.position_embedding.weight"]
    norms = {"visual.ln_pre": "vision_model.pre_layrnorm", "visual.ln_post": "vision_model.post_layernorm"}
    norms["ln_final"] = "text_model.final_layer_norm"
    for ours, tower in (("visual.transformer", "vision_model"), ("transformer", "text_model")):
        for layer in range(3):
            block, hub = f"{ours}.resblocks.{layer}", f"{tower}.encoder.layers.{layer}"
            norms |= {f"{block}.ln_1": f"{hub}.layer_norm1", f"{block}.ln_2": f"{hub}.layer_norm2"}
            norms |= {f"{block}.mlp.c_fc": f"{hub}.mlp.fc1", f"{block}.mlp.c_proj": f"{hub}.mlp.fc2"}
            norms[f"{block}.attn.out_proj"] = f"{hub}.self_attn.out_proj"
            for kind in ("weight", "bias"):
                parts = [state[f"{hub}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
                out[f"{block}.attn.in_proj_{kind}"] = torch.cat(parts)
    for ours, hub in norms.items():
        out[f"{ours}.weight"], out[f"{ours}.bias"] = state[f"{hub}.weight"], state[f"{hub}.bias"]
    return out


def as_module(tensors):
    """A module whose parameters have these dotted names, as a TorchScript archive keeps them."""
    root = torch.nn.Module()
    for name, value in tensors.items():
        at = root
        *path, last = name.split(".")
        for part in path:
            if not hasattr(at, part):
                at.add_module(part, torch.nn.Module())
            at = getattr(at, part)
        at.register_parameter(last, torch.nn.Parameter(value.clone(), requires_grad=False))
    return root


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("layout", ["torchscript", "state-dict", "trained", "open-clip"])
def test_other_layouts_give_the_same_vectors(clip, tmp_path, layout):
    """OpenAI's archive, a plain state dict, a training checkpoint and Open-CLIP's files hold the same model."""
    from safetensors.torch import save_file

    folder, model, encoder = clip
    tensors = {name: value.detach() for name, value in hub_to_openai(model.state_dict()).items()}
    path = tmp_path / "model.pt"
    if layout == "torchscript":
        torch.jit.save(torch.jit.script(as_module(tensors)), path)
    elif layout == "state-dict":
        torch.save(tensors, path)
    elif layout == "trained":
        wrapped = {f"module.{name}": value for name, value in tensors.items()}
        torch.save({"epoch": 3, "name": "x", "state_dict": wrapped, "optimizer": {"state": {0: {}}}}, path)
    else:
        path = tmp_path
        save_file(tensors, tmp_path / "open_clip_model.safetensors")
        sizes = {"vision_cfg": {"width": 192, "layers": 3}, "text_cfg": {"heads": 2, "width": 128}, "quick_gelu": True}
        (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"embed_dim": 24, **sizes}}))
    other = ContrastiveEncoder(path, name="tiny", tokenizer=folder, precision="fp32", threads=1)
    assert other.pictures == encoder.pictures
    ready = np.stack([encoder.prepare(image) for image in pictures()])
    np.testing.assert_allclose(other.encode_pictures(ready), encoder.encode_pictures(ready), atol=1e-6)
    np.testing.assert_allclose(other.encode_texts(TEXTS), encoder.encode_texts(TEXTS), atol=1e-6)
    assert other.logit_scale == pytest.approx(encoder.logit_scale)


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({"resize_mode": "squash"}, {"short_px": None}),
        ({"interpolation": "bilinear"}, {"bicubic": False}),
        ({"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}, {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}),
        ({"resize_mode": "shortest", "interpolation": "bicubic"}, {}),
    ],
)
def test_open_clip_says_how_pictures_are_prepared(clip, tmp_path, asked, rule):
    """What its configuration asks for is done, and the rest as OpenAI's CLIP does it."""
    from safetensors.torch import save_file

    _, model, encoder = clip
    tensors = {name: value.detach() for name, value in hub_to_openai(model.state_dict()).items()}
    save_file(tensors, tmp_path / "open_clip_model.safetensors")
    sizes = {"vision_cfg": {"width": 192, "layers": 3}, "text_cfg": {"heads": 2, "width": 128}, "quick_gelu": True}
    config = {"model_cfg": {"embed_dim": 24, **sizes}, "preprocess_cfg": asked}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    other = ContrastiveEncoder(tmp_path, name="tiny", precision="fp32", threads=1)
    assert other.pictures == dataclasses.replace(encoder.pictures, **rule)


def damaged(folder, target, **files):
    """A copy of a checkpoint in which files are replaced (a dict is merged into the JSON) or, with None, removed."""
    import shutil

    shutil.copytree(folder, target)
    for name, content in files.items():
        file = next(file for file in target.iterdir() if file.stem == name)
        if content is None:
            file.unlink()
        else:
            file.write_text(json.dumps({**json.loads(file.read_text()), **content}))
    return target


def test_what_a_preprocessor_leaves_unsaid_is_as_usual(clip, tmp_path):
    """Without a word on rescaling, normalising and the filter, pictures are prepared as if it had been said."""
    folder = damaged(clip[0], tmp_path / "copy")
    file = folder / "preprocessor_config.json"
    said = json.loads(file.read_text())
    kept = ("size", "crop_size", "image_mean", "image_std")
    file.write_text(json.dumps({key: said[key] for key in kept}))
    assert ContrastiveEncoder(folder, name="x", precision="fp32").pictures == clip[2].pictures
    file.write_text(json.dumps({**{key: said[key] for key in kept}, "rescale_factor": 1 / 127.5}))
    with pytest.raises(AssetError, match="rescaling"):
        ContrastiveEncoder(folder, name="x")


WRONG = [
    ({"config": None}, r"no config\.json"),
    ({"preprocessor_config": None}, r"no preprocessor_config\.json"),
    ({"model": None}, "holds no weights"),
    ({"config": {"model_type": "siglip2"}}, "not NaFlex"),
    (
        {"config": {"projection_dim": 25}},
        r"'visual_projection\.weight' should have the shape \(25, 192\).* \(24, 192\)",
    ),
    ({"config": {"vision_config": {"num_hidden_layers": 2}}}, r"\(32, 32\).*the network takes 224 x 224"),
    ({"preprocessor_config": {"crop_size": 30}}, r"makes pictures of \(30, 30\)"),
    ({"preprocessor_config": {"do_normalize": False}}, "leaves out"),
    ({"preprocessor_config": {"resample": 1}}, "preprocessing"),
]


@pytest.mark.parametrize(("files", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_what_does_not_fit_is_named(clip, tmp_path, files, message):
    """A missing file, a foreign type or a wrong shape is an error that says which and what was expected."""
    with pytest.raises(AssetError, match=message):
        ContrastiveEncoder(damaged(clip[0], tmp_path / "copy", **files), name="x")


def test_towers_with_more_than_expected_are_refused(clip, tmp_path):
    """Layers that the configuration does not count would change the vectors, so they are not passed over."""
    sizes = json.loads((clip[0] / "config.json").read_text())
    sizes["text_config"]["num_hidden_layers"] = 2
    with pytest.raises(AssetError, match=r"layers\.2\..*belongs to no model"):
        ContrastiveEncoder(damaged(clip[0], tmp_path / "copy", config=sizes), name="x")


def test_a_missing_tokenizer_says_where_to_get_it(clip, tmp_path):
    """Pictures can be encoded without a vocabulary; texts name what is missing."""
    encoder = ContrastiveEncoder(damaged(clip[0], tmp_path / "copy", tokenizer=None), name="x", precision="fp32")
    assert encoder.encode_pictures(np.zeros((1, 32, 32, 3), np.uint8)).shape == (1, 24)
    with pytest.raises(AssetError, match=r"bpe_simple_vocab.*open-clip-torch"):
        encoder.encode_texts(["a"])
    with pytest.raises(UsageError, match=r"uint8 \[N, 32, 32, 3\]"):
        encoder.encode_pictures(np.zeros((1, 30, 32, 3), np.uint8))


def perception_tensors(rng, *, width, heads, grid, patch, class_token, layers=2, text_width=128, context=12, dim=20):
    """Random tensors of a Perception Encoder under the names of its released files."""
    tensors = {"logit_scale": rng.normal(size=())}

    def linear(name, out, into):
        tensors[f"{name}.weight"] = rng.normal(0, into**-0.5, (out, into))
        tensors[f"{name}.bias"] = rng.normal(0, 0.1, out)

    def norm(name, size):
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = rng.normal(1, 0.2, size), rng.normal(0, 0.2, size)

    def attention(name, size):
        tensors[f"{name}.in_proj_weight"] = rng.normal(0, 1.5 * size**-0.5, (3 * size, size))
        tensors[f"{name}.in_proj_bias"] = rng.normal(0, 0.1, 3 * size)
        linear(f"{name}.out_proj", size, size)

    def perceptron(name, size, hidden):
        linear(f"{name}.c_fc", hidden, size)
        linear(f"{name}.c_proj", size, hidden)

    for tower, size in (("visual.transformer", width), ("transformer", text_width)):
        for layer in range(layers):
            block = f"{tower}.resblocks.{layer}"
            norm(f"{block}.ln_1", size)
            norm(f"{block}.ln_2", size)
            attention(f"{block}.attn", size)
            perceptron(f"{block}.mlp", size, 3 * size)
    tensors["visual.conv1.weight"] = rng.normal(0, 0.1, (width, 3, patch, patch))
    tensors["visual.positional_embedding"] = rng.normal(size=(grid * grid + class_token, width))
    if class_token:
        tensors["visual.class_embedding"] = rng.normal(size=width)
    norm("visual.ln_pre", width)
    norm("visual.ln_post", width)
    tensors["visual.attn_pool.probe"] = rng.normal(size=(1, 1, width))
    attention("visual.attn_pool.attn", width)
    norm("visual.attn_pool.layernorm", width)
    perceptron("visual.attn_pool.mlp", width, 4 * width)
    tensors["visual.proj"] = rng.normal(0, width**-0.5, (width, dim))
    tensors["token_embedding.weight"] = rng.normal(size=(len(clip_vocabulary()), text_width))
    tensors["positional_embedding"] = rng.normal(size=(context, text_width))
    norm("ln_final", text_width)
    tensors["text_projection"] = rng.normal(0, text_width**-0.5, (text_width, dim))
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in tensors.items()}


class Perception:
    """Perception Encoder in plain torch: what the paper's release computes, one picture or text at a time."""

    def __init__(self, tensors, heads):
        self.t, self.heads = {name: value.double() for name, value in tensors.items()}, heads

    def norm(self, x, name):
        t = self.t
        return torch.nn.functional.layer_norm(x, x.shape[-1:], t[f"{name}.weight"], t[f"{name}.bias"], 1e-5)

    def attention(self, query, tokens, name, heads, turn=None, causal=False):
        weight, bias = (self.t[f"{name}.in_proj_{kind}"].chunk(3) for kind in ("weight", "bias"))
        q, k, v = (
            (x @ w.T + b).unflatten(-1, (heads, -1)).transpose(0, 1)
            for x, w, b in zip((query, tokens, tokens), weight, bias, strict=True)
        )
        if turn is not None:  # neighbouring channels are the parts of a complex number
            q, k = (
                torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * turn).flatten(-2)
                for x in (q, k)
            )
        scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
        if causal:
            scores = scores.masked_fill(torch.ones_like(scores[0], dtype=torch.bool).triu(1), -torch.inf)
        x = (scores.softmax(-1) @ v).transpose(0, 1).flatten(1)
        return x @ self.t[f"{name}.out_proj.weight"].T + self.t[f"{name}.out_proj.bias"]

    def perceptron(self, x, name):
        hidden = x @ self.t[f"{name}.c_fc.weight"].T + self.t[f"{name}.c_fc.bias"]
        return torch.nn.functional.gelu(hidden) @ self.t[f"{name}.c_proj.weight"].T + self.t[f"{name}.c_proj.bias"]

    def blocks(self, x, tower, heads, **how):
        for layer in range(2):
            name = f"{tower}.resblocks.{layer}"
            y = self.norm(x, f"{name}.ln_1")
            x = x + self.attention(y, y, f"{name}.attn", heads, **how)
            x = x + self.perceptron(self.norm(x, f"{name}.ln_2"), f"{name}.mlp")
        return x

    def picture(self, pixels):
        t, kernel = self.t, self.t["visual.conv1.weight"]
        x = torch.tensor(pixels).permute(2, 0, 1).double() / 255 * 2 - 1
        x = torch.nn.functional.conv2d(x[None], kernel, stride=kernel.shape[-1])[0]
        grid, size = x.shape[1], len(kernel) // self.heads
        x = x.flatten(1).T
        token = "visual.class_embedding" in t
        speed = 10000.0 ** (-torch.arange(0, size // 2, 2).double() / (size // 2))
        angles = [
            torch.cat([(column + token) * speed, (row + token) * speed])
            for row in range(grid)
            for column in range(grid)
        ]
        if token:
            x = torch.cat([t["visual.class_embedding"][None], x])
            angles.insert(0, torch.zeros(size // 2).double())
        turn = torch.polar(torch.ones(len(angles), size // 2).double(), torch.stack(angles))
        x = self.norm(x + t["visual.positional_embedding"], "visual.ln_pre")
        x = self.norm(self.blocks(x, "visual.transformer", self.heads, turn=turn), "visual.ln_post")
        x = self.attention(t["visual.attn_pool.probe"][0], x, "visual.attn_pool.attn", 8)
        x = x + self.perceptron(self.norm(x, "visual.attn_pool.layernorm"), "visual.attn_pool.mlp")
        return x[0] @ t["visual.proj"]

    def text(self, ids):
        t = self.t
        x = t["token_embedding.weight"][ids] + t["positional_embedding"][: len(ids)]
        x = self.blocks(x, "transformer", x.shape[1] // 64, causal=True)
        return self.norm(x, "ln_final")[ids.argmax()] @ t["text_projection"]


@pytest.mark.parametrize(("width", "heads", "class_token"), [(192, 3, True), (1536, 16, False)], ids=["token", "giant"])
def test_perception_encoder_equals_the_plain_network(tmp_path, width, heads, class_token):
    """A file in Perception Encoder's layout gives the vectors of its network written down plainly in torch."""
    rng = np.random.default_rng(5)
    sizes = {"width": width, "heads": heads, "grid": 3, "patch": 6, "class_token": class_token}
    tensors = perception_tensors(rng, **sizes)
    torch.save(tensors, tmp_path / "PE.pt")
    (tmp_path / "vocab.json").write_text(json.dumps(clip_vocabulary()))
    (tmp_path / "merges.txt").write_text("\n".join(" ".join(pair) for pair in MERGES))
    encoder = ContrastiveEncoder(tmp_path / "PE.pt", name="pe", precision="fp32", threads=1)
    plain = Perception(tensors, heads)
    ready = np.stack([encoder.prepare(image) for image in pictures()])
    assert ready.shape[1:] == (18, 18, 3)
    close(encoder.encode_pictures(ready), torch.stack([plain.picture(image) for image in ready]))
    texts = ["a", "bike", "the thing"]
    found = torch.stack([plain.text(torch.tensor(row)) for row in encoder._tokens(texts)])
    close(encoder.encode_texts(texts), found)
    assert encoder.pictures.short_px is None
    assert encoder.pictures.mean == encoder.pictures.std == (0.5, 0.5, 0.5)


def test_foreign_files_are_named(clip, tmp_path):
    """A residual CLIP, a vocabulary of SigLIP 1 and one that is too large are told from what can be read."""
    folder, model, _ = clip
    tensors = {name: value.detach() for name, value in hub_to_openai(model.state_dict()).items()}
    (tmp_path / "config.json").write_text(json.dumps({"note": "not about the model"}))
    torch.save(tensors, tmp_path / "whole.pt")
    assert ContrastiveEncoder(tmp_path / "whole.pt", name="x", precision="fp32").dim == 24
    torch.save({name: value for name, value in tensors.items() if "positional" not in name}, tmp_path / "rn50.pt")
    with pytest.raises(AssetError, match=r"no config\.json, and not the weights of a CLIP with a vision transformer"):
        ContrastiveEncoder(tmp_path / "rn50.pt", name="x")
    with pytest.raises(AssetError, match=r"no <eos> or no <pad>"):
        TextTokens(folder, context=64, vocabulary=1000, padded=True)
    with pytest.raises(AssetError, match="the model knows 100; it belongs to another model"):
        TextTokens(folder, context=64, vocabulary=100, padded=False)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(AssetError, match="cannot be read as a tokenizer"):
        TextTokens(tmp_path, context=64, vocabulary=100, padded=False)
