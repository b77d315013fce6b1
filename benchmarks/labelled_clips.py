"""Smoke test on real labelled clips: top-1 and top-5 among the full vocabulary of each clip's data set.

    python benchmarks/labelled_clips.py ../shared/data [--model i3d-minilm]

One to three clips a class: a check that everything works, not a statistic; nothing may be tuned on it.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path

import gerund
from gerund.methods.localizers.contrast import overlap
from gerund.text.classes import to_words

VOCABULARIES = {
    "UCF101": "ucf101",
    "HMDB51": "hmdb51",
    "Kinetics-400": "kinetics400",
    "Kinetics-400 vocabulary": "kinetics400",
    "ActivityNet 1.3 validation": "activitynet200",
    "THUMOS14": "thumos14",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with clips.csv")
    parser.add_argument("--model", default="i3d-minilm")
    settings = parser.parse_args()
    with (settings.data / "clips.csv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["dataset"] in VOCABULARIES and row["label"]]
    model = gerund.load(settings.model)

    places: dict[str, list[int | None]] = defaultdict(list)
    misses = []
    for row in rows:
        answer = model.classify(settings.data / row["file"], VOCABULARIES[row["dataset"]])
        names = [item.action.lower() for item in answer.actions]
        label = to_words(row["label"]).lower()
        place = names.index(label) + 1 if label in names else None
        places[row["dataset"]].append(place)
        if place != 1:
            misses.append(f"{row['dataset']}: {label} at {place or 'below 5'}; said {', '.join(names[:3])}")

    print(f"| {model.name} | clips | top-1 | top-5 |\n|---|---|---|---|")
    everything = [place for found in places.values() for place in found]
    for name, found in [*sorted(places.items()), ("all", everything)]:
        top5 = sum(place is not None for place in found)
        print(f"| {name} | {len(found)} | {found.count(1)} | {top5} |")
    print("\nnot first:\n  " + "\n  ".join(misses))

    print("\nlocate, best overlap of a segment of the right class with an official one (of the first-ranked one):")
    for row in rows:
        if row["segments_s"]:
            label = to_words(row["label"])
            found = model.locate(settings.data / row["file"], VOCABULARIES[row["dataset"]])
            official = [gerund.Segment(a, b, label, 1.0, 1.0) for a, b in json.loads(row["segments_s"])]
            own = [max(overlap(item, truth) for truth in official) for item in found if item.action == label]
            print(f"  {row['file']}: {max(own, default=0):.2f} ({own[0] if own else 0:.2f})")


if __name__ == "__main__":
    main()
