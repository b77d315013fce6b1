"""What goes wrong in a method, or in a file of a user's, in one line that says where."""

from __future__ import annotations

import inspect
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gerund
from gerund.errors import GerundError, in_words


@contextmanager
def errors_of(method: Any, doing: str) -> Iterator[None]:
    """Turns what goes wrong inside a method into one line that names the place in its file.

    Raises:
        GerundError: the method fails in a way of its own.
    """
    try:
        yield
    except GerundError:
        raise
    except Exception as error:
        place = _place(error, inspect.getsourcefile(type(method)))
        raise GerundError(f"{type(method).__name__}.{doing} fails in {place}: {in_words(error)}") from error


@contextmanager
def errors_while(doing: str) -> Iterator[None]:
    """Turns what goes wrong while something is done into one line that says where: in a user's file if in any.

    Raises:
        GerundError: something fails in a way that gerund did not foresee, or ends the process.
    """
    try:
        yield
    except GerundError:
        raise
    except (Exception, SystemExit) as error:
        raise GerundError(f"{doing} fails in {_place(error)}: {in_words(error)}") from error


def _place(error: BaseException, home: str | None = None) -> str:
    """File and line of the last frame in the file `home`, else in a file of a user's, else in gerund's."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = str(Path(gerund.__file__).parent)
    libraries = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
    mine = [frame for frame in frames if frame.filename == home]
    mine = mine or [frame for frame in frames if not frame.filename.startswith((ours, "<", *libraries))]
    mine = mine or [frame for frame in frames if frame.filename.startswith(ours)] or list(frames)
    return f"{mine[-1].filename}, line {mine[-1].lineno}"
