"""Recognizers and localizers, one file each; those that learn need PyTorch only when they do."""

from gerund.methods.adapters import Pooled, Sliding
from gerund.methods.base import Localizer, Recognizer
from gerund.methods.card import MethodCard
from gerund.methods.catalog import methods
from gerund.methods.localizers.baselines import UniformWindows, WholeVideo
from gerund.methods.localizers.contrast import Contrast
from gerund.methods.recognizers.bilinear import Bilinear
from gerund.methods.recognizers.conse import Conse
from gerund.methods.recognizers.dem import Dem
from gerund.methods.recognizers.eszsl import Eszsl
from gerund.methods.recognizers.gcn import Gcn
from gerund.methods.recognizers.rows import Rows
from gerund.methods.recognizers.similarity import Similarity
from gerund.methods.recognizers.tear import Tear

__all__ = [
    "Bilinear",
    "Conse",
    "Contrast",
    "Dem",
    "Eszsl",
    "Gcn",
    "Localizer",
    "MethodCard",
    "Pooled",
    "Recognizer",
    "Rows",
    "Similarity",
    "Sliding",
    "Tear",
    "UniformWindows",
    "WholeVideo",
    "methods",
]
