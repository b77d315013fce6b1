"""What the faults showed: counts by room and by operator, and what survived."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]


def read_equivalent(path: Path) -> dict[tuple[str, str, str, str, str], str]:
    """Faults that change nothing that anyone could see, with the reason.

    Blocks with an empty line between them: ``file: function: operator``, the old line after ``- ``, the new one after
    ``+ ``, and the reason in words. Lines that begin with ``#`` are comments.
    """
    found = {}
    text = "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.strip()]
        if not lines:
            continue
        head = [part.strip() for part in lines[0].split(": ")]
        if len(lines) < 4 or len(head) != 3 or lines[1][:2] != "- " or lines[2][:2] != "+ ":
            raise SystemExit(
                f"{path}: expected 'file: function: operator', '- old', '+ new' and a reason, got {block!r}"
            )
        file, where, operator = head
        found[file, "" if where == "module" else where, operator, lines[1][2:], lines[2][2:]] = " ".join(lines[3:])
    return found


def key(record: Record) -> tuple[str, str, str, str, str]:
    """What a record and the list of equivalent faults share."""
    path, where, operator, old, new = (str(record[name]) for name in ("path", "where", "operator", "old", "new"))
    return path, where, operator, old, new


def rate(records: Iterable[Record]) -> float:
    """Share of the noticed."""
    counts = Counter(record["verdict"] == "noticed" for record in records)
    return counts[True] / max(1, counts.total())


def table(records: Iterable[Record], name: str) -> str:
    """Counts by one column, as Markdown."""
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        groups[str(record[name])][record["verdict"]] += 1
        groups["all"][record["verdict"]] += 1
    head = ("noticed", "survived", "not covered", "equivalent")
    lines = [f"| {name} | {' | '.join(head)} | noticed of the rest |", "|---" * (len(head) + 2) + "|"]
    for group, counts in sorted(groups.items(), key=lambda item: (item[0] == "all", item[0])):
        real = counts.total() - counts["equivalent"]
        share = f"{100 * counts['noticed'] / real:.0f} %" if real else ""
        lines.append(f"| {group} | {' | '.join(str(counts[word]) for word in head)} | {share} |")
    return "\n".join(lines)


def report(records: list[Record], equivalent: Mapping[tuple[str, str, str, str, str], str]) -> tuple[str, float]:
    """Everything in Markdown, and the share of the noticed among the faults that are not equivalent."""
    marked = [
        {**record, "verdict": "equivalent"} if record["verdict"] != "noticed" and key(record) in equivalent else record
        for record in records
    ]
    real = [record for record in marked if record["verdict"] != "equivalent"]
    parts = [
        f"{len(records)} faults: {100 * rate(records):.1f} % noticed; {100 * rate(real):.1f} % without the "
        f"{len(records) - len(real)} that are equivalent.",
        table(marked, "room"),
        table(marked, "operator"),
    ]
    for word in ("survived", "not covered", "equivalent"):
        found = [record for record in marked if record["verdict"] == word]
        if found:
            lines = [f"{word.capitalize()}:"]
            for record in sorted(found, key=lambda record: (record["path"], record["line"])):
                place = f"`{record['path']}:{record['line']}`"
                lines.append(f"* {place} {record['operator']}, {record['ran']} tests ({record['fault']})")
                lines += [f"    - `{record['old']}`", f"    - `{record['new']}`"]
                lines += [f"    - {equivalent[key(record)]}"] if word == "equivalent" else []
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n", rate(real)
