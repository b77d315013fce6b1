"""Archives of others: unpacked inside of a folder and within bounds, or refused whole."""

from __future__ import annotations

import gzip
import io
import os
import shlex
import stat
import tarfile
import zipfile

import psutil
import pytest

from fake_programs import FakePrograms
from gerund.chores import programs as programs_module
from gerund.chores import unpacking
from gerund.chores.programs import ProgramError, Programs, find_programs
from gerund.chores.unpacking import ArchiveError, unpack
from gerund.errors import OutputError, UsageError


def tar_of(members):
    """A tar archive; members are contents by name, or TarInfo objects."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            if isinstance(content, bytes):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                content.name = name
                tar.addfile(content)
    return buffer.getvalue()


def info(kind, target=""):
    found = tarfile.TarInfo()
    found.type, found.linkname = kind, target
    return found


def zip_of(members):
    """A zip archive; members are contents by name, or pairs of a mode and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            mode, data = content if isinstance(content, tuple) else (stat.S_IFREG | 0o644, content)
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return buffer.getvalue()


def rar_of(members):
    """What the made-up unrar takes for an archive."""
    return b"Rar!" + tar_of(members)


GOOD = {"UCF-101/a/1.avi": b"one", "UCF-101/b/2 (x)'#.avi": b"two" * 1000}
PACK = {"tar": tar_of, "tar.gz": lambda members: gzip.compress(tar_of(members)), "zip": zip_of, "rar": rar_of}


@pytest.fixture
def place(tmp_path):
    """Puts an archive down and unpacks it; a test that leaves anything outside of the folder fails."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "sentinel").write_text("untouched")

    def unpack_it(content, name="x.bin", programs=None):
        (tmp_path / "in" / name).write_bytes(content)
        unpack(tmp_path / "in" / name, tmp_path / "out" / "new", programs or Programs())
        found = tmp_path / "out" / "new"
        return {p.relative_to(found).as_posix(): p.read_bytes() for p in found.rglob("*") if p.is_file()}

    yield unpack_it
    assert (tmp_path / "in" / "sentinel").read_text() == "untouched"
    assert {path.name for path in tmp_path.iterdir()} <= {"in", "out", "bin"}
    assert set(os.listdir(tmp_path / "out") if (tmp_path / "out").exists() else ()) <= {"new"}


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    return FakePrograms(tmp_path / "bin", monkeypatch)


@pytest.mark.parametrize("kind", PACK)
def test_what_is_in_it_comes_out(place, fakes, kind):
    """Files come out with their folders and contents, whatever the archive is called."""
    fakes.add_unrar()
    assert place(PACK[kind](GOOD), "x.rar" if kind == "rar" else "x") == GOOD


HOSTILE_NAMES = [
    "../sentinel",
    "a/../../in/sentinel",
    "/{}/in/sentinel",
    "a\\..\\b",
    "c:/x",
    "a/\x07b",
    "/".join("a" * 20),
]


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_that_lead_elsewhere(place, fakes, tmp_path, kind, name):
    """A name that is no path below the folder, or none everywhere, gets the whole archive refused."""
    fakes.add_unrar()
    name = name.format(tmp_path.as_posix().strip("/"))
    if kind == "rar" and "\x07" in name:
        name = "../sentinel"  # tar, which stands in for unrar, writes control characters in words
    with pytest.raises(ArchiveError, match="refused: it has a member named"):
        place(PACK[kind]({"first": b"1", name: b"gotcha"}), "x.rar" if kind == "rar" else "x")
    assert not (tmp_path / "out" / "new").exists()


LINKS = {
    "link": info(tarfile.SYMTYPE, "/etc/passwd"),
    "hard": info(tarfile.LNKTYPE, "first"),
    "pipe": info(tarfile.FIFOTYPE),
    "device": info(tarfile.CHRTYPE),
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in ("tar", "tar.gz", "rar") for name in LINKS if (kind, name) != ("rar", "device")],
)  # making a device needs a right that a test should not use
def test_links_and_devices(place, fakes, tmp_path, kind, name):
    """Only plain files and folders come out of an archive; of a program that makes others the result is refused."""
    fakes.add_unrar()
    with pytest.raises(ArchiveError, match="a link or a device, no plain file"):
        place(PACK[kind]({"first": b"1", name: LINKS[name]}), "x.rar")
    assert not (tmp_path / "out" / "new").exists()


def test_links_in_a_zip(place):
    """A zip can hold a link too, by its mode."""
    with pytest.raises(ArchiveError, match="no plain file"):
        place(zip_of({"a": (stat.S_IFLNK | 0o777, b"/etc/passwd")}))


def test_a_link_out_is_not_written_through(place, fakes, tmp_path):
    """A folder that is a link to elsewhere, with a file in it, is seen in the listing, before anything is unpacked."""
    fakes.add_unrar()
    members = {"up": info(tarfile.SYMTYPE, str(tmp_path / "in")), "up/sentinel": b"gotcha"}
    with pytest.raises(ArchiveError, match="no plain file"):
        place(rar_of(members), "x.rar")
    assert not any(" x " in call for call in fakes.calls("unrar"))
    for kind in ("tar", "zip"):
        with pytest.raises(ArchiveError):
            place(PACK[kind](members) if kind == "tar" else zip_of({"up": (stat.S_IFLNK | 0o777, b"/"), "up/x": b""}))


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_bombs(place, monkeypatch, kind):
    """An archive that unfolds to more than its size allows is refused before it has filled the disk."""
    monkeypatch.setattr(unpacking, "MOST_UNFOLDED_BYTES", 1 << 20)
    written = []
    really = unpacking._write
    monkeypatch.setattr(unpacking, "_write", lambda s, p, size, a: (written.append(size), really(s, p, size, a)))
    content = PACK[kind]({"small": b"1", **{f"{number}": bytes(1 << 20) for number in range(40)}})
    if kind == "tar":  # its size allows what is in it
        assert len(place(content)) == 41
        return
    with pytest.raises(ArchiveError, match="unfolds to more than"):
        place(content)
    assert sum(written) <= 3 << 20


def test_a_bomb_without_members(place, monkeypatch):
    """Nor may what lies behind the last member go on without end."""
    monkeypatch.setattr(unpacking, "MOST_UNFOLDED_BYTES", 1 << 20)
    with pytest.raises(ArchiveError, match="unfolds to more than"):
        place(gzip.compress(tar_of({"a": b"1"}) + bytes(80 << 20)))


def test_headers_that_are_too_large(place):
    """A header may not ask for memory: those of extended tar are read whole."""
    huge = info(tarfile.XHDTYPE)
    huge.size = 1 << 32
    header = huge.tobuf(tarfile.USTAR_FORMAT)
    with pytest.raises(ArchiveError, match=f"a header of it has {1 << 32} bytes"):
        place(header + bytes(1024))


def test_too_many_files(place, fakes, monkeypatch):
    """Their number has a bound as well."""
    monkeypatch.setattr(unpacking, "MOST_FILES", 3)
    fakes.add_unrar()
    for kind, pack in PACK.items():
        with pytest.raises(ArchiveError, match="more than"):
            place(pack({str(number): b"" for number in range(5)}), "x.rar")
        assert kind


@pytest.mark.parametrize("kind", PACK)
def test_damage(place, fakes, tmp_path, kind):
    """Archives that break off or were changed are refused, with their name, and leave nothing."""
    fakes.add_unrar()
    whole = PACK[kind]({f"{number}.avi": os.urandom(5000) for number in range(4)})
    cuts = [whole[: len(whole) // 2], whole[:700]]
    if kind in ("tar.gz", "zip"):
        changed = bytearray(whole)
        middle = slice(len(whole) // 2, len(whole) // 2 + 16)  # more than what only fills up to the next byte
        changed[middle] = bytes(byte ^ 255 for byte in changed[middle])
        cuts += [bytes(changed), whole[:-9]]
    if kind == "tar":  # broken off between two members
        cuts.append(whole[: 2 * (512 + 5120)])
    for content in cuts:
        with pytest.raises(ArchiveError, match=r"x\.rar"):
            place(content, "x.rar")
        assert not (tmp_path / "out" / "new").exists()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", bytes(10240), os.urandom(3000)])
def test_no_archive_at_all(place, content):
    """What is no archive is said to be none."""
    with pytest.raises(ArchiveError):
        place(content)


def test_the_same_name_twice(place):
    """A member does not replace another."""
    with pytest.raises(ArchiveError), pytest.warns(UserWarning):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a", b"1")
            archive.writestr("a", b"2")
        place(buffer.getvalue())


def test_a_program_that_never_ends_filling_the_disk(place, fakes, tmp_path, monkeypatch):
    """What an installed program writes is watched while it works."""
    monkeypatch.setattr(unpacking, "MOST_UNFOLDED_BYTES", 1 << 20)
    monkeypatch.setattr(programs_module, "_WATCH_S", 0.0)
    big = shlex.quote(str(tmp_path / "out" / "new" / "big"))
    script = f"{fakes.real['head']} -c 2000000 /dev/zero > {big}; {fakes.real['sleep']} 600; echo survived"
    fakes.add("unrar", f'case $1 in x) {script} >> "{fakes.log}" ;; esac')
    with pytest.raises(ArchiveError, match="unfolds to more than"):
        place(rar_of({"a": b"1"}), "x.rar")
    assert not (tmp_path / "out" / "new").exists() and "survived" not in fakes.log.read_text()


def test_the_next_program_is_asked(place, fakes):
    """Not every program knows every rar archive: where the first one fails another that is installed is tried."""
    fakes.add("unrar", "echo no such method >&2; exit 3")
    with pytest.raises(ArchiveError, match=r"unrar ended with 3: no such method"):
        place(rar_of(GOOD), "x.rar")
    fakes.add("bsdtar", 'for word; do last=$word; done; case $* in *" -C "*) echo hello > "$last/hello" ;; esac')
    assert place(rar_of(GOOD), "x.rar") == {"hello": b"hello\n"}
    assert len(fakes.calls("unrar")) == 2


def test_without_a_program(place, fakes):
    """Where none is installed, the error says what to install."""
    with pytest.raises(UsageError, match=r"\.rar archives needs unrar or .*apt install unrar"):
        place(rar_of(GOOD), "x.rar")


def test_a_full_disk_is_no_damage(place, monkeypatch):
    """When nothing can be written the work stops; the archive is not to blame."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpacking, "_write", full)
    with pytest.raises(OutputError):
        place(tar_of(GOOD))


def test_programs_are_bounded(fakes, monkeypatch, tmp_path):
    """A program that takes too long, says too much, or is no longer wanted is ended, with all that it started."""
    child = tmp_path / "child"
    fakes.add("slow", f"{fakes.real['sleep']} 600 & echo $! > {shlex.quote(str(child))}; wait")
    fakes.add("loud", "while :; do echo 0123456789012345678901234567890123456789; done")
    fakes.add("exact", "echo out; echo err >&2; exit 3")
    path = {name: find_programs([name], purpose="", install="")[0][1] for name in ("slow", "loud", "exact")}
    programs = Programs()
    ended = programs.run([path["exact"]], folder=tmp_path, within_s=60)
    assert (ended.code, ended.last_words) == (3, "out err")
    with pytest.raises(ProgramError, match=r"slow was ended: it took more than 0 s"):
        programs.run([path["slow"]], folder=tmp_path, within_s=0.2)
    child.unlink(missing_ok=True)
    with monkeypatch.context() as patch, pytest.raises(ProgramError, match="slow was ended: seen"):
        patch.setattr(programs_module, "_WATCH_S", 0.0)
        seen = lambda: "seen" if child.exists() and child.read_text() else None  # noqa: E731
        programs.run([path["slow"]], folder=tmp_path, within_s=60, watch=seen)
    started = psutil.Process(int(child.read_text())) if psutil.pid_exists(int(child.read_text())) else None
    if started and started.status() != psutil.STATUS_ZOMBIE:
        started.wait(timeout=10)  # it was killed, and goes
    monkeypatch.setattr(programs_module, "_MOST_SAID_BYTES", 1000)
    with pytest.raises(ProgramError, match="printed more than"):
        programs.run([path["loud"]], folder=tmp_path, within_s=60)
    with pytest.raises(ProgramError, match="cannot be started"):
        programs.run([str(tmp_path / "nothing")], folder=tmp_path, within_s=60)
    programs.stop()
    with pytest.raises(ProgramError, match="the command was stopped"):
        programs.run([path["slow"]], folder=tmp_path, within_s=60)


def test_what_a_program_is_told_is_never_read_by_a_shell(fakes, tmp_path):
    """Words arrive as they are, whatever a shell would make of them."""
    fakes.add("echo", 'for word; do printf "<%s>" "$word"; done')
    ((_, path),) = find_programs(["echo"], purpose="", install="")
    words = ["$(touch gotcha)", "; touch gotcha", "a b", "*", "--x=`touch gotcha`"]
    said = Programs().run([path, *words], folder=tmp_path, within_s=60).said
    assert said == "".join(f"<{word}>" for word in words)
    assert not list(tmp_path.rglob("gotcha"))
