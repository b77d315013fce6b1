"""The leakage audit: planted leaks are found, counted and left out, and the known ones of real protocols too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import gerund.bench.datasets
import gerund.bench.protocols.benchmarks
from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.protocols.audit import (
    SEEN,
    Duplicate,
    always_together,
    audit,
    duplicate_annotations,
    footage,
    overlap_free,
    training_classes,
)
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.cli.audit import audit as audit_command
from gerund.errors import GerundError
from gerund.text.classes import read_vocabulary
from gerund.text.similar import near_names

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
THUMOS = DATA / "annotations" / "thumos14_tsp.json"
needs_thumos = pytest.mark.skipif(not THUMOS.exists(), reason=f"the shared annotations are not here ({THUMOS})")

LEAKY = Split("0", seen=("CliffDive", "Bowling"), unseen=("cliff diving", "AnyDive", "ride_bike", "YoYo"))


def leaky(**changes):
    """A protocol with one class on both sides, spelled differently, beside a clean one."""
    clean = Split("1", seen=("YoYo",), unseen=("Bowling", "AnyDive"))
    return Benchmark(
        **{"name": "leaky", "task": "recognition", "train_on": "a", "test_on": "a"}
        | {"splits": (LEAKY, clean)}
        | changes
    )


def annotated():
    """Three videos: every CliffDive is an AnyDive with the same times, but for one of two in the test video."""

    def video(name, subset, *segments):
        return ListedVideo(name, segments[0][2], subset, segments=segments)

    return Listing(
        "a",
        (
            video("t1", "training", (1.0, 2.0, "CliffDive"), (1.0, 2.0, "AnyDive"), (5.0, 6.0, "AnyDive")),
            video("t2", "training", (3.0, 4.0, "CliffDive"), (3.0, 4.0004, "AnyDive"), (7.0, 9.0, "YoYo")),
            video("e1", "test", (0.0, 1.0, "AnyDive"), (2.0, 3.0, "CliffDive"), (2.0, 3.0, "AnyDive")),
            video("e2", "test", (0.0, 1.0, "YoYo")),
        ),
    )


def thumos14():
    """The THUMOS14 annotations as a listing."""
    videos = json.loads(THUMOS.read_text())["database"]
    return Listing(
        "thumos14",
        tuple(
            ListedVideo(
                name,
                video["annotations"][0]["label"],
                video["subset"],
                segments=tuple((*item["segment"], item["label"]) for item in video["annotations"]),
            )
            for name, video in videos.items()
        ),
    )


def thumos_benchmark(ratio):
    splits = json.loads((DATA / f"splits/zstal/thumos14_train_{ratio}.json").read_text())
    return Benchmark(
        name="t",
        task="localization",
        train_on="thumos14",
        test_on="thumos14",
        splits=tuple(
            Split(str(number), tuple(split["train_seen"]), tuple(split["test_unseen"]))
            for number, split in enumerate(splits)
        ),
        train_subset="validation",
        test_subset="test",
        tious=(0.5,),
    )


def test_a_class_on_both_sides_is_found_under_another_name():
    """The planted pair is named for its split and only there; it is not overlap-free, the others are."""
    first, second = audit(leaky()).splits
    assert [(m.name, m.other) for m in first.overlaps[0].same] == [("cliff diving", "CliffDive")]
    assert first.overlaps[0].trained_on == SEEN
    assert first.overlap_free == ("AnyDive", "ride_bike", "YoYo")
    assert second.overlaps[0].same == ()
    assert second.overlap_free == ("Bowling", "AnyDive")


def test_what_the_encoder_was_trained_on_counts_too():
    """Vocabularies, given names and named lists are looked through, each under its own name."""
    found = audit(leaky(), trained_on=["kinetics400", "yo-yo"]).splits[0]
    by_source = {overlap.trained_on: [(m.name, m.other) for m in overlap.same] for overlap in found.overlaps}
    assert by_source["kinetics400"] == [("cliff diving", "diving cliff"), ("ride_bike", "riding a bike")]
    assert by_source["the given classes"] == [("YoYo", "yo-yo")]
    assert found.overlap_free == ("AnyDive",)
    named = audit(leaky(), trained_on={"mine": ["yo-yo"]})
    assert dict(named.trained_on) == {"mine": 1}
    assert [overlap.trained_on for overlap in named.splits[0].overlaps] == [SEEN, "mine"]


def test_overlap_free_leaves_out_partners_in_both_directions():
    """An unseen class goes whether it is the first or the second of a pair, but only where the other is seen."""
    pair = [("CliffDive", "AnyDive")]
    assert overlap_free(LEAKY, duplicates=pair) == ("ride_bike", "YoYo")
    other_way = Split("0", seen=("AnyDive",), unseen=("CliffDive", "YoYo"))
    assert overlap_free(other_way, duplicates=pair) == ("YoYo",)
    both_unseen = Split("0", seen=("YoYo",), unseen=("AnyDive", "CliffDive"))
    assert overlap_free(both_unseen, duplicates=pair) == ("AnyDive", "CliffDive")
    assert overlap_free(both_unseen, "kinetics400") == ("AnyDive",)


def test_near_names_are_listed_and_not_left_out():
    """A near name stays overlap-free but is not far; without near names nothing is listed and all are far."""
    split = Split("0", seen=("hammer throw",), unseen=("Hammering", "YoYo"))
    found = audit(leaky(splits=(split,))).splits[0]
    assert [(m.name, m.other) for m in found.overlaps[0].near] == [("Hammering", "hammer throw")]
    assert found.overlap_free == ("Hammering", "YoYo")
    assert found.far == ("YoYo",)
    assert audit(leaky(splits=(split,)), near=False).splits[0].overlaps[0].near == ()


def test_an_encoder_adds_pairs_by_meaning():
    """Pairs that only the encoder finds stand among the near ones with their cosine."""
    split = Split("0", seen=("skipping rope",), unseen=("JumpRope", "YoYo"))
    vectors = {"skipping rope": [0.8, 0.6], "jump rope": [1, 0], "yo yo": [0, 1]}
    found = audit(leaky(splits=(split,)), embed=lambda texts: np.array([vectors[text] for text in texts], "f4"))
    (match,) = found.splits[0].overlaps[0].near
    assert (match.name, match.other, match.kind, match.score) == ("JumpRope", "skipping rope", "meaning", 0.8)


def test_duplicate_annotations_are_counted_by_hand():
    """Two labels at the same times to the millisecond are counted in both directions and each subset."""
    assert set(duplicate_annotations(annotated())) == {
        Duplicate("CliffDive", "AnyDive", "training", 2, 2),
        Duplicate("CliffDive", "AnyDive", "test", 1, 1),
        Duplicate("AnyDive", "CliffDive", "training", 2, 3),
        Duplicate("AnyDive", "CliffDive", "test", 1, 2),
    }
    assert always_together(annotated()) == (("CliffDive", "AnyDive"),)
    assert always_together(annotated(), at_least=0.6) == (("AnyDive", "CliffDive"), ("CliffDive", "AnyDive"))


def test_a_pair_that_is_together_in_one_subset_only_is_not_always_together():
    """Segments in subsets where a pair never meets count against it."""
    alone = ListedVideo("t9", "CliffDive", "validation", segments=((0.0, 1.0, "CliffDive"),) * 1)
    listing = Listing("a", (*annotated().videos, alone))
    assert Duplicate("CliffDive", "AnyDive", "validation", 0, 1) in duplicate_annotations(listing)
    assert always_together(listing) == ()


def test_unseen_actions_inside_training_videos_are_told_apart():
    """Of the unseen segments in training videos some pass for background, others are trained on as a seen class."""
    split = Split("0", seen=("CliffDive",), unseen=("AnyDive", "YoYo"))
    benchmark = leaky(task="localization", splits=(split,), train_subset="training", test_subset="test", tious=(0.5,))
    found = audit(benchmark, listing=annotated())
    videos = found.splits[0].videos
    assert (videos.num_train, videos.num_test, videos.problem) == (2, 2, "")
    assert (videos.unseen_inside, videos.as_background, videos.as_seen) == (2, 2, 2)
    assert found.splits[0].divided == (("AnyDive", "CliffDive"),)
    assert found.splits[0].overlap_free == ("YoYo",)


def test_a_video_on_both_sides_is_reported():
    """A video of the test data set that is also in the training data set makes the split a problem, with its id."""
    split = Split("0", seen=("Bowling",), unseen=("YoYo",))
    trained = Listing("b", (ListedVideo("same", "Bowling"), ListedVideo("x", "Bowling")))
    tested = Listing("a", (ListedVideo("same", "YoYo"), ListedVideo("y", "YoYo")))
    found = audit(leaky(train_on="b", splits=(split,)), listing=tested, train_listing=trained)
    assert "1 videos are trained on and tested, such as same" in found.splits[0].videos.problem


def test_clips_of_one_film_on_both_sides_are_counted():
    """Test clips cut from a film that a training clip is cut from are counted, and so are the films."""

    def clips(film, label, count):
        return [ListedVideo(f"{film}_{label}_f_cm_np1_fr_med_{number}", label) for number in range(count)]

    listing = Listing(
        "a", (*clips("Glory", "sit", 2), *clips("Glory", "run", 3), *clips("Solo", "run", 4), *clips("Troy", "sit", 1))
    )
    videos = audit(leaky(splits=(Split("0", seen=("sit",), unseen=("run",)),)), listing=listing).splits[0].videos
    assert (videos.num_train, videos.num_test) == (3, 7)
    assert (videos.shared_footage, videos.test_from_shared) == (1, 3)


@pytest.mark.parametrize(
    ("video", "label", "film"),
    [
        ("v_HandstandPushups_g03_c11", "HandstandPushups", "v_HandstandPushups_g03"),
        ("April_09_brush_hair_u_nm_np1_ba_goo_0", "brush_hair", "April_09"),
        ("people_run_f_run_run_f_cm_np1_ba_med_3", "run", "people_run_f_run"),
        ("-0ES_MVrg1A_000106_000116", "archery", "-0ES_MVrg1A"),
        ("6qszUMe_7ro_00323_00464", "basketball layup", "6qszUMe_7ro"),
        ("video_test_0000270", "Diving", "video_test_0000270"),
        ("GGSY1Qvo990", "Archery", "GGSY1Qvo990"),
    ],
)
def test_footage_as_data_sets_name_their_clips(video, label, film):
    """Each data set's way of naming clips gives back the film, group or upload."""
    assert footage(ListedVideo(video, label)) == film


@pytest.mark.parametrize(("vocabulary", "at_least"), [("ucf101", 27), ("hmdb51", 9), ("thumos14", 10)])
def test_real_vocabularies_share_names_with_kinetics400(vocabulary, at_least):
    """At least as many classes as were counted independently are found, and none of them stays overlap-free."""
    split = Split("0", (), read_vocabulary(vocabulary))
    found = audit(leaky(test_on=vocabulary, splits=(split,)), trained_on=["kinetics400"]).splits[0]
    same = {match.name for match in found.overlaps[1].same}
    assert len(same) >= at_least
    assert set(found.overlap_free) == set(split.unseen) - same
    assert overlap_free(split, read_vocabulary("kinetics400")) == overlap_free(split, ["kinetics400"])


@pytest.mark.parametrize(("dataset", "num_same"), [("ucf101", 40), ("hmdb51", 16)])
def test_truze_agrees(dataset, num_same):
    """All classes found in Kinetics-400 are among those that TruZe's authors set aside; none that they kept is."""
    (split,) = gerund.bench.protocols.benchmarks.find_benchmark(f"{dataset}-truze").splits
    assert overlap_free(Split("0", (), split.unseen), "kinetics400") == split.unseen
    assert len(split.seen) - len(overlap_free(Split("0", (), split.seen), "kinetics400")) == num_same


def test_kinetics600_agrees():
    """Of 12 classes that Kinetics-600 renamed 9 are found under their old names, and no new one is taken for old.

    The three others are synonyms: inflating balloons, tying necktie, waking up.
    """
    split = gerund.bench.protocols.benchmarks.find_benchmark("kinetics600-220").splits[0]
    new = {*split.unseen, *split.validation}
    free = set(overlap_free(Split("0", (), read_vocabulary("kinetics600")), "kinetics400"))
    assert len(new) == 220
    assert new <= free
    assert free - new == {"inflating balloons", "tying necktie", "waking up"}


def test_kinetics600_near_names():
    """At least the 12 pairs counted independently share half of their words, such as washing hands and clothes."""
    split = gerund.bench.protocols.benchmarks.find_benchmark("kinetics600-220").splits[0]
    new = (*split.unseen, *split.validation)
    near = {match.name: match.other for match in near_names(new, read_vocabulary("kinetics400")) if match.score >= 0.5}
    assert 12 <= len(near) <= 20
    assert near["opening wine bottle"] == "opening bottle"
    assert near["hand washing clothes"] == "washing hands"


def test_without_annotations_the_known_pair_of_thumos14_is_used():
    """CliffDiving without its annotations is still not overlap-free where Diving is seen."""
    split = Split("0", seen=("Diving",), unseen=("CliffDiving", "Shotput"))
    found = audit(leaky(test_on="thumos14", splits=(split,)))
    assert found.splits[0].divided == (("CliffDiving", "Diving"),)
    assert found.splits[0].overlap_free == ("Shotput",)


@needs_thumos
def test_thumos14_duplicates_and_the_splits_that_they_divide():
    """Every CliffDiving is a Diving (143 of 143, 217 of 217); the splits with one on each side are the known ones."""
    listing = thumos14()
    found = audit(thumos_benchmark("75_test_25"), listing=listing)
    assert {d for d in found.duplicates if d.label == "CliffDiving"} == {
        Duplicate("CliffDiving", "Diving", "validation", 143, 143),
        Duplicate("CliffDiving", "Diving", "test", 217, 217),
    }
    assert found.together == (("CliffDiving", "Diving"),)
    divided = {split.split: split.divided for split in found.splits if split.divided}
    cliff, diving = (("CliffDiving", "Diving"),), (("Diving", "CliffDiving"),)
    assert divided == {"5": cliff, "6": cliff, "2": diving, "7": diving}
    half = audit(thumos_benchmark("50_test_50"), listing=listing)
    assert [split.split for split in half.splits if split.divided] == ["2", "4", "5", "6", "7", "9"]


@needs_thumos
def test_thumos14_training_videos():
    """The training videos of each split are as many as GAP trains on; dividing splits train on all 143 segments."""
    splits = audit(thumos_benchmark("75_test_25"), listing=thumos14(), near=False).splits
    assert [split.videos.num_train for split in splits] == [151, 156, 159, 152, 158, 161, 168, 151, 151, 150]
    assert [split.videos.as_seen for split in splits] == [0, 0, 143, 0, 0, 143, 143, 143, 0, 0]


def test_training_classes_keep_names_that_are_no_vocabulary():
    """A single vocabulary, a mapping and loose names are all understood."""
    assert len(training_classes("kinetics400")["kinetics400"]) == 400
    assert training_classes({"mine": ["a"]}) == {"mine": ("a",)}
    assert training_classes(()) == {}


@pytest.fixture
def typed(monkeypatch):
    """Types the command about a planted protocol."""
    app = typer.Typer()
    app.command()(audit_command)
    monkeypatch.setattr(gerund.bench.protocols.benchmarks, "find_benchmark", lambda name: leaky())

    def run(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    return run


def test_command_prints_what_is_shared(typed):
    """The planted pair and those with Kinetics-400 are printed with the classes left; findings are no failure."""
    result = typed("leaky", "--trained-on", "kinetics400")
    assert result.exit_code == 0
    assert "1 class shares its name with one of the seen classes in some split:" in result.output
    assert "cliff diving = CliffDive" in result.output
    assert "3 classes share their name with a class of kinetics400 in some split:" in result.output
    assert "ride_bike    = riding a bike" in result.output
    table = [line.split() for line in result.output.splitlines() if line.strip()[:1].isdigit()][-2:]
    assert table == [["0", "4", "1", "2", "0", "2", "2"], ["1", "2", "0", "1", "0", "1", "1"]]


def test_command_reads_a_file_of_names_and_writes_json(typed, tmp_path):
    """Names come from a file too, and JSON on standard output is all there is."""
    (tmp_path / "mine.txt").write_text("yo yo\nsomething else\n")
    result = typed("leaky", "--trained-on", tmp_path / "mine.txt", "--json", "-", "--no-near")
    content = json.loads(result.stdout)
    assert content["trained_on"] == {"mine.txt": 2}
    assert content["splits"][0]["overlaps"][1]["same"][0]["name"] == "YoYo"
    typed("leaky", "--json", tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["benchmark"] == "leaky"


def test_command_goes_on_without_lists(typed, monkeypatch, tmp_path):
    """Lists that are not there are said to be missing and names are still compared; those that are there are used."""

    def missing(*_):
        raise GerundError("no list of a here")

    monkeypatch.setattr(gerund.bench.datasets, "read_listing", missing)
    result = typed("leaky", "--data", tmp_path)
    assert result.exit_code == 0
    assert "no list of a here" in result.output
    assert "cliff diving" in result.output
    monkeypatch.setattr(gerund.bench.datasets, "read_listing", lambda *_: annotated())
    assert (
        "every CliffDive is also annotated AnyDive (1 of 1 in test, 2 of 2 in training)"
        in typed("leaky", "--data", tmp_path).output
    )


def test_command_says_which_splits_divide_a_pair(typed, monkeypatch, tmp_path):
    """A pair that is annotated together is said to be divided where it is, and to be divided nowhere only then."""
    nowhere = "no split has the one on the seen and the other on the unseen side"
    monkeypatch.setattr(gerund.bench.datasets, "read_listing", lambda *_: annotated())
    divided = typed("leaky", "--data", tmp_path).output
    assert "AnyDive is unseen and CliffDive is seen in split 0" in divided and nowhere not in divided
    together = leaky(splits=(Split("0", seen=("YoYo",), unseen=("CliffDive", "AnyDive")),))
    monkeypatch.setattr(gerund.bench.protocols.benchmarks, "find_benchmark", lambda name: together)
    whole = typed("leaky", "--data", tmp_path).output
    assert nowhere in whole and "is unseen and" not in whole


def test_command_refuses_what_is_no_list_of_classes(typed):
    """A name that is neither a data set nor a file is a usage error that says what would do."""
    result = typed("leaky", "--trained-on", "kinetiks")
    assert result.exit_code == 2
    assert "kinetics400" in result.output


def test_command_on_the_real_protocol():
    """UCF101 with an encoder from Kinetics-400: at least the 27 identical names are counted and printed."""
    app = typer.Typer()
    app.command()(audit_command)
    output = CliRunner().invoke(app, ["ucf101-full", "--trained-on", "kinetics400"]).output
    count = next(line for line in output.splitlines() if "a class of kinetics400" in line).split()
    assert int(count[0]) >= 27
    assert count[1:3] == ["of", "101"]
    assert sum(" = " in line for line in output.splitlines()) >= 27
