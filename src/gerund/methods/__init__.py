"""Recognizers and localizers, one file each; those that learn need PyTorch only when they do."""

from gerund.methods.base import Localizer, Recognizer
from gerund.methods.baselines import UniformWindows, WholeVideo
from gerund.methods.bilinear import Bilinear
from gerund.methods.catalog import METHODS
from gerund.methods.contrast import Contrast
from gerund.methods.dem import Dem
from gerund.methods.eszsl import Eszsl
from gerund.methods.gcn import Gcn
from gerund.methods.similarity import Similarity
from gerund.methods.tear import Tear

__all__ = [
    "METHODS",
    "Bilinear",
    "Contrast",
    "Dem",
    "Eszsl",
    "Gcn",
    "Localizer",
    "Recognizer",
    "Similarity",
    "Tear",
    "UniformWindows",
    "WholeVideo",
]
