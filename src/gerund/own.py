"""Python files of a user's: the only code that gerund runs because somebody named it, known by its hash."""

from __future__ import annotations

import hashlib
import inspect
import sys
from dataclasses import dataclass
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from gerund.errors import UsageError, in_words

_OWN = "gerund_own_"
"""Begins the names of modules that are a user's file."""
_HASH = "__gerund_sha256__"


@dataclass(frozen=True)
class OwnFile:
    """A file that was run.

    Attributes:
        module: what it defines.
        sha256: of the bytes that were run.
    """

    module: ModuleType
    sha256: str


def names_file(name: str) -> bool:
    """True when a name asks for code in a file, ``file.py:Class``."""
    return name.rpartition(":")[0].endswith(".py")


def run_file(path: Path, expected: str = "") -> OwnFile:
    """Runs a file, once for what is in it.

    Args:
        path: the file.
        expected: the sha256 that it must have; ``""`` where a person named the file, so that any will do.

    Raises:
        UsageError: it is not there, cannot be run, or is another file; then nothing of it was run.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        reason = "no such file" if not path.exists() else error.strerror
        raise UsageError(f"{path}: {reason}; code in a file is given as file.py:Class") from error
    found = hashlib.sha256(source).hexdigest()
    if expected and found != expected:
        raise UsageError(
            f"{path} has sha256 {found[:12]}, and {expected[:12]} is expected: it is not the code that was run then"
        )
    return OwnFile(_run(path, source, found), found)


def home_of(made: Any) -> str:
    """Where a class is, ``"gerund.methods.recognizers.eszsl:Eszsl"``; of one in a user's file ``"mine.py:Mine"``."""
    if file_sha256(made):
        return f"{Path(inspect.getsourcefile(made) or '').name}:{made.__qualname__}"
    return f"{made.__module__}:{made.__qualname__}"


def file_sha256(made: Any) -> str:
    """The hash of the user's file that a class comes from; ``""`` for one that is imported like any other."""
    return str(getattr(sys.modules.get(getattr(made, "__module__", "")), _HASH, ""))


class _Bytes(SourceFileLoader):
    """Runs the bytes that were hashed: not what lies at the path a moment later, nor compiled code beside it."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        super().__init__(name, str(path))
        self._source = source

    def get_code(self, fullname: str) -> Any:
        return self.source_to_code(self._source, self.path)


@cache
def _run(path: Path, source: bytes, sha256: str) -> ModuleType:
    name = f"{_OWN}{path.stem}_{sha256[:12]}"
    loader = _Bytes(name, path, source)
    spec = spec_from_loader(name, loader)
    if spec is None:
        raise UsageError(f"{path}: not a Python file")
    loaded = sys.modules[name] = module_from_spec(spec)  # dataclasses look their module up by name
    setattr(loaded, _HASH, sha256)
    try:
        loader.exec_module(loaded)
    except Exception as error:
        del sys.modules[name]
        raise UsageError(f"{path} cannot be run: {in_words(error)}") from error
    return loaded
