"""The files of a folder that is open for more: whatever lies there is found, so that one new file is all it takes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def modules_of(folder: ModuleType) -> Iterator[ModuleType]:
    """The modules of a package, in the order of their names; those of folders inside it are not looked at.

    Example:
        >>> import json
        >>> [module.__name__ for module in modules_of(json)][:2]
        ['json.decoder', 'json.encoder']
    """
    for found in iter_modules(folder.__path__):
        yield import_module(f"{folder.__name__}.{found.name}")
