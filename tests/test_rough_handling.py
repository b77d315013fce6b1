"""What people and machines do to a run besides hostile files: kill its processes, fork, close, leave half way."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from weakref import WeakSet

import pytest

from gerund.api import Model
from gerund.errors import GerundError, VideoError
from gerund.features import extract_many
from gerund.features.extraction import _Line
from gerund.video import Video
from gerund.video.limits import Limits
from gerund.video.workers import StoppedError, Workers
from stub import ColourEncoder, write_colours

ENDS = 60
"""Seconds after which something counts as endless."""


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A red and a blue second."""
    folder = tmp_path_factory.mktemp("videos")
    return [write_colours(folder / f"{colour}.mp4", [colour]) for colour in ("red", "blue")]


def run_script(text, tmp_path):
    """A script on the modules of the tests, in a Python of its own; one that never ends is a failure."""
    script = tmp_path / "script.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{text}")
    return subprocess.run([sys.executable, script], check=False, capture_output=True, text=True, timeout=ENDS)


def open_files():
    return set(os.listdir("/proc/self/fd"))


def start_instead(monkeypatch, *scripts):
    """Lets the next processes that should decode run something else, one script after the other."""
    left, really_open = list(scripts), subprocess.Popen

    def start(command, **settings):
        return really_open([sys.executable, "-c", left.pop(0), *command[4:]] if left else command, **settings)

    monkeypatch.setattr("gerund.video.process.subprocess.Popen", start)


def test_a_stream_left_half_read_does_not_keep_python_from_ending(videos, tmp_path):
    """A script that asks for the first answer of many, and ends with the rest unread, ends; its threads before it."""
    done = run_script(
        "import atexit, threading\n"
        "atexit.register(lambda: print([t.name for t in threading.enumerate() if t.name.startswith('decode')]))\n"
        "from gerund.api import Model\nfrom stub import ColourEncoder\n"
        f"stream = Model(ColourEncoder()).locate_many([{str(videos[0])!r}] * 50, ['red', 'blue'])\n"
        "next(stream)\nprint('ends')",
        tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n[]\n", "")


def test_an_encoder_that_wants_out_costs_its_videos_and_no_more(videos):
    """SystemExit in the thread that prepares pictures is an answer about that video; nobody waits for ever."""

    class Leaving(ColourEncoder):
        def prepare(self, picture):
            if picture[0, 0, 0] > 128:
                raise SystemExit("out")
            return super().prepare(picture)

    found = []
    asking = threading.Thread(target=lambda: found.extend(Model(Leaving()).locate_many(videos, ["red"])), daemon=True)
    asking.start()
    asking.join(ENDS)
    assert not asking.is_alive()
    assert [type(answer).__name__ for _, answer in found] == ["GerundError", "Location"]
    assert "SystemExit: out" in str(found[0][1])


@pytest.mark.parametrize("wrong", [lambda x: x[:, :0], lambda x: x[..., :2], lambda x: x.astype(complex)])
@pytest.mark.parametrize("dense", [False, True])
def test_vectors_of_another_shape_or_type_cost_their_video(wrong, dense, videos):
    """An encoder that gives nothing, too little or no real numbers for one video: the other is answered."""

    class Odd(ColourEncoder):
        def encode_windows(self, frames, *, dense):
            found = super().encode_windows(frames, dense=dense)
            return wrong(found) if frames[0, 0, 0, 0, 0] > 128 else found

        batch = 1

    model = Model(Odd())
    ask = model.locate_many if dense else model.classify_many
    answers = [answer for _, answer in ask(videos, ["red", "blue"])]
    assert [isinstance(answer, Exception) for answer in answers] == [True, False]


def test_a_video_that_comes_while_the_line_stops_is_not_in_the_way():
    """Whoever puts a video into the line at the moment when it stops waits, and is then told."""

    class Item:
        def interrupt(self):
            self.is_interrupted = True

    line, items, told = _Line(1), [Item(), Item(), Item()], []

    def feed():
        try:
            line.feed(items[2])
        except StoppedError:
            told.append(items[2])

    feeder = threading.Thread(target=feed)

    class Slow(WeakSet):
        def __iter__(self):
            for item in super().__iter__():
                with suppress(RuntimeError):  # it was started for the item before
                    feeder.start()
                feeder.join(0.2)
                yield item

    line._readings = Slow(items[:2])
    line.stop()
    feeder.join(ENDS)
    assert told == [items[2]]
    assert all(item.is_interrupted for item in items[:2])


def test_a_forked_process_gets_workers_of_its_own(videos, tmp_path):
    """Parent and child ask the same model at once: each gets the answers about its own video, from its own worker."""
    done = run_script(
        "import os\nfrom gerund.api import Model\nfrom stub import ColourEncoder\n"
        "model = Model(ColourEncoder())\n"
        "def best(path):\n    return {model.classify(path, ['red', 'blue']).best.action for _ in range(4)}\n"
        "def worker():\n    return [process._process.pid for process in model._workers._idle]\n"
        f"red, blue = {[str(path) for path in videos]!r}\nbest(red)\nbefore, child = worker(), os.fork()\n"
        "if not child:\n"
        "    here = len(os.listdir('/proc/self/fd'))\n    mine = best(blue)\n"
        "    print(mine, worker() != before, len(os.listdir('/proc/self/fd')) == here, flush=True)\n    sys.exit()\n"
        "mine = best(red)\nos.waitpid(child, 0)\nprint(mine, best(red), worker() == before)",
        tmp_path,
    )
    assert done.stdout == "{'blue'} True True\n{'red'} {'red'} True\n"


def test_closing_leaves_open_what_another_thread_still_uses():
    """A worker at work is gone after `close`; its pipes and memory stay until its user gives it back, then go once."""
    before, workers = open_files(), Workers()
    at_work = workers.take()
    workers.close()
    assert at_work._process.poll() is not None
    os.fstat(at_work._memory)
    assert not at_work._process.stdin.closed
    workers.give_back(at_work)
    assert open_files() == before
    with Path(os.devnull).open() as file:  # takes the number of the memory
        workers.close()
        os.fstat(file.fileno())


def test_a_worker_that_ended_while_it_had_nothing_to_do_costs_no_video(videos):
    """A worker that is killed before its first question is replaced, and the video is answered."""
    with Workers() as workers:
        workers.give_back(workers.take())
        (idle,) = workers._idle
        idle._process.kill()
        idle._process.wait()
        with workers.reading(Video(videos[0])) as reading:
            assert reading.video.num_frames == 8
        assert workers._all == set(workers._idle)


def test_a_worker_that_ends_before_it_is_ready_is_no_fault_of_the_video(videos, monkeypatch):
    """One that does not get ready is replaced once; where none does, the reason says how to see why."""
    start_instead(monkeypatch, "raise SystemExit(7)")
    with Workers() as workers, workers.reading(Video(videos[0])) as reading:
        assert reading.video.num_frames == 8
    start_instead(monkeypatch, *["raise SystemExit(7)"] * 2)
    with Workers() as workers, pytest.raises(VideoError) as caught, workers.reading(Video(videos[0])):
        pass
    assert "ended with status 7 before it was ready; see what" in caught.value.reason
    assert "damaged" not in caught.value.reason


def test_a_worker_that_cannot_be_started_leaves_nothing_open(monkeypatch):
    """Where no process can be started the memory that it would have shared is given back."""

    def refuse(*_, **__):
        raise OSError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr("gerund.video.process.subprocess.Popen", refuse)
    before = open_files()
    with Workers() as workers, pytest.raises(GerundError, match="no more processes"):
        workers.take()
    assert open_files() == before


def test_memory_that_cannot_grow_costs_one_video(videos, monkeypatch):
    """Where there is no room for the pictures of one video, the next one gets a worker that is whole."""
    monkeypatch.setattr("gerund.video.process._AREA_BYTES", 4096)
    really, refused = os.ftruncate, []

    def truncate(file, length):
        if length > 4096 and not refused:
            refused.append(length)
            raise OSError(errno.ENOSPC, "no room")
        really(file, length)

    monkeypatch.setattr("gerund.video.process.os.ftruncate", truncate)
    with Workers() as workers:
        done = extract_many(map(Video, videos), [ColourEncoder()], dense=True, decoders=1, workers=workers)
        assert [str(item.error) if item.error else None for item in done] == ["[Errno 28] no room", None]


def test_a_signal_without_a_name_is_told_by_number(videos):
    """A worker ended by a real-time signal is a worker that was lost, like any other."""
    with Workers() as workers, workers.reading(Video(videos[0])) as reading:
        os.kill(reading._process._process.pid, signal.SIGRTMIN + 5)
        with pytest.raises(VideoError, match=f"ended by signal {signal.SIGRTMIN + 5}"):
            list(reading.pictures(range(8), {None: range(8)}))


def test_a_worker_whose_watch_fails_ends(videos, monkeypatch):
    """Where there is no memory left for watching the decoder, the process ends and says so, instead of going on."""
    start_instead(
        monkeypatch,
        "import gerund.video.decoding as decoding\nfrom gerund.video import worker\n"
        "def starve(path):\n    raise MemoryError\n"
        "def hang(self):\n    while True: pass\n"
        "worker._size_bytes, decoding.Decoder.build_index = starve, hang\nworker.main()",
    )
    starved = pytest.raises(VideoError, match="takes more memory")
    with Workers(Limits(step_s=5)) as workers, starved, workers.reading(Video(videos[0])):
        pass


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_standard_input_and_output_may_be_closed(closed, videos, tmp_path):
    """A command that is started without them, as by a service, decodes as any other."""
    answer, script = tmp_path / "answer", tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom gerund.video import Video\nfrom gerund.video.workers import Workers\n"
        f"with Workers() as workers, workers.reading(Video({str(videos[0])!r})) as reading:\n"
        f"    Path({str(answer)!r}).write_text(str(len(list(reading.pictures([0, 1], {{None: [0]}})))))\n"
    )
    subprocess.run(["sh", "-c", f"{sys.executable} {script} {closed}"], capture_output=True, timeout=ENDS, check=True)
    assert answer.read_text() == "2"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"actions": None},
        {"actions": []},
        {"actions": [{"action": 5, "score": 1.0, "probability": 0.5}]},
        {"duration_s": "2"},
        {"duration_s": -1},
        {"duration_s": 10**400},
        {"note": 7},
        {"model": {}},
    ],
)
def test_a_line_that_was_spoilt_by_hand_is_asked_again(spoilt, run, videos, tmp_path):
    """A stored answer that cannot be shown is taken for none: the command asks anew and replaces the line."""
    record = tmp_path / "a.json"
    words = "classify", *videos, "--actions", "red, blue", "--json", record, "--csv", tmp_path / "a.csv"
    assert run(*words).exit_code == 0
    good = record.read_text()
    lines = [json.loads(line) for line in good.splitlines()]
    lines[1] |= spoilt
    record.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = run(*words)
    assert result.exit_code == 0
    assert "1 of 2 answered before" in result.output
    assert record.read_text() == good
