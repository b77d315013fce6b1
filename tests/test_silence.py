"""Nothing is opened because of what a file is called or says: a port on this machine stays silent."""

from __future__ import annotations

import json
import socket
import struct
from functools import partial

import pytest

from conftest import NETWORK, Listener
from gerund.encoders.weights.checkpoint import read_checkpoint
from gerund.errors import GerundError
from gerund.features import open_features
from gerund.text.descriptions.readers import read_descriptions


def test_the_guard_sees_a_way_out():
    """A connection to another machine is refused and noted, even by code that hides its errors."""
    before = len(NETWORK.asked)
    with pytest.raises(ConnectionRefusedError, match="no network"), socket.socket() as plug:
        plug.connect(("192.0.2.1", 80))
    assert NETWORK.asked.pop() == ("192.0.2.1", 80) and len(NETWORK.asked) == before


def test_the_listener_counts_its_visitors():
    """Whoever connects is counted, so that silence means something."""
    found = Listener()
    for _ in range(3):
        with socket.create_connection(found.address):
            pass
    found.wait_for(3)
    found.close()
    assert found.visits == 3


def test_names_and_contents_of_data_open_nothing(run, tmp_path, listener, monkeypatch):
    """Action lists, texts, score files, checkpoints and feature folders full of addresses bring nobody to the port."""
    monkeypatch.chdir(tmp_path)
    url = f"http://{listener.host}/x"
    (tmp_path / "actions.txt").write_text(f"{url}\nfile://{listener.host}/y\n")
    (tmp_path / "texts.jsonl").write_text(json.dumps({"name": url, "definition": url, "source": {"name": url}}) + "\n")
    (tmp_path / "truth.csv").write_text(f"video,label\n{url},{url}\n")
    (tmp_path / "found.csv").write_text(f"video,label,score\n{url},{url},1\n")
    for words in (
        ["descriptions", "lint", "texts.jsonl"],
        ["descriptions", "show", "actions.txt", "--in", "texts.jsonl"],
        ["score-labels", "--truth", "truth.csv", "--predictions", "found.csv"],
        ["models", "get", url],
        ["report", url],
        ["benchmarks", "check", "ucf101", "--data", url],
    ):
        result = run(*words)
        assert result.exit_code in (0, 1, 2) and "Traceback" not in result.output
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": url}}))
    header = json.dumps({"__metadata__": {"url": url}, url: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(4))
    assert list(read_checkpoint(tmp_path / "m.safetensors").tensors) == [url]
    (tmp_path / "t.yaml").write_text(f"a: !!python/object/apply:urllib.request.urlopen ['{url}']\n")
    refused = {
        read_checkpoint: tmp_path,
        read_descriptions: tmp_path / "t.yaml",
        partial(open_features, encoder="x", layout="arrays", fps=1, stride=1): url,
    }
    for reader, path in refused.items():
        with pytest.raises(GerundError):
            reader(path)
