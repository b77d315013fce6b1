"""Which video a file is: by content alone, cheaply, and without ever opening a pipe."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest

from gerund.errors import VideoError
from gerund.video.identity import _samples, content_id

MIB = 1 << 20


def test_the_name_is_no_part_of_it(tmp_path):
    """A copy under another name is the same video; another content of the same length is not."""
    one, copy, other = (tmp_path / name for name in ("a.mp4", "b.avi", "c.mp4"))
    one.write_bytes(b"123")
    copy.write_bytes(b"123")
    other.write_bytes(b"124")
    assert content_id(one) == content_id(copy) != content_id(other)
    assert len(content_id(one)) == 32


def test_every_byte_of_a_small_file_counts(tmp_path):
    """At 1 MiB all of it is read: a change anywhere shows."""
    file = tmp_path / "a"
    file.write_bytes(bytes(MIB))
    before = content_id(file)
    for place in (0, MIB // 3, MIB // 2 + 12345, MIB - 1):
        changed = bytearray(MIB)
        changed[place] = 1
        file.write_bytes(changed)
        assert content_id(file) != before


def test_of_a_large_file_its_length_its_ends_and_samples_count(tmp_path):
    """Of 9 MiB a change at either end or in a sample shows, a byte more or less too; 1 MiB is read and no more."""
    size = 9 * MIB
    file = tmp_path / "a"
    with file.open("wb") as made:
        made.truncate(size)
    before = content_id(file)
    seen = []
    for place in (0, (1 << 18) - 1, size - (1 << 18), size - 1, *range(1 << 18, size, 1 << 18)):
        with file.open("r+b") as made:
            made.seek(place)
            made.write(b"\1")
        seen.append(content_id(file) != before)
        with file.open("r+b") as made:
            made.seek(place)
            made.write(b"\0")
    assert all(seen[:4]), "the ends"
    assert 2 <= sum(seen[4:]) <= 10, "some of what lies between"
    for other in (size - 1, size + 1):
        os.truncate(file, other)
        assert content_id(file) != before


def test_a_huge_file_costs_no_more(tmp_path):
    """A file of 100 GB, which is empty space, is named at once; exactly 1 MiB of it is read."""
    file = tmp_path / "huge"
    with file.open("wb") as made:
        try:
            made.truncate(100 << 30)
        except OSError:
            pytest.skip("this file system has no room for a file of empty space")
    assert len(content_id(file)) == 32
    read = _samples(100 << 30)
    assert sum(count for _, count in read) == MIB
    gaps = [after - begin - count for (begin, count), (after, _) in pairwise(read)]
    assert max(gaps) - min(gaps) <= 1 << 17, "evenly between"


def test_what_is_no_file_is_an_error_and_not_opened(tmp_path):
    """A missing file, a folder and a pipe that nobody writes to: each is a VideoError, at once."""
    os.mkfifo(tmp_path / "pipe.mp4")
    for name in ("nothere.mp4", "", "pipe.mp4"):
        with pytest.raises(VideoError):
            content_id(tmp_path / name)
