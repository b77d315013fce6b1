"""The questions that come with gerund: for TEAR's texts, ER's definitions, situations, STDD's graph, and all of ours.

The prompts are gerund's own words. Every action is asked about on its own, in a conversation of its own, so no text
depends on the order of the actions; only look-alikes, which come from the list, depend on which others there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gerund.errors import UsageError
from gerund.text.descriptions.schema import Text, key_of
from gerund.text.generation.graph import COMPLETIONS, GRAPH
from gerund.text.generation.parsing import ReplyError, check_count, member, short, strings
from gerund.text.generation.stages import Part, Question, Stage, Words, check_words


@dataclass(frozen=True)
class Recipe:
    """What is asked about every action.

    Attributes:
        name: what users call it.
        version: goes up with every change of a prompt or of what is taken for valid.
        what: one line for users.
        stages: calls for each action; each one is given the texts of those before.
    """

    name: str
    version: int
    what: str
    stages: tuple[Stage, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of the texts that it makes."""
        return tuple(kind for stage in self.stages for kind in stage.kinds)


@dataclass(frozen=True)
class LookAlikes:
    """Other actions of the list, and what is different in this one."""

    member: str = "look_alikes"
    wanted: str = (
        'a list of up to 3 objects with "action", another action of the list below, word for word, that a viewer could '
        'take for this one, and "difference", what is seen in this action and not in the other, at most 20 words; an '
        "empty list where there is none"
    )
    most: int = 3
    most_words: int = 30

    def schema(self) -> dict[str, Any]:
        """A list of objects."""
        parts = {"action": {"type": "string"}, "difference": {"type": "string"}}
        item = {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}
        return {"type": "array", "items": item, "maxItems": self.most}

    def texts(self, reply: Mapping[str, Any], question: Question) -> list[Text]:
        """One text for each look-alike, which is named as in the list.

        Raises:
            ReplyError: one is not in the list, is the action itself, or is there twice.
        """
        given = member(reply, self.member)
        if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
            raise ReplyError(f'"{self.member}" must be a list of objects, got {short(given)}')
        check_count(self.member, len(given), 0, self.most)
        others = {key_of(name): name for name in question.classes if key_of(name) != key_of(question.name)}
        found: dict[str, Text] = {}
        for item in given:
            action, difference = strings([member(item, "action"), member(item, "difference")], self.member)
            other = others.get(key_of(action))
            if other is None or other in found:
                fault = "is named twice" if other else "is not another action of the list"
                raise ReplyError(f'"{self.member}": {short(action)} {fault}')
            check_words(self.member, difference, self.most_words)
            found[other] = Text(self.member, difference, other=other)
        return list(found.values())


_DESCRIBE = """You write about human actions for a program that finds them in videos by comparing your words with what \
is seen. Write only what a camera shows: bodies, movements, things, places. Leave out sounds, thoughts, purposes and \
opinions, and whatever nearly every action has, such as a bare "person" or "hands" among objects. Take the meaning of \
the name that people film most often; where you are not sure, write your best guess, and never ask back. Write plain \
English. Do not number texts and put no heading, such as the name of the action, in front of them."""

_DEFINITION = Words(
    "definition",
    "a string, one sentence of at most 30 words that tells what the action is",
    1,
    0,
    40,
    one_sentence=True,
)
_STEPS = Words(
    "steps", "a list of exactly 3 strings, stages that are seen one after the other, each at most 12 words", 3, 3, 18
)
_DESCRIPTION = Words(
    "description", "a string, what the action looks like from start to end, at most 35 words", 1, 0, 45
)
_CONTEXT = Words("context", "a string, where it happens and what is around, at most 20 words", 1, 0, 30)
_OBJECTS = Words(
    "objects", "a list of 2 to 6 strings, things that tell this action from others, each at most 3 words", 1, 8, 6
)
_BEFORE = Words("before", "a string, what is seen just before the action begins, at most 20 words", 1, 0, 30)
_AFTER = Words("after", "a string, what is seen just after it has ended, at most 20 words", 1, 0, 30)

_SAMPLE = Question("mailing a parcel", ("mailing a parcel", "packing a suitcase"))
_EXAMPLE: dict[str, Any] = {
    "definition": "handing a taped and addressed box over the counter of a post office",
    "steps": [
        "closing a cardboard box with tape and writing on its label",
        "carrying the box to a counter and putting it on a scale",
        "passing the box to a clerk and taking a receipt",
    ],
    "description": "a customer tapes up a cardboard box, writes on its label, lays it on the scale of a counter and "
    "passes it to a clerk in uniform",
    "context": "a post office with a counter, shelves of envelopes and a queue of customers",
    "objects": ["cardboard box", "packing tape", "address label", "postal scale"],
    "before": "an open cardboard box stands on a table beside a roll of tape and a pen",
    "after": "the box lies behind the counter and the customer walks away with a slip of paper",
    "look_alikes": [
        {
            "action": "packing a suitcase",
            "difference": "a cardboard box is taped shut and labelled, no clothes are folded",
        }
    ],
}


def _stage(*parts: Part) -> Stage:
    names = tuple(part.member for part in parts)
    example = {name: _EXAMPLE[name] for name in names}
    return Stage(names, _DESCRIBE, parts, _SAMPLE, example, lists_classes="look_alikes" in names)


RECIPES = (
    Recipe(
        "tear",
        1,
        "three steps, a description, a context and objects, as TEAR has them",
        (_stage(_STEPS, _DESCRIPTION, _CONTEXT, _OBJECTS),),
    ),
    Recipe("definition", 1, "one sentence, as ER has them", (_stage(_DEFINITION),)),
    Recipe(
        "situation", 1, "what is seen before and after, as TEAR has them for Kinetics-600", (_stage(_BEFORE, _AFTER),)
    ),
    Recipe("askg", 1, "STDD's graph of objects and stages, and its completions; two calls", (GRAPH, COMPLETIONS)),
    Recipe(
        "full",
        1,
        "all that gerund's own descriptions have, with look-alikes from the list",
        (_stage(_DEFINITION, _STEPS, _DESCRIPTION, _CONTEXT, _OBJECTS, _BEFORE, _AFTER, LookAlikes()),),
    ),
)


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UsageError: there is none.

    Example:
        >>> find_recipe("tear").kinds
        ('steps', 'description', 'context', 'objects')
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    raise UsageError(f"no recipe {name!r}; there are {', '.join(recipe.name for recipe in RECIPES)}")
