"""The house: imports go down only, and the base stays light."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import gerund

SOURCE = Path(gerund.__file__).parent

FLOORS = [
    ["discovery", "printing", "version"],
    ["errors"],
    ["types"],
    ["own", "reading", "writing"],
    ["answers", "assets", "metrics"],
    ["record"],
    ["text", "video"],
    ["encoders", "chores"],
    ["examples"],
    ["features"],
    ["methods"],
    ["bench"],
    ["lessons"],
    ["asking"],
    ["answering"],
    ["wanted", "readers"],
    ["api"],
    ["drawing", "terminal", "page"],
    ["sinks"],
    ["batch"],
    ["inquiry"],
    ["cli"],
    ["__main__"],
]
"""From the ground up; rooms on one floor do not know each other."""


def room_of(module):
    return module.split(".")[1] if "." in module else None


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_imports_go_down_only():
    """A room imports only itself and rooms below it."""
    floor_of = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    for path in SOURCE.rglob("*.py"):
        here = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for module in imports_of(path):
            if module.startswith("gerund."):
                there = room_of(module)
                assert here == there or floor_of[there] < floor_of[here], f"{path.name} imports {module}"


def test_every_room_has_its_floor():
    """No file stands outside the plan."""
    rooms = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in SOURCE.rglob("*.py")} - {"__init__"}
    assert rooms == {room for rooms in FLOORS for room in rooms}


BENCH_FLOORS = [["shipped"], ["datasets", "scoring"], ["protocols"], ["runs"]]
"""The same inside the largest room: who knows test labels stands on top."""


def test_imports_inside_bench_go_down_only():
    """Lists know no protocol, protocols no run."""
    floor_of = {part: number for number, parts in enumerate(BENCH_FLOORS) for part in parts}
    parts = {path.relative_to(SOURCE / "bench").parts[0].removesuffix(".py") for path in SOURCE.glob("bench/**/*.py")}
    assert parts - {"__init__"} == set(floor_of)
    for path in SOURCE.glob("bench/**/*.py"):
        here = path.relative_to(SOURCE / "bench").parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for module in imports_of(path):
            if module.startswith("gerund.bench."):
                there = module.split(".")[2]
                assert here == there or floor_of[there] < floor_of[here], f"{path.name} imports {module}"


def test_no_circle_of_files():
    """Inside a room too, no file is reached by what it imports itself, be it inside a function."""
    files = {
        "gerund." + ".".join(path.relative_to(SOURCE).with_suffix("").parts): path for path in SOURCE.rglob("*.py")
    }
    knows = {name: set(imports_of(path)) & set(files) - {name} for name, path in files.items()}
    assert len(tuple(TopologicalSorter(knows).static_order())) == len(files)


OPTIONAL = {"torch", "transformers", "onnx", "onnxruntime", "nncf", "scipy", "sklearn", "threadpoolctl"}
LEARNING = (
    *(f"recognizers/elaborate/{name}" for name in ("method", "layers", "rehearsal")),
    *(
        f"training/{name}"
        for name in (
            "fitting",
            "history",
            "loop",
            "order",
            "parameters",
            "precision",
            "processes",
            "recompute",
            "run_folder",
        )
    ),
)
MAY_IMPORT = {
    "encoders/engines/torch.py": {"torch"},
    "encoders/engines/onnx.py": {"onnx"},
    **{f"methods/{name}.py": {"torch"} for name in LEARNING},
}
"""The files that are themselves imported only where their library is wanted."""


def test_the_base_never_imports_what_is_optional():
    """The base install has no torch and no ONNX, so nothing but their engines may import them while modules load."""
    for path in SOURCE.rglob("*.py"):
        allowed = MAY_IMPORT.get(path.relative_to(SOURCE).as_posix(), set())
        for node in ast.parse(path.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
            roots = {(name or "").split(".")[0] for name in names}
            assert not roots & OPTIONAL - allowed, path
            if path.name not in ("torch.py", "onnx.py"):
                assert not {"gerund.encoders.engines.torch", "gerund.encoders.engines.onnx"} & set(names), path


def test_the_house_of_the_readme_is_the_codes():
    """What stands in `src/gerund` is in the README's list, once, and nothing else is."""
    block = (
        (SOURCE.parents[1] / "README.md")
        .read_text(encoding="utf-8")
        .partition("\nsrc/gerund/\n")[2]
        .partition("```")[0]
    )
    left = [re.split(" {2,}", line.strip())[:-1] for line in block.splitlines()]
    named = [name.strip("/") for parts in left for part in parts for name in part.split(", ")]
    assert sorted(named) == sorted({room for floor in FLOORS for room in floor} - {"__main__"})
