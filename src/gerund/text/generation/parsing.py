"""From a model's reply to texts: what is looked for in it, and what is wrong with it, in words the model can act on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gerund.errors import GerundError
from gerund.reading import check_depth
from gerund.text.descriptions.lint import RULES, lint
from gerund.text.descriptions.schema import Descriptions, Text, key_of

_FATAL_RULES = ("empty", "scaffold", "refusal", "repeated")
_THOUGHT = re.compile(r"\A.*?</think(?:ing)?>", re.DOTALL)
_NUMBERED = re.compile(r"\s*\(?\d+[.)]\s")
_PLACEHOLDERS = frozenset(("n a", "none", "null", "nothing", "unknown", "string", "text", "todo"))


class ReplyError(GerundError):
    """A reply that cannot be used; its text says why, to the user and to the model."""


def read_object(reply: str) -> dict[str, Any]:
    r"""The JSON object in a reply, whatever stands around it: thoughts, fences, small talk.

    Raises:
        ReplyError: there is none, or more than one.

    Example:
        >>> read_object('Sure! ```json\n{"steps": ["rising"]}\n```')
        {'steps': ['rising']}
    """
    reply = _THOUGHT.sub("", reply)
    start = reply.find("{")
    if not reply.strip():
        raise ReplyError("the reply is empty")
    if start < 0:
        raise ReplyError(f"there is no JSON object in it: {short(reply)}")
    try:
        found, end = json.JSONDecoder().raw_decode(reply, start)
        check_depth(found)
    except (ValueError, RecursionError) as error:
        raise ReplyError(f"its JSON is broken: {error}") from None
    if "{" in reply[end:]:
        raise ReplyError("there is more than one JSON object in it")
    return dict(found)


def member(reply: Mapping[str, Any], name: str) -> Any:
    """A member of an object.

    Raises:
        ReplyError: it is missing.
    """
    if name not in reply:
        raise ReplyError(f'"{name}" is missing; there are {", ".join(map(json.dumps, reply)) or "no members"}')
    return reply[name]


def strings(given: Any, name: str) -> list[str]:
    """A list of texts, each on one line.

    Raises:
        ReplyError: it is no list of strings, or one of them says nothing, is numbered or cannot be shown.
    """
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise ReplyError(f'"{name}" must be a list of strings, got {short(given)}')
    texts = [" ".join(text.split()) for text in given]
    for text in texts:
        if not key_of(text) or key_of(text) in _PLACEHOLDERS:
            raise ReplyError(f'"{name}" has a text that says nothing: {short(text)}')
        if not text.isprintable():
            raise ReplyError(f'"{name}" has characters that cannot be shown: {short(text)}')
        if _NUMBERED.match(text):
            raise ReplyError(f'"{name}" has a numbered text: {short(text)}; the order is enough')
    return texts


def check_count(name: str, count: int, least: int, most: int) -> None:
    """Says no to too few or too many.

    Raises:
        ReplyError: `count` is not from `least` to `most`.
    """
    if not least <= count <= most:
        wanted = f"exactly {least}" if least == most else f"{least} to {most}"
        raise ReplyError(f'"{name}" has {count} items, expected {wanted}')


def checked(name: str, texts: Sequence[Text]) -> list[Text]:
    """The texts of an action, when none has a fault that only another reply can mend.

    Raises:
        ReplyError: a text is empty, is a form or small talk, or is there twice.
    """
    for finding in lint(Descriptions({name: texts})):
        if finding.rule in _FATAL_RULES:
            raise ReplyError(f'"{finding.kind}": {RULES[finding.rule]}: {short(finding.text)}')
    return list(texts)


def short(given: Any, most: int = 80) -> str:
    """JSON as far as it helps in a complaint."""
    text = json.dumps(given, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}..."
