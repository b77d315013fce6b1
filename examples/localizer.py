"""A localizer of yours: each action wherever the video agrees with it clearly more than on average.

gerund locate match.mp4 --actions "long jump, running" --method examples/localizer.py:Peaks
"""

from __future__ import annotations

import numpy as np

from gerund import ClassSpace, Segment, Segments, Track


class Peaks:
    """Stretches of the track whose cosine with an action is some standard deviations above the mean."""

    takes = "track"
    training_free = True

    def __init__(self, encoder, deviations: float = 1.0) -> None:
        self.encoder = encoder  # made the track, and turns class names into vectors of the same space
        self.deviations = deviations

    def fit(self, examples=None, classes=None) -> Peaks:
        """Nothing is learned."""
        return self

    def locate(self, track: Track, classes: ClassSpace) -> Segments:
        """Segments in seconds, half-open; their score ranks them."""
        cosines = track.vectors @ self.encoder.encode_classes(classes).T
        share = np.exp(cosines.mean(axis=0) * self.encoder.logit_scale)
        share /= share.sum()
        found = []
        for place, action in enumerate(classes.names):
            height = (cosines[:, place] - cosines[:, place].mean()) / (cosines[:, place].std() + 1e-6)
            edges = np.flatnonzero(np.diff(np.r_[0, height > self.deviations, 0]))
            for first, end in edges.reshape(-1, 2):
                start_s, end_s = float(track.spans_s[first, 0]), float(track.spans_s[end - 1, 1])
                score = float(height[first:end].mean() * share[place])
                found.append(Segment(start_s, end_s, action, score, float(share[place])))
        return Segments(found)
