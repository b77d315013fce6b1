"""Recognizers and localizers, one file each; those that learn need PyTorch only when they do."""

from gerund.methods.base import Localizer, Recognizer
from gerund.methods.catalog import METHODS
from gerund.methods.localizers.baselines import UniformWindows, WholeVideo
from gerund.methods.localizers.contrast import Contrast
from gerund.methods.recognizers.bilinear import Bilinear
from gerund.methods.recognizers.dem import Dem
from gerund.methods.recognizers.eszsl import Eszsl
from gerund.methods.recognizers.gcn import Gcn
from gerund.methods.recognizers.similarity import Similarity
from gerund.methods.recognizers.tear import Tear

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
