"""Which faults are planted: drawn by seed, every room by its share of the lines of code."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from .mutations import OPERATORS, Fault, code_lines, faults_of, files_of


def room_of(path: str) -> str:
    """The room that a file stands in: the folders under ``gerund``, or the file's own name where there is none."""
    parts = Path(path).with_suffix("").parts[2:]
    return "/".join(parts[:-1]) or parts[0]


def shares(lines: dict[str, int], count: int) -> dict[str, int]:
    """How many faults every room gets: by its lines of code, rounded so that the sum is right, and at least one.

    Example:
        >>> shares({"text": 60, "video": 39, "errors": 1}, 10)
        {'text': 5, 'video': 4, 'errors': 1}
    """
    total = sum(lines.values())
    exact = {room: count * number / total for room, number in lines.items()}
    given = {room: max(1, math.floor(number)) for room, number in exact.items()}
    while sum(given.values()) != count and (sum(given.values()) < count or any(n > 1 for n in given.values())):
        step = 1 if sum(given.values()) < count else -1
        rooms = [room for room in given if step > 0 or given[room] > 1]
        given[max(rooms, key=lambda room: step * (exact[room] - given[room]))] += step
    return given


def sequence(candidates: Sequence[Fault], count: int, rng: random.Random, sources: dict[str, bytes]) -> list[Fault]:
    """Draws from one room: an operator by the root of how often it can be used, then a place; never twice one line.

    Args:
        candidates: all faults of the room.
        count: how many to keep.
        rng: what draws.
        sources: the files that count, by path; a fault of another one is drawn and put away.
    """
    kinds = defaultdict(list)
    for fault in candidates:
        kinds[fault.operator].append(fault)
    drawn, lines = list[Fault](), set[tuple[str, int]]()
    while kinds and len(drawn) < count:
        names = sorted(kinds)
        name = rng.choices(names, [math.sqrt(len(kinds[name])) for name in names])[0]
        fault = kinds[name].pop(rng.randrange(len(kinds[name])))
        if not kinds[name]:
            del kinds[name]
        if (fault.path, fault.line) in lines:
            continue
        lines.add((fault.path, fault.line))
        if fault.path in sources and fault.is_real(sources[fault.path]):
            drawn.append(fault)
    return drawn


def draw(root: Path, count: int, seed: int, only: Sequence[str] = ()) -> list[Fault]:
    """Draws the faults; a larger ``count`` goes on where a smaller one ended, room by room.

    Args:
        root: the repository.
        count: how many; some more where an operator would be missing.
        seed: of the generator; every room has its own.
        only: beginnings of rooms or of files under ``src/gerund``; empty for all.
    """
    words = tuple(word.removeprefix("src/gerund/") for word in only)
    files, sources = defaultdict(list), dict[str, bytes]()
    for path in files_of(root):
        files[room_of(path)].append(path)
        if not words or path.removeprefix("src/gerund/").startswith(words):
            sources[path] = (root / path).read_bytes()
    rooms = sorted({room_of(path) for path in sources})
    able = {room: [fault for path in files[room] for fault in faults_of(root, path)] for room in rooms}
    lines = defaultdict(int)
    for path in sorted({fault.path for found in able.values() for fault in found} & set(sources)):
        lines[room_of(path)] += code_lines(sources[path])
    drawn = list[Fault]()
    for room, share in shares(lines, count).items():
        drawn += sequence(able[room], share, random.Random(f"{seed}/{room}"), sources)
    rng = random.Random(f"{seed}/missing")
    for operator in OPERATORS:
        if all(fault.operator != operator for fault in drawn):
            kind = [fault for found in able.values() for fault in found if fault.operator == operator]
            rng.shuffle(kind)
            drawn += [*islice((f for f in kind if f.path in sources and f.is_real(sources[f.path])), 1)]
    return drawn
