"""Files of actions, whatever they are called: text, JSON, YAML and tables, read in bounds and told by their content."""

from __future__ import annotations

import codecs
import json
import stat
from pathlib import Path
from typing import Any

from gerund.errors import UsageError
from gerund.reading import DamageError, parse_json
from gerund.text.actions.entries import Listed, Pairs, from_tree
from gerund.text.actions.tables import from_table
from gerund.text.actions.typed import read_lines

_TABLES = {".csv": "", ".tsv": "\t"}
_YAML = frozenset((".yaml", ".yml"))
_JSON_LINES = frozenset((".jsonl", ".ndjson"))
LIST_SUFFIXES = frozenset((".txt", ".lst", ".list", ".json", *_TABLES, *_YAML, *_JSON_LINES))
"""Endings by which what is typed is taken for a file even where there is none."""

MAX_BYTES = 16_000_000
_MAX_YAML_BYTES = 1_000_000
"""Reading YAML is slow: libyaml's parser is quick, but ends the process where brackets are nested deeply."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_file(path: Path) -> Listed:
    """The actions that a file lists.

    JSON, YAML, CSV and TSV are known by their endings, JSON also by its first character; all else is text with one
    name a line.

    Raises:
        UsageError: it cannot be read, is too large or no text, or is not a list of actions.
    """
    text, place, ending = _text_of(path), str(path), path.suffix.lower()
    if not text.strip():
        raise UsageError(f"{place}: the list of actions is empty; write one name a line")
    if ending in _TABLES:
        listed = from_table(text, place, delimiter=_TABLES[ending])
    elif ending in _YAML:
        listed = from_tree(_read_yaml(text, place), place)
    elif ending in _JSON_LINES or ending == ".json" or text.lstrip()[0] in "[{":
        listed = from_tree(read_json(text, place, lines=ending in _JSON_LINES), place)
    elif text.lstrip().startswith("---"):
        listed = from_tree(_read_yaml(text, place), place)
    else:
        listed = read_lines(text, place)
    if not listed.entries:
        raise UsageError(f"{place}: the list of actions is empty; name at least one")
    return listed


def read_json(text: str, place: str, *, lines: bool = False) -> Any:
    """JSON with its objects as `Pairs`; a text that is one object a line gives a list, also where `lines` is not set.

    Raises:
        UsageError: it is no JSON, or is nested too deeply.
    """
    if not lines:
        try:
            return _loads(text)
        except json.JSONDecodeError as error:
            if not (text.lstrip().startswith("{") and error.msg == "Extra data"):
                raise UsageError(f"{place}: begins like JSON but is not valid: {error}") from error
        except DamageError as error:
            raise UsageError(f"{place}: cannot be read as JSON; {error}") from error
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found.append(_loads(line))
            except ValueError as error:
                raise UsageError(f"{place}, line {number}: expected JSON on each line; {error}") from error
    return found


def _loads(text: str) -> Any:
    return parse_json(text, object_pairs_hook=Pairs)


def _read_yaml(text: str, place: str) -> Any:
    import yaml

    if len(text) > _MAX_YAML_BYTES:
        raise UsageError(
            f"{place}: {len(text)} characters of YAML, at most {_MAX_YAML_BYTES} are read; write JSON instead"
        )
    seen: set[int] = set()

    def plain(node: yaml.Node) -> Any:
        """Scalars as they are written: no is a name, not false."""
        if id(node) in seen:
            raise UsageError(f"{place}, line {node.start_mark.line + 1}: uses an alias (*); write its content out")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return Pairs((plain(key), plain(value)) for key, value in node.value)
        if isinstance(node, yaml.SequenceNode):
            return [plain(item) for item in node.value]
        return None if node.style is None and node.value in ("", "~", "null") else node.value

    try:
        return plain(yaml.compose(text, Loader=yaml.SafeLoader) or yaml.ScalarNode("", ""))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{place}, line {mark.line + 1}" if mark else place
        raise UsageError(f"{where}: not valid YAML; {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{place}: not valid YAML; {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise UsageError(f"{place}: its YAML is nested too deeply") from error


def _text_of(path: Path) -> str:
    """The text of a file, read in bounds.

    Raises:
        UsageError: see `read_file`.
    """
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise UsageError(f"{path}: is a folder; expected a file with names of actions")
        if not stat.S_ISREG(kind) and not stat.S_ISFIFO(kind):
            raise UsageError(f"{path}: is a device; expected a file with names of actions")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read; {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path}: more than {MAX_BYTES // 1_000_000} MB; a list of actions is a short text")
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path}, line {line}: expected a list of actions as UTF-8 text; this is another encoding, or no text; "
            "save it as UTF-8"
        ) from error
    if "\0" in text:
        raise UsageError(f"{path}: expected a list of actions as UTF-8 text; this is a binary file")
    return text
