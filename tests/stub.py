"""A small encoder whose answers are known by hand: it sees colours and reads their names."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gerund.encoders.base import Window, unit

COLOURS = ("red", "green", "blue")


class ColourEncoder:
    """Frames to their mean colour, texts to the colours they name; four frames make one vector when dense."""

    name = "colour-stub"
    dim = 3
    batch = 2
    logit_scale = 10.0
    fingerprint = "colour-stub-1"

    def sample(self, video, *, dense):
        numbers = np.arange(video.num_frames)
        if not dense:
            return [Window(numbers, np.array([[0, video.num_frames]]))]
        bounds = [*range(0, video.num_frames, 4), video.num_frames]
        return [Window(np.arange(a, b), np.array([[a, b]])) for a, b in pairwise(bounds) if b > a]

    def prepare(self, picture):
        return picture[:8, :8]

    def encode_windows(self, frames, *, dense):
        return unit(frames.reshape(len(frames), 1, -1, 3).mean(axis=2).astype(np.float32))

    def encode_texts(self, texts):
        words = np.array([[colour in text for colour in COLOURS] for text in texts], np.float32)
        return unit(words + 1e-3)

    def texts_of(self, classes):
        return classes.texts

    def encode_classes(self, classes):
        return unit(np.stack([self.encode_texts(texts).mean(axis=0) for texts in classes.texts]))

    def unfamiliar(self, classes):
        return [name for name in classes.names if not any(colour in name for colour in COLOURS)]

    def remarks(self):
        return []

    def graphs(self):
        return {}

    def hubness(self, class_vectors):
        return np.zeros(len(class_vectors), np.float32)


def write_colours(path, colours, fps=8):
    """An H.264 video with one second of each named colour in turn."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for colour in colours:
            picture = np.full((32, 32, 3), 10, np.uint8)
            picture[..., COLOURS.index(colour)] = 240
            for _ in range(fps):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


class Rounded:
    """A video of 20 frames a second whose times are a little less than they should be, as after rounding."""

    num_frames, duration_s = 40, 2.0

    def __init__(self, less_s):
        self.times_s = np.arange(40) / 20 - less_s

    def frames_at(self, times_s):
        return np.searchsorted(self.times_s, times_s, side="right") - 1
