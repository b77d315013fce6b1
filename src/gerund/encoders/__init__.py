"""Frames and texts into one space."""

from gerund.encoders.base import Encoder, TextHalf, TextOnly, VideoHalf, VideoOnly, Window
from gerund.encoders.card import EncoderCard, Order

__all__ = ["Encoder", "EncoderCard", "Order", "TextHalf", "TextOnly", "VideoHalf", "VideoOnly", "Window"]
