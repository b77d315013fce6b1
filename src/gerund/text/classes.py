"""A list of actions as everything takes it, and all that users may pass for one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gerund.errors import UsageError
from gerund.text.actions import LIST_SUFFIXES, Listed, from_mapping, from_tree, read_file, read_json, read_typed
from gerund.text.names import VOCABULARIES, read_vocabulary, to_words, vocabularies_like
from gerund.types import kind_of


@dataclass(frozen=True)
class ClassSpace:
    """An ordered, immutable list of actions.

    Attributes:
        names: what is shown and returned, ``[C]``, no two alike.
        texts: for every class the texts that stand for it, ``[C][at least 1]``; by default its name.
        as_given: encoders take the texts as they are; else they may say more of a class that has only its name.

    Raises:
        UsageError: there is no name, a name is empty, or two are the same.
    """

    names: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...] = field(default=())
    as_given: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.names, str):
            raise UsageError(f"the names of a class space are several; ClassSpace.parse reads {self.names!r:.60}")
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "texts", tuple((of,) if isinstance(of, str) else tuple(of) for of in self.texts))
        for text in (*self.names, *(text for of in self.texts for text in of)):
            if not isinstance(text, str):
                raise UsageError(f"actions and their texts are text, got {type(text).__name__}")
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise UsageError(f"the action {text!a} is not valid UTF-8 text") from error
        if not self.names:
            raise UsageError("the list of actions is empty; name at least one, such as 'playing guitar'")
        seen: set[str] = set()
        for name in self.names:
            if not name.strip():
                raise UsageError("an action has an empty name")
            if name.casefold() in seen:
                raise UsageError(f"the action {name!r} is listed twice")
            seen.add(name.casefold())
        if not self.texts:
            object.__setattr__(self, "texts", tuple((name,) for name in self.names))
        if len(self.texts) != len(self.names) or not all(self.texts):
            raise UsageError(f"{len(self.names)} actions need texts each, got {len(self.texts)}")

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, actions: Actions) -> ClassSpace:
        """Accepts what users pass.

        Args:
            actions: a ClassSpace; a specification as `parse` takes it; the path of a file; names; or a mapping from
                names to a text or several.

        Raises:
            UsageError: it is none of these, or not usable.

        Example:
            >>> ClassSpace.of({"hit": ["punching", "boxing"], "waving": None}).texts
            (('punching', 'boxing'), ('waving',))
        """
        if isinstance(actions, ClassSpace):
            return actions
        if isinstance(actions, str):
            return cls.parse(actions)
        if isinstance(actions, os.PathLike):
            return cls._from(read_file(Path(actions)), str(actions), to_words)
        if isinstance(actions, Mapping):
            return cls._from(from_mapping(actions, "actions"), "actions", _single_spaced)
        if isinstance(actions, bytes | bytearray) or not isinstance(actions, Iterable):
            raise UsageError(
                "actions are names, a mapping from names to texts, a file, a built-in list such as 'ucf101', or a "
                f"ClassSpace; got {kind_of(actions)}"
            )
        names = list(actions)
        if odd := [name for name in names if not isinstance(name, str)]:
            raise UsageError(f"actions are names, and names are text; got {kind_of(odd[0])} among them")
        return cls(_unique(_single_spaced(name) for name in names))

    @classmethod
    def parse(cls, spec: str) -> ClassSpace:
        """Reads a specification of actions.

        Args:
            spec: a built-in vocabulary (``"ucf101"``); a file of names: text with one a line (empty lines and lines
                that start with ``#`` are left out), JSON or YAML (a list, or a mapping from names to texts), CSV or TSV
                (a column called name, label, class or action), or gerund's descriptions (``.jsonl``); or names
                separated by commas, semicolons or line ends. ``CamelCase`` and ``under_scores`` become words; repeated
                names are kept once.

        Raises:
            UsageError: nothing is named, or a file cannot be read.

        Example:
            >>> ClassSpace.parse("PoleVault, shoot_bow; pouring coffee").names
            ('pole vault', 'shoot bow', 'pouring coffee')
        """
        spec = spec.strip()
        place = "--actions"
        if spec.lower() in VOCABULARIES:
            return cls(_unique(to_words(name) for name in read_vocabulary(spec.lower())))
        if _is_there(spec):
            try:
                return cls._from(read_file(Path(spec).expanduser()), spec, to_words)
            except UsageError as error:
                if "/" in spec or Path(spec).suffix:
                    raise
                raise UsageError(f"{error}; if it is an action, put a comma behind it: {spec + ','!r}") from error
        if spec.startswith(("[", "{")):
            return cls._from(from_tree(read_json(spec, place), place), place, to_words)
        listed = read_typed(spec, place)
        if len(listed.entries) == 1 and listed.entries[0].name == spec:
            _require_no_file(spec, alone=True)
            if meant := vocabularies_like(spec):
                raise UsageError(f"--actions {spec}: there is no such list; did you mean {' or '.join(meant)}?")
        for entry in listed.entries:
            _require_no_file(entry.name, alone=False)
            if entry.name.lower() in VOCABULARIES and len(listed.entries) > 1:
                raise UsageError(f"{entry.place}: {entry.name} is a built-in list, not an action; give it alone")
        return cls._from(listed, place, to_words)

    @classmethod
    def _from(cls, listed: Listed, place: str, spelled: Callable[[str], str]) -> ClassSpace:
        """The classes of a list that was read; where one has texts, a name that comes twice is refused."""
        names = [spelled(entry.name) for entry in listed.entries]
        if listed.described:
            from gerund.text.descriptions.lookup import texts_from
            from gerund.text.descriptions.schema import Descriptions, Source

            known = Descriptions.parse([json.dumps(item) for item in listed.described], place, Source(place))
            unique = _unique(names)
            return cls(unique, texts_from(unique, known, place), as_given=True)
        if not any(entry.texts for entry in listed.entries):
            return cls(_unique(names))
        return cls(tuple(names), tuple(e.texts or (name,) for name, e in zip(names, listed.entries, strict=True)))


Actions = ClassSpace | str | os.PathLike[str] | Mapping[str, str | Iterable[str] | None] | Iterable[str]
"""What users pass for actions; `ClassSpace.of` reads it."""


def _is_there(spec: str) -> bool:
    """True for the path of a file, or of what looks like one and cannot be an action; a bare folder's name can."""
    try:
        path = Path(spec).expanduser()
        return path.exists() and (not path.is_dir() or "/" in spec or os.sep in spec)
    except (OSError, ValueError, RuntimeError):  # too long for a name of a file, or no such user
        return False


def _require_no_file(name: str, *, alone: bool) -> None:
    """Refuses a name that is meant as a file, which is not there: one with a slash, or with the ending of a list.

    Args:
        name: as it was typed.
        alone: nothing else was typed; among others, a slash is part of a name.
    """
    slashed = name.startswith(("/", "./", "../", "~/")) or (alone and ("/" in name or "\\" in name))
    if slashed or Path(name).suffix.lower() in LIST_SUFFIXES:
        action = f"; if it is an action, put a comma behind it: {name + ','!r}" if alone else ""
        raise UsageError(
            f"--actions {name}: no such file; give names separated by commas, a file of names (text, JSON, YAML, CSV, "
            f"TSV), or one of {', '.join(VOCABULARIES)}{action}"
        )


def _single_spaced(name: str) -> str:
    return " ".join(name.split())


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    kept: dict[str, str] = {}
    for name in names:
        kept.setdefault(name.casefold(), name)
    return tuple(kept.values())
