"""One question about one action: how it is put, and how the reply becomes texts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gerund.text.descriptions.schema import Text
from gerund.text.generation.client import Message
from gerund.text.generation.parsing import ReplyError, check_count, checked, member, read_object, short, strings
from gerund.text.generation.replies import sha256_of

_NEXT_SENTENCE = re.compile(r"[a-z]{2}[.!?]\s+[A-Z]")  # two small letters, so that "St. Pancras" is none
_TELLING_WORDS = 6
"""Two actions may well share an object or a short step, but no text of so many words."""


@dataclass(frozen=True)
class Question:
    """What is asked about.

    Attributes:
        name: the action.
        classes: the whole list that it stands in.
        previous: its texts from earlier stages.
    """

    name: str
    classes: tuple[str, ...] = ()
    previous: tuple[Text, ...] = ()

    def of(self, kind: str) -> list[str]:
        """Earlier texts of a kind."""
        return [text.text for text in self.previous if text.kind == kind]


class Part(Protocol):
    """One member of a reply, and the texts it becomes."""

    @property
    def member(self) -> str:
        """Its name."""

    @property
    def wanted(self) -> str:
        """What the prompt asks for."""

    def schema(self) -> dict[str, Any]:
        """JSON schema of its value."""

    def texts(self, reply: Mapping[str, Any], question: Question) -> list[Text]:
        """The texts in a reply.

        Raises:
            ReplyError: the member is not what was asked for.
        """


@dataclass(frozen=True)
class Words:
    """Texts that are strings, one or several.

    Attributes:
        member: kind of the texts, and the member's name.
        wanted: what the prompt asks for.
        least: texts at least.
        most: texts at most; 0 for a single string rather than a list.
        most_words: of each text. A little more than the prompt asks for, so that near misses are kept.
        one_sentence: more than one is refused.
    """

    member: str
    wanted: str
    least: int = 1
    most: int = 0
    most_words: int = 20
    one_sentence: bool = False

    def schema(self) -> dict[str, Any]:
        """A string, or a list of strings."""
        if not self.most:
            return {"type": "string"}
        return {"type": "array", "items": {"type": "string"}, "minItems": self.least, "maxItems": self.most}

    def texts(self, reply: Mapping[str, Any], question: Question) -> list[Text]:
        """The member's strings.

        Raises:
            ReplyError: it is missing, of another type, or has the wrong number of texts, words or sentences.
        """
        given = member(reply, self.member)
        if not self.most:
            if not isinstance(given, str):
                raise ReplyError(f'"{self.member}" must be a string, got {short(given)}')
            given = [given]
        texts = strings(given, self.member)
        check_count(self.member, len(texts), self.least, self.most or 1)
        for text in texts:
            check_words(self.member, text, self.most_words)
            if self.one_sentence and _NEXT_SENTENCE.search(text):
                raise ReplyError(f'"{self.member}" must be one sentence, got {short(text)}')
        return [Text(self.member, text) for text in texts]


def check_words(name: str, text: str, most: int) -> None:
    """Says no to a text that an encoder would cut.

    Raises:
        ReplyError: it has more than `most` words.
    """
    count = len(text.split())
    if count > most:
        raise ReplyError(f'"{name}" has a text of {count} words, expected at most {most}: {short(text)}')


@dataclass(frozen=True)
class Stage:
    """One call for each action.

    Attributes:
        kinds: of the texts that it makes.
        task: what the model is told first.
        parts: members of the reply.
        sample: a question that has nothing to do with the user's.
        example: a reply to it that is right; it is shown to the model, and is the guess at a reply's length.
        lists_classes: the prompt names all actions.
        given: kinds of earlier texts that the prompt quotes.
    """

    kinds: tuple[str, ...]
    task: str
    parts: tuple[Part, ...]
    sample: Question
    example: Mapping[str, Any]
    lists_classes: bool = False
    given: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the reply."""
        members = {part.member: part.schema() for part in self.parts}
        return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}

    @property
    def sha256(self) -> str:
        """Hash of the prompt as it is before any action is put in."""
        return sha256_of([self.prompt(Question("{name}")), self.schema])

    def prompt(self, question: Question) -> list[Message]:
        """The messages that ask; what all actions share comes first, for servers that remember beginnings."""
        members = [f'- "{part.member}": {part.wanted}' for part in self.parts]
        shown = f"Asked this:\n{self._ask(self.sample)}\n\na right reply would be:\n{self.example_text}"
        told = [f"{self.task}\n\nReply with one JSON object and nothing else. Its members:", *members, "", shown]
        if self.lists_classes:
            told += ["", "These are all actions of the list:", *(f"- {name}" for name in question.classes)]
        ask = self._ask(question)
        return [{"role": "system", "content": "\n".join(told)}, {"role": "user", "content": ask}]

    def parse(self, reply: str, question: Question) -> list[Text]:
        """The texts in a reply.

        Raises:
            ReplyError: it is not what was asked for.
        """
        found = read_object(reply)
        texts = [text for part in self.parts for text in part.texts(found, question)]
        for text in texts:
            copied = len(text.text.split()) >= _TELLING_WORDS and json.dumps(text.text) in self.example_text
            if copied and question.name != self.sample.name:
                raise ReplyError(f'"{text.kind}" is copied from the example: {short(text.text)}')
        return checked(question.name, texts)

    @property
    def example_text(self) -> str:
        """The right reply to the sample, as a model would write it."""
        return json.dumps(self.example, ensure_ascii=False)

    def worked(self) -> list[Text]:
        """The sample's texts."""
        return self.parse(self.example_text, self.sample)

    def _ask(self, question: Question) -> str:
        lines = [f"Action: {question.name}"]
        for kind in self.given:
            found = [text.replace(f"<{question.name},", "<the action,") for text in question.of(kind)]
            lines += [f"{kind} ({len(found)}):", *(f"{place}. {text}" for place, text in enumerate(found, 1))]
        return "\n".join(lines)
