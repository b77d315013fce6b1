"""STDD's two stages: what is known about an action as a small graph, and each edge of it as the end of a sentence.

Source: Yu et al., "Building a Multi-modal Spatiotemporal Expert for Zero-shot Action Recognition with CLIP"
(arXiv 2412.09895) and its released files: one call for the graph, one for the completions, a completion for each
triple, without the action's name. The prompts here are gerund's own, and replies are JSON, not YAML. The order of
stages is a chain in the released files, so it is derived from the stages and not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gerund.text.descriptions.schema import Text, key_of
from gerund.text.generation.parsing import ReplyError, check_count, member, short, strings
from gerund.text.generation.stages import Question, Stage, Words, check_words

_NO_MARKS = "<>,"
_MOST_WORDS = 12
_OPENING = "this is an example"


@dataclass(frozen=True)
class Triples:
    """Edges of the graph, as ``<subject, predicate, object>``.

    Attributes:
        member: kind of the texts, and the member's name.
        wanted: what the prompt asks for.
        ends: members of each edge, in order; where there are two, the subject is the action.
        least: edges at least.
        most: edges at most.
    """

    member: str
    wanted: str
    ends: tuple[str, ...]
    least: int
    most: int

    def schema(self) -> dict[str, Any]:
        """A list of objects."""
        parts = {end: {"type": "string"} for end in self.ends}
        edge = {"type": "object", "properties": parts, "required": list(self.ends), "additionalProperties": False}
        return {"type": "array", "items": edge, "minItems": self.least, "maxItems": self.most}

    def texts(self, reply: Mapping[str, Any], question: Question) -> list[Text]:
        """One text for each edge.

        Raises:
            ReplyError: the member is missing, an edge lacks an end, or there are too few or too many.
        """
        given = member(reply, self.member)
        if not isinstance(given, list) or not all(isinstance(edge, dict) for edge in given):
            raise ReplyError(f'"{self.member}" must be a list of objects, got {short(given)}')
        check_count(self.member, len(given), self.least, self.most)
        found = []
        for edge in given:
            words = strings([member(edge, end) for end in self.ends], self.member)
            found.append(triple(self.member, question.name, *words) if len(words) == 2 else triple(self.member, *words))
        return found


@dataclass(frozen=True)
class Chain(Words):
    """Stages in order, and the order as a chain of edges that begins at the action."""

    def texts(self, reply: Mapping[str, Any], question: Question) -> list[Text]:
        """The stages, then the edges."""
        stages = super().texts(reply, question)
        first = triple("step_order", question.name, "starts with", stages[0].text)
        return [*stages, first, *(triple("step_order", a.text, "precedes", b.text) for a, b in pairwise(stages))]


@dataclass(frozen=True)
class Completions:
    """One end of a sentence for each edge.

    Attributes:
        member: kind of the texts, and the member's name.
        wanted: what the prompt asks for.
        of_kind: kind of the edges.
        most_words: of each.
    """

    member: str
    wanted: str
    of_kind: str
    most_words: int = 30

    def schema(self) -> dict[str, Any]:
        """A list of strings."""
        return {"type": "array", "items": {"type": "string"}}

    def texts(self, reply: Mapping[str, Any], question: Question) -> list[Text]:
        """The completions, in the order of the edges.

        Raises:
            ReplyError: there are not as many as edges, or one names the action or begins the sentence anew.
        """
        texts = strings(member(reply, self.member), self.member)
        count = len(question.of(self.of_kind))
        check_count(self.member, len(texts), count, count)
        label = f" {key_of(question.name)} "
        for text in texts:
            check_words(self.member, text, self.most_words)
            if key_of(text).startswith(_OPENING):
                raise ReplyError(f'"{self.member}": write only what follows the comma, got {short(text)}')
            if label in f" {key_of(text)} ":
                raise ReplyError(f'"{self.member}" must not say {question.name!r}, got {short(text)}')
        return [Text(self.member, text) for text in texts]


def triple(kind: str, subject: str, predicate: str, other: str) -> Text:
    """An edge as STDD writes it.

    Raises:
        ReplyError: an end has a comma or an angle bracket, so that the edge could not be read back; or many words.

    Example:
        >>> triple("object_relations", "rope", "tied to", "harness").text
        '<rope, tied to, harness>'
    """
    for end in (predicate, other):
        if any(mark in end for mark in _NO_MARKS):
            raise ReplyError(f'"{kind}": no commas or angle brackets inside, got {short(end)}')
        check_words(kind, end, _MOST_WORDS)
    return Text(kind, f"<{subject}, {predicate}, {other}>")


_KNOW = """You know what belongs to human actions, as it can be seen in a video of them. You are given the name of an \
action and write down a small graph: the things in it, how they touch each other, what the action does with them, and \
its stages. Take the meaning of the name that people film most often. Use short plain English phrases without commas, \
and name each thing in the same words throughout. Leave out feelings, sounds and purposes. Never ask back."""

_FINISH = """You finish sentences about a video of a human action. Each sentence begins with "This is an example of", \
the name of the action and a comma; you write only what follows the comma. You are given facts as triples of subject, \
predicate and object, in three groups. Turn every triple into one ending, in the same order, as many endings as \
triples: an empty list where there are none. Add nothing that the triple does not say, make it good English, and do \
not write the name of the action, not even as a part of another phrase."""

_OBJECTS = Words(
    "objects", "a list of 5 to 10 strings, things or parts of the body that are seen in it", 2, 12, _MOST_WORDS
)
_RELATIONS = Triples(
    "object_relations",
    'a list of at most 10 objects with "from", "relation" and "to", how one thing of the list stands to another',
    ("from", "relation", "to"),
    0,
    15,
)
_USES = Triples(
    "action_objects",
    'a list of objects with "relation" and "object", what the action does with each thing, such as uses or needs',
    ("relation", "object"),
    1,
    15,
)
_STAGES = Chain("steps", "a list of 3 to 6 strings, its stages in order, each an -ing phrase", 2, 10, _MOST_WORDS)

_PARCEL = Question("mailing a parcel")

GRAPH = Stage(
    kinds=("objects", "object_relations", "action_objects", "steps", "step_order"),
    task=_KNOW,
    parts=(_OBJECTS, _RELATIONS, _USES, _STAGES),
    sample=_PARCEL,
    example={
        "objects": ["cardboard box", "packing tape", "address label", "postal scale", "clerk"],
        "object_relations": [
            {"from": "packing tape", "relation": "closes", "to": "cardboard box"},
            {"from": "address label", "relation": "sticks to", "to": "cardboard box"},
            {"from": "clerk", "relation": "reads", "to": "postal scale"},
        ],
        "action_objects": [
            {"relation": "needs", "object": "cardboard box"},
            {"relation": "uses", "object": "packing tape"},
            {"relation": "ends at", "object": "clerk"},
        ],
        "steps": ["taping a box shut", "putting the box on a scale", "handing the box over a counter"],
    },
)

COMPLETIONS = Stage(
    kinds=("object_completions", "action_completions", "step_completions"),
    task=_FINISH,
    parts=(
        Completions(
            "object_completions", "endings for object_relations, such as 'where A lies on B'", "object_relations"
        ),
        Completions("action_completions", "endings for action_objects, such as 'which needs A'", "action_objects"),
        Completions(
            "step_completions",
            "endings for step_order, such as 'starting with A' for its first triple and 'where A comes before B'",
            "step_order",
        ),
    ),
    sample=Question(_PARCEL.name, previous=tuple(GRAPH.worked())),
    given=("object_relations", "action_objects", "step_order"),
    example={
        "object_completions": [
            "where packing tape closes a cardboard box",
            "where an address label sticks to a cardboard box",
            "where a clerk reads a postal scale",
        ],
        "action_completions": [
            "which needs a cardboard box",
            "which uses packing tape",
            "which ends at a clerk",
        ],
        "step_completions": [
            "starting with taping a box shut",
            "where taping a box shut comes before putting the box on a scale",
            "where the box is put on a scale before it is handed over a counter",
        ],
    },
)
