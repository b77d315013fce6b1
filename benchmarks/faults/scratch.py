"""A copy of the repository to plant faults in, and processes that run tests there.

Heavy libraries are imported once, in the process that runs this; every run of tests is a fork of it that imports gerund
afresh, from the copy. Nothing here imports gerund.
"""

from __future__ import annotations

import compileall
import contextlib
import importlib
import json
import math
import os
import py_compile
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .mutations import Fault

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
HEAVY = (
    "numpy", "pytest", "hypothesis", "hypothesis.extra.numpy", "coverage", "av", "PIL.Image", "yaml", "tokenizers",
    "safetensors.numpy", "typer", "rich.console", "torch", "transformers.models.clip.modeling_clip",
    "transformers.models.bert.modeling_bert", "transformers.models.siglip.modeling_siglip",
)  # fmt: skip
"""What is imported before the first fork: nothing that starts a thread (OpenVINO and ONNX Runtime do)."""
MEMORY_BYTES = 8 << 30
PATIENCE = 5


def prepare() -> None:
    """Imports the heavy libraries, with one thread each."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


@dataclass(frozen=True)
class Outcome:
    """How a run of tests ended.

    Attributes:
        kind: ``"passed"``, ``"failed"``, ``"timeout"`` or ``"died"``.
        test: the test that failed first, where one did.
        said: what the run left behind, as JSON.
    """

    kind: str
    test: str = ""
    said: Any = None


class Scratch:
    """One copy, with ``shared`` beside it and a cache of weights of its own, so that no fault harms anything else."""

    def __init__(self, folder: Path, root: Path, shared: Path | None, cache: Path | None) -> None:
        self.folder, self.root = folder, folder / "repository"
        self._kept = {folder / "shared" / "data": shared, folder / "cache": cache}
        ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "dist")
        shutil.copytree(root, self.root, ignore=ignored)
        for copy, original in self._kept.items():
            if original is not None and original.is_dir():
                _copy(original, copy)
            elif "shared" not in copy.parts[-2:]:
                copy.mkdir(parents=True)
        for name in ("home", "tmp"):
            (folder / name).mkdir()
        compileall.compile_dir(
            self.root / "src", quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH
        )
        self._known = {copy: _state(copy) for copy in self._kept}

    @contextlib.contextmanager
    def planted(self, fault: Fault) -> Iterator[None]:
        """The copy with one fault in it."""
        place = self.root / fault.path
        source = place.read_bytes()
        place.write_bytes(fault.planted(source))
        try:
            yield
        finally:
            place.write_bytes(source)
            self._mend()

    def _mend(self) -> None:
        """Replaces what a fault has damaged outside the sources."""
        for copy, original in self._kept.items():
            if original is not None and _state(copy) != self._known[copy]:
                shutil.rmtree(copy, ignore_errors=True)
                _copy(original, copy)
                self._known[copy] = _state(copy)
        for name in ("home", "tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir(exist_ok=True)

    def run(self, work: Callable[[], Any], limit_s: float) -> Outcome:
        """Does some work in a fork with the copy on its path; its answer comes back as JSON.

        Args:
            work: what to do.
            limit_s: processor seconds that it may take; on the clock it may take ``PATIENCE`` times as long, because
                other work on the machine must not look like an endless loop.
        """
        answer, log = self.folder / "answer.json", self.folder / "log.txt"
        answer.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            try:
                self._enter(log, math.ceil(limit_s))
                answer.write_text(json.dumps(work()))
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(3)
            os._exit(0)
        deadline, status = time.monotonic() + PATIENCE * limit_s, None
        try:
            while status is None and time.monotonic() < deadline:
                ended, code = os.waitpid(child, os.WNOHANG)
                if ended:
                    status = code
                else:
                    time.sleep(0.02)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)
            if status is None:
                os.waitpid(child, 0)
        if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
            return Outcome("timeout")
        if status != 0 or not answer.is_file():
            return Outcome("died")
        said = json.loads(answer.read_text())
        return Outcome("failed" if said["failed"] else "passed", (said["failed"] or [""])[0], said)

    def _enter(self, log: Path, limit_s: int) -> None:
        """Makes the fork a process of its own that sees nothing but the copy."""
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where this was started in the background
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.chdir(self.root)
        os.environ.update(
            HOME=str(self.folder / "home"),
            TMPDIR=str(self.folder / "tmp"),
            GERUND_CACHE=str(self.folder / "cache"),
            PYTHONPATH=os.pathsep.join([str(self.folder / "site"), str(self.root / "src")]),
        )
        for name in ("PYTEST_ADDOPTS", "COVERAGE_PROCESS_START", "GERUND_OFFLINE"):
            os.environ.pop(name, None)
        here = Path(__file__).resolve().parents[2]
        sys.path[:] = [str(self.root / "src"), *(place for place in sys.path if place and Path(place) != here)]


def _copy(original: Path, copy: Path) -> None:
    """Copies a folder without its permissions, so that the copy can be removed."""
    for path in original.rglob("*"):
        if path.is_file():
            place = copy / path.relative_to(original)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of all files."""
    found = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock"]
    return [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in found]


def run_tests(paths: Sequence[str], plugins: Sequence[object], *, stop: bool = True, root: Path | None = None) -> int:
    """Runs pytest here and now on files of the working directory."""
    import pytest

    options = ["-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist"]
    options += [f"--rootdir={root or Path.cwd()}", f"--basetemp={os.environ['TMPDIR']}/pytest"]
    return int(pytest.main([*options, *(["-x"] if stop else []), *paths], plugins=[*plugins]))
