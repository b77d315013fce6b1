"""Elaborative Rehearsal from the command line: with objects of videos, with word vectors, and with MiniLM."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="Elaborate learns with PyTorch")
transformers = pytest.importorskip("transformers", reason="Elaborate reads texts with a BERT of transformers")

from gerund.assets import find_asset, is_here  # noqa: E402
from gerund.bench.runs.toyworld import ToyWorld  # noqa: E402
from gerund.cli import app  # noqa: E402
from gerund.features.object_lists import Finder, Listed, ObjectLists, Vocabulary  # noqa: E402
from gerund.methods.recognizers.elaborate.layers import MINILM, BertBackbone  # noqa: E402
from gerund.methods.recognizers.elaborate.method import Elaborate  # noqa: E402
from gerund.text.objects import find_concepts  # noqa: E402

WORLD = ToyWorld()
NUM_OBJECTS = len(WORLD.names) + 8
QUICK = {"epochs": 2, "batch": 64, "dim": 16, "lr": 0.01, "text_dropout": 0.1, "top_objects": 1}


def gerund(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks this small compute faster with one thread than with several that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT that knows the toy world's names, vectors of them, and the objects of its videos in two forms."""
    folder = tmp_path_factory.mktemp("elaborate")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ":", "thing", *WORLD.names, *map(str, range(8))]
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=40,
        initializer_range=0.1,
    )
    torch.manual_seed(0)
    model = transformers.BertModel(config)
    torch.nn.init.normal_(model.embeddings.word_embeddings.weight)  # words that differ more than their places do
    model.save_pretrained(folder / "bert")
    (folder / "bert" / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "glove.json").write_text(json.dumps(words))
    np.save(folder / "glove.npy", np.random.default_rng(0).normal(size=(len(words), 12)).astype("f4"))
    (folder / "things.tsv").write_text("".join(f"{name}\tthing\n" for name in (*WORLD.names, *range(8))))
    concepts = find_concepts(str(folder / "things.tsv"))
    place = {name: number for number, name in enumerate(WORLD.names)}
    random = np.random.default_rng(1)
    ranked = {}
    for video in WORLD.listing:
        others = random.choice(np.arange(NUM_OBJECTS - 8, NUM_OBJECTS), 5, replace=False)
        ranked[video.video] = [place[video.label], *others.tolist()], [0.5] * 6
    (folder / "er.json").write_text(json.dumps(ranked))
    listed = {video: Listed(of) for video, of in ranked.items()}
    kinds = {"objects": Finder("net", "1"), "other": Finder("net", "2"), "random": Finder("net", "random-1", True)}
    for name, found_by in kinds.items():
        ObjectLists(Vocabulary.of("things", concepts), found_by, 6, listed).write(folder / f"{name}.json")
    return folder


def settings(folder, **given):
    chosen = {**QUICK, "bert": folder / "bert", "bert_trains_from": "encoder.layer.1", **given}
    return [word for name, value in chosen.items() for word in ("--set", f"{name}={value}")]


def evaluated(folder, method, *words, out="report.json", **given):
    """What a run on the first split of the toy world reports."""
    done = gerund(
        "evaluate", method, "--on", "toyworld", "--splits", 0, *settings(folder, **given), *words, "--out", folder / out
    )
    assert done.exit_code == 0, done.output
    return json.loads((folder / out).read_text()), done.output


def with_objects(folder, name="objects.json"):
    return "--objects", folder / name, "--objects-vocabulary", folder / "things.tsv"


@pytest.mark.parametrize("method", ["elaborate", "elaborate-objects"])
def test_a_file_of_objects_serves_an_evaluation(folder, method):
    """Objects that name the class lead to it, chance being 1 in 16; report and rerun have them and their vocabulary."""
    report, text = evaluated(folder, method, *with_objects(folder))
    assert report["summary"]["top-1"]["mean"] > 20
    concepts = find_concepts(str(folder / "things.tsv"))
    assert report["method"]["settings"]["concepts"] == concepts.fingerprint
    assert report["features"]["objects"] == {
        "encoder": "net",
        "fingerprint": "1",
        "vocabulary": f"things (64 objects, {concepts.fingerprint})",
        "top": 6,
    }
    assert "objects encoder net" in text
    if method == "elaborate-objects":
        again = gerund("rerun", folder / "report.json")
        assert again.exit_code == 0 and "every figure" in again.output, again.output


def test_published_objects_serve_where_their_vocabulary_is_said(folder):
    """Elaborative Rehearsal's JSON with the vocabulary declared gives the figures of gerund's own file."""
    own, _ = evaluated(folder, "elaborate-objects", *with_objects(folder), epochs=1)
    theirs, _ = evaluated(folder, "elaborate-objects", *with_objects(folder, "er.json"), epochs=1)
    assert theirs["summary"] == own["summary"]
    assert theirs["features"]["objects"]["encoder"] == "unknown"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--objects", "{folder}/er.json"), "--objects-vocabulary imagenet21k"),
        (("--objects", "{folder}/objects.json"), "does not know by name"),
        (("--objects", "{folder}/objects.json", "--objects-vocabulary", "{folder}/glove.json"), "another object"),
        (("--objects", "{folder}/random.json", "--objects-vocabulary", "{folder}/things.tsv"), "random weights"),
        ((), "--objects FILE"),
    ],
)
def test_objects_that_cannot_be_right_are_refused(folder, words, said):
    """No vocabulary, another one, objects of a network that learned nothing, or none at all: refused in words."""
    words = [word.format(folder=folder) for word in words]
    done = gerund("evaluate", "elaborate", "--on", "toyworld", "--splits", 0, *settings(folder), *words)
    assert done.exit_code == 2, done.output
    assert said in done.output.replace("\n", " ")


def test_videos_without_objects_are_missing(folder):
    """A video that no objects are known of is told, or left out and counted."""
    few = json.loads((folder / "er.json").read_text())
    split = WORLD.benchmark.splits[0]
    for side in (split.seen, split.unseen):
        del few[next(video.video for video in WORLD.listing if video.label in side)]
    (folder / "few.json").write_text(json.dumps(few))
    words = ("evaluate", "elaborate-objects", "--on", "toyworld", "--splits", 0, *settings(folder, epochs=1))
    refused = gerund(*words, *with_objects(folder, "few.json"))
    assert refused.exit_code == 2 and "no objects, such as toy00" in refused.output.replace("\n", " ")
    report, _ = evaluated(folder, "elaborate-objects", *with_objects(folder, "few.json"), "--allow-missing", epochs=1)
    assert report["splits"][0]["missing"] == {"train": 1, "test": 1}


def test_a_trained_one_is_asked_with_the_objects_it_knows(folder):
    """Trained and taken up again it gives the figures of one run; objects that another network found are refused."""
    words = ("--on", "toyworld", "--splits", 0)
    trained = ("train", "elaborate-objects", *words, *settings(folder), *with_objects(folder))
    done = gerund(*trained, "--out", folder / "trained")
    assert done.exit_code == 0, done.output
    taken = ("evaluate", "elaborate-objects", *words, "--trained", folder / "trained", "--out", folder / "taken.json")
    assert gerund(*taken, *with_objects(folder)).exit_code == 0
    at_once, _ = evaluated(folder, "elaborate-objects", *with_objects(folder))
    assert json.loads((folder / "taken.json").read_text())["summary"] == at_once["summary"]
    refused = gerund(*taken, *with_objects(folder, "other.json"))
    assert refused.exit_code == 2 and "has learned from objects" in refused.output
    assert gerund(*taken, *with_objects(folder, "er.json")).exit_code == 0, "nobody knows who found them"
    (folder / "renamed.tsv").write_text((folder / "things.tsv").read_text().replace("thing", "object"))
    other = gerund(*taken, "--objects", folder / "er.json", "--objects-vocabulary", folder / "renamed.tsv")
    assert other.exit_code == 2 and "fingerprint" in other.output


@pytest.mark.parametrize("method", ["elaborate-video", "elaborate-objects"])
def test_word_vectors_serve_from_the_command_line(folder, method):
    """One kind of table: --vectors words=... is what text=words reads; without it that is asked for."""
    objects = with_objects(folder) if method == "elaborate-objects" else ()
    report, _ = evaluated(
        folder, method, *objects, "--vectors", f"words={folder}/glove.npy@{folder}/glove.json", text="words"
    )
    if method == "elaborate-objects":
        assert report["summary"]["top-1"]["mean"] > 20
    assert len(report["method"]["settings"]["words"]) == 16
    refused = gerund("evaluate", method, "--on", "toyworld", *settings(folder, text="words"), *objects)
    assert refused.exit_code == 2 and "--vectors words=" in refused.output.replace("\n", " ")


def test_published_settings_follow_the_kind_of_text(folder):
    """With word vectors the published epochs are 30, not 10."""
    from gerund.encoders.table import VectorTable

    table = VectorTable.read(folder / "glove.npy")
    assert Elaborate.paper("vse", text="words", words=table).epochs == 30
    assert Elaborate.paper("vse").epochs == 10


needs_minilm = pytest.mark.skipif(
    not all(is_here(find_asset(name)) for name in ("minilm", "minilm-tokenizer")),
    reason="MiniLM is not in the cache; 'gerund models get i3d-minilm'",
)


@needs_minilm
def test_minilm_in_berts_place_is_said(folder):
    """With bert=minilm the report's settings and a note say so, in every form; with a BERT there is no such note."""
    done = gerund(
        *("evaluate", "elaborate-video", "--on", "toyworld", "--splits", 0),
        *("--set", "bert=minilm", "--set", "epochs=1", "--set", "batch=400"),
        *("--out", folder / "minilm.json", "--markdown", folder / "minilm.md"),
    )
    assert done.exit_code == 0, done.output
    report = json.loads((folder / "minilm.json").read_text())
    assert report["method"]["settings"]["bert"] == "minilm"
    assert report["method"]["settings"]["bert_trains_from"] == "encoder.layer.4"
    said = "note: texts are read by MiniLM"
    assert said in done.output and said in (folder / "minilm.md").read_text()
    assert said in gerund("report", folder / "minilm.json").output
    assert said not in evaluated(folder, "elaborate-video", epochs=1)[1]


@needs_minilm
def test_minilm_reads_as_gerunds_own():
    """Its hidden states, averaged, are the sentence vectors of the encoder that the default model uses."""
    from gerund.assets import path_of
    from gerund.encoders.sentence import SentenceEncoder

    texts = ["riding a bicycle", "drum: a round percussion instrument"]
    backbone = BertBackbone(MINILM, trains_from="encoder.layer.4").eval()
    expected = SentenceEncoder(*(path_of(find_asset(name)) for name in ("minilm", "minilm-tokenizer")))(texts)
    with torch.no_grad():
        for text, vector in zip(backbone.tokenise(texts), expected, strict=True):
            ids = torch.tensor([text])
            mean = backbone(ids, torch.ones_like(ids).bool())[0].mean(0)
            np.testing.assert_allclose(torch.nn.functional.normalize(mean, dim=0), vector, atol=1e-4)
    trained = {name.split(".")[3] for name, of in backbone.named_parameters() if of.requires_grad}
    assert trained == {"4", "5"}, "the last two of its six layers"


def test_the_upper_layers_are_those_of_the_bert_at_hand():
    """MiniLM's last two are chosen in place of BERT's; a choice of one's own stays."""
    assert Elaborate(bert="minilm", streams="video").bert_trains_from == "encoder.layer.4"
    assert Elaborate(bert="minilm", streams="video", bert_trains_from="encoder.layer.5").bert_trains_from[-1] == "5"
    assert Elaborate(streams="video").bert_trains_from == "encoder.layer.10"
    assert Elaborate(bert="minilm", streams="video").remarks() and not Elaborate(streams="video").remarks()


def test_a_method_knows_its_vocabulary(folder):
    """What the numbers of its objects stand for, for whoever finds them; nothing where it looks at none."""
    concepts = find_concepts(str(folder / "things.tsv"))
    assert Elaborate(concepts=concepts).vocabulary is concepts
    assert Elaborate(concepts=concepts, streams="video").vocabulary is None
