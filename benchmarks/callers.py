"""Which public names of gerund nobody calls but the tests?

    python -m benchmarks.callers

A name counts as called where the source uses it, a command or the interpreter does, or a Python example of README.md,
docs/ or examples/ shows it. An entry in `__all__` is no call. What is left is listed, unless `benchmarks/uncalled.txt`
gives the reason. Exit status 1 if something is left, or if a reason has become needless. Needs the dev extra.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from vulture import Vulture

ROOT = Path(__file__).resolve().parents[1]
REASONS = Path(__file__).with_name("uncalled.txt")
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMANDS = ["@*.command", "@*.command(*)", "@*.callback", "@*.callback(*)"]
_KINDS = {"function", "class", "method", "property"}


def uncalled(root: Path = ROOT) -> set[str]:
    """Names without a caller, ``"src/gerund/types.py: to_csv"``, private and special ones left out."""
    found = Vulture(ignore_decorators=_COMMANDS)
    for path in sorted((root / "src").rglob("*.py")):
        found.scan(_without_all(path.read_text()), filename=path)
    for path in _shown(root):
        examples = _PYTHON.findall(path.read_text()) if path.suffix == ".md" else [path.read_text()]
        for example in examples:
            found.scan(example, filename=path)
    source = root / "src"
    items = [item for item in found.get_unused_code() if item.typ in _KINDS and item.filename.is_relative_to(source)]
    return {f"{item.filename.relative_to(root)}: {item.name}" for item in items if not item.name.startswith("_")}


def reasons(path: Path = REASONS) -> dict[str, str]:
    """Why a name may stand there without a caller, a line each: ``FILE: NAME: reason``."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {f"{file}: {name}": reason for file, name, reason in (line.split(": ", 2) for line in lines)}


def _shown(root: Path) -> Iterator[Path]:
    """Where Python is shown to people."""
    yield root / "README.md"
    yield from sorted((root / "docs").glob("*.md"))
    yield from sorted((root / "examples").glob("*.py"))


def _without_all(source: str) -> str:
    """A module that does not say what it exports, for that is no use of it."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not _is_export(node)]
    return ast.unparse(tree)


def _is_export(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "__all__" for to in node.targets)


def main() -> int:
    """Prints what is left over on either side."""
    found, known = uncalled(), reasons()
    for name in sorted(found - set(known)):
        print(f"no caller: {name}")
    for name in sorted(set(known) - found):
        print(f"has a caller, or is gone, so it needs no reason: {name}")
    print(f"{len(found)} public names without a caller, {len(found & set(known))} of them with a reason")
    return int(found != set(known))


if __name__ == "__main__":
    sys.exit(main())
