"""Which texts should stand for actions: names, sentences around them, gerund's definitions, or all that TEAR uses?

    python benchmarks/texts.py ../shared/data [--out benchmarks/results/texts.md]

With the default model, as Reports. First Kinetics classes are left out: 40 draws of 60 unseen classes, on real TSN
scores of 100 Kinetics validation videos (RGB, flow and their sum), carried from the 340 others as the default model
carries I3D's. Then the 30 labelled clips, each data set a split, among its full vocabulary: one to three clips a class,
a smoke test and not a statistic.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from labelled_clips import VOCABULARIES

import gerund
from gerund.bench import Benchmark, Listing, Material, Report, Split, run
from gerund.bench.datasets import ListedVideo
from gerund.bench.runs.report import make_report
from gerund.encoders.base import unit
from gerund.encoders.conse import carry
from gerund.examples import Inputs
from gerund.features import extract_many
from gerund.methods.recognizers.similarity import Similarity
from gerund.methods.recognizers.tear import Tear
from gerund.text.classes import ClassSpace, read_vocabulary, to_words
from gerund.text.descriptions import choose_texts
from gerund.video import Video

DRAWS, UNSEEN, NEIGHBOURS = 40, 60, 10
TEAR = "TEAR's: name, steps, description, context, objects"


class Kept:
    """Features in memory, by the id of the video."""

    def __init__(self, tracks, encoder):
        self._tracks, self._encoder = tracks, encoder

    def ids(self):
        """All videos."""
        return list(self._tracks)

    def tracks(self, ids):
        """Their tracks, in the order asked for."""
        return [self._tracks[video] for video in ids]

    def describe(self):
        """What they are."""
        return {"encoder": self._encoder, "fingerprint": self._encoder, "sampling": "own"}


class Carried:
    """The default model's recipe on scores of named actions: those of unseen classes are not looked at."""

    takes = "vector"

    def __init__(self, sentences, names):
        self._sentences, self._place_of = sentences, {name: place for place, name in enumerate(names)}

    def fit(self, examples, classes):
        """Takes up the names of the seen classes; their videos are not looked at."""
        self.columns_ = [self._place_of[name] for name in classes.names]
        self.centre_ = np.concatenate(self._raw(classes)).mean(axis=0)
        self.seen_ = self._vectors(classes)
        return self

    def score(self, inputs, classes):
        """Scores of videos and classes."""
        asked = self._vectors(classes)
        hubs = np.sort(asked @ self.seen_.T, axis=1)[:, -NEIGHBOURS:].mean(axis=1) / 2
        return carry(inputs.vectors[:, self.columns_], self.seen_) @ asked.T - hubs

    def _raw(self, classes):
        return [np.stack([self._sentences[text] for text in texts]) for texts in classes.texts]

    def _vectors(self, classes):
        return unit(np.stack([unit(raw - self.centre_).mean(axis=0) for raw in self._raw(classes)]))


def left_out(data: Path, choices: dict[str, Callable[[ClassSpace], ClassSpace]]) -> dict[str, Report]:
    scores = np.load(data / "predictions" / "k400_tsn_100val_scores.npz")
    names = read_vocabulary("kinetics400")
    streams = {"rgb": scores["rgb"], "flow": scores["flow"], "sum": (scores["rgb"] + scores["flow"]) / 2}
    vectors, videos = {}, []
    for stream, matrix in streams.items():
        for video, label, track in zip(scores["video"], scores["label"], Inputs.of(np.log(matrix + 1e-8)), strict=True):
            videos.append(ListedVideo(f"{video} {stream}", names[label]))
            vectors[videos[-1].video] = track
    splits = []
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(len(names))
        unseen = tuple(names[place] for place in order[:UNSEEN])
        splits.append(Split(str(draw), tuple(name for name in names if name not in unseen), unseen))
    listing, kept = Listing("kinetics400", tuple(videos)), Kept(vectors, "TSN scores")
    stand_ins = Listing("kinetics400", tuple(ListedVideo(f"stand-in {name}", name) for name in names))
    blank = Inputs.of(np.zeros((len(names), len(names)), np.float32))  # every seen class counts, few have a video
    trained = Kept({video.video: track for video, track in zip(stand_ins, blank, strict=True)}, "TSN scores")
    note = "TSN has learned all 400 classes; what is left out are its scores of the 60, not their training videos."
    benchmark = Benchmark(
        "kinetics400-60-left-out", "recognition", "kinetics400", "kinetics400", tuple(splits), note=note
    )
    encode = gerund.load("i3d-minilm-plain").encoder.encode_texts
    found = {}
    for choice, texts in choices.items():
        everything = list(dict.fromkeys(text for of in texts(ClassSpace(names)).texts for text in of))
        sentences = dict(zip(everything, encode(everything), strict=True))
        material = Material(stand_ins, listing, trained, kept, class_texts=texts)
        runs = list(run(benchmark, partial(Carried, sentences, names), material))
        found[choice] = report(benchmark, runs, "the default model's recipe", kept, choice)
    return found


def labelled_clips(data: Path, model: gerund.Model, choices, tear: Tear) -> dict[str, Report]:
    with (data / "clips.csv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["dataset"] in VOCABULARIES and row["label"]]
    done = extract_many([Video(data / row["file"]) for row in rows], [model.encoder], dense=False)
    kept = Kept({row["file"]: one.tracks[0] for row, one in zip(rows, done, strict=True)}, model.name)
    spaces = {
        dataset: ClassSpace.parse(VOCABULARIES[dataset]).names for dataset in dict.fromkeys(r["dataset"] for r in rows)
    }
    videos = []
    for row in rows:
        label = next(n for n in spaces[row["dataset"]] if n.lower() == to_words(row["label"]).lower())
        videos.append(ListedVideo(row["file"], label, lists=frozenset({row["dataset"]})))
    splits = tuple(Split(dataset, (), names, test_list=dataset) for dataset, names in spaces.items())
    benchmark, listing = (
        Benchmark("labelled-clips", "recognition", "clips", "clips", splits),
        Listing("clips", tuple(videos)),
    )
    found = {}
    for choice, texts in choices.items():
        method = tear if choice == TEAR else Similarity(model.encoder)
        material = Material(listing, listing, kept, kept, class_texts=None if choice == TEAR else texts)
        runs = list(run(benchmark, lambda method=method: method, material))
        found[choice] = report(benchmark, runs, type(method).__name__, kept, choice, trained_on=["kinetics400"])
    return found


def report(benchmark, runs, method, kept, choice, **known) -> Report:
    return make_report(
        benchmark, runs, method=method, features={"test": kept.describe()}, texts={"kind": choice}, **known
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with clips.csv and predictions/k400_tsn_100val_scores.npz")
    parser.add_argument("--out", type=Path, help="where the reports go, as Markdown")
    settings = parser.parse_args()
    model = gerund.load()
    tear = Tear(model.encoder, templates=("{}",))
    choices = {which: partial(choose_texts, which=which) for which in ("name", "templates", "descriptions")}
    choices[TEAR] = lambda space: ClassSpace(space.names, tuple(map(tuple, tear.texts_for(space))), as_given=True)
    left, clips = left_out(settings.data, choices), labelled_clips(settings.data, model, choices, tear)
    lines = [
        "| texts | 60 unseen classes: top-1 | top-5 | 30 clips: first | in the first five |",
        "|---|---|---|---|---|",
    ]
    for choice in choices:
        spread = [left[choice].content["summary"][name] for name in ("top-1", "top-5")]
        cells = [f"{of['mean']:.1f} ± {of['population_std']:.1f} %" for of in spread]
        splits = clips[choice].content["splits"]
        hits = [sum(round(s["metrics"][name] / 100 * s["num_test"]) for s in splits) for name in ("top-1", "top-5")]
        lines.append(f"| {choice} | {' | '.join([*cells, *map(str, hits)])} |")
    print("\n".join(lines))
    if settings.out:
        whole = [f"# Report: {choice}\n\n{of[choice].to_markdown()}" for of in (left, clips) for choice in choices]
        settings.out.write_text("\n".join([*lines, "", *whole]), encoding="utf-8")


if __name__ == "__main__":
    main()
