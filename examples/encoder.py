"""An encoder of yours: where in the picture there is which colour. No network, and no words.

gerund extract clips/ --encoder examples/encoder.py:Colours --out features/
gerund train eszsl --features features/ --labels labels.csv --model minilm --out trained/
"""

from __future__ import annotations

import numpy as np

from gerund.encoders import VideoOnly, Window
from gerund.video.transforms import Preparation


class Colours(VideoOnly):
    """Mean colours of a grid of 4 x 4, of eight frames over the video. Its fingerprint is this file's hash."""

    name = "colours"
    dim = 48
    batch = 16
    preparation = Preparation(32, short_px=32)  # shorter side to 32 pixels, then the central square

    def sample(self, video, *, dense):
        """Frames to look at, and for each the frames that its vector speaks for."""
        borders = np.linspace(0, video.num_frames, min(8, video.num_frames) + 1).astype(int)
        spans = np.stack([borders[:-1], borders[1:]], axis=1)
        return [Window(np.array([(a + b) // 2]), np.array([[a, b]])) for a, b in spans]

    def raw_windows(self, frames, *, dense):
        """Prepared frames ``[B, 1, 32, 32, 3]``, uint8, to ``[B, 1, 48]``."""
        grid = frames.reshape(len(frames), 1, 4, 8, 4, 8, 3).mean(axis=(3, 5))
        return (grid.reshape(len(frames), 1, 48) / 255).astype(np.float32)
