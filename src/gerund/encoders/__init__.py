"""Frames and texts into one space."""

from gerund.encoders.base import Encoder
from gerund.encoders.conse import ConseEncoder

__all__ = ["ConseEncoder", "Encoder"]
