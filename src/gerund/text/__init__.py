"""Words, nothing about pixels: action names and the texts that stand for them."""

from gerund.text.classes import ClassSpace

__all__ = ["ClassSpace"]
