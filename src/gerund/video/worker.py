"""The process that decodes, run as ``python -m gerund.video.worker``: it does what messages on its pipes say.

One video at a time, under limits of its own: a file that crashes the decoder, hangs it or eats memory ends this
process and nothing else. Pictures leave through shared memory.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import resource
import signal
import sys
import threading
import time
from contextlib import suppress
from fractions import Fraction
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from gerund.errors import GerundError, VideoError
from gerund.video.limits import OUT_OF_MEMORY, Limits
from gerund.video.messages import Channel
from gerund.video.preview import PREVIEW_TYPE, encode_preview, playable_type
from gerund.video.reader import Video
from gerund.video.transforms import Preparation

_WATCH_S = 0.25
_BEAT_S = 1.0
_LEAST_SHARE = 0.01
"""Of the time that passes; a process that computes less than this is waiting for something."""


class Worker:
    """Answers requests about one video after the other.

    Args:
        channel: to whoever asks.
        memory: file descriptor of the memory that pictures are laid into.
        limits: what one video may cost.
        parent: process number of whoever asks.
    """

    def __init__(self, channel: Channel, memory: int, limits: Limits, parent: int) -> None:
        self._parent = parent
        self._channel = channel
        self._memory = memory
        self._area = mmap.mmap(memory, 0)
        self._limits = limits
        self._sending = threading.Lock()
        self._video = Video("")
        self._size_bytes = 0
        self._begin_cpu_s = 0.0
        self._busy = False

    def serve(self) -> None:
        """Works until nobody asks any more."""
        threading.Thread(target=self._keep_watch, daemon=True).start()
        with suppress(EOFError, BrokenPipeError):
            self._send("ready")
            while True:
                request = self._channel.receive()
                if request.kind == "taken":  # of pictures that were on their way when their video broke
                    continue
                self._begin_cpu_s, self._busy = time.process_time(), True
                try:
                    getattr(self, f"_do_{request.kind}")(**request.fields, body=request.body)
                except (EOFError, BrokenPipeError):
                    raise
                except BaseException as error:
                    self._fail(error)
                self._busy = False

    def _do_index(self, fps: list[int], body: bytes) -> None:
        """Opens a video and tells where its frames are."""
        self._open(fps, body)
        fields, arrays = self._video.index.to_message()
        self._send("index", arrays, **fields)

    def _do_pictures(self, preparations: list[dict[str, Any] | None], slots: int, area: int, body: bytes) -> None:
        """Decodes frames of the video and lays each, once for every preparation, into the next slot of the memory."""
        if area != len(self._area):
            self._area.close()
            self._area = mmap.mmap(self._memory, area)
        ways = [None if fields is None else Preparation(**fields) for fields in preparations]
        count = len(body) // (8 + len(ways))
        numbers = np.frombuffer(body, np.int64, count)
        asked = np.frombuffer(body, np.bool_, offset=8 * count).reshape(count, len(ways))
        slot_bytes, under_way = area // slots, 0
        for place, (_, picture) in enumerate(self._video.frames(numbers)):
            if under_way == slots:
                self._channel.receive()  # "taken": the oldest slot is free again
                under_way -= 1
            shapes, begin = [], place % slots * slot_bytes
            for way in compress(ways, asked[place]):
                ready = picture if way is None else way(picture)
                shapes.append(ready.shape[:2])
                np.frombuffer(self._area, np.uint8, ready.size, begin)[:] = ready.reshape(-1)
                begin += ready.size
            self._send("picture", shapes=shapes)
            under_way += 1
        self._send("end")
        for _ in range(under_way):
            self._channel.receive()

    def _do_check(self, fps: list[int], thorough: bool, body: bytes) -> None:
        """Opens a video, tells where its frames are, and, having decoded them all, how many are damaged."""
        self._open(fps, body)
        fields, arrays = self._video.index.to_message()
        self._send("check", arrays, damaged=self._video.count_damaged() if thorough else 0, **fields)

    def _do_preview(self, fps: list[int], most_bytes: int, body: bytes) -> None:
        """Tells whether browsers play the file as it is, and if not, sends a small one with the same pictures."""
        self._open(fps, body)
        kind = None if os.path.isdir(self._video.path) else playable_type(self._video.path, self._limits)
        as_it_is = kind is not None and self._size_bytes <= most_bytes
        self._send("preview", b"" if as_it_is else encode_preview(self._video), type=kind if as_it_is else PREVIEW_TYPE)

    def _open(self, fps: list[int], path: bytes) -> None:
        self._video = Video(Path(os.fsdecode(path)), limits=self._limits, fps=Fraction(*fps))
        self._size_bytes = _size_bytes(self._video.path)

    def _send(self, kind: str, body: bytes = b"", **fields: Any) -> None:
        with self._sending:
            self._channel.send(kind, body, **fields)

    def _fail(self, error: BaseException) -> None:
        """Tells what went wrong; after a lack of memory this process is not fit for the next video."""
        reason = error.reason if isinstance(error, VideoError) else str(error)
        known = isinstance(error, GerundError)
        starved = isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError)
        if starved:
            reason = OUT_OF_MEMORY
        elif not known:
            reason = f"decoding it failed ({type(error).__name__}: {reason})"
        self._send(
            "error", reason=reason, usage=known and not isinstance(error, VideoError), starved=starved, final=False
        )
        if starved:
            raise SystemExit(errno.ENOMEM)

    def _keep_watch(self) -> None:
        try:
            self._watch()
        finally:  # there is no memory for a few words more; nobody else would see a decoder that never returns
            os._exit(errno.ENOMEM)

    def _watch(self) -> None:
        """Ends this process when its parent is gone or the video takes more than it may; tells that there is progress.

        The decoder lets other threads run while it works, so this one sees also a call that never returns.
        """
        steps, step_cpu_s = -1, 0.0
        beat_s, beat_cpu_s = time.monotonic(), time.process_time()
        while True:
            time.sleep(_WATCH_S)
            if os.getppid() != self._parent:
                os._exit(0)
            if not self._busy:
                continue
            video, cpu_s = self._video, time.process_time()
            if video.steps != steps or step_cpu_s < self._begin_cpu_s:
                steps, step_cpu_s = video.steps, cpu_s
            if cpu_s - step_cpu_s > self._limits.step_s:
                self._give_up(f"the decoder hangs: {self._limits.step_s:g} s of work without a picture or a packet")
            allowed_s = self._limits.video_cpu_s(self._size_bytes)
            if cpu_s - self._begin_cpu_s > allowed_s:
                self._give_up(f"reading it takes too long: more than {allowed_s:.0f} s of processor time for its size")
            now_s = time.monotonic()
            if now_s - beat_s >= _BEAT_S:
                if cpu_s - beat_cpu_s >= _LEAST_SHARE * (now_s - beat_s):
                    self._send("beat")
                beat_s, beat_cpu_s = now_s, cpu_s

    def _give_up(self, reason: str) -> None:
        if self._sending.acquire(timeout=_BEAT_S):
            with suppress(OSError):
                self._channel.send("error", reason=reason, usage=False, starved=False, final=True)
        os._exit(errno.ETIMEDOUT)


def _size_bytes(path: Path) -> int:
    """Of a file, or of all files in a folder."""
    try:
        if os.path.isdir(path):
            return sum(entry.stat().st_size for entry in os.scandir(path))
        return path.stat().st_size
    except OSError:
        return 0


def main() -> None:
    """Serves on standard input and output: ``python -m gerund.video.worker MEMORY_FD PARENT LIMITS_AS_JSON``."""
    memory, parent, limits = int(sys.argv[1]), int(sys.argv[2]), Limits(**json.loads(sys.argv[3]))
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints goes where errors go, not between the messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipe
    with suppress(ValueError, OSError):  # not every system bounds address space
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Worker(Channel(0, answers), memory, limits, parent).serve()


if __name__ == "__main__":
    main()
