from __future__ import annotations

import os
from pathlib import Path

import pytest

from gerund.errors import VideoError
from gerund.video.files import find_videos
from gerund.video.reader import VIDEO_SUFFIXES


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in, also as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def _found(*given: str) -> list[str]:
    files, problems, _ = find_videos(given)
    assert not problems
    return [str(file) for file in files]


def _problem(*given: str) -> VideoError:
    files, problems, _ = find_videos(given)
    assert files == []
    (problem,) = problems
    return problem


@pytest.mark.usefixtures("here")
class TestFolders:
    def test_a_folder_gives_its_videos_sorted_to_the_bottom(self):
        """Videos of a folder come before those of its subfolders, each sorted; other files are left alone."""
        _touch(
            "v/b.mp4", "v/a.avi", "v/notes.txt", "v/z/c.webm", "v/k/d.mkv", "v/k/deep/e.mov", "v/mp4", "v/a.mp4.part"
        )
        assert _found("v") == ["v/a.avi", "v/b.mp4", "v/k/d.mkv", "v/k/deep/e.mov", "v/z/c.webm"]

    def test_every_ending_counts_in_any_case(self):
        """Each known ending is found, and so is its spelling in capitals."""
        _touch(*[f"v/{i:02d}{suffix}" for i, suffix in enumerate(sorted(VIDEO_SUFFIXES))], "v/99.MP4")
        assert len(_found("v")) == len(VIDEO_SUFFIXES) + 1

    def test_hidden_files_and_folders_are_passed_over(self):
        """What starts with a dot (thumbnails, a Mac's ._ files, trash) is no video of the user's."""
        _touch("v/.a.mp4", "v/._b.mp4", "v/.trash/c.mp4", "v/d.mp4")
        assert _found("v") == ["v/d.mp4"]

    def test_a_hidden_folder_named_outright_is_searched(self):
        """Naming a hidden folder asks for it."""
        _touch(".cache/a.mp4")
        assert _found(".cache") == [".cache/a.mp4"]

    def test_a_folder_named_like_a_video_is_a_folder(self):
        """A folder that ends in .mp4 is searched, not taken for a file."""
        _touch("v/x.mp4/a.mp4")
        assert _found("v") == ["v/x.mp4/a.mp4"]

    def test_the_current_folder(self):
        """A dot gives the names without a prefix."""
        _touch("a.mp4")
        assert _found(".") == ["a.mp4"]

    def test_links_are_followed_but_never_in_circles(self):
        """A linked folder is searched once, even when links lead back to where they are."""
        _touch("v/a.mp4", "v/deep/b.mp4", "elsewhere/c.mp4")
        Path("v/deep/up").symlink_to(Path("..").absolute() / Path.cwd().name / "v")
        Path("v/self").symlink_to(".")
        Path("v/out").symlink_to(Path("elsewhere").absolute())
        Path("v/out_again").symlink_to(Path("elsewhere").absolute())
        assert _found("v") == ["v/a.mp4", "v/deep/b.mp4", "v/out/c.mp4"]

    def test_a_link_that_leads_nowhere_is_kept_for_the_reader_to_report(self):
        """A broken link is listed: dropping it in silence would hide a missing video."""
        _touch("v/a.mp4")
        Path("v/gone.mp4").symlink_to("nowhere.mp4")
        Path("v/round.mp4").symlink_to("round.mp4")
        assert _found("v") == ["v/a.mp4", "v/gone.mp4", "v/round.mp4"]

    @pytest.mark.parametrize("given", ["v/locked", "v"])
    def test_a_folder_that_may_not_be_searched_is_a_problem(self, given, monkeypatch):
        """A locked folder is reported as such, named outright or deep inside, and the rest is found."""
        _touch("v/a.mp4", "v/locked/b.mp4", "v/z/c.mp4")
        really_scan = os.scandir

        def scan(folder):
            if Path(folder).name == "locked":
                raise PermissionError(13, "Permission denied", os.fspath(folder))
            return really_scan(folder)

        monkeypatch.setattr(os, "scandir", scan)
        files, (problem,), _ = find_videos([given])
        assert files == ([Path("v/a.mp4"), Path("v/z/c.mp4")] if given == "v" else [])
        assert (problem.path, problem.reason) == ("v/locked", "this folder cannot be searched (Permission denied)")

    def test_a_folder_without_videos_is_a_problem(self):
        """An empty folder, and one with other things only, are reported with the endings that would count."""
        Path("empty").mkdir()
        _touch("notes/a.txt")
        for name in ("empty", "notes"):
            problem = _problem(name)
            assert problem.path == name
            assert "no video in this folder" in problem.reason
            assert ".mp4" in problem.reason


@pytest.mark.usefixtures("here")
class TestPatterns:
    def test_a_pattern_gives_its_matches_sorted(self):
        """Star and question mark are expanded here too, for shells that leave them alone."""
        _touch("b.mp4", "a.mp4", "c.avi", "sub/d.mp4")
        assert _found("*.mp4") == ["a.mp4", "b.mp4"]
        assert _found("?.avi") == ["c.avi"]
        assert _found("[ab].mp4") == ["a.mp4", "b.mp4"]

    def test_two_stars_reach_to_the_bottom(self):
        """A recursive pattern matches at every depth."""
        _touch("a.mp4", "x/b.mp4", "x/y/c.mp4", "x/y/d.avi")
        assert _found("**/*.mp4") == ["a.mp4", "x/b.mp4", "x/y/c.mp4"]

    def test_two_stars_and_a_link_in_a_circle_give_each_file_once(self):
        """A link back to its own folder does not multiply what a recursive pattern finds."""
        _touch("v/a.mp4")
        Path("v/again").symlink_to(".")
        files, problems, _ = find_videos(["v/**/*.mp4"])
        assert (len(files), problems) == (1, [])

    def test_a_pattern_that_matches_folders_searches_them(self):
        """Folders among the matches are searched as if named."""
        _touch("day1/a.mp4", "day2/b.mp4", "day2/c.txt", "night/d.mp4")
        assert _found("day*") == ["day1/a.mp4", "day2/b.mp4"]

    def test_a_pattern_without_a_match_is_a_problem(self):
        """Nothing found is said, with the pattern."""
        problem = _problem("*.mp4")
        assert (problem.path, problem.reason) == ("*.mp4", "nothing matches this pattern")

    def test_a_pattern_that_matches_only_empty_folders_is_a_problem(self):
        """Folders without videos are not a result either."""
        Path("day1").mkdir()
        assert "no video" in _problem("day*").reason

    def test_a_file_whose_name_looks_like_a_pattern_is_that_file(self):
        """Brackets and stars in an existing name mean the name."""
        _touch("clip [1].mp4", "clip 1.mp4", "what?.mp4", "[x]/a.mp4")
        assert _found("clip [1].mp4") == ["clip [1].mp4"]
        assert _found("what?.mp4") == ["what?.mp4"]
        assert _found("[x]") == ["[x]/a.mp4"]


@pytest.mark.usefixtures("here")
class TestNames:
    @pytest.mark.parametrize("name", ["a b.mp4", " lead.mp4", "pliée.mp4", "日本.mp4", "-x.mp4", "a:b.mp4", "a\nb.mp4"])
    def test_unusual_names_are_found_as_they_are(self, name):
        """Spaces, accents, dashes, colons and line ends are parts of names: given outright, in a folder, by pattern."""
        _touch(f"v/{name}")
        assert _found(f"v/{name}") == _found("v") == _found("v/*.mp4") == [f"v/{name}"]

    def test_names_that_are_not_utf8_are_found(self):
        """Bytes that are no text survive the way from the folder to the result."""
        name = b"v/n\xff\xe9.mp4"
        Path("v").mkdir()
        try:
            Path(os.fsdecode(name)).touch()
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
        for given in (os.fsdecode(name), "v", "v/*.mp4"):
            (file,) = find_videos([given])[0]
            assert os.fsencode(file) == name

    def test_a_file_named_outright_is_taken_whatever_its_ending(self):
        """The user knows best: endings are only asked about in folders."""
        _touch("v/recording", "v/film.bin")
        assert _found("v/recording", "v/film.bin") == ["v/recording", "v/film.bin"]

    def test_paths_may_be_path_objects(self):
        """Both kinds of paths are taken."""
        _touch("a.mp4")
        assert find_videos([Path("a.mp4")]) == ([Path("a.mp4")], [], 0)

    @pytest.mark.parametrize("name", ["gone.mp4", "no/such/folder", "a" * 300 + ".mp4", "x" * 5000])
    def test_what_is_not_there_is_a_problem(self, name):
        """A path that leads nowhere, even one too long to exist, is reported by name and not raised."""
        problem = _problem(name)
        assert (problem.path, problem.reason) == (name, "no such file or folder")


@pytest.mark.usefixtures("here")
class TestSeveral:
    def test_the_order_given_is_kept(self):
        """Files come in the order of the arguments; only the inside of a folder is sorted."""
        _touch("v/b.mp4", "v/a.mp4", "z.mp4", "c.mp4")
        assert _found("z.mp4", "v", "c.mp4") == ["z.mp4", "v/a.mp4", "v/b.mp4", "c.mp4"]

    def test_no_file_comes_twice(self):
        """Given again, in its folder, by a pattern, with a longer spelling or from the root, it stays where it was."""
        _touch("v/b.mp4", "v/a.mp4")
        whole = str(Path("v/b.mp4").absolute())
        assert _found("v/b.mp4", "v", "v/*.mp4", "./v/../v/b.mp4", whole, "v/b.mp4") == ["v/b.mp4", "v/a.mp4"]

    def test_two_names_of_one_file_are_two_videos(self):
        """A dataset may link one file into several classes: links are not merged."""
        _touch("a/x.mp4", "b/empty.mp4")
        Path("b/y.mp4").symlink_to(Path("a/x.mp4").absolute())
        assert _found("a", "b") == ["a/x.mp4", "b/empty.mp4", "b/y.mp4"]

    def test_good_paths_are_found_beside_bad_ones(self):
        """Each bad path is a problem of its own, in order; the good ones are all there."""
        _touch("a.mp4", "b.mp4")
        Path("empty").mkdir()
        files, problems, _ = find_videos(["a.mp4", "gone.mp4", "empty", "b.mp4", "*.mkv"])
        assert files == [Path("a.mp4"), Path("b.mp4")]
        assert [problem.path for problem in problems] == ["gone.mp4", "empty", "*.mkv"]

    def test_nothing_given_is_nothing_found(self):
        """No paths, no files, no problems."""
        assert find_videos([]) == ([], [], 0)


@pytest.mark.usefixtures("here")
class TestWhatIsNoFile:
    @pytest.mark.parametrize(
        ("given", "word"),
        [
            ("http://host/x.mp4", "address"),
            ("https://host/watch?v=a*b", "address"),
            ("rtsp:host/stream", "address"),
            ("RTMP://host", "address"),
            ("file:///tmp/x.mp4", "address"),
            ("concat:a.mp4|b.mp4", "address"),
            ("s3://bucket/x.mp4", "address"),
            ("-", "standard input"),
            ("/dev/stdin", "standard input"),
            ("/proc/self/fd/0", "standard input"),
            ("/dev/zero", "a device"),
        ],
    )
    def test_it_is_refused_by_name(self, given, word):
        """Addresses, standard input and devices are problems under the very name that was given, with a way out."""
        problem = _problem(given)
        assert problem.path == given
        assert word in problem.reason
        assert "give" in problem.reason

    @pytest.mark.parametrize("name", ["a:b.mp4", "concert: live.mp4", "http:.mp4", "12:30.mp4", "note.mp4"])
    def test_a_colon_makes_no_address_of_a_file_or_a_missing_one(self, name):
        """A file that is there is that file; one that is not, and has no scheme, is simply missing."""
        if not name.startswith("http:"):
            assert _problem(name).reason == "no such file or folder"
        _touch(name)
        assert _found(name) == [name]

    @pytest.mark.parametrize("suffix", [".m3u8", ".M3U", ".pls", ".ffconcat", ".mpd", ".sdp"])
    @pytest.mark.parametrize("given", ["list{}", "*{}"])
    def test_a_playlist_is_refused(self, suffix, given):
        """Named outright or by a pattern, a list of videos elsewhere is no video."""
        _touch(f"list{suffix}")
        problem = _problem(given.format(suffix))
        assert problem.path == f"list{suffix}"
        assert "playlist" in problem.reason

    @pytest.mark.parametrize("given", ["v/pipe.mp4", "v", "v/*.mp4"])
    def test_a_pipe_is_refused_and_never_opened(self, given):
        """A pipe that nobody writes to does not keep the command waiting; what lies beside it is found."""
        _touch("v/a.mp4")
        os.mkfifo("v/pipe.mp4")
        files, (problem,), _ = find_videos([given])
        assert files == ([] if given == "v/pipe.mp4" else [Path("v/a.mp4")])
        assert (problem.path, "a pipe" in problem.reason) == ("v/pipe.mp4", True)

    def test_a_socket_is_refused(self):
        """So is a socket, whatever its ending."""
        import socket

        with socket.socket(socket.AF_UNIX) as made:
            made.bind("s.mp4")
            assert "a socket" in _problem("s.mp4").reason

    def test_other_files_of_a_folder_are_counted_once(self):
        """What has no ending of a video counts, also deep down, never twice; hidden files and those named do not."""
        _touch("v/a.mp4", "v/notes.txt", "v/deep/list.m3u8", "v/deep/x", "v/.hidden", "v/.git/config", "w/only.txt")
        Path("v/again").symlink_to("deep")
        assert find_videos(["v"]).num_passed_over == 3
        assert find_videos(["v", "v/*", "v/deep"]).num_passed_over == 3
        assert find_videos(["v/a.mp4", "v/*.mp4"]).num_passed_over == 0
        assert find_videos(["w"]).num_passed_over == 1
