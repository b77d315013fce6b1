"""Readers of the description files of others: ER, TEAR, OST, STDD and GAP.

Each keeps every text, and what the file says about its kind; nothing is corrected on the way, for that is what `lint`
is for. The kind of file is told by its content, not its name, except where only the name tells (TEAR's kinds).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gerund.errors import UsageError
from gerund.reading import DamageError, parse_json, parse_yaml
from gerund.text.descriptions.schema import Descriptions, Source, Text

_TEAR_KINDS = {
    "decomposition": ("steps",),
    "description": ("description",),
    "context": ("context", "objects"),
    "situation": ("before", "after"),
    "only_label": (),
}
_TEAR_STEPS = 3
_STDD_KINDS = {
    "obj_en_li": "objects",
    "sub_act_en_li": "steps",
    "obj_rel_triples": "object_relations",
    "act_obj_triples": "action_objects",
    "act_rel_triples": "step_order",
    "xprompt_oo": "object_completions",
    "xprompt_ao": "action_completions",
    "xprompt_aa": "step_completions",
}


def read_descriptions(path: Path, *, classes: Sequence[str] = ()) -> Descriptions:
    """Reads a description file of any of the known kinds.

    Args:
        path: gerund's JSON Lines; ER's list of ``word`` and ``defn``; TEAR's object of lists (its kind is in the file's
            name: ``decomposition``, ``description``, ``context``, ``situation``, ``only_label``, ``all``); OST's object
            by class number; STDD's YAML (graph or completions); GAP's JSON (v3, v4, v6).
        classes: names by number, for OST's files.

    Raises:
        UsageError: the file cannot be read, or is none of these.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: expected descriptions as UTF-8 text; {error}") from error
    if path.suffix.lower() in (".yml", ".yaml"):
        return _stdd(path, text)
    if path.suffix.lower() == ".jsonl":
        return Descriptions.parse(text.splitlines(), str(path), Source(path.name))
    try:
        content = parse_json(text)
    except ValueError as error:
        if text.lstrip().startswith("{") and "\n" in text.strip():
            return Descriptions.parse(text.splitlines(), str(path), Source(path.name))
        raise UsageError(f"{path}: not valid JSON: {error}") from error
    return _of_json(path, content, classes)


def _of_json(path: Path, content: Any, classes: Sequence[str]) -> Descriptions:
    if isinstance(content, list) and content and all(isinstance(item, dict) and "defn" in item for item in content):
        return _er(path, content)
    if isinstance(content, dict) and content:
        values = list(content.values())
        if all(isinstance(value, dict) and "Elaboration" in value for value in values):
            return _gap(path, content)
        if all(isinstance(value, list) for value in values):
            numbered = all(name.isdigit() for name in content)
            return _ost(path, content, classes) if numbered else _tear(path, content)
    raise UsageError(
        f"{path}: none of the known kinds of description file: a list of word and defn (ER), an object of lists (TEAR, "
        "OST), of Elaborations (GAP), YAML (STDD), or JSON Lines with a name on each line (gerund)"
    )


def _er(path: Path, content: Sequence[Mapping[str, Any]]) -> Descriptions:
    source = Source(f"ER ({path.name})")
    return Descriptions({str(item["word"]): [Text("definition", str(item["defn"]), source)] for item in content})


def _tear(path: Path, content: Mapping[str, Sequence[str]]) -> Descriptions:
    source = Source(f"TEAR ({path.name})")
    kinds = next((kinds for part, kinds in _TEAR_KINDS.items() if part in path.stem), None)
    found = {}
    for name, given in content.items():
        texts = [str(text) for text in given]
        ordered = _all_kinds(texts) if kinds is None else _in_order(texts, kinds)
        found[name] = [Text(kind, text, source) for kind, text in ordered]
    return Descriptions(found)


def _in_order(texts: Sequence[str], kinds: Sequence[str]) -> list[tuple[str, str]]:
    """The first text is of the first kind, and so on; the last kind takes the rest."""
    return [(kinds[min(place, len(kinds) - 1)], text) for place, text in enumerate(texts)] if kinds else []


def _all_kinds(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Steps, one description, one context and objects, joined in this order.

    Some actions have two, four or five steps, so the longest of the third to sixth text is taken for the description.
    """
    if len(texts) <= _TEAR_STEPS:
        return [("steps", text) for text in texts]
    place = max(range(2, len(texts)), key=lambda i: len(texts[i]) - 1000 * (i > 5))
    steps = [("steps", text) for text in texts[:place]]
    return [*steps, ("description", texts[place]), *_in_order(texts[place + 1 :], ("context", "objects"))]


def _ost(path: Path, content: Mapping[str, Sequence[str]], classes: Sequence[str]) -> Descriptions:
    if len(classes) != len(content):
        raise UsageError(
            f"{path}: describes {len(content)} classes by number; name the class list they count (--classes), "
            f"got one of {len(classes)}"
        )
    kind = "steps" if "temporal" in path.stem else "objects"
    source = Source(f"OST ({path.name})")
    return Descriptions({classes[int(n)]: [Text(kind, str(t), source) for t in texts] for n, texts in content.items()})


def _gap(path: Path, content: Mapping[str, Any]) -> Descriptions:
    source = Source(f"GAP ({path.name})")
    found = {}
    for name, item in content.items():
        said = item["Elaboration"]
        described = said.get("Description", [])
        phrases = [described] if isinstance(described, str) else list(described)
        steps = "v6" in path.stem
        texts = [Text("steps" if steps else "description", str(text), source) for text in phrases]
        found[name] = [*texts, *(Text("objects", str(text), source) for text in said.get("Entity", []))]
    return Descriptions(found)


def _stdd(path: Path, text: str) -> Descriptions:
    try:
        content = parse_yaml(text)
    except DamageError as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise UsageError(f"{path}: expected an object for each class, as STDD's graph and completion files have")
    source = Source(f"STDD ({path.name})")
    found = {}
    for name, item in content.items():
        found[str(name)] = [
            Text(kind, " ".join(str(text).split()), source)
            for field, kind in _STDD_KINDS.items()
            for text in item.get(field) or ()
        ]
    return Descriptions(found)
