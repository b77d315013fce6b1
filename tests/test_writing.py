"""Outputs: what cannot or must not be written is refused, and what is written is whole."""

from __future__ import annotations

import os

import pytest

from gerund.errors import UsageError
from gerund.writing import check_outputs, write_text


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
