"""Encoders of others: registered from above, or one more file among the families."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import gerund
from gerund.cli import app
from gerund.encoders import EncoderCard, VideoOnly, Window, catalog, families
from gerund.encoders.catalog import encoders, register
from gerund.errors import UsageError
from gerund.features import FeatureStore
from stub import write_colours


def run(*words):
    """Types a command."""
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def video(tmp_path):
    """Eight frames in a second, red."""
    return write_colours(tmp_path / "video.mp4", ["red"])


class Middle(VideoOnly):
    """The mean colour of the middle frame: all that an encoder of videos has to write."""

    name, dim, fingerprint = "middle", 3, "middle-1"

    def sample(self, video, *, dense):
        return [Window(np.array([video.num_frames // 2]), np.array([[0, video.num_frames]]))]

    def raw_windows(self, frames, *, dense):
        return frames.mean(axis=(2, 3)).astype(np.float32)


CARD = EncoderCard("middle", "the colour in the middle", "video", lambda order: Middle(), dim=3)


@pytest.fixture
def mine(monkeypatch):
    """A registry that is put back."""
    monkeypatch.setattr(catalog, "_registered", dict(catalog._registered))
    register(CARD)


def test_an_encoder_that_was_registered(mine, video, tmp_path):
    """It is listed, loaded by name and extracted with, unit vectors included; its name cannot be taken again."""
    assert encoders()[-1] is CARD
    assert gerund.load("middle").name == "middle"
    assert "middle  video, 3 numbers" in run("models").stdout
    assert "needs       nothing" in run("models", "show", "middle").stdout
    assert run("extract", video, "--encoder", "middle", "--out", tmp_path / "out").exit_code == 0
    kept = FeatureStore(tmp_path / "out").read("video").vectors
    assert kept.shape == (1, 3) and np.linalg.norm(kept) == pytest.approx(1)
    register(CARD)
    for taken in (replace(CARD, what="another"), replace(CARD, name="c3d")):
        with pytest.raises(UsageError, match="already"):
            register(taken)


def test_a_family_is_one_file(monkeypatch, tmp_path):
    """A file with CARDS among the families is all that a new encoder takes."""
    (tmp_path / "brightness.py").write_text(
        "from gerund.encoders import EncoderCard\n"
        "CARDS = (EncoderCard('brightness', 'how light it is', 'video', lambda order: None, published='here'),)\n"
    )
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    catalog._built_in.cache_clear()
    try:
        assert "brightness" in [card.name for card in encoders()]
    finally:
        monkeypatch.undo()
        catalog._built_in.cache_clear()
