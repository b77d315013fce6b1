"""Outputs: what cannot or must not be written is refused, and what is written is whole."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import gerund
from gerund.errors import UsageError
from gerund.writing import check_outputs, whole_file, write_bytes, write_text


def test_inputs_are_never_overwritten(tmp_path):
    """An output that is an input, also by another path to it, is refused, and so are two outputs of one name."""
    read = tmp_path / "truth.csv"
    read.write_text("x")
    link = tmp_path / "link.csv"
    link.symlink_to(read)
    for path in (read, link, tmp_path / "." / "truth.csv"):
        with pytest.raises(UsageError, match="is read by this command"):
            check_outputs([path], [read])
    with pytest.raises(UsageError, match="named for two outputs"):
        check_outputs([tmp_path / "a.json", tmp_path / "a.json"])
    check_outputs([None, tmp_path / "a.json"], [read, tmp_path / "gone"])


def test_places_that_cannot_be_written_are_named(tmp_path):
    """A folder that is not there, and a folder where a file is meant."""
    with pytest.raises(UsageError, match="does not exist"):
        check_outputs([tmp_path / "no" / "a.json"])
    with pytest.raises(UsageError, match="it is a folder"):
        check_outputs([tmp_path])
    check_outputs([tmp_path], folders=True)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    """When the last step fails, the old file is still there and no part of the new one."""
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fails(*_):
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no"):
        write_text(path, "new")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_what_is_being_written_cannot_be_taken_for_it(tmp_path):
    """Until a file is whole it has a name that begins with a dot; when writing fails nothing of it stays."""
    path = tmp_path / ("n" * 255)  # the longest name there is; the one of the part is no longer
    write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(b"half")
        (part,) = set(tmp_path.iterdir()) - {path}
        assert part.name.startswith(".") and part.suffix == ".part" and path.read_bytes() == b"old"
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == [path.name] and path.read_bytes() == b"old"


def test_bytes_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    """The file is brought to the disk with all of its bytes, and then renamed: never the other way round."""
    done = []
    monkeypatch.setattr(os, "fsync", lambda number: done.append(("fsync", os.fstat(number).st_size)))
    rename = os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append(("replace", 0)), rename(*paths)))
    write_text(tmp_path / "a.txt", "twelve bytes")
    assert done == [("fsync", 12), ("replace", 0)]


def test_writers_of_one_file_do_not_meet(tmp_path):
    """Two that write the same file at once each write their own part, and the last to finish wins whole."""
    with whole_file(tmp_path / "a") as one:
        with whole_file(tmp_path / "a") as other:
            other.write(b"other")
        one.write(b"one")
        assert (tmp_path / "a").read_bytes() == b"other"
    assert (tmp_path / "a").read_bytes() == b"one"


def test_there_is_one_writer():
    """One room renames files into place, but for downloads and tables that grow, exports, and what programs made."""
    root = Path(gerund.__file__).parent
    found = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if "os.replace(" in path.read_text()}
    grow = {"writing.py", "assets/transfer.py", "encoders/engines/export.py", "sinks/tables.py"}
    assert found == grow | {f"chores/{name}.py" for name in ("converting", "kinetics", "placing")}


def test_the_package_says_that_it_is_typed():
    """Type checkers of users find the marker, and the version is that of the build."""
    assert (Path(gerund.__file__).parent / "py.typed").is_file()
    assert re.fullmatch(r"\d+\.\d+\.\d+", gerund.__version__)


def test_links_stay_links_and_pipes_pipes(tmp_path):
    """Through a link the file behind it is written; what is no plain file is written into, never replaced."""
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink() and real.read_text() == "new"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "through")
        assert os.read(reader, 100) == b"through" and pipe.is_fifo()
    finally:
        os.close(reader)


def test_permissions_stay_those_of_the_file(tmp_path):
    """A file that only its owner may read is not opened to others by being written anew."""
    path = tmp_path / "private.txt"
    path.write_text("old")
    path.chmod(0o600)
    write_text(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
