"""Recognizers and localizers, one file each."""

from gerund.methods.base import Localizer, Recognizer
from gerund.methods.baselines import UniformWindows, WholeVideo
from gerund.methods.contrast import Contrast
from gerund.methods.similarity import Similarity

__all__ = ["Contrast", "Localizer", "Recognizer", "Similarity", "UniformWindows", "WholeVideo"]
