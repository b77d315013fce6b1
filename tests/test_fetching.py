"""Fetching data sets from a server of this machine: gone on from, checked, and no further than asked."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from fake_programs import FakePrograms
from gerund.assets import transfer
from gerund.assets.transfer import Connection, download_unknown
from gerund.chores import official
from gerund.chores.downloads import Source, obtain, read_sources
from gerund.chores.kinetics import Clip
from gerund.chores.official import OFFICIAL
from gerund.chores.pool import each
from gerund.cli import app
from gerund.errors import AssetError, UsageError
from painted import Recipe
from test_unpacking import info, rar_of, tar_of, tarfile, zip_of


def gerund(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


class Site:
    """Files on this machine, with tags and parts as servers of archives have them, and a log of what was asked."""

    def __init__(self):
        self.files = {}
        self.asked = []  # (path, Range, If-Range)
        self.cut = []  # how many bytes to send of the next answers before the connection breaks
        self.headers = {}  # to be sent instead; None leaves one out
        site = self

        class Request(BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
                if self.path not in site.files:
                    return self.send_error(404)
                site.answer(self, site.files[self.path])

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, request, content):
        """The whole of a file, or the rest of it where it is still the same."""
        tag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
        begin = 0
        if request.headers.get("Range") and request.headers.get("If-Range") == tag:
            begin = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        request.send_response(206 if begin else 200)
        headers = {"Content-Length": str(len(content) - begin), "ETag": tag, **self.headers}
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        for name, value in headers.items():
            if value is not None:
                request.send_header(name, value)
        request.end_headers()
        rest = content[begin:]
        request.wfile.write(rest[: self.cut.pop(0)] if self.cut else rest)
        request.close_connection = True


@pytest.fixture
def site(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("GERUND_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(transfer, "time", SimpleNamespace(sleep=lambda _: None))
    found = Site()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    return FakePrograms(tmp_path / "bin", monkeypatch)


def test_work_that_is_left_is_stopped():
    """Who leaves before the last result ends the work that is under way; who takes all of them does not."""
    stopped = threading.Event()

    def work(item):
        return item if item == 0 else stopped.wait(20)

    results = each(range(4), work, at_once=2, stop=stopped.set)
    assert next(results) == (0, 0)
    results.close()
    assert stopped.is_set()
    stopped.clear()
    assert sorted(each(range(3), abs, at_once=2, stop=stopped.set)) == [(0, 0), (1, 1), (2, 2)]
    assert not stopped.is_set()


CONTENT = os.urandom(3_000_000)


def fetch(site, target, **settings):
    settings = {"most_bytes": 1 << 30, "label": "a", "connection": Connection(), **settings}
    download_unknown(f"{site.url}/a.bin", target, **settings)


def test_a_download_that_breaks_is_gone_on_from(site, tmp_path):
    """What has arrived is not asked for again, in the same call or the next; the parts make the whole."""
    site.files["/a.bin"] = CONTENT
    site.cut = [1_000_000, 500_000]
    told = []
    fetch(site, tmp_path / "a", progress=lambda *numbers: told.append(numbers))
    tag = site.asked[1][2]
    assert site.asked == [
        ("/a.bin", None, None), ("/a.bin", "bytes=1000000-", tag), ("/a.bin", "bytes=1500000-", tag),
    ]  # fmt: skip
    assert (tmp_path / "a").read_bytes() == CONTENT and os.listdir(tmp_path) == ["a"]
    assert told[-1] == ("a", len(CONTENT), len(CONTENT))
    site.cut, site.asked = [10, 20, 30], []
    with pytest.raises(AssetError, match="what has arrived is kept"):
        fetch(site, tmp_path / "b")
    fetch(site, tmp_path / "b")
    assert site.asked[-1][1] == "bytes=60-" and (tmp_path / "b").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_begins_anew(site, tmp_path):
    """Parts of two files are never joined: the tag tells, and where there is none nothing is gone on from."""
    site.files["/a.bin"], site.cut = CONTENT, [10, 10, 10]
    with pytest.raises(AssetError):
        fetch(site, tmp_path / "a")
    site.files["/a.bin"] = CONTENT[::-1]
    fetch(site, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT[::-1]
    site.headers, site.cut, site.asked = {"ETag": None}, [10], []
    fetch(site, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == CONTENT[::-1] and site.asked == [("/a.bin", None, None)] * 2
    site.headers, site.cut, site.asked = (
        {"ETag": 'W/"weak"'},
        [10],
        [],
    )  # which equal files may have that differ in bytes
    fetch(site, tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == CONTENT[::-1] and site.asked == [("/a.bin", None, None)] * 2


def test_a_whole_part_is_not_asked_for(site, tmp_path):
    """A call that was killed when all had come finishes without the server; a spoilt note begins anew."""
    site.files["/a.bin"] = CONTENT
    (tmp_path / "a.part").write_bytes(CONTENT)
    (tmp_path / "a.part.json").write_text(f'{{"size": {len(CONTENT)}, "tag": "x"}}')
    fetch(site, tmp_path / "a")
    assert not site.asked and (tmp_path / "a").read_bytes() == CONTENT
    for note in ("no JSON", '{"size": "3", "tag": "x"}', '{"size": 1, "tag": "x"}', "[]"):
        (tmp_path / "b.part").write_bytes(b"other")
        (tmp_path / "b.part.json").write_text(note)
        fetch(site, tmp_path / "b")
        assert (tmp_path / "b").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("headers", "settings", "said"),
    [
        ({"Content-Length": None}, {}, "does not say how long"),
        ({}, {"most_bytes": 1000}, "at most"),
        ({"Content-Length": str(1 << 60)}, {"most_bytes": 1 << 62}, "free some space"),
    ],
)
def test_downloads_are_bounded(site, tmp_path, headers, settings, said):
    """Nothing is fetched whose length is not told, is too much, or does not fit on the disk."""
    site.files["/a.bin"], site.headers = CONTENT, headers
    with pytest.raises(AssetError, match=said):
        fetch(site, tmp_path / "a", **settings)
    assert not (tmp_path / "a").exists() and not (tmp_path / "a.part").exists()


def test_sources_are_checked(site, tmp_path, monkeypatch):
    """A file of another hash is deleted when it was fetched and left when it is the user's; offline means offline."""
    site.files["/x.zip"] = b"content"
    wrong, right = "md5:" + "0" * 32, f"sha256:{hashlib.sha256(b'content').hexdigest()}"
    with pytest.raises(AssetError, match="expected 0000"):
        obtain(Source(f"{site.url}/x.zip", wrong), tmp_path)
    assert not list(tmp_path.rglob("x.zip"))
    assert obtain(Source(f"{site.url}/x.zip", right), tmp_path).read_bytes() == b"content"
    (tmp_path / "mine.zip").write_bytes(b"content")
    with pytest.raises(AssetError):
        obtain(Source(str(tmp_path / "mine.zip"), wrong), tmp_path)
    assert (tmp_path / "mine.zip").exists()
    monkeypatch.setenv("GERUND_OFFLINE", "1")
    with pytest.raises(AssetError, match="GERUND_OFFLINE"):
        obtain(Source(f"{site.url}/y.zip"), tmp_path)


def test_lists_of_archives(site, tmp_path):
    """A list is addresses, one a line; one that was fetched names no files here, and no list other kinds of address."""
    (tmp_path / "a.tar").write_bytes(b"")
    site.files["/l.txt"] = f"{site.url}/a.tar.gz\n{site.url}/b.tar.gz\n{site.url}/a.tar.gz\n".encode()
    found = read_sources(f"{site.url}/l.txt")
    assert [source.name for source in found] == ["a.tar.gz", "b.tar.gz"]
    site.files["/bad.txt"] = str(tmp_path / "a.tar").encode()
    with pytest.raises(UsageError, match="expected addresses"):
        read_sources(f"{site.url}/bad.txt")
    (tmp_path / "own.txt").write_text(f"{tmp_path / 'a.tar'}\n")
    assert read_sources(str(tmp_path / "own.txt"))[0].place == str(tmp_path / "a.tar")
    for place in ("file:///etc/passwd", "ftp://127.0.0.1/x.tar", str(tmp_path / "nothing.tar")):
        (tmp_path / "own.txt").write_text(place)
        for given in (place, str(tmp_path / "own.txt")):
            with pytest.raises(UsageError):
                read_sources(given)
    with pytest.raises(UsageError, match="name of a file"):
        _ = Source("http://127.0.0.1/%2e%2e").name


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def mirror(site, monkeypatch):
    """A mirror with small archives of UCF101 and HMDB51."""
    lists = {"ucfTrainTestlist/trainlist01.txt": b"Archery/v_Archery_g01_c01.avi 3\n"}
    splits = {"testTrainMulti_7030_splits/wave_test_split1.txt": b"a.avi 1\n"}
    inner = {
        "wave.rar": rar_of({"wave/a.avi": b"1", "wave/b#(1).avi": b"2", "wave/Thumbs.db": b""}),
        "run.rar": rar_of({"run/c.avi": b"3"}),
    }
    site.files = {
        "/m/UCF101.rar": rar_of({"UCF-101/Archery/v_Archery_g01_c01.avi": b"v", "UCF-101/gerund.jsonl": b"gotcha"}),
        "/m/UCF101TrainTestSplits-RecognitionTask.zip": zip_of(lists),
        "/m/hmdb51_org.rar": rar_of(inner),
        "/m/test_train_splits.rar": rar_of(splits),
    }
    known = {
        name: official.Official(
            name,
            item.videos,
            Source(item.lists.place, "md5:" + hashlib.md5(site.files[f"/m/{item.lists.name}"]).hexdigest()),
            item.below,
        )
        for name, item in OFFICIAL.items()
    }
    monkeypatch.setattr(official, "OFFICIAL", known)
    return f"{site.url}/m"


UCF = ["UCF-101/Archery/v_Archery_g01_c01.avi", "gerund.jsonl", "ucfTrainTestlist/trainlist01.txt"]
HMDB = [
    "gerund.jsonl", "hmdb51_org/run/c.avi", "hmdb51_org/wave/a.avi", "hmdb51_org/wave/b#(1).avi",
    "testTrainMulti_7030_splits/wave_test_split1.txt",
]  # fmt: skip


@pytest.mark.parametrize(("name", "files"), [("ucf101", UCF), ("hmdb51", HMDB)])
def test_official_archives(site, mirror, fakes, tmp_path, name, files):
    """Videos and lists come to where gerund looks for them, nothing else does, and nothing is fetched twice."""
    fakes.add_unrar()
    done = gerund("data", "fetch", name, tmp_path / "out", "--from", mirror)
    assert done.exit_code == 0, done.output
    assert files_of(tmp_path / "out") == files
    assert b"gotcha" not in (tmp_path / "out" / "gerund.jsonl").read_bytes()
    assert "1 others not wanted" in done.output or name == "hmdb51"
    before = len(site.asked)
    done = gerund("data", "fetch", name, tmp_path / "out", "--from", mirror)
    assert done.exit_code == 0 and len(site.asked) == before and "as unpacked before" in done.output
    done = gerund("data", "fetch", name, tmp_path / "out", "--from", mirror, "--again", "--keep-archives", "-q")
    assert done.exit_code == 0 and len(site.asked) == before + 2 and done.output == ""
    assert sum(".archives/" in file for file in files_of(tmp_path / "out")) == 2


def test_archives_of_ones_own(mirror, site, fakes, tmp_path):
    """Archives that were fetched by hand are read where they lie, and stay there."""
    fakes.add_unrar()
    own = tmp_path / "own"
    own.mkdir()
    for name in ("UCF101.rar", "UCF101TrainTestSplits-RecognitionTask.zip"):
        (own / name).write_bytes(site.files[f"/m/{name}"])
    assert gerund("data", "fetch", "ucf101", tmp_path / "out", "--from", own).exit_code == 0
    assert files_of(tmp_path / "out") == UCF and len(files_of(own)) == 2 and not site.asked
    (own / "UCF101.rar").rename(own / "other.rar")
    done = gerund("data", "fetch", "ucf101", tmp_path / "out2", "--from", own)
    assert done.exit_code == 1 and "no such file" in done.output and len(files_of(tmp_path / "out2")) == 2
    words = ["--videos", own / "other.rar", "--lists", own / "UCF101TrainTestSplits-RecognitionTask.zip"]
    assert gerund("data", "fetch", "ucf101", tmp_path / "out2", *words).exit_code == 0


def test_an_archive_inside_that_is_bad_costs_itself(mirror, site, fakes, tmp_path):
    """Of HMDB51's classes those come out whose archives are well; the others are named and tried again."""
    fakes.add_unrar()
    good = site.files["/m/hmdb51_org.rar"]
    bad = {"run.rar": rar_of({"run/c.avi": b"3"}), "wave.rar": rar_of({"../../x.avi": b""}), "jump.rar": b"odd"}
    site.files["/m/hmdb51_org.rar"] = rar_of(bad)
    done = gerund("data", "fetch", "hmdb51", tmp_path / "out", "--from", mirror)
    assert done.exit_code == 1 and "wave.rar is refused" in done.output and "jump.rar is no rar archive" in done.output
    assert [file for file in files_of(tmp_path / "out") if file.startswith("hmdb51")] == ["hmdb51_org/run/c.avi"]
    assert not list(tmp_path.rglob("x.avi"))
    shutil.rmtree(tmp_path / "out" / ".archives")
    site.files["/m/hmdb51_org.rar"] = good
    assert gerund("data", "fetch", "hmdb51", tmp_path / "out", "--from", mirror).exit_code == 0
    assert files_of(tmp_path / "out") == HMDB


def test_a_damaged_download_is_fetched_anew(mirror, site, fakes, tmp_path):
    """An archive without a known hash that cannot be unpacked is deleted, so that the next command fetches it again."""
    fakes.add_unrar()
    good = site.files["/m/UCF101.rar"]
    site.files["/m/UCF101.rar"] = good[:700]
    done = gerund("data", "fetch", "ucf101", tmp_path / "out", "--from", mirror)
    assert done.exit_code == 1 and "the next command fetches it anew" in done.output
    site.files["/m/UCF101.rar"] = good
    assert gerund("data", "fetch", "ucf101", tmp_path / "out", "--from", mirror).exit_code == 0
    assert files_of(tmp_path / "out") == UCF


def test_tools_that_are_absent(mirror, site, fakes, tmp_path):
    """Without a program for .rar, or for videos, the command says what to install before anything is fetched."""
    done = gerund("data", "fetch", "ucf101", tmp_path / "out", "--from", mirror)
    assert done.exit_code == 2 and "apt install unrar" in done.output and not site.asked
    (tmp_path / "k.csv").write_text("label,youtube_id,time_start,time_end\nzumba,aaaaaaaaaaa,1,2\n")
    done = gerund("data", "fetch", "kinetics", tmp_path / "k.csv", tmp_path / "out")
    assert done.exit_code == 2 and "yt-dlp" in done.output and "pip install yt-dlp" in done.output
    fakes.add("yt-dlp", "exit 1")
    done = gerund("data", "fetch", "kinetics", tmp_path / "k.csv", tmp_path / "out")
    assert done.exit_code == 2 and "cutting clips needs ffmpeg" in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()


CLIPS = """label,youtube_id,time_start,time_end,split
zumba,-aaaaaaaaaa,1,11,val
zumba,-aaaaaaaaaa,20,30,val
petting animal (not cat),bbbbbbbbbbb,0,10,val
zumba,gone4567890,3,13,val
zumba,odd45678901,3,13,val
"""


@pytest.fixture
def table(tmp_path):
    (tmp_path / "k.csv").write_text(CLIPS)
    return tmp_path / "k.csv"


def missing(out):
    with (out / "missing.csv").open(newline="") as file:
        return {row["video"][:11].lstrip("'"): (row["state"], row["reason"]) for row in csv.DictReader(file)}


def test_clips_from_archives(site, table, tmp_path):
    """Clips come out of a mirror's archives into the folders of their classes; a hostile archive costs itself."""
    out = tmp_path / "out"
    site.files = {
        "/part_0.tar.gz": gzip.compress(tar_of({"-aaaaaaaaaa_000001_000011.mp4": b"1", "other_00000_1_2.mp4": b""})),
        "/part_1.tar.gz": gzip.compress(tar_of({"zumba/bbbbbbbbbbb.webm": b"2", "evil": info(tarfile.SYMTYPE, "/")})),
        "/part_2.tar.gz": gzip.compress(tar_of({"x/bbbbbbbbbbb.mkv": b"3", "x/-aaaaaaaaaa.mp4": b"which?"})),
        "/part_3.tar.gz": gzip.compress(b"odd"),
    }
    site.files["/all.txt"] = "\n".join(f"{site.url}{name}" for name in sorted(site.files)).encode()
    done = gerund("data", "fetch", "kinetics", table, out, "--archives", f"{site.url}/all.txt")
    assert done.exit_code == 1 and "part_1.tar.gz is refused" in done.output and "part_3.tar.gz" in done.output
    assert files_of(out) == [
        "gerund.jsonl", "missing.csv", "petting animal (not cat)/bbbbbbbbbbb_000000_000010.mkv",
        "zumba/-aaaaaaaaaa_000001_000011.mp4",
    ]  # fmt: skip
    assert missing(out)["gone4567890"] == ("failed", "not in the 4 archives, of which 2 could not be had whole")
    site.asked.clear()
    gerund("data", "fetch", "kinetics", table, out, "--archives", f"{site.url}/all.txt")
    assert {path for path, *_ in site.asked} == {"/all.txt", "/part_1.tar.gz", "/part_3.tar.gz"}


def test_parts_of_the_same_name(site, table, tmp_path):
    """Archives of one name under two addresses are two archives."""
    for folder, name in (("train", "-aaaaaaaaaa_000001_000011"), ("val", "-aaaaaaaaaa_000020_000030")):
        site.files[f"/{folder}/part_0.tar"] = tar_of({f"{name}.mp4": folder.encode()})
    words = [item for name in ("train", "val") for item in ("--archives", f"{site.url}/{name}/part_0.tar")]
    gerund("data", "fetch", "kinetics", table, tmp_path / "out", *words, "--keep-archives")
    assert (tmp_path / "out" / "zumba" / "-aaaaaaaaaa_000020_000030.mp4").read_bytes() == b"val"
    assert (tmp_path / "out" / "zumba" / "-aaaaaaaaaa_000001_000011.mp4").read_bytes() == b"train"


@pytest.fixture
def fetchers(fakes, tmp_path):
    """yt-dlp and ffmpeg that give a small clip."""
    fakes.add_fetchers(Recipe(".mp4", "mpeg4", stamps=tuple(range(5))).write(tmp_path / "clip.mp4"))
    return fakes


def test_clips_from_the_site(table, fetchers, tmp_path):
    """Each video is fetched once and cut as listed; what is gone is not asked for again unless that is wanted."""
    out = tmp_path / "a 100% folder"
    words = ["data", "fetch", "kinetics", table, out, "--pause", "0"]
    done = gerund(*words)
    said = " ".join(done.output.split())
    assert done.exit_code == 1 and "3 of 5 clips are here, 1 are gone, 1 could not be had" in said
    assert files_of(out) == [
        "gerund.jsonl", "missing.csv", "petting animal (not cat)/bbbbbbbbbbb_000000_000010.mp4",
        "zumba/-aaaaaaaaaa_000001_000011.mp4", "zumba/-aaaaaaaaaa_000020_000030.mp4",
    ]  # fmt: skip
    assert missing(out)["gone4567890"][0] == "gone" and "has been removed" in missing(out)["gone4567890"][1]
    assert missing(out)["odd45678901"][0] == "failed" and "something odd" in missing(out)["odd45678901"][1]
    asked = fetchers.calls("yt-dlp")
    assert len(asked) == 4 and sum("watch?v=-aaaaaaaaaa" in call for call in asked) == 1
    assert all("--ignore-config" in call and " -- https://www.youtube.com/watch?v=" in call for call in asked)
    cuts = fetchers.calls("ffmpeg")
    assert len(cuts) == 3 and any("-ss 20 " in cut and "-t 10 " in cut for cut in cuts)
    assert all("-protocol_whitelist file" in cut and "-nostdin" in cut for cut in cuts)
    gerund(*words)
    assert sorted(call[-11:] for call in fetchers.calls("yt-dlp")[4:]) == ["odd45678901"]
    gerund(*words, "--again")
    assert sorted(call[-11:] for call in fetchers.calls("yt-dlp")[5:]) == ["gone4567890", "odd45678901"]
    table.write_text("\n".join(CLIPS.splitlines()[:4]) + "\n")
    assert gerund(*words).exit_code == 0 and missing(out) == {}


def test_clips_that_cannot_be_cut(table, fetchers, tmp_path):
    """A clip that ffmpeg fails at, or that is nothing when it is cut, costs itself alone."""
    table.write_text(
        "label,youtube_id,time_start,time_end\n"
        + "".join(f"zumba,aaaaaaaaaaa,{begin},{begin + 10}\n" for begin in (1, 800, 900))
        + "zumba,none4567890,1,2\n"
    )
    out = tmp_path / "out"
    done = gerund("data", "fetch", "kinetics", table, out, "--pause", "0")
    said = " ".join(done.output.split())
    assert done.exit_code == 1 and "ffmpeg ended with 1: bad cut" in said and "does the video end before?" in said
    assert "yt-dlp ended with 0 and 0 files" in said
    assert files_of(out) == ["gerund.jsonl", "missing.csv", "zumba/aaaaaaaaaaa_000001_000011.mp4"]


def test_a_site_that_wants_no_more_questions(table, fetchers, tmp_path, monkeypatch):
    """When the site says so, or nothing works any more, no further video is asked for, and nothing counts as gone."""
    rows = ["zumba,busy4567890,1,2", *(f"zumba,a{number:010d},1,2" for number in range(20))]
    table.write_text("label,youtube_id,time_start,time_end\n" + "\n".join(rows) + "\n")
    out = tmp_path / "out"
    done = gerund("data", "fetch", "kinetics", table, out, "--pause", "0", "--at-once", "1")
    assert done.exit_code == 1 and "stopped: the site wants no more questions" in " ".join(done.output.split())
    assert len(fetchers.calls("yt-dlp")) <= 3 and {state for state, _ in missing(out).values()} == {"failed"}
    fetchers.log.unlink()
    table.write_text(table.read_text().replace("busy", "bus_").replace("zumba,a0", "zumba,odd"))
    table.write_text("label,youtube_id,time_start,time_end\n" + "".join(f"z,odd{n:08d},1,2\n" for n in range(40)))
    done = gerund("data", "fetch", "kinetics", table, out, "--pause", "0", "--at-once", "1")
    assert "10 videos in a row could not be had" in " ".join(done.output.split())
    assert 10 <= len(fetchers.calls("yt-dlp")) <= 12


@pytest.mark.parametrize(
    ("video", "label"),
    [
        ("../../etc/pa", "zumba"), ("aaaaaaaaaa;", "zumba"), ("aaaaaaaaaaa_000009_000002", "zumba"), ("short", "zumba"),
        ("aaaaaaaaaaa", "../zumba"), ("aaaaaaaaaaa", ".."), ("aaaaaaaaaaa", "a/b"), ("aaaaaaaaaaa", "-rf"),
        ("aaaaaaaaaaa", ""), ("aaaaaaaaaaa", "a\nb"), ("aaaaaaaaaaa\n", "zumba"),
    ],
)  # fmt: skip
def test_ids_and_labels_are_checked(video, label):
    """What becomes part of a command or the name of a folder is looked at first."""
    with pytest.raises(UsageError):
        Clip(video, label)


def test_a_list_of_clips_that_is_none(table, tmp_path):
    """A list that is not there, lists nothing, or has odd ids is a usage error, and nothing is made."""
    for text in ("label,youtube_id\n", "label,youtube_id\nzumba,../../../x\n", None):
        table.unlink() if text is None else table.write_text(text)
        assert gerund("data", "fetch", "kinetics", table, tmp_path / "out").exit_code == 2
    assert not (tmp_path / "out").exists()
