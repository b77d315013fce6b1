"""How few frames are enough for one answer, and how much context a chunk needs: measured without any label.

    python benchmarks/few_frames.py VIDEO...

The answer from a few windows is compared with the answer from one pass over all frames (cosine), and a dense track made
in chunks with the one made in one pass. Videos of about ten seconds are meant; the first 240 frames are taken.
"""

from __future__ import annotations

import sys

import numpy as np

import gerund
from gerund.encoders.base import unit
from gerund.encoders.conse import ConseEncoder
from gerund.video.sampling import spread_windows

WINDOWS = ((8, 16), (4, 32), (2, 64), (3, 48), (2, 72), (2, 80), (3, 56), (3, 64), (2, 96), (4, 64))
CONTEXTS = ((1, 8), (2, 8), (3, 8), (1, 16), (2, 16), (3, 16))


def main() -> None:
    encoder = ConseEncoder()
    few = {setting: [] for setting in WINDOWS}
    chunked = {setting: [] for setting in CONTEXTS}
    for path in sys.argv[1:]:
        video = gerund.Video(path)
        count = min(video.num_frames, 240) // 8 * 8
        frames = np.stack([encoder.prepare(picture) for _, picture in video.frames(range(count))])
        whole = encoder.encode_windows(frames[None], dense=False)[0, 0]
        track = encoder.encode_windows(frames[None], dense=True)[0]
        for windows, length in WINDOWS:
            rows = spread_windows(count, length, windows)
            vectors = [encoder.encode_windows(frames[row][None], dense=False)[0, 0] for row in rows]
            few[windows, length].append(float(unit(np.mean(vectors, axis=0)) @ whole))
        steps = count // 8
        for context, length in CONTEXTS:
            parts = []
            for first in range(0, steps, length):
                end = min(first + length, steps)
                begin, stop = max(first - context, 0), min(end + context, steps)
                vectors = encoder.encode_windows(frames[None, begin * 8 : stop * 8], dense=True)[0]
                parts.append(vectors[first - begin : end - begin])
            chunked[context, length].append((np.concatenate(parts) * track).sum(axis=1))

    print("| windows x frames | frames | mean cosine | worst |\n|---|---|---|---|")
    for (windows, length), cosines in few.items():
        print(f"| {windows} x {length} | {windows * length} | {np.mean(cosines):.3f} | {np.min(cosines):.3f} |")
    print("\n| context + steps | times the work | mean cosine | worst step |\n|---|---|---|---|")
    for (context, length), cosines in chunked.items():
        work, together = (length + 2 * context) / length, np.concatenate(cosines)
        print(f"| {context} + {length} | {work:.2f} | {together.mean():.4f} | {together.min():.3f} |")


if __name__ == "__main__":
    main()
