"""The record: whole lines, matched by content and settings, and never less on disk than was answered."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import pytest

import gerund.record
from gerund.errors import OutputError, UsageError
from gerund.record import SCHEMA, Record, encode, settings_id


def line(video, content, settings="s", error=None, value=0.0):
    return {
        "schema": SCHEMA,
        "settings": settings,
        "content": content,
        "video": str(video),
        "value": value,
        "error": error,
    }


def lines_of(path):
    return [json.loads(text) for text in path.read_text().splitlines()]


def written(path, *lines):
    path.write_text("".join(map(encode, lines)))
    return path


@pytest.fixture
def opened():
    """Opens records, and lets go of them afterwards."""
    made = []

    def open_(path, **settings):
        made.append(Record(path, **settings))
        return made[-1]

    yield open_
    for record in made:
        record.release()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Three videos in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        (tmp_path / name).write_text(name)
    return tmp_path


def test_an_answer_is_found_by_content_and_settings(here, opened):
    """Under its name, a longer spelling of it, or a new name; not with other settings, not when it failed."""
    record = opened(written(here / "r", line("a", "A", value=1.5), line("b", "B", error="broken")))
    assert record.find("a", "A", "s")["value"] == 1.5
    assert record.find(str(here / "a"), "A", "s")["video"] == str(here / "a")
    assert record.find("new", "A", "s") == line("new", "A", value=1.5)
    assert record.find("a", "A", "other") is None
    assert record.find("a", "Z", "s") is None
    assert record.find("b", "B", "s") is None


@pytest.mark.parametrize("cut", range(1, len(encode(line("b", "B")))))
def test_a_torn_last_line_is_dropped_wherever_it_broke(tmp_path, opened, cut):
    """Killed anywhere in a line: the lines before it are kept, and the next one begins where it began."""
    path = written(tmp_path / "r", line("a", "A"), line("b", "B"))
    path.write_bytes(path.read_bytes()[:-cut])
    record = opened(path)
    assert record.find("b", "B", "s") is None
    record.begin()
    record.append(line("c", "C"))
    assert [item["video"] for item in lines_of(path)] == ["a", "c"]
    assert record.find("c", "C", "s") == line("c", "C")
    record.close(["c", "a"])
    assert lines_of(path) == [line("c", "C"), line("a", "A")], "what was torn is not read again"


@pytest.mark.parametrize("content", ['{"sch', '{"schema": 1, "vid', ""])
def test_a_torn_first_line_is_ours(tmp_path, opened, content):
    """A process that was killed in its first line leaves a record, without lines."""
    (tmp_path / "r").write_text(content)
    record = opened(tmp_path / "r")
    record.begin()
    assert (tmp_path / "r").read_text() == ""


@pytest.mark.parametrize(
    "content",
    [
        "precious\n",
        "p",
        '{"video": "a.mp4", "duration_s": 1.0, "model": "m", "actions": [], "error": null}\n',
        '{"schema": 1, "video": 7}\n',
        '{"schema": 1, "settings": "s", "content": "A", "video": "a", "error": null, "x": NaN}\n',
        '{"schema": "1"}\n',
        '{"schema": ' + "[" * 100_000 + "\n",
        encode(line("a", "A")) + "a line of a person's\n" + encode(line("b", "B")),
        "\0" * 40,
    ],
)
def test_what_is_no_record_is_refused_and_left_alone(tmp_path, opened, content):
    """Anything that gerund did not write stays as it is, with a word on what to do; --overwrite takes its place."""
    path = tmp_path / "r"
    path.write_text(content)
    with pytest.raises(UsageError, match="--overwrite"):
        opened(path)
    assert path.read_text() == content
    record = opened(path, overwrite=True)
    assert path.read_text() == content, "not before there is something to write"
    record.begin()
    record.append(line("a", "A"))
    assert lines_of(path) == [line("a", "A")]


def test_a_record_of_a_later_gerund_is_refused(tmp_path, opened):
    """Lines of a later schema are not guessed at."""
    path = tmp_path / "r"
    path.write_text(json.dumps({"schema": SCHEMA + 1}) + "\n")
    with pytest.raises(UsageError, match="later gerund"):
        opened(path)


def test_an_old_answer_stays_until_the_new_one_is_there(here, opened):
    """Other settings: the old line is on disk before the new one is appended, and gone only when the command ends."""
    path = written(here / "r", line("a", "A", "old"), line("b", "B", "old"), line("c", "C", "old"))
    record = opened(path)
    record.begin()
    record.append(line("a", "A", "new"))
    assert [(item["video"], item["settings"]) for item in lines_of(path)] == [
        ("a", "old"),
        ("b", "old"),
        ("c", "old"),
        ("a", "new"),
    ]
    record.close(["c", "a"])
    assert [(item["video"], item["settings"]) for item in lines_of(path)] == [("c", "old"), ("a", "new"), ("b", "old")]


def test_a_failure_replaces_failures_alone(here, opened):
    """A video that fails now keeps the answer that it had with other settings; its former failure is replaced."""
    path = written(here / "r", line("a", "A", "old"), line("b", "B", error="first"))
    record = opened(path)
    record.begin()
    record.append(line("a", "A", "new", error="broken"))
    record.append(line("b", "B", error="second"))
    record.close(["a", "b"])
    assert [(item["video"], item["settings"], item["error"]) for item in lines_of(path)] == [
        ("a", "old", None),
        ("a", "new", "broken"),
        ("b", "s", "second"),
    ]


def test_a_file_that_was_moved_has_one_line_a_copy_has_its_own(here, opened):
    """The line of a file that is gone gives way to that of its new name; two files of one content keep two lines."""
    path = written(here / "r", line("gone", "A"), line("b", "B"))
    record = opened(path)
    record.begin()
    for name, content in (("a", "A"), ("c", "B")):
        found = record.find(name, content, "s")
        assert not record.has(found)
        record.append(found)
        assert record.has(found)
    record.close(["a", "b", "c"])
    assert [item["video"] for item in lines_of(path)] == ["a", "b", "c"]
    again = opened(path)
    assert again.find("b", "B", "s")["video"] == "b"


def test_lines_that_a_killed_command_left_count_as_if_it_had_ended(here, opened):
    """Read again, replaced lines do not count: neither the failure, nor the old settings, nor the old name."""
    path = written(
        here / "r",
        line("a", "A", error="failed"),
        line("gone", "B"),
        line("c", "C", "old"),
        line("a", "A", value=1.0),
        line("b", "B"),
        line("c", "C"),
    )
    record = opened(path)
    record.begin()
    record.close(["a", "b", "c"])
    assert lines_of(path) == [line("a", "A", value=1.0), line("b", "B"), line("c", "C")]


def test_a_file_with_nothing_to_leave_out_is_not_written_again(here, opened):
    """In order and complete, the file stays the very same one."""
    path = written(here / "r", line("a", "A"), line("b", "B"))
    inode = path.stat().st_ino
    record = opened(path)
    record.begin()
    record.close(["a", "b"])
    assert path.stat().st_ino == inode


def test_a_full_disk_leaves_whole_lines(tmp_path, opened, monkeypatch):
    """When half of a line fits, the file ends with the line before it, and the error names the file."""
    record = opened(tmp_path / "r")
    record.begin()
    record.append(line("a", "A"))
    real, room = os.write, [30]

    def write(file, data):
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = real(file, data[: room[0]])
        room[0] -= taken
        return taken

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OutputError, match=r"cannot write .*r: No space left"):
        record.append(line("b", "B"))
    assert lines_of(tmp_path / "r") == [line("a", "A")]
    room[0] = 10_000
    record.append(line("c", "C"))
    assert lines_of(tmp_path / "r") == [line("a", "A"), line("c", "C")]


def test_no_room_to_put_it_in_order_leaves_it_as_it_was(here, opened, monkeypatch):
    """Where the new file does not fit, the old one stays, with all that counts, and no half file beside it."""
    path = written(here / "r", line("a", "A", "old"), line("b", "B"))
    record = opened(path)
    record.begin()
    record.append(line("a", "A", "new"))
    before = path.read_text()

    def fsync(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OutputError, match="No space left"):
        record.close(["a", "b"])
    assert path.read_text() == before
    assert sorted(item.name for item in here.iterdir()) == ["a", "b", "c", "r"]


def test_a_number_that_is_none_is_not_written(tmp_path, opened):
    """Not-a-number is no JSON: an error, and the file as before."""
    record = opened(tmp_path / "r")
    record.begin()
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            record.append(line("a", "A", value=value))
    assert (tmp_path / "r").read_bytes() == b""


def test_a_record_that_was_just_replaced_is_read_anew(tmp_path, opened, monkeypatch):
    """Whoever opened the file before another process put a new one in its place holds and reads the new one."""
    path = written(tmp_path / "r", line("a", "A"))
    original, calls = gerund.record._is_held, []

    def replaced_meanwhile(file):
        if not calls:
            os.replace(written(tmp_path / "new", line("b", "B")), path)
        calls.append(file)
        return original(file)

    monkeypatch.setattr(gerund.record, "_is_held", replaced_meanwhile)
    found = opened(path)
    assert found.find("b", "B", "s")["video"] == "b" and found.find("a", "A", "s") is None
    assert len(calls) == 2 and calls[0].closed


def test_two_processes_do_not_write_one_record(tmp_path, opened):
    """While one has it another is refused, before it reads or writes; afterwards not."""
    path = written(tmp_path / "r", line("a", "A"))
    opened(path).begin()
    code = f"from pathlib import Path\nfrom gerund.record import Record\nRecord(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "is being written by another gerund" in done.stderr
    with pytest.raises(UsageError, match="another gerund"):
        opened(path)


def test_a_link_stays_a_link(here, opened):
    """The file that a link leads to is put in order, not the link."""
    written(here / "real", line("b", "B"), line("a", "A"))
    (here / "link").symlink_to("real")
    record = opened(here / "link")
    record.begin()
    record.close(["a", "b"])
    assert (here / "link").is_symlink()
    assert [item["video"] for item in lines_of(here / "real")] == ["a", "b"]


def test_settings_are_told_apart():
    """The order of settings plays no part; every value does."""
    assert settings_id(a=1, b=[2]) == settings_id(b=(2,), a=1)
    assert len({settings_id(a=1), settings_id(a=2), settings_id(b=1), settings_id()}) == 4
