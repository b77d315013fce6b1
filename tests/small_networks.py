"""The networks of the catalogue a few layers deep and a few channels wide, so that a test can run them all."""

from __future__ import annotations

from itertools import pairwise

from gerund.encoders import towers
from gerund.encoders.networks import bit, c3d, efficientnet, r2plus1d, tsm

DIMS = {"tsm-r50": 32, "c3d": 24, "r2plus1d-18": 32, "bit": 128, "siglip2-b16": 64}
"""Lengths of the vectors where they differ from those of the real networks."""


def narrow(monkeypatch):
    """Makes the networks narrow; frames, clips and sizes of pictures stay as they are."""
    monkeypatch.setattr(tsm, "BLOCKS", (1, 1, 1, 1))
    monkeypatch.setattr(tsm, "WIDTHS", (8, 8, 8, 8))
    monkeypatch.setattr(tsm, "FEATURE_DIM", DIMS["tsm-r50"])
    monkeypatch.setattr(tsm.Tsm, "dim", DIMS["tsm-r50"])
    monkeypatch.setattr(r2plus1d, "BLOCKS_PER_STAGE", 1)
    monkeypatch.setattr(r2plus1d, "WIDTHS", (8, 16, 24, 32))
    monkeypatch.setattr(r2plus1d.R2Plus1d, "dim", DIMS["r2plus1d-18"])
    widths = dict(zip(c3d._CONVOLUTIONS, pairwise([3, 4, 4, 6, 6, 8, 8, 8, 8]), strict=True))
    monkeypatch.setattr(c3d, "_CONVOLUTIONS", widths)
    monkeypatch.setattr(c3d, "FEATURE_DIM", DIMS["c3d"])
    monkeypatch.setattr(c3d.C3d, "dim", DIMS["c3d"])
    monkeypatch.setattr(bit, "BLOCKS", (1, 1, 1, 1))
    monkeypatch.setattr(bit, "WIDTHS", (32, 32, 32, 32))
    monkeypatch.setattr(bit, "FEATURE_DIM", DIMS["bit"])
    monkeypatch.setattr(efficientnet, "_STAGES", ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (1, 3, 2, 6, 80)))
    for name, patch_px, dim in (("clip-b32", 32, 512), ("clip-b16", 16, 512), ("clip-l14", 14, 768)):
        monkeypatch.setitem(towers.CONFIGS, name, towers._clip(patch_px, 64, 1, dim))
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    siglip = {"model_type": "siglip", "vision_config": sizes, "text_config": sizes}
    monkeypatch.setitem(towers.CONFIGS, "siglip2-b16", siglip)
    for name, (size_px, patch_px, _, _) in tuple(towers.PERCEPTION.items()):
        monkeypatch.setitem(towers.PERCEPTION, name, (size_px, patch_px, 64, 1))
