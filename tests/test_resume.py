"""The same command again: it goes on, loses nothing that was answered, and ends where an undisturbed one ends."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import gerund.api
from gerund.api import Model
from gerund.features import FeatureStore
from gerund.writing import GrowingFile
from stub import ColourEncoder, write_colours

ACTIONS = "showing red, showing green, showing blue"
PLANS = {"a": ["red"], "b": ["green", "red"], "c": ["red", "blue", "green"], "d": ["blue"], "e": ["red", "green"]}


@pytest.fixture
def asked(monkeypatch):
    """The videos that the model was asked about, in order."""
    names = []
    for method in ("classify_many", "locate_many"):
        original = getattr(Model, method)

        def spying(self, paths, *rest, original=original, **settings):
            listed = list(paths)
            names.extend(Path(path).name for path in listed)
            return original(self, listed, *rest, **settings)

        monkeypatch.setattr(Model, method, spying)
    return names


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Five videos, written once."""
    folder = tmp_path_factory.mktemp("originals")
    for name, colours in PLANS.items():
        write_colours(folder / f"{name}.mp4", colours)
    return folder


@pytest.fixture
def videos(originals, tmp_path):
    """The same in a folder that may be changed."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for path in originals.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def names_of(path):
    return [Path(line["video"]).name for line in lines_of(path)]


@pytest.fixture
def stop_after(monkeypatch):
    """Makes a command meet something after so many answers."""

    def make(count, error, method="classify_many"):
        original = getattr(Model, method)

        def many(self, paths, *rest, **settings):
            answers = original(self, paths, *rest, **settings)
            for _ in range(count):
                yield next(answers)
            raise error

        monkeypatch.setattr(Model, method, many)

    return make


def test_the_same_command_asks_about_nothing_twice(run, videos, tmp_path, asked):
    """All answered: nothing is asked, the file is the same to the byte, and every output is there again."""
    out, table = tmp_path / "out.jsonl", tmp_path / "out.csv"
    words = ("classify", videos, "--actions", ACTIONS, "--json", out, "--csv", table)
    first = run(*words)
    assert asked == ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"]
    before, rows = out.read_bytes(), table.read_bytes()
    table.unlink()
    asked.clear()
    again = run(*words)
    assert (again.exit_code, asked) == (0, [])
    assert "5 of 5 answered before; nothing is left to ask" in again.stderr
    assert (out.read_bytes(), table.read_bytes()) == (before, rows)
    assert again.stdout == first.stdout


def test_a_stopped_command_goes_on(run, videos, tmp_path, asked, stop_after, monkeypatch):
    """Stopped after two, then after one more, then run to the end: as if it had never been stopped, in order."""
    out, table, page = (tmp_path / name for name in ("out.jsonl", "out.csv", "out.html"))
    words = ("locate", videos, "--actions", ACTIONS, "--json", out, "--csv", table, "--html", page, "--vtt", tmp_path)
    with monkeypatch.context():
        stop_after(2, KeyboardInterrupt(), "locate_many")
        assert run(*words).exit_code == 130
    assert names_of(out) == ["a.mp4", "b.mp4"]
    asked.clear()
    monkeypatch.undo()
    monkeypatch.setattr(gerund.api, "load", lambda *_, **__: Model(ColourEncoder()))
    stop_after(1, KeyboardInterrupt(), "locate_many")
    stopped = run(*words)
    assert "2 of 5 answered before; going on" in stopped.stderr
    assert names_of(out) == ["a.mp4", "b.mp4", "c.mp4"], "never fewer than before"
    assert "c.mp4" in table.read_text() and "b.mp4" in table.read_text()
    monkeypatch.undo()
    monkeypatch.setattr(gerund.api, "load", lambda *_, **__: Model(ColourEncoder()))
    assert run(*words).exit_code == 0
    whole = [tmp_path / f"whole.{kind}" for kind in ("jsonl", "csv", "html")]
    run("locate", videos, "--actions", ACTIONS, "--json", whole[0], "--csv", whole[1], "--html", whole[2])
    for part, one in zip((out, table, page), whole, strict=True):
        assert part.read_text() == one.read_text()
    assert len(list(tmp_path.glob("*.vtt"))) == 5
    assert not list(tmp_path.glob("*.part"))


def test_failures_are_asked_again_and_replaced(run, videos, tmp_path, asked):
    """A broken video and a missing one are asked every time; once they are whole their answers replace the failures."""
    good = (videos / "b.mp4").read_bytes()
    (videos / "b.mp4").write_bytes(good[: len(good) // 2])
    out = tmp_path / "out.jsonl"
    words = ("classify", videos, tmp_path / "late.mp4", "--actions", ACTIONS, "--json", out)
    assert run(*words).exit_code == 1
    assert sum(line["error"] is not None for line in lines_of(out)) == 2
    asked.clear()
    assert run(*words).exit_code == 1
    assert asked == ["b.mp4"]
    assert sum(line["error"] is not None for line in lines_of(out)) == 2
    (videos / "b.mp4").write_bytes(good)
    (tmp_path / "late.mp4").write_bytes(good)
    assert run(*words).exit_code == 0
    assert names_of(out) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4", "late.mp4"]
    assert all(line["error"] is None for line in lines_of(out))


@pytest.mark.parametrize(
    "other",
    [
        ["--actions", "showing red, showing green"],
        ["--actions", ACTIONS, "--top", "2"],
        ["--actions", ACTIONS, "--texts", "{texts}"],
        ["--actions", ACTIONS, "--model", "another"],
    ],
)
def test_other_settings_are_another_question(run, videos, tmp_path, asked, other, monkeypatch, stop_after):
    """Other actions, texts, numbers or weights: all is asked again, and old answers stay until there are new ones."""
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"name": "showing red", "definition": "something blue"}\n')
    out = tmp_path / "out.jsonl"
    run("classify", videos, "--actions", ACTIONS, "--json", out)
    old = {line["settings"] for line in lines_of(out)}
    assert len(old) == 1
    if "--model" in other:

        class Another(ColourEncoder):
            fingerprint = "colour-stub-2"

        monkeypatch.setattr(gerund.api, "load", lambda *_, **__: Model(Another()))
    stop_after(2, KeyboardInterrupt())
    asked.clear()
    run("classify", videos, *[word.format(texts=texts) for word in other], "--json", out)
    assert len(asked) == 5
    assert names_of(out) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"]
    assert [line["settings"] in old for line in lines_of(out)] == [False, False, True, True, True]


@pytest.mark.parametrize("other", [["--decode-threads", "2"], ["--threads", "1"], ["--quiet"], ["--csv", "{table}"]])
def test_what_changes_no_answer_is_the_same_question(run, videos, tmp_path, asked, other):
    """Threads and further outputs make nothing to be asked again."""
    out = tmp_path / "out.jsonl"
    run("classify", videos, "--actions", ACTIONS, "--json", out)
    asked.clear()
    other = [word.format(table=tmp_path / "t.csv") for word in other]
    assert run("classify", videos, "--actions", ACTIONS, "--json", out, *other).exit_code == 0
    assert asked == []


def test_renamed_moved_copied_changed(run, videos, tmp_path, asked):
    """A new name or a copy is no new video; other content under an old name is."""
    out = tmp_path / "out.jsonl"
    words = ("classify", videos, "--actions", ACTIONS, "--json", out)
    run(*words)
    before = {line["video"]: line["actions"] for line in lines_of(out)}
    (videos / "a.mp4").rename(videos / "z.mp4")
    (videos / "copy.mp4").write_bytes((videos / "c.mp4").read_bytes())
    (videos / "d.mp4").write_bytes((videos / "b.mp4").read_bytes() + b"\0" * 9)
    asked.clear()
    assert run(*words).exit_code == 0
    assert asked == ["d.mp4"]
    after = {line["video"]: line["actions"] for line in lines_of(out)}
    assert [Path(name).name for name in after] == ["b.mp4", "c.mp4", "copy.mp4", "d.mp4", "e.mp4", "z.mp4"]
    assert after[str(videos / "z.mp4")] == before[str(videos / "a.mp4")]
    assert after[str(videos / "copy.mp4")] == before[str(videos / "c.mp4")]
    assert after[str(videos / "d.mp4")] == before[str(videos / "b.mp4")]


def test_videos_that_are_not_named_now_keep_their_lines(run, videos, tmp_path):
    """One video after the other into one file: all lines are there, those of the command first."""
    out = tmp_path / "out.jsonl"
    for name in "bac":
        run("classify", videos / f"{name}.mp4", "--actions", ACTIONS, "--json", out)
    assert names_of(out) == ["c.mp4", "a.mp4", "b.mp4"]


def test_overwrite_starts_anew(run, videos, tmp_path, asked):
    """With --overwrite nothing counts that was there, and a file of others gives way; without it, it is refused."""
    out = tmp_path / "out.jsonl"
    run("classify", videos, "--actions", ACTIONS, "--json", out)
    asked.clear()
    run("classify", videos / "a.mp4", "--actions", ACTIONS, "--json", out, "--overwrite")
    assert (asked, names_of(out)) == (["a.mp4"], ["a.mp4"])
    out.write_text("precious\n")
    refused = run("classify", videos, "--actions", ACTIONS, "--json", out)
    assert (refused.exit_code, out.read_text()) == (2, "precious\n")
    assert "--overwrite" in refused.stderr
    assert run("classify", videos, "--actions", ACTIONS, "--json", out, "--overwrite").exit_code == 0
    assert len(lines_of(out)) == 5
    lost = run("classify", videos, "--actions", ACTIONS, "--csv", tmp_path / "out.csv", "--overwrite")
    assert lost.exit_code == 2 and "--json" in lost.stderr


def test_a_command_that_does_not_fit_its_model_empties_nothing(run, videos, tmp_path):
    """Approximate frames for an encoder of consecutive ones: status 2, also with --overwrite the old answers stay."""
    out = tmp_path / "out.jsonl"
    run("classify", videos, "--actions", ACTIONS, "--json", out)
    before = out.read_bytes()
    result = run("classify", videos, "--actions", ACTIONS, "--json", out, "--approximate-frames", "--overwrite")
    assert result.exit_code == 2
    assert "single frames" in result.stderr
    assert out.read_bytes() == before


def test_standard_output_is_never_gone_on_from(run, videos, tmp_path, asked, monkeypatch):
    """`--json -` asks about everything every time, and makes no file."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        result = run("classify", videos, "--actions", ACTIONS, "--json", "-")
        assert len(result.stdout.splitlines()) == 5
    assert len(asked) == 10
    assert not Path("-").exists()


def test_a_table_without_a_record_is_not_lost_to_a_stopped_command(run, videos, tmp_path, stop_after):
    """Stopped, it leaves an earlier table and page in their places, and what it finished beside them."""
    table, page = tmp_path / "out.csv", tmp_path / "out.html"
    words = ("locate", videos, "--actions", ACTIONS, "--csv", table, "--html", page)
    run(*words)
    before = table.read_text(), page.read_text()
    stop_after(1, KeyboardInterrupt(), "locate_many")
    stopped = run(*words)
    assert stopped.exit_code == 130
    assert (table.read_text(), page.read_text()) == before
    beside = (tmp_path / "out.csv.part").read_text()
    assert "a.mp4" in beside and "b.mp4" not in beside
    assert str(tmp_path / "out.csv.part") in stopped.stderr.replace("\n", "")


@pytest.mark.parametrize("output", ["--json", "--csv"])
def test_a_full_disk_stops_the_work_and_names_the_file(run, videos, tmp_path, output, asked, monkeypatch):
    """At the third answer there is no room: status 1, the file is named, whole lines are kept, and it goes on later."""
    target = tmp_path / "out"
    words = ("classify", videos, "--actions", ACTIONS, output, target)
    original, count = GrowingFile.append, [0]

    def append(self, text):
        count[0] += 1
        if count[0] == (3 if output == "--json" else 4):  # a table has a header
            self._file, full = os.open("/dev/full", os.O_WRONLY), self._file
            try:
                original(self, text)
            finally:
                os.close(self._file)
                self._file = full
        original(self, text)

    monkeypatch.setattr(GrowingFile, "append", append)
    monkeypatch.setattr(GrowingFile, "_cut", lambda _: None)
    result = run(*words)
    assert result.exit_code == 1
    assert f"cannot write {target}: {os.strerror(errno.ENOSPC)}" in result.stderr.replace("\n", "")
    assert "Traceback" not in result.output
    assert target.read_text().count("\n") == (2 if output == "--json" else 7)
    assert target.read_text().endswith("\n")
    monkeypatch.undo()
    monkeypatch.setattr(gerund.api, "load", lambda *_, **__: Model(ColourEncoder()))
    assert run(*words).exit_code == 0
    assert target.read_text().count("\n") == (5 if output == "--json" else 16)


KILLED = """
    import os, random, sys
    sys.path.insert(0, {tests!r})
    import gerund.api
    from gerund.api import Model
    from gerund.cli import app
    import gerund.cli.features, gerund.inquiry, gerund.drawing, gerund.terminal, gerund.features
    from gerund.features import layout
    from stub import ColourEncoder

    gerund.api.load = lambda *_, **__: Model(ColourEncoder())
    real_write, real_replace, real_fsync = os.write, os.replace, os.fsync

    def kill_at(number, seed):
        # at the so-manieth call to the system: before it, after it, or in the middle of a write
        calls, rng = [0], random.Random(seed)
        def watched(real):
            def call(*given):
                calls[0] += 1
                if calls[0] < number:
                    return real(*given)
                if rng.random() < 0.7:
                    if real is real_write:
                        real(given[0], given[1][: rng.randrange(len(given[1]) + 1)])
                    elif rng.random() < 0.5:
                        real(*given)
                os.kill(os.getpid(), 9)
            return call
        os.write, os.replace, os.fsync = map(watched, (real_write, real_replace, real_fsync))

    def once(words, number, seed):
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1]
        try:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1), os.dup2(null, 2)
            if number:
                kill_at(number, seed)
            app(words)
        except SystemExit as end:
            os._exit(end.code or 0)
        finally:
            os._exit(99)

    for words, kills in {commands!r}:
        statuses = [once(words, number, seed) for number, seed in kills]
        print(sum(status == 9 for status in statuses), once(words, 0, 0))
"""


def test_killed_at_any_moment(run, videos, tmp_path):
    """Killed outright ten times, in the middle of lines too, each command ends in what an undisturbed one gives."""
    (videos / "broken.mp4").write_bytes(b"no video")
    rng = random.Random(7)
    plans = {}
    for name in ("classify", "locate"):
        words = [name, str(videos), "--actions", ACTIONS, "--decode-threads", "1"]
        plans[name] = [*words, "--json", "{}.jsonl", "--csv", "{}.csv"]
    plans["extract"] = ["extract", str(videos), "--encoder", "colours", "--out", "{}"]
    commands = []
    for name, words in plans.items():
        target = str(tmp_path / f"killed-{name}")
        kills = [(rng.randint(1, 9), rng.random()) for _ in range(4 if name == "classify" else 3)]
        commands.append(([word.format(target) for word in words], kills))
    code = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), commands=commands)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    told = [line.split() for line in done.stdout.splitlines()]
    assert [ended for _, ended in told] == ["256"] * 3, done.stderr
    assert sum(int(killed) for killed, _ in told) >= 8, "the kills hit"
    for name, words in plans.items():
        assert run(*[word.format(tmp_path / f"whole-{name}") for word in words]).exit_code == 1
    for name in ("classify", "locate"):
        for kind in ("jsonl", "csv"):
            killed, whole = (tmp_path / f"{which}-{name}.{kind}" for which in ("killed", "whole"))
            if kind == "jsonl":
                assert names_of(killed) == names_of(whole)
            assert killed.read_text() == whole.read_text()
    killed, whole = (FeatureStore(tmp_path / f"{which}-extract") for which in ("killed", "whole"))
    assert killed.ids() == whole.ids() == list(PLANS)
    for video in PLANS:
        assert killed.read(video).vectors.tobytes() == whole.read(video).vectors.tobytes()
    assert not list(tmp_path.glob("*.part"))
