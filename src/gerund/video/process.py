"""One worker process as its parent sees it: started, asked, watched and ended."""

from __future__ import annotations

import errno
import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import compress
from pathlib import Path

import numpy as np
import numpy.typing as npt

import gerund
from gerund.errors import GerundError, UsageError, VideoError
from gerund.types import FrameArray, IntArray
from gerund.video.index import Index
from gerund.video.limits import OUT_OF_MEMORY, Limits
from gerund.video.messages import Channel, Message
from gerund.video.reader import Video
from gerund.video.transforms import Preparation

BoolArray = npt.NDArray[np.bool_]

_AREA_BYTES = 16 * 2**20
_MOST_SLOTS, _LEAST_SLOTS = 32, 2
_FIRST_FREE_FD = 3
_PATIENCE = 2
"""A worker that sends nothing tells every second that it computes; silence for twice a step's time means that it is
stuck where no processor time is spent, such as a disk that does not answer."""


class WorkerLostError(VideoError):
    """The worker died or ran out of memory; whether the video or its predecessors are at fault is not known.

    Attributes:
        has_begun: it was ready for questions; of one that was not no video is to blame.
    """

    def __init__(self, path: Path, reason: str, *, has_begun: bool = True) -> None:
        super().__init__(path, reason)
        self.has_begun = has_begun


class Process:
    """A worker process and the memory it shares with this one.

    Args:
        limits: what one video may cost it.

    Attributes:
        is_fit: it is ready for a question.
        served: how many videos it was asked about.

    Raises:
        GerundError: it cannot be started.
    """

    def __init__(self, limits: Limits) -> None:
        self.is_fit = True
        self.served = 0
        self._has_begun = False
        self._limits = limits
        self._memory = _anonymous_file(_AREA_BYTES)
        self._area = mmap.mmap(self._memory, _AREA_BYTES)
        settings = [str(self._memory), str(os.getpid()), json.dumps(asdict(limits))]
        command = [sys.executable, "-P", "-m", "gerund.video.worker", *settings]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pass_fds=[self._memory],
                process_group=0,  # Ctrl-C reaches this process alone, which then ends its workers
                env=_environment(),
            )
        except OSError as error:
            self._area.close()
            os.close(self._memory)
            raise GerundError(f"cannot start a process that decodes ({sys.executable}): {error}") from error
        assert self._process.stdin and self._process.stdout
        self._channel = Channel(self._process.stdout.fileno(), self._process.stdin.fileno())

    def index(self, video: Video) -> Index:
        """Opens a video and finds out where its frames are.

        Raises:
            VideoError: it cannot be read within the limits.
        """
        path, rate = video.path, video.pictures_fps
        self.served += 1
        self.is_fit = False
        self._send(path, "index", os.fsencode(path), fps=[rate.numerator, rate.denominator])
        answer = self._receive(path)
        self.is_fit = True
        try:
            return Index.from_message(answer.fields, answer.body)
        except (KeyError, TypeError, ValueError) as error:
            raise self._lost(path, "gave an answer that makes no sense") from error

    def pictures(
        self, video: Video, numbers: IntArray, preparations: Sequence[Preparation | None], asked: BoolArray
    ) -> Iterator[tuple[int, dict[Preparation | None, FrameArray]]]:
        """Frames of the video that was indexed last, each prepared in the ways asked for ``[frames, ways]``.

        Raises:
            VideoError: it cannot be read within the limits.
        """
        whole = video.height * video.width * 3
        needed = sum(whole if way is None else way.size_px**2 * 3 for way in preparations)
        slots = max(_LEAST_SLOTS, min(_MOST_SLOTS, len(self._area) // needed))
        self.is_fit = False
        if slots * needed > len(self._area):
            self._grow(slots * needed)
        ways = [None if way is None else asdict(way) for way in preparations]
        body = numbers.tobytes() + asked.tobytes()
        self._send(video.path, "pictures", body, preparations=ways, slots=slots, area=len(self._area))
        for count, wanted in enumerate(asked):
            answer = self._receive(video.path, "picture")
            found = self._take(video.path, answer, count % slots, slots)
            self._send(video.path, "taken")
            yield int(numbers[count]), dict(zip(compress(preparations, wanted), found, strict=True))
        self._receive(video.path, "end")
        self.is_fit = True

    def _take(self, path: Path, answer: Message, slot: int, slots: int) -> list[FrameArray]:
        """Copies the pictures out of a slot of the shared memory."""
        slot_bytes, found = len(self._area) // slots, []
        place, end = slot * slot_bytes, (slot + 1) * slot_bytes
        for height, width in answer.fields["shapes"]:
            length = height * width * 3
            if not 0 < length <= end - place:
                raise self._lost(path, "sent a picture that does not fit")
            found.append(np.frombuffer(self._area, np.uint8, length, place).reshape(height, width, 3).copy())
            place += length
        return found

    def check(self, video: Video, *, thorough: bool) -> tuple[Index, int]:
        """Where the frames of a video are, and how many are damaged; only when `thorough` they are all decoded.

        Raises:
            VideoError: it cannot be read within the limits.
        """
        path, rate = video.path, video.pictures_fps
        self.served += 1
        self.is_fit = False
        self._send(path, "check", os.fsencode(path), fps=[rate.numerator, rate.denominator], thorough=thorough)
        answer = self._receive(path, "check")
        self.is_fit = True
        try:
            return Index.from_message(answer.fields, answer.body), int(answer.fields["damaged"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._lost(path, "gave an answer that makes no sense") from error

    def preview(self, video: Video, most_bytes: int) -> tuple[str, bytes]:
        """The media type of a video, and the bytes of a small copy unless browsers play it as it is.

        Raises:
            VideoError: it cannot be read within the limits.
        """
        path, rate = video.path, video.pictures_fps
        self.served += 1
        self.is_fit = False
        fps = [rate.numerator, rate.denominator]
        self._send(path, "preview", os.fsencode(path), fps=fps, most_bytes=most_bytes)
        answer = self._receive(path)
        self.is_fit = True
        return str(answer.fields["type"]), answer.body

    def kill(self) -> None:
        """Ends it at once, from any thread; nothing that it does has to be finished."""
        self.is_fit = False
        self._process.kill()

    def stop(self) -> None:
        """Ends it at once, from any thread, and returns when it is gone; what it held stays, for who still uses it."""
        self.kill()
        self._process.wait()

    def end(self) -> None:
        """Ends it and gives back what it held; for the thread alone that uses it, since numbers of files come again."""
        self.stop()
        self.let_go()

    def let_go(self) -> None:
        """Gives back what it holds here, and leaves the process to the one who started it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        with suppress(BufferError):
            self._area.close()
        with suppress(OSError):
            os.close(self._memory)
        self._memory = -1

    def _grow(self, length: int) -> None:
        self._area.close()
        os.ftruncate(self._memory, length)
        self._area = mmap.mmap(self._memory, length)

    def _send(self, path: Path, kind: str, body: bytes = b"", **fields: object) -> None:
        try:
            self._channel.send(kind, body, **fields)
        except OSError as error:
            raise self._lost(path) from error

    def _receive(self, path: Path, *expected: str) -> Message:
        """The next message that is more than a sign of life.

        Raises:
            WorkerLostError: there is none, because the worker is gone or makes no sense.
            VideoError: the worker says what is wrong with the video, or is stuck.
            UsageError: it says what is wrong with the question.
        """
        while True:
            try:
                answer = self._channel.receive(within_s=_PATIENCE * self._limits.step_s)
            except TimeoutError:
                raise VideoError(
                    path, f"reading it stood still for {_PATIENCE * self._limits.step_s:g} s, so it was given up"
                ) from None
            except (EOFError, OSError, ValueError) as error:
                raise self._lost(path) from error
            self._has_begun = True
            if answer.kind == "error":
                self._raise(path, answer)
            if answer.kind not in ("beat", "ready"):
                if expected and answer.kind not in expected:
                    raise self._lost(path, f"said {answer.kind!r} where {' or '.join(expected)} was due")
                return answer

    def _raise(self, path: Path, answer: Message) -> None:
        reason = str(answer.fields.get("reason"))
        if answer.fields.get("starved"):
            raise WorkerLostError(path, reason)
        self.is_fit = not answer.fields.get("final")
        if answer.fields.get("usage"):
            raise UsageError(reason)
        raise VideoError(path, reason)

    def _lost(self, path: Path, how: str = "") -> WorkerLostError:
        if not how:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
            code = self._process.poll()
            how = f"ended with status {code}"
            if code is None:
                how = "closed its pipe"
            elif code < 0:
                how = f"was ended by {_name_of(-code)}"
                if code == -signal.SIGKILL:
                    how += " (the system may be short of memory)"
            elif code == errno.ENOMEM:
                return WorkerLostError(path, OUT_OF_MEMORY)
        if not self._has_begun:
            reason = f"the process that decodes {how} before it was ready; {_TO_SEE_WHY}"
            return WorkerLostError(path, reason, has_begun=False)
        return WorkerLostError(path, f"the process that decoded it {how}; the file is probably damaged or hostile")


_TO_SEE_WHY = f"see what `{sys.executable} -c 'import gerund.video.worker'` says, or raise memory_bytes of the limits"


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have none
        return f"signal {number}"


def _anonymous_file(length: int) -> int:
    """A file descriptor of memory that has no name, so that nothing is left behind however this process ends."""
    if hasattr(os, "memfd_create"):
        memory = os.memfd_create("gerund-pictures")
    else:
        memory, name = tempfile.mkstemp(prefix="gerund-")
        Path(name).unlink()
    if memory < _FIRST_FREE_FD:  # standard input or output is closed here; in the worker these numbers are its pipes
        import fcntl  # not on every system

        low, memory = memory, fcntl.fcntl(memory, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_FD)
        os.close(low)
    os.ftruncate(memory, length)
    return memory


def _environment() -> dict[str, str]:
    """That of this process, so that a worker finds the same packages; its arithmetic needs no threads of its own."""
    root = str(Path(gerund.__file__).resolve().parents[1])
    known = os.environ.get("PYTHONPATH", "")
    places = [root, known] if known else [root]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(places),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
