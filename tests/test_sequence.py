"""The commands of docs/research.md from a folder of videos to a trained method, typed as they stand there."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="Elaborate learns with PyTorch")
transformers = pytest.importorskip("transformers", reason="Elaborate reads texts with a BERT of transformers")

import gerund.api  # noqa: E402
from gerund.api import Model  # noqa: E402
from gerund.cli import app  # noqa: E402
from gerund.encoders.base import VideoOnly, Window, unit  # noqa: E402
from gerund.encoders.objects import ObjectNetwork  # noqa: E402
from gerund.features import object_lists, objects, open_features  # noqa: E402
from gerund.text.objects import Concepts  # noqa: E402
from gerund.video.transforms import Preparation  # noqa: E402
from gerund.video.workers import Reading  # noqa: E402
from small_networks import narrow  # noqa: E402
from stub import COLOURS, write_colours  # noqa: E402

RESEARCH = Path(__file__).resolve().parents[1] / "docs" / "research.md"
SECTION = "## From your videos to a trained method\n"
SHOWS = {"punching": "red", "juggling": "green", "waving": "blue"}
"""What the videos of a class look like here."""


class Seen(VideoOnly):
    """Stands for I3D: the mean colour of all frames, and no text side."""

    name, dim, fingerprint = "i3d", 3, "seen-1"

    def sample(self, video, *, dense):
        return [Window(np.arange(video.num_frames), np.array([[0, video.num_frames]]))]

    def prepare(self, picture):
        return picture[:8, :8]

    def encode_windows(self, frames, *, dense):
        return unit(frames.reshape(len(frames), 1, -1, 3).mean(axis=2).astype(np.float32))


class Things(ObjectNetwork):
    """Stands for EfficientNet-Lite: finds the colour of a picture first."""

    name, dim, fingerprint = "efficientnet-lite0-logits", 3, "things-1"
    preparation = Preparation(8, 8)

    def __init__(self):
        """No graph and no weights."""

    def __call__(self, frames):
        return frames.reshape(len(frames), -1, 3).mean(axis=1).astype(np.float32) / 100


def commands():
    """The commands of the section, as words, without the program's name."""
    text = RESEARCH.read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    block = text.partition("```bash\n")[2].partition("```")[0]
    typed = [shlex.split(line, comments=True) for line in block.splitlines() if line.strip()]
    assert all(words[0] == "gerund" for words in typed)
    return [words[1:] for words in typed]


def small_bert(folder):
    """A BERT of two layers that knows the names of actions and colours."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ":", *SHOWS, *COLOURS]
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=40,
    )
    model = transformers.BertModel(config)
    torch.nn.init.normal_(model.embeddings.word_embeddings.weight)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return folder


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Types a command in a folder with videos; what it would have to fetch is small and made up."""
    narrow(monkeypatch)
    original = gerund.api.load
    monkeypatch.setattr(
        gerund.api, "load", lambda name, **given: Model(Seen()) if name == "i3d" else original(name, **given)
    )
    monkeypatch.setattr(objects, "open_object_network", lambda *_, **__: Things())
    monkeypatch.setattr(objects, "vocabulary_of", lambda _: "imagenet1k")
    concepts = Concepts(COLOURS, ("",) * 3)
    monkeypatch.setattr(objects, "find_concepts", {"imagenet1k": concepts}.__getitem__)
    monkeypatch.setattr(object_lists, "find_concepts", {"imagenet1k": concepts}.__getitem__)
    monkeypatch.setenv("GERUND_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name, colour in SHOWS.items():
        for folder, video in ((f"set/{name}", "1"), (f"set/{name}", "2"), ("test", name)):
            Path(folder).mkdir(parents=True, exist_ok=True)
            write_colours(Path(folder) / f"{video}.mp4", [colour])
    Path("test.csv").write_text("video,label\n" + "".join(f"{name}.mp4,{name}\n" for name in SHOWS))
    bert = f"bert={small_bert(tmp_path / 'bert')}"
    sizes = ("dim=16", "top_objects=1", "rehearsed_objects=1", "epochs=2")
    given = ("bert_trains_from=encoder.layer.1", *sizes)
    small = [word for setting in given for word in ("--set", setting)]

    def run(words):
        words = [bert if word == "bert=minilm" else word for word in words]
        done = CliRunner().invoke(app, [*words, *(small if bert in words else [])])
        assert done.exit_code == 0, (words, done.output)
        return done

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield run
    torch.set_num_threads(before)


def test_the_documented_commands_run_one_after_the_other(typed, monkeypatch):
    """Each ends well and finds what those before it have written; every test video is ranked."""
    passes = []
    pictures = Reading.pictures
    monkeypatch.setattr(Reading, "pictures", lambda self, *asked: (passes.append(1), pictures(self, *asked))[1])
    done, decoded = {}, {}
    for words in commands():
        before = len(passes)
        done[" ".join(words[:2])] = typed(words).output
        decoded[words[0]] = len(passes) - before
    assert {words[0] for words in commands()} == {"extract", "objects", "train", "classify", "score-labels"}
    for name in ("tsm-r50", "c3d", "bit"):
        tried = open_features(Path("trial"), encoder=name)
        assert tried.fingerprint.startswith("random-") and len(tried.ids()) == 6
        assert f"{name}: its weights are random" in done["extract set/"]
    assert decoded["extract"] > 0 and decoded["train"] == 0, "the features were there"
    lesson = json.loads(Path("trained/lesson.json").read_text())
    assert (lesson["encoder"], lesson["object_network"]) == ("i3d", "efficientnet-lite0")
    assert lesson["videos"] == dict.fromkeys(sorted(SHOWS), 2)
    with Path("answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name in SHOWS:
        ranked = [row["action"] for row in rows if Path(row["video"]).stem == name]
        assert sorted(ranked) == sorted(SHOWS) and not any(row["error"] for row in rows)
    assert "of 3 answered" in done["score-labels --truth"]
    without = ["classify", "test", "--trained", "trained", "--model", "i3d", "--actions", "waving, punching"]
    refused = CliRunner().invoke(app, without)
    assert refused.exit_code == 2 and "give them (--objects FILE)" in refused.output
