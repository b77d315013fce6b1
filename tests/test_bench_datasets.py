"""Data sets in users' folders: whatever the layout, the same videos with the same labels; whatever is wrong, a word."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from gerund.bench.datasets import check, find_dataset, find_files, lists, read_listing
from gerund.bench.datasets.catalog import DATASETS
from gerund.bench.datasets.folders import take_stock
from gerund.errors import UsageError

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "splits").exists(), reason=f"the shared lists are not here ({DATA})")

SIZES = {
    "ucf101": 101, "hmdb51": 51, "olympicsports16": 16, "kinetics400": 400, "kinetics600": 600, "kinetics700": 700,
    "activitynet200": 200, "thumos14": 20, "sthv2": 174,
}  # fmt: skip


def find_lists(name, folder):
    """The list files of a data set under a folder, those first that say most."""
    return take_stock(find_dataset(name), folder).lists


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def annotations(path: Path, videos: dict[str, tuple[str, list[tuple[float, float, str]]]]) -> Path:
    database = {
        video: {"subset": subset, "duration": 60, "fps": 30,
                "annotations": [{"segment": [s, e], "label": label} for s, e, label in actions]}
        for video, (subset, actions) in videos.items()
    }  # fmt: skip
    return write(path, json.dumps({"database": database, "taxonomy": [], "version": ""}))


@pytest.mark.parametrize("name", SIZES)
def test_classes_have_their_number_and_are_told_apart(name):
    """Every data set has as many classes as published, and no two of them are one but for case and punctuation."""
    dataset = find_dataset(name)
    assert len(dataset.classes) == SIZES[name]
    assert [dataset.class_of(label) for label in dataset.classes] == list(dataset.classes)
    assert set(SIZES) == set(DATASETS)


@needs_data
@pytest.mark.parametrize(("name", "file"), [("kinetics700", "kinetics700.json"), ("sthv2", "sthv2.json")])
def test_new_class_lists_are_the_published_ones(name, file):
    """The two lists that ship with the registry equal independent copies, in order."""
    assert list(find_dataset(name).classes) == json.loads((DATA / "classlists" / file).read_text())


def test_an_unknown_data_set_is_named_with_the_nearest():
    """A typing error is answered with what was meant."""
    with pytest.raises(UsageError, match="did you mean ucf101"):
        find_dataset("ucf-101")


# formats


def test_stem_keeps_dots_that_are_no_ending():
    """Only a video's ending is taken off, so YouTube ids and titles with dots stay whole."""
    assert lists.stem_of("a/b/Dr._No_1.5_punch.avi") == "Dr._No_1.5_punch"
    assert lists.stem_of("Dr._No_1.5_punch") == "Dr._No_1.5_punch"


def test_ucf_lists_with_one_based_numbers(tmp_path):
    """An official training line has a class folder and a number; the folder names the class, whatever the number."""
    path = write(tmp_path / "trainlist01.txt", "Archery/v_Archery_g08_c01.avi 3", "", "YoYo/v_YoYo_g25_c05.avi 101")
    assert [(v.video, v.label) for v in lists.read_paths(path)] == [
        ("v_Archery_g08_c01", "Archery"),
        ("v_YoYo_g25_c05", "YoYo"),
    ]


@pytest.mark.parametrize("first", [0, 1])
def test_bare_numbers_are_places_counted_from_either_end(tmp_path, first):
    """Numbers that are exactly the places of the classes name them, from 0 as well as from 1."""
    path = write(tmp_path / "val.txt", *(f"clip {n}.avi {n + first}" for n in range(3)))
    assert [v.label for v in lists.read_paths(path, ["a", "b", "c"])] == ["a", "b", "c"]
    assert [v.video for v in lists.read_paths(path)] == ["clip 0", "clip 1", "clip 2"]
    assert {v.label for v in lists.read_paths(path, ["a", "b", "c", "d"])} == {""}


def test_kinetics_clips_are_named_by_id_and_times(tmp_path):
    """A row becomes the name that the clip's file has; labels with commas and quotes survive."""
    path = write(
        tmp_path / "train.csv",
        "label,youtube_id,time_start,time_end,split",
        '"massaging person\'s head",-0xyzABCDEF,7,17,train',
        "archery,---QUuC4vJs,84,94,validate",
    )
    first, second = lists.read_kinetics(path)
    assert (first.video, first.label, first.subset) == (
        "-0xyzABCDEF_000007_000017",
        "massaging person's head",
        "training",
    )
    assert (second.video, second.subset) == ("---QUuC4vJs_000084_000094", "validation")


def test_a_subset_as_folder_is_no_class(tmp_path):
    """Flat lists such as ``val/clip.mp4,3`` name classes by number."""
    path = write(tmp_path / "k400" / "val.csv", *(f"val/clip{n}.mp4,{n}" for n in range(400)))
    assert lists.read_paths(path)[7].label == ""
    assert [video.label for video in read_listing("kinetics400", tmp_path)] == list(find_dataset("kinetics400").classes)


def test_tear_lines_without_an_ending(tmp_path):
    """``class/clip,first frame,number`` is read as well."""
    path = write(tmp_path / "k600_split_1.txt", "acting in play/-4t4KkFKmKk_000012_000022,0,0")
    assert lists.recognise(path) == "paths"
    (video,) = lists.read_paths(path)
    assert (video.video, video.label) == ("-4t4KkFKmKk_000012_000022", "acting in play")


def test_annotations_keep_order_and_first_label(tmp_path):
    """Segments stay in the file's order; subsets get one spelling; a video without actions has no label."""
    path = annotations(
        tmp_path / "a.json",
        {"x": ("val", [(5.0, 6.0, "Diving"), (1.0, 2.0, "CliffDiving")]), "y": ("testing", [])},
    )
    first, second = lists.read_annotations(path)
    assert (first.label, first.subset, first.duration_s, first.fps) == ("Diving", "validation", 60, 30)
    assert first.segments == ((5.0, 6.0, "Diving"), (1.0, 2.0, "CliffDiving"))
    assert (second.label, second.subset, second.segments) == ("", "test", ())


BROKEN = [
    (lists.read_kinetics, "train.csv", ["label,youtube_id", "archery,abc", "archery,"], "line 3"),
    (lists.read_kinetics, "train.csv", ["label,youtube_id,time_start,time_end", "archery,abc,x,9"], "line 2"),
    (lists.read_table, "v.csv", ["video,class", "a.avi,b", "c.avi,"], "line 3"),
    (lists.read_table, "v.csv", ["file,kind", "a.avi,b"], "line 1"),
    (
        lists.read_metas,
        "m.jsonl",
        ['{"videoname": "a.mp4", "label": 0}', '{"videoname": "b.mp4", "label": 9}'],
        "line 2",
    ),
    (lists.read_metas, "m.jsonl", ['{"videoname": "a.mp4", "label": -1}', "{"], "line 2"),
    (lists.read_hmdb, "clap_test_split1.txt", ["a.avi 1", "b.avi 3"], "line 2"),
    (lists.read_hmdb, "clap.txt", ["a.avi 1"], "expected a name such as"),
    (lists.read_paths, "testlist01.txt", ["a/b.avi", "nonsense"], "line 2"),
    (lists.read_annotations, "a.json", ['{"database": {', '"x": {"subset": "train", "annotations": [{}]}}}'], "line 2"),
    (lists.read_annotations, "a.json", ['{"database": {', '"x": {"annotations": []}}}'], "line 2"),
    (lists.read_annotations, "a.json", ["{", "oops"], "line 2"),
    (lists.read_annotations, "a.json", ["[]"], "line 1"),
    (
        lists.read_annotations,
        "a.json",
        ['{"database": {"x": {"subset": "val", "annotations": [{"label": "a", "segment": [5, 4]}]}}}'],
        "line 1",
    ),
    (lists.read_templates, "t.json", ['[{"template": "x"}]'], "entry 1"),
    (lists.read_classwise, "c.json", ['{"a": "b.mp4"}'], "line 1"),
    (lists.read_class_names, "c.txt", ["a", "b", "a"], "line 3"),
]


@pytest.mark.parametrize(("read", "name", "content", "where"), BROKEN)
def test_a_broken_list_is_refused_with_file_and_line(tmp_path, read, name, content, where):
    """Every reader says which file and where, and what it expected."""
    path = write(tmp_path / name, *content)
    kwargs = {"classes": ["a"]} if read is lists.read_metas else {}
    with pytest.raises(UsageError, match=where) as error:
        read(path, **kwargs)
    assert str(path) in str(error.value)


def test_labels_of_metas_are_names_or_places(tmp_path):
    """A word is the class itself, a number its place in the class list, and a place below zero is no class."""
    rows = ['{"videoname": "a.mp4", "label": "Archery"}', '{"videoname": "b.mp4", "label": 1}']
    rows.append('{"videoname": "c.mp4", "label": -1}')
    found = lists.read_metas(write(tmp_path / "m.jsonl", *rows), classes=["x", "y"])
    assert [(video.video, video.label) for video in found] == [("a", "Archery"), ("b", "y"), ("c", "-1")]


def test_a_list_that_is_not_text_is_refused(tmp_path):
    """Bytes that are no UTF-8 give the line they are on."""
    (tmp_path / "c.txt").write_bytes(b"fine\nbad \xff\n")
    with pytest.raises(UsageError, match="line 2: expected UTF-8"):
        lists.read_class_names(tmp_path / "c.txt")


# layouts


def test_official_ucf_layout(tmp_path):
    """The three pairs of official lists give all videos, their classes and the lists that they are on."""
    root = tmp_path / "ucfTrainTestlist"
    write(
        root / "trainlist01.txt",
        "Archery/v_Archery_g08_c01.avi 3",
        "HandstandPushups/v_HandStandPushups_g09_c01.avi 37",
    )
    write(root / "testlist01.txt", "Archery/v_Archery_g01_c01.avi")
    write(root / "testlist02.txt", "Archery/v_Archery_g08_c01.avi")
    write(root / "classInd.txt", "1 ApplyEyeMakeup")
    listing = read_listing("ucf101", tmp_path)
    by_id = listing.by_id
    assert by_id["v_Archery_g01_c01"].lists == {"test1"}
    assert by_id["v_Archery_g08_c01"].lists == {"train1", "test2"}
    assert by_id["v_HandStandPushups_g09_c01"].label == "HandstandPushups"
    assert len(listing) == 3


def test_the_two_spellings_of_handstand_pushups_are_one(tmp_path):
    """Folder and class write a small s, files a capital one; lists and disks have either, and still meet."""
    write(tmp_path / "ucf" / "testlist01.txt", "HandStandPushups/v_HandstandPushups_g01_c01.avi")
    write(tmp_path / "UCF-101" / "HandstandPushups" / "v_HandStandPushups_g01_c01.avi", "x")
    (video,) = read_listing("ucf101", tmp_path)
    assert video.label == "HandstandPushups"
    assert list(find_files("ucf101", tmp_path)) == [video.video]


def test_official_hmdb_layout(tmp_path):
    """Numbers 1, 2 and 0 are training, test and neither; the class is in the file's name."""
    root = tmp_path / "testTrainMulti_7030_splits"
    write(root / "brush_hair_test_split1.txt", "a_brush_hair_1.avi 1 ", "b_brush_hair_2.avi 2", "c_brush_hair_3.avi 0")
    write(root / "brush_hair_test_split2.txt", "a_brush_hair_1.avi 2", "b_brush_hair_2.avi 0", "c_brush_hair_3.avi 1")
    write(root / "climb_stairs_test_split1.txt", "d_climb_stairs_1.avi 1")
    by_id = read_listing("hmdb51", tmp_path).by_id
    assert by_id["a_brush_hair_1"].lists == {"train1", "test2"}
    assert by_id["c_brush_hair_3"].lists == {"train2"}
    assert {video.label for video in by_id.values()} == {"brush_hair", "climb_stairs"}


def test_numbered_split_folders(tmp_path):
    """``hmdb51_split2/test.csv`` with paths and numbers is the second test list."""
    names = find_dataset("hmdb51").classes
    write(tmp_path / "hmdb51_split2" / "test.csv", *(f"{name}/{n}.avi,{n}" for n, name in enumerate(names)))
    listing = read_listing("hmdb51", tmp_path)
    assert {tuple(video.lists) for video in listing} == {("test2",)}
    assert [video.label for video in listing] == list(names)


def test_class_folders_alone_will_do(tmp_path):
    """Without any list the folders say what videos show; what is no class is left for the report."""
    for file in ("UCF-101/Yo Yo/b.avi", "UCF-101/Archery/z.avi", "UCF-101/Archery/a.avi", "UCF-101/Odd/c.avi"):
        write(tmp_path / file, "x")
    listing = read_listing("ucf101", tmp_path)
    assert [(video.video, video.label) for video in listing] == [("a", "Archery"), ("z", "Archery"), ("b", "YoYo")]
    assert check("ucf101", tmp_path).stock.unlisted == 1


def test_kinetics_subsets_come_from_folders(tmp_path):
    """``train`` and ``val`` above the class folders are the subsets."""
    for file in ("k400/train/playing_guitar/a.mp4", "k400/val/abseiling/b.mp4"):
        write(tmp_path / file, "x")
    by_id = read_listing("kinetics400", tmp_path).by_id
    assert (by_id["a"].label, by_id["a"].subset) == ("playing guitar", "training")
    assert (by_id["b"].label, by_id["b"].subset) == ("abseiling", "validation")


def test_kinetics_files_are_found_under_their_short_name(tmp_path):
    """Many copies name a clip after the YouTube id only; it is the same clip."""
    write(
        tmp_path / "k400" / "train.csv", "label,youtube_id,time_start,time_end,split", "archery,---QUuC4vJs,84,94,train"
    )
    file = write(tmp_path / "k400" / "train" / "archery" / "---QUuC4vJs.mp4", "x")
    assert find_files("kinetics400", tmp_path) == {"---QUuC4vJs_000084_000094": file}


def test_files_of_other_data_sets_are_found_under_their_whole_name_only(tmp_path):
    """Where names are no YouTube ids, a file named like the first eleven letters of a video is another video."""
    write(tmp_path / "ucf101_videos.csv", "video,class", "v_Archery_g01_c01.avi,Archery")
    write(tmp_path / "ucf101" / "v_Archery_g.avi", "x")
    assert find_files("ucf101", tmp_path) == {}


def test_lists_of_other_kinetics_are_not_mixed_in(tmp_path):
    """Most Kinetics-400 labels are Kinetics-600 ones too; folder names, then the labels themselves, keep them apart."""
    rows = ["label,youtube_id", "archery,aaaaaaaaaaa", "hugging,bbbbbbbbbbb"]
    write(tmp_path / "kinetics-400" / "train.csv", *rows)
    write(tmp_path / "kinetics-600" / "test.csv", "label,youtube_id", "archery,ccccccccccc", "winking,ddddddddddd")
    assert [video.video for video in read_listing("kinetics600", tmp_path)] == ["ccccccccccc", "ddddddddddd"]
    assert len(read_listing("kinetics400", tmp_path)) == 2
    unnamed = tmp_path / "somewhere"
    write(unnamed / "list.csv", *rows)  # "hugging" is no Kinetics-600 class: it became "hugging (not baby)"
    assert find_lists("kinetics400", unnamed)
    assert not find_lists("kinetics600", unnamed)


def test_er_lists_number_620_classes(tmp_path):
    """Places from 400 on are the 220 added classes in alphabetical order."""
    write(
        tmp_path / "zsl220" / "k600" / "tst_video_metas.jsonl",
        '{"videoname": "aaaaaaaaaaa_000001_000011.mp4", "nframes": 300, "label": 0}',
        '{"videoname": "bbbbbbbbbbb_000001_000011.mp4", "nframes": 300, "label": 400}',
        '{"videoname": "ccccccccccc_000001_000011.mp4", "nframes": 300, "label": 619}',
    )
    listing = read_listing("kinetics600", tmp_path)
    assert [video.label for video in listing] == ["abseiling", "acting in play", "yarn spinning"]
    assert {video.subset for video in listing} == {"test"}


def test_something_something_templates(tmp_path):
    """Brackets are taken off, and a test list without labels keeps its videos without one."""
    root = tmp_path / "something-something-v2"
    write(root / "something-something-v2-validation.json", json.dumps([
        {"id": "74225", "label": "spinning cube", "template": "Spinning [something] so it continues spinning"},
    ]))  # fmt: skip
    (video,) = read_listing("sthv2", tmp_path)
    assert (video.video, video.subset) == ("74225", "validation")
    assert video.label == "Spinning something so it continues spinning"


def test_activitynet_ids_lose_what_files_have_in_front(tmp_path):
    """Annotations write the YouTube id, files ``v_`` before it; an id that begins with v_ keeps it."""
    annotations(
        tmp_path / "activity_net.v1-3.min.json",
        {"QJm_B5Hx4DI": ("training", [(0.0, 5.0, "Archery")]), "v_abcdefghi": ("validation", [(0.0, 5.0, "Surfing")])},
    )
    write(tmp_path / "v_QJm_B5Hx4DI.mp4", "x")
    write(tmp_path / "v_v_abcdefghi.mkv", "x")
    assert sorted(find_files("activitynet200", tmp_path)) == ["QJm_B5Hx4DI", "v_abcdefghi"]


def test_ambiguous_is_never_a_class(tmp_path):
    """THUMOS14 marks doubtful moments; they are no action, and a video of only those has no label."""
    annotations(
        tmp_path / "thumos14_annotations.json",
        {
            "video_test_0000001": ("test", [(1.0, 2.0, "Ambiguous"), (3.0, 4.0, "Diving"), (3.0, 4.0, "CliffDiving")]),
            "video_test_0000002": ("test", [(1.0, 2.0, "Ambiguous")]),
        },
    )
    first, second = read_listing("thumos14", tmp_path)
    assert first.segments == ((3.0, 4.0, "Diving"), (3.0, 4.0, "CliffDiving"))
    assert (second.label, second.segments) == ("", ())


def test_one_annotation_file_is_enough(tmp_path):
    """Of two the larger is taken, and the other is reported."""
    annotations(tmp_path / "thumos14_a_annotations.json", {"video_test_1": ("test", [(1.0, 2.0, "Diving")])})
    annotations(
        tmp_path / "thumos14_b_annotations.json",
        {"video_test_1": ("test", [(1.5, 2.0, "Diving")]), "video_test_2": ("test", [(1.0, 2.0, "Diving")])},
    )
    report = check("thumos14", tmp_path)
    assert len(report.stock.listing) == 2
    assert [path.name for path, _ in report.stock.unused] == ["thumos14_a_annotations.json"]


def test_thumos_annotations_are_no_ucf_list(tmp_path):
    """All THUMOS14 classes are UCF101 classes too; an unnamed annotation file is still not a list of UCF101."""
    annotations(tmp_path / "anno.json", {"video_test_1": ("test", [(1.0, 2.0, "Diving")])})
    assert not find_lists("ucf101", tmp_path)
    assert find_lists("thumos14", tmp_path)


# what is wrong


def test_unknown_labels_are_named_and_never_dropped_silently(tmp_path):
    """Reading refuses a label that is no class and names the nearest one; the report counts it."""
    path = write(tmp_path / "ucf101_videos.csv", "video,class", "a.avi,Archery", "b.avi,Arhcery", "c.avi,Surfing")
    with pytest.raises(UsageError, match=r"'Arhcery' \(1 videos\); did you mean 'Archery'") as error:
        read_listing("ucf101", tmp_path)
    assert str(path) in str(error.value)
    report = check("ucf101", tmp_path)
    assert report.stock.unknown == {"Arhcery": 1}
    assert "1 videos have the label 'Arhcery', which is no class; did you mean 'Archery'?" in report.render()


def test_lists_that_contradict_each_other_are_refused(tmp_path):
    """Two classes, or two subsets, for one video name both files."""
    write(tmp_path / "a" / "ucf101_videos.csv", "video,class", "a.avi,Archery")
    write(tmp_path / "b" / "ucf101_other.csv", "video,class", "a.avi,Surfing")
    with pytest.raises(UsageError, match=r"ucf101_other.csv calls a 'Surfing', .*ucf101_videos.csv 'Archery'"):
        read_listing("ucf101", tmp_path)
    write(tmp_path / "k400" / "train.csv", "label,youtube_id", "archery,aaaaaaaaaaa")
    write(tmp_path / "k400" / "val.csv", "label,youtube_id", "archery,aaaaaaaaaaa")
    with pytest.raises(UsageError, match=r"in validation, .* in training"):
        read_listing("kinetics400", tmp_path)


def test_a_list_without_classes_needs_another(tmp_path):
    """Numbers that cannot be places name no class; the message says what to add."""
    write(tmp_path / "hmdb51_val1.txt", "a.avi 0", "b.avi 1")
    write(tmp_path / "hmdb51_videos.csv", "video,class", "c.avi,17", "d.avi,18")
    with pytest.raises(UsageError, match="no list says what 2 videos of HMDB51 show, such as a"):
        read_listing("hmdb51", tmp_path)
    assert "hmdb51_videos.csv  not used: most of its labels are no classes" in check("hmdb51", tmp_path).render()


def test_nothing_there_says_what_to_put(tmp_path):
    """An empty folder is answered with the official files and their source; a wrong path with itself."""
    with pytest.raises(UsageError, match=r"put activity_net.v1-3.min.json there, from http"):
        read_listing("activitynet200", tmp_path)
    with pytest.raises(UsageError, match="there is no such folder"):
        read_listing("activitynet200", tmp_path / "nowhere")


def test_strangers_in_the_folder_do_no_harm(tmp_path):
    """Broken links, loops, other texts and lists of other data sets are passed over."""
    write(tmp_path / "readme.txt", "hello.avi is the first clip", "this line names nothing")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    write(tmp_path / "kinetics400" / "train.csv", "label,youtube_id", "broken")
    write(tmp_path / "ucf101_videos.csv", "video,class", "a.avi,Archery")
    assert [video.video for video in read_listing("ucf101", tmp_path)] == ["a"]
    lists_found = [found.path for found in find_lists("ucf101", tmp_path)]
    assert lists_found == [tmp_path / "ucf101_videos.csv"], "a loop shows the same list under a second name"


def test_a_broken_official_list_is_an_error(tmp_path):
    """A list that is the data set's by name and cannot be read stops the reading; an empty one is reported."""
    write(tmp_path / "ucfTrainTestlist" / "testlist01.txt", "Archery/v_Archery_g01_c01.avi", "nonsense")
    with pytest.raises(UsageError, match=r"testlist01\.txt, line 2"):
        read_listing("ucf101", tmp_path)
    (tmp_path / "ucfTrainTestlist" / "testlist01.txt").write_text("")
    assert check("ucf101", tmp_path).stock.unused[0][0].name == "testlist01.txt"


def test_check_counts_missing_and_empty_videos(tmp_path):
    """Each is said with its name: missing ones, files of no bytes, and counts that are not the published ones."""
    write(tmp_path / "olympicsports_videos.csv", "video,class", "a,bowling", "b,gymnastic_vault", "c,snatch")
    write(tmp_path / "a.avi", "x")
    (tmp_path / "b.avi").touch()
    report = check("olympicsports16", tmp_path)
    assert report.missing == ("c",)
    assert report.empty == (tmp_path / "b.avi",)
    assert report.stock.listing.by_id["b"].label == "vault"
    assert len(report.problems) == 3
    assert "videos: 3 instead of 783" in report.render()


@needs_data
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("ucf101", {"videos": 13320, "test1": 3783, "test2": 3734, "test3": 3696, "train1": 9537}),
        ("hmdb51", {"videos": 6766, "test1": 1530, "test2": 1530, "test3": 1530, "train1": 0}),
        ("olympicsports16", {"videos": 783}),
        (
            "activitynet200",
            {"training": 10024, "training actions": 15410, "validation": 4926, "validation actions": 7654},
        ),
        ("thumos14", {"validation": 200, "validation actions": 3007, "test": 212, "test actions": 3358}),
    ],
)
def test_real_lists_have_the_published_counts(name, counts):
    """Real lists in a folder with those of all other data sets are found, read and counted."""
    report = check(name, DATA)
    assert {what: found for what, found, _ in report.counts if what in counts} == counts
    assert not report.stock.unknown
    assert not report.stock.unlabelled


@needs_data
def test_real_clips_are_found_by_their_ids():
    """Clips that keep the name they have in the data set are matched to it."""
    found = find_files("ucf101", DATA)
    assert found["v_SoccerJuggling_g23_c01"].name == "v_SoccerJuggling_g23_c01.avi"
    assert "GGSY1Qvo990" in find_files("activitynet200", DATA)
    assert len(read_listing("kinetics600", DATA)) == 25408


def test_a_whole_test_list_alone_implies_the_training_list(tmp_path):
    """Half a test list implies nothing, and neither does one that has its training list beside it."""
    counts = {"videos": 4, "training": 0, "test1": 2, "test2": 2, "test3": 2}
    dataset = dataclasses.replace(find_dataset("ucf101"), expected=counts)
    videos = [f"Archery/v_Archery_g0{number}_c01.avi" for number in range(4)]
    for video in videos:
        write(tmp_path / "UCF-101" / video, "x")
    lists_of = {
        "testlist01": videos[:2],
        "testlist02": videos[:1],
        "testlist03": videos[:2],
        "trainlist03": videos[2:3],
    }
    for name, listed in lists_of.items():
        ending = " 3" if name.startswith("train") else ""
        write(tmp_path / "ucfTrainTestlist" / f"{name}.txt", *(video + ending for video in listed))
    found = [read_listing(dataset, tmp_path).by_id[Path(video).stem].lists for video in videos]
    assert found == [{"test1", "test2", "test3"}, {"test1", "test3"}, {"train1", "train3"}, {"train1"}]


def test_a_table_is_read_whatever_else_it_holds(tmp_path):
    """Headers may be capitalised, and of several columns the first that can be one is it."""
    path = write(tmp_path / "v.csv", "Number,Label,Video,class", "1,eating,a.avi,other")
    assert [(video.video, video.label) for video in lists.read_table(path)] == [("a", "eating")]


def test_a_data_set_can_be_a_key():
    """The counts and spellings of a data set are mappings, and it is hashable all the same."""
    assert {find_dataset(name): name for name in SIZES} == {DATASETS[name]: name for name in SIZES}


def test_a_check_tells_of_videos_that_no_list_names(tmp_path):
    """Only where there are some: the number stands in the report."""
    write(tmp_path / "UCF-101" / "Archery" / "a.avi", "x")
    assert "no list names" not in check("ucf101", tmp_path).render()
    for name in "bc":
        write(tmp_path / "UCF-101" / "Odd" / f"{name}.avi", "x")
    assert "\n  2 that no list names\n" in check("ucf101", tmp_path).render()


def test_a_check_says_what_is_missing_only_where_something_is(tmp_path):
    """Listed videos: none there, some there, all there and one of them empty."""
    videos = [f"Archery/v_Archery_g0{number}_c01.avi" for number in (1, 2)]
    write(tmp_path / "ucfTrainTestlist" / "testlist01.txt", *videos)

    def said():
        return [problem for problem in check("ucf101", tmp_path).problems if " instead of " not in problem]

    def about(word):
        return [problem for problem in said() if word in problem]

    assert len(about("no video is here")) == 1 and not about("are missing") and not about("empty")
    write(tmp_path / "UCF-101" / videos[0], "x")
    assert not about("no video is here") and len(about("1 videos are missing: v_Archery_g02_c01")) == 1
    write(tmp_path / "UCF-101" / videos[1], "x")
    assert not about("no video is here") and not about("are missing") and not about("empty")
    (tmp_path / "UCF-101" / videos[1]).write_bytes(b"")
    assert len(about("1 videos are empty files")) == 1
