"""Facts that ship with gerund: places of classes in splits, class names, counts, published figures."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def read_text(file: str) -> str:
    """A file of `data`."""
    return files("gerund.bench").joinpath("data", file).read_text(encoding="utf-8")


@cache
def read_json(file: str) -> Any:
    """A JSON file of `data`; do not change what it gives, for it is read once."""
    return json.loads(read_text(file))
