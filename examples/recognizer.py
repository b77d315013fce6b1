"""A recognizer of yours: ridge regression from videos to the texts of their classes, nearest text wins.

gerund evaluate examples/recognizer.py:Ridge --on toyworld --set strength=0.1,1,10
gerund train examples/recognizer.py:Ridge --videos clips/ --out trained/
gerund classify new/ --method examples/recognizer.py:Ridge --trained trained/ --actions "first action, second action"
"""

from __future__ import annotations

import numpy as np

from gerund import ClassSpace, Examples, Inputs


class Ridge:
    """Learns one matrix from the vectors of videos to those of class names."""

    takes = "vector"

    def __init__(self, texts, strength: float = 1.0) -> None:
        self.texts = texts  # turns class names into vectors
        self.strength = strength
        self.map_ = None

    def fit(self, examples: Examples, classes: ClassSpace) -> Ridge:
        """Examples show seen classes alone; `classes` are their names."""
        x = examples.inputs.vectors
        y = self.texts.encode_classes(classes)[examples.labels]
        self.map_ = np.linalg.solve(x.T @ x + self.strength * np.eye(x.shape[1]), x.T @ y)
        return self

    def score(self, inputs: Inputs, classes: ClassSpace) -> np.ndarray:
        """Any names may be asked about, seen or not: that is what zero-shot means."""
        mapped = inputs.vectors @ self.map_
        mapped /= np.linalg.norm(mapped, axis=1, keepdims=True)
        return mapped @ self.texts.encode_classes(classes).T

    def state(self) -> dict[str, np.ndarray]:
        """What was learned, so that 'gerund train' can keep it."""
        return {} if self.map_ is None else {"map": self.map_}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Takes up what `state` gave."""
        self.map_ = state["map"]
