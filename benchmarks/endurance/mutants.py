"""Files damaged by seed, among good ones."""

from __future__ import annotations

import random
import shutil
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.endurance.commands import ACTIONS, gerund, lines_of, same_answer

BATCH = 30
GOOD = 5
MOST_MB = 6000

_BOXES = (
    b"moov",
    b"trak",
    b"stts",
    b"stsc",
    b"stsz",
    b"stco",
    b"stss",
    b"ctts",
    b"elst",
    b"tkhd",
    b"mdhd",
    b"mvhd",
    b"avcC",
)
_CHUNKS = (b"RIFF", b"LIST", b"avih", b"strh", b"strf", b"idx1", b"movi", b"00dc")
_EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000, 0x00FFFFFF)


def flip(data: bytearray, rng: random.Random, _: bytes) -> None:
    """Bits anywhere."""
    for _ in range(rng.choice([1, 4, 16, 64, 256])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def head(data: bytearray, rng: random.Random, _: bytes) -> None:
    """Bytes near the start, where headers are."""
    for _ in range(rng.choice([1, 2, 8, 32])):
        data[rng.randrange(min(len(data), 4096))] = rng.randrange(256)


def cut(data: bytearray, rng: random.Random, _: bytes) -> None:
    """The end is missing."""
    del data[rng.randrange(1, len(data)) :]


def behead(data: bytearray, rng: random.Random, _: bytes) -> None:
    """The start is missing."""
    del data[: rng.randrange(1, min(len(data), 5000))]


def blank(data: bytearray, rng: random.Random, _: bytes) -> None:
    """A stretch of zeros, as a lost block of a disk."""
    begin = rng.randrange(len(data))
    length = min(rng.choice([16, 512, 4096, 65536]), len(data) - begin)
    data[begin : begin + length] = bytes(length)


def repeat(data: bytearray, rng: random.Random, _: bytes) -> None:
    """A stretch that comes twice."""
    begin = rng.randrange(len(data))
    data[begin:begin] = data[begin : begin + rng.choice([1, 100, 10_000])]


def splice(data: bytearray, rng: random.Random, other: bytes) -> None:
    """The start of one file and the end of another."""
    data[rng.randrange(1, len(data)) :] = other[rng.randrange(len(other)) :]


def lengths(data: bytearray, rng: random.Random, _: bytes) -> None:
    """Lengths, counts and sizes in the tables of MP4 and AVI files take extreme values."""
    places = [place for name in (*_BOXES, *_CHUNKS) if (place := data.find(name)) >= 4]
    for place in rng.sample(places, min(len(places), rng.choice([1, 2, 4]))):
        offset = place + rng.choice([-4, 4, 8, 12, 16, 20, 24, 32, 36])
        if 0 <= offset <= len(data) - 4:
            data[offset : offset + 4] = struct.pack(
                rng.choice("<>") + "I", rng.choice([*_EXTREMES, rng.randrange(1 << 32)])
            )
    if not places:
        flip(data, rng, b"")


HARMS: tuple[Callable[[bytearray, random.Random, bytes], None], ...] = (
    flip,
    head,
    cut,
    behead,
    blank,
    repeat,
    splice,
    lengths,
    lengths,
)


def mutant(number: int, seed: int, files: list[Path]) -> tuple[str, bytes]:
    """One damaged file by number and seed: a name that says how it came about, and its bytes."""
    rng = random.Random(f"{seed}-{number}")
    source, other = rng.choice(files), rng.choice(files)
    data, harms = bytearray(source.read_bytes()), []
    for harm in rng.sample(HARMS, rng.choice([1, 1, 2])):
        if data:
            harm(data, rng, other.read_bytes())
            harms.append(harm.__name__)
    ending = source.suffix if rng.random() < 0.9 else rng.choice([".mp4", ".avi", ".mkv", ".gif"])
    return f"m{number:03d}-{'-'.join(harms)}-{source.stem[:20]}{ending}", bytes(data)


def try_mutants(files: list[Path], scratch: Path, *, count: int, seed: int, model: str) -> int:
    """Runs them in batches between good clips; returns the exit status."""
    sources = [file for file in files if file.stat().st_size < 3_000_000]
    good = [file for file in sources if file.suffix == ".avi"][:GOOD]
    alone = scratch / "alone.jsonl"
    first = gerund("classify", *good, "--actions", ACTIONS, "--json", alone, "--model", model, "--quiet")
    expected = {Path(line["video"]).name: line for line in lines_of(alone)}
    if first.status != 0 or len(expected) != len(good):
        print(f"the good clips alone: status {first.status}\n{first.output}")
        return 1
    troubles, ends = [], Counter[str]()
    peak_mb = 0.0
    for begin in range(0, count, BATCH):
        folder = scratch / f"batch{begin}"
        folder.mkdir()
        names = []
        for number in range(begin, min(begin + BATCH, count)):
            name, content = mutant(number, seed, sources)
            (folder / name).write_bytes(content)
            names.append(name)
        for place, clip in enumerate(good):
            shutil.copy(clip, folder / f"m{begin + place * BATCH // len(good):03d}-good-{clip.name}")
        out = scratch / f"batch{begin}.jsonl"
        run = gerund(
            "classify", folder, "--actions", ACTIONS, "--json", out, "--model", model, "--quiet", at_most_s=3000
        )
        lines = {Path(line["video"]).name: line for line in lines_of(out)}
        peak_mb = max(peak_mb, run.peak_mb)
        if run.status not in (0, 1) or "Traceback" in run.output:
            troubles.append(f"batch {begin}: status {run.status}\n{run.output[-2000:]}")
        for name in names:
            line = lines.get(name)
            if line is None:
                troubles.append(f"{name}: neither answered nor named")
            else:
                ends["answered" if line["error"] is None else line["error"].split(":")[0].split("(")[0][:60]] += 1
        for clip in good:
            line = next((line for name, line in lines.items() if name.endswith(f"-good-{clip.name}")), None)
            wanted = expected[clip.name]
            if line is None or not same_answer({**line, "video": ""}, {**wanted, "video": ""}):
                troubles.append(f"batch {begin}: {clip.name} beside mutants differs from alone: {line}")
        print(f"{min(begin + BATCH, count)} of {count}: {run.took_s:.0f} s, at most {run.peak_mb:.0f} MB", flush=True)
        shutil.rmtree(folder)
    if peak_mb > MOST_MB:
        troubles.append(f"{peak_mb:.0f} MB at most, more than {MOST_MB}")
    print(f"\nseed {seed}, {count} mutants of {len(sources)} files, at most {peak_mb:.0f} MB in all processes:")
    for end, times in ends.most_common():
        print(f"  {times:4}  {end}")
    print("\n".join(["", f"{len(troubles)} troubles", *troubles]))
    return int(bool(troubles))
