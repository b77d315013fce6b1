"""The registry of protocols: each is what its source says, is frozen, and a change or a damaged list is noticed."""

from __future__ import annotations

import copy
import csv
import hashlib
import json
import re
from collections import Counter
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gerund.bench.datasets import read_listing
from gerund.bench.datasets.catalog import DATASETS, kinetics_zsl_classes
from gerund.bench.datasets.listing import ListedVideo, Listing, draw
from gerund.bench.protocols import benchmarks
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.benchmarks import BENCHMARKS, find_benchmark, read_split_files
from gerund.bench.protocols.families import kinetics
from gerund.bench.protocols.tasks import tasks
from gerund.bench.protocols.verify import check_protocol, list_md5, verify
from gerund.cli.benchmarks import app
from gerund.errors import UsageError
from gerund.text.classes import read_vocabulary

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "splits").exists(), reason=f"the shared splits are not here ({DATA})")


def load(path: str):
    return json.loads((DATA / path).read_text(encoding="utf-8"))


def names_in(path: str) -> list[str]:
    with (DATA / path).open(newline="", encoding="utf-8-sig") as file:
        return [row["name"] for row in csv.DictReader(file)]


def meaning(dataset: str, labels) -> set[str]:
    """Labels of other files in the data set's own spelling; fails on one that is no class."""
    classes = [DATASETS[dataset].class_of(label) for label in labels]
    assert None not in classes
    return set(classes)


def states(checks) -> dict[str, str]:
    return {f"{check.subject}: {check.what}": check.state for check in checks}


# what every protocol keeps


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_protocol_is_whole_and_frozen(name):
    """Sides are disjoint and complete, sizes those documented, and the hash is the one that was shipped."""
    checks = check_protocol(find_benchmark(name))
    assert {check.what: check.detail for check in checks if check.state != "ok"} == {}


def test_no_two_protocols_are_one():
    """Names, hashes and frozen hashes belong to each other one to one."""
    assert len(BENCHMARKS) == len(set(BENCHMARKS)) == len({find_benchmark(name).sha256 for name in BENCHMARKS})
    frozen = json.loads((Path(benchmarks.__file__).parents[1] / "data" / "frozen.json").read_text())
    assert sorted(frozen) == sorted(BENCHMARKS)


def test_the_frozen_protocols_are_those_of_before():
    """Those that zero-shot figures were reported under have the hashes of then, however their files are cut."""
    pairs = "".join(f"{name} {find_benchmark(name).sha256}\n" for name in sorted(BENCHMARKS) if "-closed" not in name)
    assert pairs.count("\n") == 43
    assert hashlib.sha256(pairs.encode()).hexdigest()[:32] == "9ceccc0a9aeebf6c7c9fba6a58df63ae"


def test_the_hash_covers_what_decides_a_result_and_nothing_else():
    """A moved class, a threshold or a left-out video changes the hash; a better note does not. Values are frozen."""
    benchmark = find_benchmark("thumos14-75-25")
    assert replace(benchmark, note="x", source="y").sha256 == benchmark.sha256
    one = benchmark.splits[0]
    moved = replace(one, seen=(*one.seen[1:], one.unseen[0]), unseen=(one.seen[0], *one.unseen[1:]))
    for change in (
        {"splits": (moved, *benchmark.splits[1:])},
        {"tious": (0.5,)},
        {"excluded": ("a",)},
        {"shots": 16},
        {"inside_video": True},
        {"test_subset": ""},
    ):
        assert replace(benchmark, **change).sha256 != benchmark.sha256
    with pytest.raises(FrozenInstanceError):
        benchmark.name = "x"


def test_a_wrong_name_is_answered_with_near_ones():
    """A typing error is answered with what was meant; the same name gives the same object."""
    with pytest.raises(UsageError, match=r"did you mean .*ucf101-50-50"):
        find_benchmark("ucf-50-50")
    assert find_benchmark("ucf101-full") is find_benchmark("ucf101-full")


@given(st.integers(0, 9), st.integers(0, 9))
def test_a_split_with_a_class_on_two_sides_cannot_be_made(first, second):
    """Whatever class is shared, by whichever sides, the value refuses to exist."""
    names = [f"class {n}" for n in range(10)]
    seen, unseen = names[:5], [name for name in names[5:] if name != names[first]] + [names[first]]
    if names[first] in seen:
        with pytest.raises(UsageError, match="both seen and unseen"):
            Split("0", tuple(seen), tuple(unseen))
    with pytest.raises(UsageError, match="both unseen and validation"):
        Split("0", (), (names[second],), (names[second],))
    with pytest.raises(UsageError, match="listed twice"):
        Split("0", (names[first], names[first]), ("other",))


# where each comes from


@needs_data
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("ucf101-50-50", "ucf101_50splits"),
        ("hmdb51-50-50", "hmdb51_50splits"),
        ("olympicsports16-50-50", "olympicsports_50splits"),
        ("activitynet-videos-50-50", "activitynet_10splits"),
    ],
)
def test_random_splits_are_the_released_ones(name, file):
    """Both sides of every split equal those of the released files, by name."""
    benchmark, released = find_benchmark(name), load(f"splits/random50_50/{file}.json")["splits"]
    assert len(benchmark.splits) == len(released)
    for split, there in zip(benchmark.splits, released, strict=True):
        assert set(split.seen) == meaning(benchmark.test_on, there["train_seen"])
        assert set(split.unseen) == meaning(benchmark.test_on, there["test_unseen"])


def test_ascii_order_moves_two_pairs_of_classes():
    """LoCATe-GAT's reading differs from the original in 42 of 50 splits, among the first ten in all but split 5."""
    original, read = find_benchmark("ucf101-50-50").splits, find_benchmark("ucf101-50-50-ascii").splits
    different = [k for k in range(50) if set(original[k].unseen) != set(read[k].unseen)]
    assert len(different) == 42
    assert [k for k in range(10) if k not in different] == [5]
    moved = set().union(*(set(original[k].unseen) ^ set(read[k].unseen) for k in different))
    assert moved == {"Hammering", "HammerThrow", "JumpingJack", "JumpRope"}
    assert find_benchmark("ucf101-50-50x10").splits == original[:10]
    assert find_benchmark("ucf101-50-50x10-ascii").splits == read[:10]
    says = {name: "sorted folder names" in find_benchmark(name).note for name in BENCHMARKS}
    assert {name for name, said in says.items() if said} == {name for name in BENCHMARKS if name.endswith("-ascii")}


def test_the_release_repeats_three_ucf_splits():
    """Splits 6 to 8 of UCF101 are 0 to 2 again, which its note says; HMDB51 has no such pair."""
    unseen = [set(split.unseen) for split in find_benchmark("ucf101-50-50").splits]
    assert [(i, j) for j in range(50) for i in range(j) if unseen[i] == unseen[j]] == [(0, 6), (1, 7), (2, 8)]
    every = [find_benchmark(name) for name in BENCHMARKS]
    repeating = {b.name for b in every if len(b.splits) > 8 and set(b.splits[8].unseen) == set(b.splits[2].unseen)}
    assert "ucf101-gzsl" in repeating and {b.name for b in every if "repeat" in b.note} == repeating
    assert max(Counter(map(frozenset, (s.unseen for s in find_benchmark("hmdb51-50-50").splits))).values()) == 1


@needs_data
def test_kinetics600_classes_are_those_of_er():
    """400 seen, 60 validation and 160 unseen classes of each split equal ER-ZSAR's lists and another copy of them."""
    splits = load("splits/kinetics600_zsl220_elaborative_rehearsal.json")["splits"]
    for place, (split, there) in enumerate(zip(find_benchmark("kinetics600-220").splits, splits, strict=True), 1):
        assert set(split.seen) == set(there["seen_train"])
        assert (
            set(split.unseen)
            == set(there["test_unseen"])
            == set(names_in(f"splits/base_to_novel/ZS_split{place}_K600.csv"))
        )
        assert set(split.validation) == set(there["val_unseen"])
    assert (
        list(kinetics_zsl_classes())
        == load("splits/kinetics600_zsl220_elaborative_rehearsal.json")["classes_620"][400:]
    )


def test_twelve_new_names_of_kinetics600_are_old_classes():
    """Kinetics-600 has 232 names that Kinetics-400 lacks, but the protocol 220: the rest are renamed."""
    added = set(read_vocabulary("kinetics600")) - set(read_vocabulary("kinetics400"))
    left_out = added - set(kinetics_zsl_classes())
    assert (len(added), len(kinetics_zsl_classes()), len(left_out)) == (232, 220, 12)
    assert {"making the bed", "dyeing hair", "hugging (not baby)", "waking up"} < left_out


@needs_data
@pytest.mark.parametrize(("dataset", "title", "slips"), [
    ("ucf101", "UCF101", {"Basketball Shooting": "Basketball", "Salsa Spins": "SalsaSpin"}),
    ("hmdb51", "HMDB51", {"Swing Basketball": "swing_baseball"}),
])  # fmt: skip
def test_truze_is_the_published_list(dataset, title, slips):
    """The authors' own text, with the names that it writes in its own way, gives the same two sides."""
    text = (DATA / "splits" / "truze" / "ZSL.txt").read_text()
    text = text.split(f"##{title}")[1].split("##")[0]
    sides = {}
    for side, names in re.findall(r"(Training|Testing) \(\d+ classes\):(.*?)\.\s", text + " ", re.DOTALL):
        labels = [" ".join(name.split()) for name in names.split(",") if name.strip()]
        sides[side] = meaning(dataset, [slips.get(label, label) for label in labels])
    (split,) = find_benchmark(f"{dataset}-truze").splits
    assert set(split.seen) == sides["Training"]
    assert set(split.unseen) == sides["Testing"]


@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51"])
def test_halves_are_drawn_as_e2e_draws_them(dataset):
    """Seeding NumPy's global generator with s and permuting the classes gives the half of split s."""
    classes = DATASETS[dataset].classes
    state = np.random.get_state()
    try:
        for seed, split in enumerate(find_benchmark(f"{dataset}-halves").splits):
            np.random.seed(seed)
            assert split.unseen == tuple(classes[n] for n in np.random.permutation(len(classes))[: len(classes) // 2])
            assert split.seen == ()
    finally:
        np.random.set_state(state)


@needs_data
@pytest.mark.parametrize(
    ("dataset", "file"),
    [("ucf101", "ucf_101"), ("hmdb51", "hmdb_51"), ("kinetics400", "kinetics_400"), ("sthv2", "ssv2_174")],
)
def test_base_and_novel_are_the_released_lists(dataset, file):
    """Both lists equal the released ones, in each of the three draws; 16 videos of each base class are seen."""
    benchmark = find_benchmark(f"{dataset}-base-to-novel")
    for split in benchmark.splits:
        assert set(split.seen) == meaning(dataset, names_in(f"splits/base_to_novel/{file}_base_labels.csv"))
        assert set(split.unseen) == meaning(dataset, names_in(f"splits/base_to_novel/{file}_novel_labels.csv"))
    assert (benchmark.task, benchmark.shots, len(benchmark.splits)) == ("base-to-novel", 16, 3)


@needs_data
def test_open_set_of_kinetics700_is_the_released_one():
    """Class lists on disk, one a line, read as a user's own split give the same sides."""
    released = read_split_files(DATA / "splits/k700_openset/train.list", DATA / "splits/k700_openset/test.list")
    (split,) = find_benchmark("kinetics700-openset").splits
    assert (set(split.seen), set(split.unseen)) == (set(released.seen), set(released.unseen))


@needs_data
@pytest.mark.parametrize("ratio", ["75-25", "50-50"])
@pytest.mark.parametrize(("name", "dataset"), [("thumos14", "thumos14"), ("activitynet", "activitynet200")])
def test_localization_splits_are_the_released_ones(name, dataset, ratio):
    """Seen and unseen classes of all ten splits equal the released lists, the unseen ones in their order."""
    train, test = ratio.split("-")
    released = load(f"splits/zstal/{name}_train_{train}_test_{test}.json")
    for suffix in ("", "-gap", "-freezad"):
        splits = find_benchmark(f"{name}-{ratio}{suffix}").splits
        assert [list(split.unseen) for split in splits] == [there["test_unseen"] for there in released]
    seen = [set(split.seen) for split in find_benchmark(f"{name}-{ratio}").splits]
    assert seen == [set(there["train_seen"]) for there in released]


MD5 = {  # of the released test lists, four of forty; the others are checked with them by `verify`
    "thumos14-75-25": {0: "38919a4f", 9: "622b17cc"},
    "thumos14-50-50": {0: "0c2299c5", 9: "039f90a4"},
    "activitynet-75-25": {0: "7ee1c391", 9: "edb1f5dc"},
    "activitynet-50-50": {0: "d697d10a", 9: "f748ab1f"},
}


@pytest.mark.parametrize("name", MD5)
def test_unseen_lists_have_the_md5_of_the_released_files(name):
    """Written one class a line with a line break each, our lists are the released files byte for byte."""
    splits = find_benchmark(name).splits
    assert {k: list_md5(splits[k].unseen)[:8] for k in MD5[name]} == MD5[name]


# a user's own lists


def test_own_lists_make_a_split(tmp_path):
    """With or without a last line break, and with the line ends of Windows, the classes are the same."""
    (tmp_path / "train").write_text("Diving\nHighJump")
    (tmp_path / "test").write_bytes(b"Billiards\r\nLongJump\r\n")
    split = read_split_files(tmp_path / "train", tmp_path / "test", name="mine")
    assert split == Split("mine", ("Diving", "HighJump"), ("Billiards", "LongJump"))


def test_the_stray_split_10_is_rejected(tmp_path):
    """T3AL and FreeZAD ship a THUMOS14 50/50 split_10 with all 20 classes on both lists."""
    for side in ("train", "test"):
        (tmp_path / side).write_text("\n".join(read_vocabulary("thumos14")))
    with pytest.raises(UsageError, match="20 classes are both seen and unseen"):
        read_split_files(tmp_path / "train", tmp_path / "test")


# drawing a few


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), unique=True, max_size=60), st.randoms())
def test_a_draw_does_not_depend_on_the_order_of_the_lists(pairs, shuffler):
    """A few of each class, as many as there are at most, the same after shuffling; another name draws others."""
    videos = [ListedVideo(f"{label}-{n}", str(label)) for label, n in pairs]
    drawn = {video.video for video in draw(videos, 16, "1")}
    shuffled = list(videos)
    shuffler.shuffle(shuffled)
    assert {video.video for video in draw(shuffled, 16, "1")} == drawn
    by_class = Counter(video.label for video in videos)
    assert Counter(video.split("-")[0] for video in drawn) == {label: min(16, n) for label, n in by_class.items()}


def test_draws_differ_by_name():
    """Three draws of 16 from 100 videos are three different ones."""
    videos = [ListedVideo(str(n), "a") for n in range(100)]
    draws = [frozenset(draw(videos, 16, name)) for name in "123"]
    assert len(set(draws)) == 3


def test_truth_leaves_out_what_a_release_leaves_out():
    """Actions too short, or annotated after the end, are asked about only where the protocol says nothing of them."""
    video = ListedVideo(
        "v", "a", segments=((0.0, 0.25, "a"), (1.0, 1.0, "a"), (2.0, 4.0, "b"), (9.0, 12.0, "a"), (10.0, 12.0, "a")),
        duration_s=10.0, fps=32.0,
    )  # fmt: skip
    plain = Benchmark("x", "localization", "d", "d", ())
    assert len(plain.truth(video, ["a"])) == 4
    assert [s for s, _, _ in replace(plain, longer_than_frames=8).truth(video, ["a"])] == [9.0, 10.0]
    assert [s for s, _, _ in replace(plain, longer_than_s=2.0).truth(video, ["a", "b"])] == [9.0]
    assert [s for s, _, _ in replace(plain, inside_video=True).truth(video, ["a"])] == [0.0, 1.0, 9.0]


def test_a_video_listed_twice_is_refused():
    """A listing holds each id once."""
    with pytest.raises(UsageError, match="1 videos are listed twice"):
        Listing("d", (ListedVideo("a", "x"), ListedVideo("a", "y")))


# verify


@needs_data
def test_everything_that_the_shared_lists_can_prove_is_proved():
    """Documented counts of videos, actions and windows all agree; only lists that are not here stay open."""
    checks = verify(data=DATA)
    assert [check for check in checks if check.state == "failed"] == []
    assert {check.subject for check in checks if check.state == "not checked"} == {
        "sthv2-base-to-novel", "kinetics400", "kinetics700", "sthv2",
    }  # fmt: skip
    counted = states(checks)
    for name in ("thumos14-75-25-gap: windows", "kinetics600-220: videos tested", "thumos14: actions of each class"):
        assert counted[name] == "ok"


@needs_data
def test_activitynet_videos_of_two_classes_are_those_left_out():
    """The 13 left out are exactly those that an independent list of the protocol's 14,937 videos lacks."""
    listing = read_listing("activitynet200", DATA)
    kept = {
        name[2:-4]
        for names in load("annotations/video_labels/activitynet_classwise_videos.json").values()
        for name in names
    }
    assert {video.video for video in listing} - kept == set(find_benchmark("activitynet-videos-50-50").excluded)
    assert all(len({label for _, _, label in video.segments}) == 1 for video in listing if video.video in kept)


@pytest.mark.parametrize("change", ["moved", "renamed", "lost", "twice"])
def test_a_changed_split_is_caught(change):
    """A class on the other side, under another name, on no side, or twice is found without any data."""
    benchmark = find_benchmark("hmdb51-50-50")
    one = benchmark.splits[7]
    altered = copy.copy(one)
    sides = {
        "moved": ((*one.seen, one.unseen[0]), one.unseen[1:]),
        "renamed": (one.seen, ("brushing hair", *one.unseen[1:])),
        "lost": (one.seen, one.unseen[1:]),
        "twice": (one.seen, (one.unseen[1], *one.unseen[1:])),
    }
    for side, classes in zip(("seen", "unseen"), sides[change], strict=True):
        object.__setattr__(altered, side, classes)  # past the value's own refusal, as damaged data might be
    damaged = replace(benchmark, splits=(*benchmark.splits[:7], altered, *benchmark.splits[8:]))
    checks = {check.what: check for check in check_protocol(damaged)}
    assert checks["hash"].state == "failed"
    found = checks["sizes" if change == "moved" else "splits"]
    assert found.state == "failed"
    assert "split 7" in found.detail


@pytest.mark.parametrize(("one", "other"), [("seen", "unseen"), ("seen", "validation"), ("unseen", "validation")])
def test_a_class_on_two_sides_is_caught(one, other):
    """Whichever two of the three sides share it."""
    benchmark = find_benchmark("kinetics600-220")
    altered = copy.copy(benchmark.splits[0])
    object.__setattr__(altered, other, (getattr(altered, one)[0], *getattr(altered, other)[1:]))
    damaged = replace(benchmark, splits=(altered, *benchmark.splits[1:]))
    (check,) = [check for check in check_protocol(damaged) if check.what == "splits"]
    assert check.state == "failed"
    assert "its sides share a class" in check.detail


def test_only_the_protocol_on_other_videos_says_so():
    """Figures on Kinetics-600's validation videos are not those of the original, and the protocol's note tells."""
    notes = {name: find_benchmark(name).note for name in BENCHMARKS if name.startswith("kinetics600-220")}
    assert {name for name, note in notes.items() if "CLIP-era papers test on" in note} == {"kinetics600-220-val"}


def test_a_swapped_class_is_caught_by_hash_and_md5():
    """Two classes changing sides leave sizes and completeness alone; only the fingerprints see it."""
    benchmark = find_benchmark("thumos14-75-25")
    one = benchmark.splits[3]
    swapped = replace(one, seen=(one.unseen[0], *one.seen[1:]), unseen=(one.seen[0], *one.unseen[1:]))
    checks = check_protocol(replace(benchmark, splits=(*benchmark.splits[:3], swapped, *benchmark.splits[4:])))
    assert {check.what for check in checks if check.state == "failed"} == {"md5 of the lists", "hash"}


def test_a_damaged_file_of_ours_is_caught(monkeypatch):
    """A place that is on both sides of a shipped list is a failed check, not a crash."""
    places = copy.deepcopy(kinetics.places())
    places["kinetics600-220"]["validation"][1][0] = places["kinetics600-220"]["unseen"][1][0]
    monkeypatch.setattr(kinetics, "places", lambda: places)
    find_benchmark.cache_clear()
    try:
        checks = verify(["kinetics600-220"])
    finally:
        find_benchmark.cache_clear()
    assert checks[0].state == "failed"
    assert "split 1: 1 classes are both unseen and validation" in checks[0].detail


def hmdb_list(folder: Path, num_videos: int) -> Path:
    """A made-up list of as many videos, spread over the classes."""
    classes = DATASETS["hmdb51"].classes
    rows = [f"video{n},{classes[n % len(classes)]}" for n in range(num_videos)]
    path = folder / "hmdb51_videos.csv"
    path.write_text("\n".join(["video,class", *rows]) + "\n")
    return path


@pytest.mark.parametrize(("num_videos", "state"), [(6766, "ok"), (6765, "failed"), (6767, "failed")])
def test_a_missing_video_is_caught(tmp_path, num_videos, state):
    """One video too few or too many in a user's list is a failed count."""
    hmdb_list(tmp_path, num_videos)
    found = states(verify(["hmdb51-full"], tmp_path))
    assert found["hmdb51-full: videos tested"] == state
    assert found["hmdb51: lists"] == state
    assert found["hmdb51-full: hash"] == "ok"


def test_an_unknown_label_is_caught(tmp_path):
    """A label that is no class fails the data set's lists and says which it is."""
    path = hmdb_list(tmp_path, 6766)
    path.write_text(path.read_text().replace("video3,chew", "video3,chewing"))
    (check,) = [check for check in verify(["hmdb51-full"], tmp_path) if check.subject == "hmdb51"]
    assert (check.state, "'chewing'" in check.detail) == ("failed", True)


def test_the_list_of_1529_is_recognised(tmp_path):
    """The third HMDB51 test list of some releases lacks a video; the count fails and says so."""
    hmdb_list(tmp_path, 6766)
    for number, count in ((1, 1530), (2, 1530), (3, 1529)):
        (tmp_path / f"hmdb51_val{number}.txt").write_text("".join(f"video{n}.avi\n" for n in range(count)))
    (check,) = [check for check in verify(["hmdb51-test"], tmp_path) if check.what == "videos tested"]
    assert check.detail == "split 3: 1529 instead of 1530 (the list of some CLIP-era releases, which lacks one video)"


def test_contradictory_lists_fail_and_leave_counts_open(tmp_path):
    """What cannot be read is a failure of the data set, and its protocols' counts are not claimed."""
    hmdb_list(tmp_path, 6766)
    (tmp_path / "hmdb51_more.csv").write_text("video,class\nvideo0,wave\n")
    found = states(verify(["hmdb51-full"], tmp_path))
    assert (found["hmdb51: lists"], found["hmdb51-full: videos tested"]) == ("failed", "not checked")


@needs_data
@pytest.mark.parametrize(
    ("subject", "what"), [("thumos14-75-25-gap", "windows"), ("thumos14", "actions of each class")]
)
def test_a_lost_action_is_caught(tmp_path, subject, what):
    """One THUMOS14 annotation less changes windows and counts of its class."""
    content = load("annotations/thumos14_gap_annotations.json")
    test = (entry["annotations"] for entry in content["database"].values() if entry["subset"] == "test")
    actions = next(actions for actions in test if actions[0]["label"] == "PoleVault")
    del actions[0]
    (tmp_path / "thumos14_annotations.json").write_text(json.dumps(content))
    source = DATA / "annotations/thumos14_gap_clip_info_8frame.json"
    (tmp_path / "info.json").write_text(source.read_text())
    found = {f"{c.subject} {c.what}": c for c in verify(["thumos14-75-25-gap"], tmp_path)}
    assert found[f"{subject} {what}"].state == "failed"
    assert found["thumos14 lists"].state == "failed"


@needs_data
def test_windows_need_the_lengths_of_the_videos(tmp_path):
    """Without the file of lengths the windows are not checked, and it says which file is needed."""
    content = (DATA / "annotations/thumos14_gap_annotations.json").read_text()
    (tmp_path / "thumos14_annotations.json").write_text(content)
    (check,) = [check for check in verify(["thumos14-50-50-gap"], tmp_path) if check.what == "windows"]
    assert (check.state, "info.json" in check.detail) == ("not checked", True)


# the command


def run(*words: str, env: dict[str, str] | None = None):
    return CliRunner(env={"GERUND_DATA": "", **(env or {})}).invoke(app, ["benchmarks", *words])


def test_list_shows_every_protocol_with_its_hash():
    """One line each, with the beginning of its hash."""
    done = run("list")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) == len(BENCHMARKS) + 1
    for name, line in zip(BENCHMARKS, lines[1:], strict=True):
        assert line.startswith(name)
        assert line.endswith(find_benchmark(name).sha256[:12])


def test_show_prints_the_classes_of_a_split():
    """The split named is printed; one that is not there is refused with those that are."""
    done = run("show", "thumos14-75-25", "--split", "9")
    assert done.exit_code == 0
    assert "split 9, 5 unseen: Billiards, CleanAndJerk, GolfSwing, JavelinThrow, VolleyballSpiking" in done.stdout
    assert find_benchmark("thumos14-75-25").sha256 in done.stdout
    assert run("show", "thumos14-75-25", "--split", "10").exit_code == 2
    assert run("show", "thumos14").exit_code == 2


def test_verify_ends_with_one_where_something_fails(tmp_path):
    """Status 0 when all is well, 1 when a check fails, 2 for a wrong name or folder; the failure is said."""
    assert run("verify", "hmdb51-full").exit_code == 0
    hmdb_list(tmp_path, 6765)
    done = run("verify", "hmdb51-full", "--data", str(tmp_path))
    assert done.exit_code == 1
    assert "FAILED  hmdb51-full, videos tested: split 0: 6765 instead of 6766" in done.stdout
    assert run("verify", "hmdb51-full", env={"GERUND_DATA": str(tmp_path)}).exit_code == 1
    assert run("verify", "hmdb-51").exit_code == 2
    assert run("verify", "--data", str(tmp_path / "nowhere")).exit_code == 2


def test_verify_writes_json(tmp_path):
    """Every check is an object; a place that cannot be written is an error of usage."""
    target = tmp_path / "checks.json"
    assert run("verify", "thumos14-75-25", "--json", str(target)).exit_code == 0
    checks = json.loads(target.read_text())
    assert {"subject": "thumos14-75-25", "what": "md5 of the lists", "state": "ok", "detail": ""} in checks
    assert json.loads(run("verify", "thumos14-75-25", "--json", "-").stdout) == checks
    assert run("verify", "thumos14-75-25", "--json", str(tmp_path / "no" / "x.json")).exit_code == 2


def test_check_ends_with_one_where_something_is_missing(tmp_path):
    """A list without its videos is status 1, no folder at all 2."""
    hmdb_list(tmp_path, 6766)
    done = run("check", "hmdb51", "--data", str(tmp_path))
    assert done.exit_code == 1
    assert "no video is here" in done.stdout
    assert run("check", "hmdb51").exit_code == 2
    assert run("check", "hmdb", "--data", str(tmp_path)).exit_code == 2


def test_a_split_without_a_video_to_test_is_refused():
    """A list that holds nothing of the unseen classes gives no figure of any kind."""
    benchmark = find_benchmark("hmdb51-50-50")
    split = benchmark.splits[0]
    seen, unseen = ListedVideo("a", split.seen[0]), ListedVideo("b", split.unseen[0])
    one = replace(benchmark, splits=(split,))
    (task,) = tasks(one, *[Listing("hmdb51", (seen, unseen))] * 2)
    assert [video.video for video in task.test] == ["b"]
    with pytest.raises(UsageError, match=f"split {split.name}: the lists hold no video of its test classes"):
        tasks(one, *[Listing("hmdb51", (seen,))] * 2)


def test_lists_that_lack_what_the_protocol_needs_are_refused():
    """GAP's least length is in frames, and FreeZAD's rule needs the end of the video: without them it is an error."""
    video = ListedVideo("v1", "Diving", segments=((1.0, 2.0, "Diving"),))
    for name, lacking in (("thumos14-75-25-gap", "rate"), ("thumos14-75-25-freezad", "length")):
        with pytest.raises(UsageError, match=f"needs the {lacking} of each video"):
            find_benchmark(name).truth(video, ["Diving"])
        assert find_benchmark(name).truth(video, ["HighJump"]) == []
