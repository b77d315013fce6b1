"""Which texts should stand for actions: names, sentences around them, gerund's definitions, or all that TEAR uses?

    python benchmarks/texts.py ../shared/data [--json benchmarks/results/texts.json]

With the default model, twice. First by leaving Kinetics classes out, on real TSN scores of 100 Kinetics validation
videos, with the questions of `leave_out.py`. Then on the 30 labelled clips, among the full vocabulary of each clip's
data set: one to three clips a class, a smoke test and not a statistic.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from labelled_clips import VOCABULARIES
from leave_out import less_hubs, measure

import gerund
from gerund.encoders.base import unit
from gerund.encoders.conse import carry
from gerund.features import extract_many
from gerund.methods.similarity import Similarity
from gerund.methods.tear import Tear
from gerund.text.classes import ClassSpace, to_words
from gerund.text.descriptions import choose_texts
from gerund.video import Video

CHOICES = ("name", "templates", "descriptions")
TEAR = "TEAR: name, steps, description, context, objects"


def texts_by_choice(tear: Tear) -> dict[str, Callable[[ClassSpace], tuple[tuple[str, ...], ...]]]:
    found = {which: lambda space, which=which: choose_texts(space, which).texts for which in CHOICES}
    found[TEAR] = lambda space: tuple(tuple(text for _, text in tear.texts_of(name)) for name in space.names)
    return found


def leave_out(data: Path, tear: Tear) -> dict[str, dict[str, list[float]]]:
    scores = np.load(data / "predictions" / "k400_tsn_100val_scores.npz")
    logits = [np.log(scores[stream] + 1e-8) for stream in ("rgb", "flow")]
    logits.append(np.log((scores["rgb"] + scores["flow"]) / 2 + 1e-8))
    sentences = gerund.load("i3d-minilm-plain").encoder.encode_texts
    space = ClassSpace.parse("kinetics400")
    recipe = less_hubs(lambda given, kept, classes: carry(given, kept) @ classes.T)
    found = {}
    for choice, texts_of in texts_by_choice(tear).items():
        groups = texts_of(space)
        vectors = sentences([text for group in groups for text in group])
        vectors = unit(vectors - vectors.mean(axis=0))
        ends = np.cumsum([len(group) for group in groups])
        classes = unit(np.stack([part.mean(axis=0) for part in np.split(vectors, ends[:-1])]))
        ranks = measure(recipe, classes, logits, scores["label"])
        found[choice] = {name: [100 * float(np.mean(of <= k)) for k in (1, 5)] for name, of in ranks.items()}
    return found


def labelled_clips(data: Path, model: gerund.Model, tear: Tear) -> dict[str, list[int]]:
    with (data / "clips.csv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["dataset"] in VOCABULARIES and row["label"]]
    videos = [Video(data / row["file"]) for row in rows]
    tracks = [done.tracks[0] for done in extract_many(videos, [model.encoder], dense=False)]
    found = {choice: [0, 0, len(rows)] for choice in (*CHOICES, TEAR)}
    for row, track in zip(rows, tracks, strict=True):
        space = ClassSpace.parse(VOCABULARIES[row["dataset"]])
        truth = [name.lower() for name in space.names].index(to_words(row["label"]).lower())
        for choice, counts in found.items():
            if choice == TEAR:
                scores = tear.score([track], space)[0]
            else:
                scores = Similarity(model.encoder).score([track], choose_texts(space, choice))[0]
            place = int((scores > scores[truth]).sum())
            counts[0] += place == 0
            counts[1] += place < 5
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with clips.csv and predictions/k400_tsn_100val_scores.npz")
    parser.add_argument("--json", type=Path, help="where the figures go")
    settings = parser.parse_args()
    model = gerund.load()
    tear = Tear(model.encoder, templates=("{}",))
    left, clips = leave_out(settings.data, tear), labelled_clips(settings.data, model, tear)
    print("| texts | one out of 400: top-5 | 60 unseen: top-1, top-5 | 50 + 50 | 30 clips: top-1, top-5 |")
    print("|---|---|---|---|---|")
    for choice, of in left.items():
        pairs = [f"{of[key][0]:.1f}%, {of[key][1]:.1f}%" for key in ("unseen", "mixed")]
        print(f"| {choice} | {of['one out'][1]:.1f}% | {' | '.join(pairs)} | {clips[choice][0]}, {clips[choice][1]} |")
    if settings.json:
        content = {"model": model.name, "fingerprint": model.encoder.fingerprint, "leave_out": left, "clips": clips}
        settings.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
