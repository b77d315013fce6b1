"""Decoding in processes of their own: whatever a file does to its decoder costs that file alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from gerund.errors import UsageError, VideoError
from gerund.features import extract_many
from gerund.video import Video
from gerund.video.limits import Limits
from gerund.video.messages import Channel
from gerund.video.transforms import Preparation
from gerund.video.workers import Workers
from stub import ColourEncoder, write_colours

SICK = """
import os, sys, time
import gerund.video.decoding as decoding
from gerund.video import worker

def sick(self):
    name = self._path.stem
    if name.startswith("hang"):
        while True:
            pass
    if name.startswith("sleep"):
        time.sleep(600)
    if name.startswith("endless"):
        while True:
            self.steps += 1
    if name.startswith("crash"):
        os.kill(os.getpid(), 11)
    if name.startswith("swell"):
        self.kept = bytearray(4 << 30)
    if name.startswith("leak"):
        kept.append(bytearray(300 << 20))
    if name.startswith("lie"):
        os.write(3, b"nonsense" * 100); os.write(1, b"printed by a library")
    return well(self)

kept = []
well, decoding.Decoder.build_index = decoding.Decoder.build_index, sick
worker.main()
"""
"""A worker whose decoder falls ill over files with telling names."""


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Two seconds at eight frames a second."""
    return write_colours(tmp_path_factory.mktemp("video") / "good.mp4", ["red", "blue"])


@pytest.fixture
def sick(monkeypatch, tmp_path):
    """Lets the processes that are started from now on run a decoder that falls ill."""
    script = tmp_path / "sick_worker.py"
    script.write_text(SICK)
    really_open = subprocess.Popen

    def start(command, **settings):
        return really_open([command[0], str(script), *command[4:]], **settings)

    monkeypatch.setattr("gerund.video.process.subprocess.Popen", start)


def copy(video, name):
    """The same file under another name."""
    target = video.with_name(f"{name}.mp4")
    if not target.exists():
        target.write_bytes(video.read_bytes())
    return target


def answers(paths, limits=None):
    """What becomes of each file: the number of its vectors, or the reason."""
    with Workers(limits) as workers:
        done = extract_many([Video(p) for p in paths], [ColourEncoder()], dense=True, decoders=1, workers=workers)
        return [len(item.tracks[0]) if item.error is None else item.error.reason for item in done]


def test_pictures_and_facts_are_those_of_reading_here(video):
    """Through the worker come the same frames, times and keyframes, whole or prepared, and only those asked for."""
    here, there = Video(video), Video(video)
    small = Preparation(16, 20)
    with Workers() as workers, workers.reading(there) as reading:
        found = list(reading.pictures([0, 3, 15], {None: [0, 15], small: [3, 15]}))
    assert [(number, set(pictures)) for number, pictures in found] == [(0, {None}), (3, {small}), (15, {None, small})]
    for number, pictures in found:
        whole = here.read([number]).frames[0]
        for way, picture in pictures.items():
            np.testing.assert_array_equal(picture, whole if way is None else small(whole))
    np.testing.assert_array_equal(there.times_s, here.times_s)
    np.testing.assert_array_equal(there.keyframes, here.keyframes)
    facts = [(v.num_frames, v.duration_s, v.fps, v.width, v.height) for v in (here, there)]
    assert facts[0] == facts[1]
    np.testing.assert_array_equal(there.read([7]).frames, here.read([7]).frames)


def test_more_pictures_than_the_memory_holds(video, monkeypatch):
    """Pictures larger than the shared memory make it grow; a long stream goes through a few slots."""
    monkeypatch.setattr("gerund.video.process._AREA_BYTES", 4096)
    with Workers() as workers, workers.reading(Video(video)) as reading:
        found = [picture[None] for _, picture in reading.pictures(range(16), {None: range(16)})]
    np.testing.assert_array_equal(np.stack(found), Video(video).read().frames)


@pytest.mark.parametrize(
    ("name", "limits", "reason"),
    [
        ("hang", {"step_s": 1}, "the decoder hangs: 1 s of work without a picture or a packet"),
        ("endless", {"cpu_s": 1.5}, "takes too long: more than 2 s of processor time"),
        ("sleep", {"step_s": 1}, "stood still for 2 s"),
        ("crash", {}, "was ended by SIGSEGV"),
        ("swell", {}, "takes more memory"),
        ("lie", {"step_s": 2}, "the process that decoded it"),
    ],
)
def test_what_a_file_does_to_its_decoder_costs_that_file(name, limits, reason, video, sick):
    """A decoder that hangs, waits, dies, swells or sends nonsense: one named video, and its neighbours are answered."""
    paths = [copy(video, "first"), copy(video, name), copy(video, "last")]
    before, bad, after = answers(paths, Limits(**limits))
    assert (before, after) == (4, 4)
    assert reason in bad


def test_no_video_pays_for_its_predecessors(video, sick):
    """Five videos leave 300 MB behind each, under a limit of 1.2 GB: one is tried again in a fresh process."""
    assert answers([copy(video, f"leak{n}") for n in range(5)], Limits(memory_bytes=1200 << 20)) == [4] * 5


def test_a_worker_killed_half_way_is_replaced_and_the_video_goes_on(video):
    """After its worker is killed between two pictures a later video continues in a fresh one, each frame once."""
    with Workers() as workers:
        with workers.reading(Video(video)):
            pass
        with workers.reading(Video(video)) as reading:
            stream, seen = reading.pictures(range(16), {Preparation(8, 8): range(16)}), []
            for number, _ in stream:
                seen.append(number)
                if number == 5:
                    reading._process._process.kill()
    assert seen == list(range(16))


def test_a_first_video_whose_worker_dies_is_named(video):
    """Without predecessors there is nobody else to blame: the video fails, with the signal in its reason."""
    with Workers() as workers, workers.reading(Video(video)) as reading:
        reading._process._process.kill()
        with pytest.raises(VideoError, match="SIGKILL"):
            list(reading.pictures(range(16), {None: range(16)}))


def test_nothing_here_opens_the_file(video, monkeypatch):
    """While videos are encoded this process decodes nothing: the door to media files stays shut."""
    monkeypatch.setattr("gerund.video.decoding.open_media", lambda *_: pytest.fail("decoded in this process"))
    assert answers([video]) == [4]


def test_workers_are_kept_for_the_next_video(video):
    """Three videos one after the other, a damaged one among them, are served by one process."""
    bad = copy(video, "damaged")
    bad.write_bytes(b"no video at all")
    with Workers() as workers:
        seen = set()
        for path in (video, bad, video):
            reading_of = workers.take()
            seen.add(reading_of._process.pid)
            workers.give_back(reading_of)
            list(extract_many([Video(path)], [ColourEncoder()], dense=True, workers=workers))
        assert len(seen) == 1


def test_closing_ends_every_process(video):
    """After `close` no worker lives, and asking again is an error that says so."""
    workers = Workers()
    processes = [workers.take(), workers.take()]
    workers.give_back(processes[0])
    workers.close()
    assert all(process._process.poll() is not None for process in processes)
    with pytest.raises(UsageError, match="closed"):
        workers.take()


def test_who_leaves_early_leaves_no_process_at_work(video, sick):
    """Closing the stream of answers while a worker hangs returns at once and ends that worker."""
    with Workers() as workers:
        stream = extract_many(
            [Video(copy(video, "first")), Video(copy(video, "sleep"))],
            [ColourEncoder()],
            dense=True,
            workers=workers,
            decoders=1,
        )
        next(stream)
        stream.close()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
        assert all(process._process.poll() is None for process in workers._idle)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="what became of a process is read from /proc")
def test_a_worker_ends_with_its_parent(video, tmp_path):
    """When whoever started it is killed, a worker leaves by itself, also out of a decoder that never returns."""
    hang, sick_worker, script = copy(video, "hang"), tmp_path / "sick.py", tmp_path / "parent.py"
    sick_worker.write_text(SICK)
    script.write_text(
        "import subprocess\nfrom pathlib import Path\n"
        "from gerund.video.limits import Limits\nfrom gerund.video.process import Process\n"
        "start = subprocess.Popen\n"
        f"subprocess.Popen = lambda command, **kind: start([command[0], {str(sick_worker)!r}, *command[4:]], **kind)\n"
        f"process = Process(Limits())\nprint(process._process.pid, flush=True)\nprocess.index(Path({str(hang)!r}))\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(200):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the worker went on without its parent")


def test_a_module_of_the_users_folder_is_never_imported(video, tmp_path, monkeypatch):
    """A folder of videos may hold a file numpy.py; the worker, started there, does not run it."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    assert answers([video]) == [4]


def test_scripts_need_no_main_guard(video, tmp_path):
    """A plain script that classifies at its top level is not run again by the processes that it starts."""
    script = tmp_path / "plain.py"
    script.write_text(
        "from gerund.video import Video\nfrom gerund.video.workers import Workers\nprint('once')\n"
        f"with Workers() as workers, workers.reading(Video({str(video)!r})) as reading:\n"
        "    print(len(list(reading.pictures([0, 1], {None: [0]}))))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "once\n2\n"


def test_pictures_beyond_the_budget_are_refused_by_name(video):
    """The limit on pixels is told with the size that met it, here and in the worker."""
    with pytest.raises(VideoError, match=r"32 x 32 pixels, at most 1,000 are read"):
        _ = Video(video, limits=Limits(pixels=1000)).num_frames
    assert "32 x 32 pixels" in answers([video], Limits(pixels=1000))[0]


@pytest.mark.parametrize("size", [(6500, 100), (100, 6500)])
def test_strips_are_refused_by_name(size, tmp_path):
    """Pictures more than 64 times as long as wide are refused with their size; 64 times is read."""
    import av

    (width, height), strip = size, tmp_path / "strip.mkv"
    with av.open(str(strip), "w") as container:
        stream = container.add_stream("ffv1", rate=8)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    (reason,) = answers([strip])
    assert f"strips of {width} x {height} pixels" in reason
    assert answers([strip], Limits(aspect=65)) == [1]


@pytest.mark.parametrize("wrong", [{"pixels": 0}, {"step_s": -1}, {"memory_bytes": 0}, {"cpu_s": float("nan")}])
def test_limits_have_to_leave_something(wrong):
    """A bound that nothing can meet is an error."""
    with pytest.raises(UsageError, match="above 0"):
        Limits(**wrong)


def test_messages_with_impossible_lengths_are_refused():
    """A message that announces more than any has is not waited for."""
    ours, theirs = os.pipe()
    try:
        os.write(theirs, (1 << 31).to_bytes(4, "little") + bytes(4))
        with pytest.raises(ValueError, match="2147483648"):
            Channel(ours, theirs).receive(within_s=1)
    finally:
        os.close(ours)
        os.close(theirs)


def test_workers_get_no_signal_from_the_terminal(video):
    """Ctrl-C goes to the group of the parent alone; a worker has a group of its own and ignores it besides."""
    with Workers() as workers, workers.reading(Video(video)) as reading:
        pid = reading._process._process.pid
        assert os.getpgid(pid) != os.getpgrp()
        os.kill(pid, signal.SIGINT)
        assert len(list(reading.pictures(range(16), {None: range(16)}))) == 16


def test_the_worker_takes_its_limits_from_its_command_line(video):
    """What a worker is told is what it holds itself to: its address space is bounded."""
    with Workers(Limits(memory_bytes=2 << 30)) as workers, workers.reading(Video(video)) as reading:
        limits = Path(f"/proc/{reading._process._process.pid}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max address space"))
    assert line.split()[3:5] == [str(2 << 30)] * 2
