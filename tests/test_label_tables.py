"""Tables of labels: every form that people have says the same, and what is unclear is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.errors import UsageError
from gerund.lessons import rows as rows_module
from gerund.lessons.labels import labels_of_folders, labels_of_table
from gerund.lessons.matching import Known, match
from gerund.lessons.rows import Row, read_rows
from gerund.text.names import read_vocabulary, to_words

LISTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "annotations" / "video_labels"


@pytest.fixture
def table(tmp_path):
    """Writes a table and gives its path."""

    def write(text, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def pairs(path, actions=""):
    return [(row.video, row.label) for row in labels_of_table(path, str(actions) if actions else "").rows]


BOTH = [("clips/a b.mp4", "playing guitar"), ("clips/c.avi", "jump")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("headed.csv", "path,label\nclips/a b.mp4,playing guitar\nclips/c.avi,Jump\n"),
        ("columns.csv", "index,Labels,VideoName\n0,playing guitar,clips/a b.mp4\n1,Jump,clips/c.avi\n"),
        ("bare.csv", "clips/a b.mp4,playing guitar\r\n\r\nclips/c.avi,Jump\r\n"),
        ("quoted.csv", '"clips/a b.mp4","playing guitar"\nclips/c.avi,Jump'),
        ("three.csv", "clips/a b.mp4,120,playing guitar\nclips/c.avi,33,Jump\n"),
        ("semicolons.csv", "video;class\nclips/a b.mp4;playing guitar\nclips/c.avi;Jump\n"),
        ("tabs.tsv", "clips/a b.mp4\tplaying guitar\nclips/c.avi\tJump\n"),
        ("blanks.txt", "clips/a b.mp4 playing guitar\nclips/c.avi   Jump\n"),
        ("lines.jsonl", '{"videoname": "clips/a b.mp4", "nframes": 3, "label": "playing guitar"}\n'
                        '{"label": "Jump", "videoname": "clips/c.avi"}\n'),
        ("mark.csv", "\ufeffpath,label\nclips/a b.mp4,playing guitar\nclips/c.avi,Jump\n"),
        ("apostrophe.csv", "path,label\nclips/a b.mp4,'-playing guitar\nclips/c.avi,Jump\n"),
    ],
)  # fmt: skip
def test_every_form_says_the_same(table, name, text):
    """Commas, semicolons, tabs, blanks and JSON Lines; with a head, in any case and order, or without one."""
    marked = [(BOTH[0][0], "-playing guitar"), BOTH[1]]  # as gerund writes what a spreadsheet would run
    assert pairs(table(text, name)) == (marked if name == "apostrophe.csv" else BOTH)


def test_the_forms_of_the_five_systems(table):
    """UCF101's list and mmaction2's, LoCATe's paths, STDD's numbers, TEAR's and ER's: names by folders or by a list."""
    assert pairs(table("ApplyEyeMakeup/v_a.avi 1\nBiking/v_b.avi 2\nBiking/v_c.avi 2\n")) == [
        ("ApplyEyeMakeup/v_a.avi", "apply eye makeup"), ("Biking/v_b.avi", "biking"), ("Biking/v_c.avi", "biking"),
    ]  # fmt: skip
    names = table("waving\nwalking\njumping\n", "names.txt")
    assert pairs(table("path\n/k400/playing_guitar/x.mp4\n/k400/zumba/y.mp4\n")) == [
        ("/k400/playing_guitar/x.mp4", "playing guitar"), ("/k400/zumba/y.mp4", "zumba"),
    ]  # fmt: skip
    assert pairs(table("train/a.mp4,0\ntrain/b.mp4,2\n"), names) == [
        ("train/a.mp4", "waving"),
        ("train/b.mp4", "jumping"),
    ]
    assert pairs(table("frames/a 120 0\nframes/b 7 2\n"), names) == [("frames/a", "waving"), ("frames/b", "jumping")]
    assert pairs(table("some class/id 3\nother/id2 1\n"), names) == [
        ("some class/id", "jumping"),
        ("other/id2", "waving"),
    ]
    assert pairs(table("a b/x_1_2,1,0\nc/y_1_2,1,1\n"), names) == [("a b/x_1_2", "waving"), ("c/y_1_2", "walking")]
    metas = '{"videoname": "x.mp4", "label": 2}\n{"videoname": "y.mp4", "label": 0}\n'
    assert pairs(table(metas, "m.jsonl"), names) == [
        ("x.mp4", "jumping"), ("y.mp4", "waving"),
    ]  # fmt: skip


def test_kinetics_names_a_video_by_its_id_and_its_cut(table):
    """Files of Kinetics are called after id and seconds, or the id alone; the seconds are no action in the file."""
    path = table('label,youtube_id,time_start,time_end,split\n"eating, quickly",-0ab_xyz1234,5,15,train\n')
    (row,) = labels_of_table(path).rows
    assert row.videos == ("-0ab_xyz1234_000005_000015", "-0ab_xyz1234")
    assert (row.label, row.span_s) == ("eating, quickly", None)
    for there in ("eating/-0ab_xyz1234_000005_000015", "x/-0ab_xyz1234"):
        assert match([row], [there], timed=False).shown[0].video == there


def test_when_it_happens(table):
    """video,start_s,end_s,label with and without a head or commas, and ActivityNet's JSON, give the same actions."""
    whole = [("v1", "diving", (1.5, 2.25)), ("v1", "jump", (3.0, 4.0)), ("v2", "diving", (0.0, 9.0))]
    lines = "v1{0}1.5{0}2.25{0}Diving\nv1{0}3{0}4{0}jump\nv2{0}0{0}9{0}Diving\n"
    annotated = """{"database": {"v1": {"subset": "training", "annotations": [
        {"segment": [1.5, 2.25], "label": "Diving"},
        {"segment": [3, 4], "label": "jump"}]}, "v2": {"annotations": [{"segment": [0, 9], "label": "Diving"}]}}}"""
    for name, text in (
        ("a.csv", lines.format(",")),
        ("b.txt", lines.format(" ")),
        ("c.csv", "video,start_s,end_s,label\n" + lines.format(",")),
        ("d.csv", "video-id,t-start,t-end,label\n" + lines.format(",")),
        ("e.json", annotated),
    ):
        rows = labels_of_table(table(text, name)).rows
        assert [(row.video, row.label, row.span_s) for row in rows] == whole, name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table of labels is empty"),
        ("path,label\n", "the table of labels is empty"),
        ("a.mp4,x\nb.mp4\n", "line 2: has 1 columns, the first line 2"),
        ("a.mp4,1,2,3,4\n", "line 1: 5 columns, and the first line does not say"),
        ("a.mp4,x,y,wave\n", "line 1: 4 columns, and the first line does not say"),
        ("path,label\na.mp4,\n", "line 2: has no label"),
        ("path,label\n,x\n", "line 2: names no video"),
        ('path,label\n"a.mp4,x\n', "line 2: cannot be read as a table"),
        ("path,label,class\na,b,c\n", "'label' and 'class' may both be the label"),
        ("video,path,label\na,b,c\n", "'video' and 'path' may both be the video"),
        ("video,start_s,label\na,1,c\n", "a start and an end belong together"),
        ("video,start_s,end_s,label\na,2,1,c\n", "line 2: an action must end after it starts, got 2 to 1"),
        ("video,start_s,end_s,label\na,1,1,c\n", "line 2: an action must end after it starts"),
        ("video,start_s,end_s,label\na,-1,1,c\n", "line 2: expected a moment in seconds from 0 on, got '-1'"),
        ("video,start_s,end_s,label\na,nan,1,c\n", "line 2: expected a moment"),
        ("a.mp4," + "x" * 5000, "line 1: a cell of 5000 characters"),
        (b"a.mp4,x\nb.mp4,\xff\n", "line 2: expected a table of labels as UTF-8"),
        (b"a.mp4,\0x\n", "binary file"),
        ("b.mp4,wave\nc.mp4\n", "line 2: has 1 columns"),
        ("train/a.mp4\n", "line 1: has neither a label nor the folder of a class, got 'train/a.mp4'"),
        ("a.mp4\n", "line 1: has neither a label nor the folder"),
        ("a.mp4,3\nb.mp4,4\n", "its labels are numbers; give the list of the classes"),
        ("x/a.mp4 1\nx/b.mp4 2\n", "its labels are numbers"),
        ("x/a.mp4 1\ny/b.mp4 1\n", "its labels are numbers"),
        ("train/a.mp4 1\ntest/b.mp4 2\n", "its labels are numbers"),
        ("a.mp4,x" + "\n" * 3 + 'b.mp4,"' + "y" * 200000, "line [45]: cannot be read as a table"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused_with_its_line(table, text, message):
    """One line that says where, and what was expected; nothing is guessed."""
    with pytest.raises(UsageError, match=message):
        labels_of_table(table(text))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"videoname": "a", "label": "x"}\n{"video\n', "line 2: expected JSON on each line"),
        ("a.jsonl", '{"name": "a", "label": "x"}\n', 'line 1: expected {"video"'),
        ("a.json", '{"database": []}', "expected {"),
        ("a.json", '{"database": {"v": {"annotations": [{"label": "x"}]}}}', "the entry of v: needs"),
        ("a.json", '{"database": {"v": {"annotations": [{"label": "x", "segment": [1]}]}}}', "the entry of v: needs"),
        (
            "a.json",
            '{"database": {"v": {"annotations": [{"label": "x", "segment": [2, 1]}]}}}',
            "the entry of v: an ac",
        ),
        ("a.json", '{"database"', "line 1: this is not JSON"),
        ("brush_hair_test_split1.txt", "a.avi 1\n", "HMDB51's own"),
    ],
)
def test_other_forms_are_refused_in_words_too(table, name, text, message):
    """JSON that is cut, or says nothing of videos; and HMDB51's lists, whose numbers are no classes."""
    with pytest.raises(UsageError, match=message):
        labels_of_table(table(text, name))


def test_a_huge_table_is_not_read(table, monkeypatch):
    """It is refused by its size, before anything of it is parsed."""
    monkeypatch.setattr(rows_module, "MOST_BYTES", 20)
    with pytest.raises(UsageError, match=r"larger than .*a short line for each"):
        read_rows(table("a.mp4,x\n" * 3))
    with pytest.raises(UsageError, match="cannot be read"):
        read_rows(Path("/nowhere/t.csv"))
    with pytest.raises(UsageError, match="is a folder"):
        read_rows(Path("/"))


def test_numbers_are_counted_from_where_they_begin(table):
    """From 0 where a 0 is there, from 1 where the number of classes is; else nobody knows, and it is refused."""
    names = table("Wave\nwalk\nJump\n", "names.txt")
    assert [label for _, label in pairs(table("a,0\nb,2\n"), names)] == ["wave", "jump"]
    assert [label for _, label in pairs(table("a,1\nb,3\n"), names)] == ["wave", "jump"]
    with pytest.raises(UsageError, match="cannot be told whether they are counted"):
        pairs(table("a,1\nb,2\n"), names)
    with pytest.raises(UsageError, match=r"line 2: the label 3 is none of the 3 actions, counted from 0"):
        pairs(table("a,0\nb,3\n"), names)
    with pytest.raises(UsageError, match=r"line 1: the label 4 is none of the 3 actions, counted from 1"):
        pairs(table("a,4\nb,1\n"), names)


def test_a_list_of_classes_is_kept_to(table):
    """Names must be on it, in any spelling of the data set's; a class named twice would shift the others."""
    names = table("ApplyEyeMakeup\nBiking\n", "names.txt")
    assert pairs(table("a,apply_eye_makeup\nb,BIKING\n"), names) == [("a", "apply eye makeup"), ("b", "biking")]
    with pytest.raises(UsageError, match=r"line 2: 'skiing' is not on the list of actions \(2 names\)"):
        pairs(table("a,Biking\nb,skiing\n"), names)
    with pytest.raises(UsageError, match="'biking' is named as number 1 and as number 2"):
        pairs(table("a,0\nb,1\n"), table("x\nBiking\nbiking\n", "names.txt"))
    assert pairs(table("a,0\nb,100\n"), "ucf101")[1][1] == to_words(read_vocabulary("ucf101")[100])


def test_spellings_that_differ_in_case_are_one_class(table):
    """The first one stands for both."""
    assert [label for _, label in pairs(table("a,Jump rope\nb,jump Rope\n"))] == ["Jump rope", "Jump rope"]


def test_test_videos_are_not_learned_from(table):
    """Where a column says who is tested, only training rows count; a table of one part is taken whole."""
    path = table("path,label,split\na,x,train\nb,y,TEST\nc,x,val\nd,y,training\n")
    found = labels_of_table(path)
    assert [row.video for row in found.rows] == ["a", "d"] and found.num_left_out == 2
    found = labels_of_table(table("path,label,split\na,x,val\nb,y,val\n"))
    assert len(found.rows) == 2 and not found.num_left_out
    annotated = '{"database": {"v": {"subset": "%s", "annotations": [{"segment": [1, 2], "label": "x"}]},' \
        ' "w": {"subset": "training", "annotations": [{"segment": [1, 2], "label": "y"}]}}}'  # fmt: skip
    assert [row.video for row in labels_of_table(table(annotated % "test", "a.json")).rows] == ["w"]


def test_a_folder_for_each_class():
    """The first folder is the class, whatever lies below; videos outside of one, and parts of a data set, are none."""
    found = labels_of_folders(["shoot_bow/b/2", "shoot_bow/1", "Jump/3"], Path("f"))
    assert [(row.video, row.label) for row in found.rows] == [
        ("Jump/3", "jump"), ("shoot_bow/1", "shoot bow"), ("shoot_bow/b/2", "shoot bow"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"f/1 lies in no folder of a class"):
        labels_of_folders(["a/2", "1"], Path("f"))
    with pytest.raises(UsageError, match=r"folders are Test, train, which are parts .*--videos f/Test"):
        labels_of_folders(["train/a/1", "Test/a/2"], Path("f"))


def test_the_hash_is_that_of_what_was_said(table):
    """Another byte in a table, another file in a folder, another hash."""
    one, other = (labels_of_table(table(text)).sha256 for text in ("a,x\nb,y\n", "a,x\nb,z\n"))
    assert len(one) == 64 and one != other
    there, moved = (labels_of_folders(paths, Path()).sha256 for paths in (["a/1", "b/2"], ["a/1", "a/2"]))
    assert there != moved and there == labels_of_folders(["b/2", "a/1"], Path("elsewhere")).sha256


# Which videos a table means


def test_a_row_means_the_video_whose_path_ends_alike():
    """Paths of another machine, with more folders or fewer; never a video of another folder."""
    known = Known(["wave/1", "walk/1", "walk/2", "3"])
    for named, video in {
        "wave/1.mp4": "wave/1",
        "/data/me/walk/1.avi": "walk/1",
        "./walk/2": "walk/2",
        "C:\\clips\\wave\\1.MP4": "wave/1",
        "2.mkv": "walk/2",
        "any/where/3.mp4": "3",
        "wave/2.mp4": None,
        "1.txt": None,
    }.items():
        assert known.find([named], "") == video, named
    with pytest.raises(UsageError, match=r"t, line 4: 1.mp4 may be walk/1 or wave/1"):
        known.find(["1.mp4"], "t, line 4")


@given(st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=3), st.text("abc", min_size=1, max_size=2))
def test_a_video_is_found_by_its_own_path(folders, name):
    """Whatever else lies there, the whole path of a video means that video."""
    video = "/".join([*folders, name])
    assert Known([video, name, f"x/{name}", f"{video}/x"]).find([f"{video}.mp4"], "") == video


def test_rows_that_disagree_are_refused():
    """One video, two labels: both lines are named. For localizers these are two actions."""
    rows = [Row(("a.mp4",), "wave", "t, line 1"), Row(("/x/a.avi",), "walk", "t, line 7")]
    with pytest.raises(UsageError, match=r"t, line 7: .* shows 'walk' here and 'wave' in t, line 1"):
        match(rows, ["a"], timed=False)
    timed = [
        Row(("a",), "wave", "1", (0.0, 1.0)),
        Row(("a",), "walk", "2", (1.0, 2.0)),
        Row(("a",), "walk", "3", (1.0, 2.0)),
    ]
    (shown,) = match(timed, ["a"], timed=True).shown
    assert shown.actions == [(0.0, 1.0, "wave"), (1.0, 2.0, "walk")]


def test_what_is_missing_is_named_once():
    """Rows without a video, with the first line that names it; and how many videos no row names."""
    rows = [Row(("a",), "x", "1"), Row(("b",), "x", "2"), Row(("b",), "x", "3"), Row(("a",), "x", "4")]
    found = match(rows, ["a", "c", "d"], timed=False)
    assert [shown.video for shown in found.shown] == ["a"]
    assert (found.missing, found.num_unnamed) == ((("b", "2"),), 2)


@pytest.mark.skipif(not LISTS.is_dir(), reason=f"the shared lists are not here ({LISTS})")
def test_published_lists_are_read_whole():
    """UCF101's 13,320 videos of 101 classes, HMDB51's 6,766 of 51 with their odd names, in their own order."""
    for name, videos, classes in (("ucf101", 13320, 101), ("hmdb51", 6766, 51)):
        rows = labels_of_table(LISTS / f"{name}_videos.csv", name).rows
        assert (len(rows), len({row.label for row in rows})) == (videos, classes)
