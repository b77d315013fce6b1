"""A folder of numbered pictures is a video: which pictures, in which order, at which rate, and how safely."""

from __future__ import annotations

import json
import os
import shutil
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import gerund.api
from gerund.api import Model
from gerund.cli import app
from gerund.errors import UsageError, VideoError
from gerund.features import FeatureStore, extract
from gerund.features.store import name_videos
from gerund.page import data_url
from gerund.video import Video
from gerund.video.files import find_videos
from gerund.video.identity import content_id
from gerund.video.limits import Limits
from gerund.video.numbering import numbered_pictures
from gerund.video.workers import Workers
from painted import numbers, paint
from stub import ColourEncoder


def write(folder, count=12, *, name="img_{}.png", first=0):
    """Pictures that are painted with their numbers, counted from 0, whatever the files are called."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(paint(number, 40 * number)).save(folder / name.format(number + first))
    return folder


@pytest.fixture(scope="module")
def workers():
    """Processes that decode, kept for all tests that look at the results alone."""
    with Workers() as kept:
        yield kept


@pytest.mark.parametrize("name", ["img_{}.png", "{:05d}.jpg", "frame {} of clip.JPG", "v2_{:03d}.jpeg"])
def test_pictures_come_in_the_order_of_their_numbers(tmp_path, name):
    """9 comes before 10 with and without leading zeros; the last number in a name counts."""
    video = Video(write(tmp_path / "a", name=name, first=1))
    assert numbers(video.read().frames) == list(range(12))
    assert (video.num_frames, video.width, video.height) == (12, 96, 64)


def test_a_rate_is_given_or_25(tmp_path):
    """Times follow from the rate; a float, a fraction and none at all."""
    folder = write(tmp_path / "a")
    assert Video(folder).fps == 25
    assert Video(folder).times_s[-1] == pytest.approx(11 / 25)
    assert Video(folder, fps=Fraction(30000, 1001)).duration_s == pytest.approx(12 * 1001 / 30000)
    assert Video(folder, fps=8.0).frames_at([1.0]).tolist() == [8]
    with pytest.raises(UsageError, match="fps must be above 0"):
        Video(folder, fps=0)


def test_a_worker_reads_the_same(tmp_path, workers):
    """Index and pictures are equal to those read here, at the rate that was given here."""
    folder = write(tmp_path / "a", name="{}.jpg")
    with workers.reading(video := Video(folder, fps=10)) as reading:
        found = [picture[None] for _, picture in reading.pictures([2, 9, 10], {None: [2, 9, 10]})]
    assert video.duration_s == pytest.approx(1.2)
    for picture, expected in zip(found, Video(folder).read([2, 9, 10]).frames, strict=True):
        np.testing.assert_array_equal(picture, expected)


def test_jpeg_is_read_as_pillow_reads_it(tmp_path):
    """Colours of a picture that is no painting lie within a few steps of Pillow's; PNG is equal."""
    rough = np.random.default_rng(0).integers(0, 255, (6, 9, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(rough).resize((90, 60), Image.Resampling.BICUBIC))
    for ending, most in ((".png", 0), (".jpg", 4)):
        (tmp_path / ending).mkdir()
        Image.fromarray(smooth).save(tmp_path / ending / f"1{ending}", quality=95, subsampling=0)
        pillow = np.asarray(Image.open(tmp_path / ending / f"1{ending}"), np.int64)
        assert np.abs(Video(tmp_path / ending).read().frames[0] - pillow).max() <= most


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["img_1.png", "img_2.png", "img_4.png"], "picture 3 is missing between img_2.png and img_4.png"),
        (["img_1.png", "img_01.png"], "have the same number"),
        (["img_1.png", "flow_x_1.png"], "several series"),
        (["1.png", "2.jpg"], "several series"),
        (["1.png", "2.png", "cover.png"], "and others: cover.png"),
        (["cover.png"], "without numbered pictures"),
        (["notes.txt"], "without numbered pictures"),
    ],
)
def test_folders_that_are_no_one_video_are_refused_in_words(tmp_path, names, words):
    """Holes, doubles, several series and pictures without a number name what is wrong."""
    for name in names:
        if name.endswith("txt"):
            (tmp_path / name).write_text("no picture")
        else:
            Image.fromarray(paint(1, 1)).save(tmp_path / name)
    with pytest.raises(VideoError, match=words):
        Video(tmp_path).read()


def test_what_is_no_picture_is_passed_over(tmp_path):
    """Labels, hidden files and a thumbnail database beside the pictures do not matter."""
    folder = write(tmp_path / "a", 3)
    for name in ("labels.txt", ".img_7.png", "Thumbs.db", "track_1.csv"):
        (folder / name).write_text("x")
    assert [path.name for path in numbered_pictures(folder)] == ["img_0.png", "img_1.png", "img_2.png"]


def test_pictures_of_several_sizes_are_refused(tmp_path, workers):
    """The one that differs is named with both sizes; nothing is scaled behind one's back."""
    folder = write(tmp_path / "a", 3)
    Image.fromarray(paint(2, 2, 100, 64)).save(folder / "img_2.png")
    with (
        pytest.raises(VideoError, match=r"img_2.png has 100 x 64 pixels and img_0.png 96 x 64"),
        workers.reading(Video(folder)) as reading,
    ):
        list(reading.pictures([0, 2], {None: [0, 2]}))


def test_a_picture_is_what_its_bytes_say(tmp_path):
    """A film, a text and an empty file under a picture's name are refused, each named; a pipe is never opened."""
    for place, (content, words) in enumerate(
        [(b"RIFF....AVI ", "neither JPEG nor PNG"), (b"#EXTM3U\n", "neither JPEG nor PNG"), (b"", "empty")]
    ):
        folder = write(tmp_path / str(place), 2)
        (folder / "img_1.png").write_bytes(content)
        with pytest.raises(VideoError, match=f"img_1.png: .*{words}"):
            Video(folder).read()
    folder = write(tmp_path / "pipe", 1)
    os.mkfifo(folder / "img_1.png")
    with pytest.raises(VideoError, match=r"img_1.png: .*pipe"):
        Video(folder).read()


def test_pictures_are_held_to_the_limits(tmp_path):
    """A picture of more pixels than allowed, and a strip, are refused before they are decoded, in the worker too."""
    folder = write(tmp_path / "a", 2)
    with Workers(Limits(pixels=1000)) as strict, pytest.raises(VideoError, match=r"img_0.png: .*too large: 96 x 64"):
        strict.reading(Video(folder)).__enter__()
    (tmp_path / "strip").mkdir()
    Image.fromarray(np.zeros((1, 1000, 3), np.uint8)).save(tmp_path / "strip" / "1.png")
    with pytest.raises(VideoError, match="strips of 1000 x 1"):
        Video(tmp_path / "strip").read()


def test_time_is_allowed_for_all_pictures(tmp_path):
    """The processor time that a folder may take grows with what its files weigh together, not with the folder's own."""
    from gerund.video.worker import _size_bytes

    folder = write(tmp_path / "a", 5)
    assert _size_bytes(folder) == sum(path.stat().st_size for path in folder.iterdir())


def test_a_folder_of_pictures_is_one_video(tmp_path):
    """Named itself, or in a folder of such folders; where there are videos, pictures beside them are passed over."""
    for name in ("b", "a", "deep/c"):
        write(tmp_path / "set" / name, 2)
    assert find_videos([tmp_path / "set/a"]).files == [tmp_path / "set/a"]
    found = find_videos([tmp_path / "set", tmp_path / "set/b"])
    assert found.files == [tmp_path / "set" / name for name in ("a", "b", "deep/c")]
    assert (found.problems, found.num_passed_over) == ([], 0)
    (tmp_path / "set/film.mp4").write_bytes(b"")
    found = find_videos([tmp_path / "set"])
    assert (found.files, found.num_passed_over) == ([tmp_path / "set/film.mp4"], 6)


def test_a_folder_without_either_is_a_problem(tmp_path):
    """The message says what is looked for."""
    Image.fromarray(paint(1, 1)).save(tmp_path / "cover.png")
    (problem,) = find_videos([tmp_path]).problems
    assert "no numbered pictures" in str(problem)


def test_content_tells_folders_apart(tmp_path):
    """Other names and places are the same video; a changed, added or left out picture and another rate are not."""
    folder = write(tmp_path / "a")
    same = content_id(folder)
    assert content_id(write(tmp_path / "b", name="{:04d}.png", first=7)) == same
    assert content_id(folder, fps=Fraction(30)) != same
    changed = shutil.copytree(folder, tmp_path / "c")
    Image.fromarray(paint(99, 1)).save(changed / "img_5.png")
    assert content_id(changed) != same
    (folder / "img_11.png").unlink()
    assert content_id(folder) != same


def test_ids_of_folders_keep_their_dots(tmp_path, monkeypatch):
    """`v.g01` is a folder's whole name, not a name with an ending; `.` is called as the folder is."""
    folder = write(tmp_path / "v_Punch.g01", 1)
    assert list(name_videos([folder])) == ["v_Punch.g01"]
    assert list(name_videos([folder], tmp_path)) == ["v_Punch.g01"]
    monkeypatch.chdir(folder)
    assert list(name_videos(["."])) == list(name_videos([folder], folder)) == ["v_Punch.g01"]


@pytest.fixture
def run(monkeypatch):
    """Types a command to a gerund whose model is a stub."""
    monkeypatch.setattr(gerund.api, "load", lambda name, **_: Model(ColourEncoder()))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def red(folder, count=8):
    """Red pictures."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(np.full((32, 32, 3), (240, 10, 10), np.uint8)).save(folder / f"{number}.png")
    return folder


def test_classify_and_locate_take_a_folder(run, tmp_path):
    """A folder is one answer; that nothing says its rate is told; a page holds it at the rate that was given."""
    folder, record = red(tmp_path / "a"), tmp_path / "a.jsonl"
    result = run("classify", folder, "--actions", "red, green", "--json", record)
    assert result.exit_code == 0, result.stderr
    assert "1 folder of pictures read at 25 pictures a second" in result.stderr
    (line,) = map(json.loads, record.read_text().splitlines())
    assert (line["video"], line["duration_s"], line["actions"][0]["action"]) == (str(folder), 0.32, "red")
    again = run("classify", folder, "--actions", "red, green", "--json", record)
    assert "1 of 1 answered before" in again.stderr
    other = run("classify", folder, "--actions", "red, green", "--json", record, "--fps", 4)
    assert "answered before" not in other.stderr and "pictures a second" not in other.stderr
    assert json.loads(record.read_text())["duration_s"] == 2.0
    page = run("locate", folder, "--actions", "red, green", "--html", tmp_path / "p.html", "--fps", 4)
    assert page.exit_code == 0
    assert "data:video/mp4;base64" in (tmp_path / "p.html").read_text()


def test_a_preview_lasts_as_long_as_the_answer_says(tmp_path, workers):
    """Pictures at four a second are played at four a second."""
    import base64

    url = data_url(red(tmp_path / "a"), workers, duration_s=2.0)
    (tmp_path / "preview.mp4").write_bytes(base64.b64decode(url.partition(",")[2]))
    np.testing.assert_allclose(Video(tmp_path / "preview.mp4").times_s, np.arange(8) / 4, atol=1e-3)


def test_a_rate_for_files_is_refused(run, tmp_path):
    """Files have a rate of their own: status 2."""
    from stub import write_colours

    result = run("classify", write_colours(tmp_path / "a.mp4", ["red"]), "--actions", "red", "--fps", 4)
    assert result.exit_code == 2
    assert "--fps is for folders" in result.stderr
    with pytest.raises(UsageError, match="arrays of frames and folders"):
        Model(ColourEncoder()).classify(tmp_path / "a.mp4", ["red"], fps=4)


def test_python_takes_a_folder_with_its_rate(tmp_path):
    """`fps` is for arrays and for folders of pictures."""
    answer = Model(ColourEncoder()).classify(red(tmp_path / "a"), ["red", "green"], fps=2)
    assert (answer.best.action, answer.duration_s) == ("red", 4.0)


def test_extract_keeps_folders_and_knows_their_rate(run, tmp_path):
    """Folders of a folder are kept by their names, found again, and made anew at another rate."""
    for name in ("a", "b"):
        red(tmp_path / "set" / name)
    words = ("extract", tmp_path / "set", "--encoder", "colours", "--out", tmp_path / "out")
    assert "2 of 2 are here, 2 of them new" in run(*words).stderr
    store = FeatureStore(tmp_path / "out")
    assert store.ids() == ["a", "b"]
    np.testing.assert_allclose(store.read("a").spans_s, [[0, 4 / 25], [4 / 25, 8 / 25]])
    np.testing.assert_array_equal(
        store.read("b").vectors, extract(Video(tmp_path / "set/b"), ColourEncoder(), dense=True).vectors
    )
    assert "2 of 2 are here, 0 of them new" in run(*words).stderr
    slow = run(*words, "--fps", 4)
    assert slow.exit_code == 0, slow.stderr
    np.testing.assert_allclose(store.read("a").spans_s, [[0, 1], [1, 2]])
