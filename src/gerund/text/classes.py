"""Action names: where they come from and how a dataset's spelling becomes words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path

from gerund.errors import UsageError

VOCABULARIES = (
    "ucf101",
    "hmdb51",
    "kinetics400",
    "kinetics600",
    "activitynet200",
    "thumos14",
    "olympicsports16",
)
"""Class lists that ship with gerund; each file keeps the data set's own order and spelling."""

_LIST_SUFFIXES = frozenset((".txt", ".csv", ".tsv", ".lst", ".list", ".json", ".yaml", ".yml"))
_CASE_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


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
        for name in self.names:
            try:
                name.encode()
            except UnicodeEncodeError as error:
                raise UsageError(f"the action {name!a} is not valid UTF-8 text") from error
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
    def of(cls, actions: ClassSpace | str | Iterable[str]) -> ClassSpace:
        """Accepts what users pass: a ClassSpace, a specification as `parse` takes it, or names."""
        if isinstance(actions, ClassSpace):
            return actions
        if isinstance(actions, str):
            return cls.parse(actions)
        return cls(_unique(" ".join(name.split()) for name in actions))

    @classmethod
    def parse(cls, spec: str) -> ClassSpace:
        """Reads a specification of actions.

        Args:
            spec: a built-in vocabulary (``"ucf101"``), a text file with one action a line (empty lines and lines that
                start with ``#`` are left out), or names separated by commas. ``CamelCase`` and ``under_scores`` become
                words; repeated names are kept once.

        Raises:
            UsageError: nothing is named, or a file cannot be read.

        Example:
            >>> ClassSpace.parse("PoleVault, shoot_bow, pouring coffee").names
            ('pole vault', 'shoot bow', 'pouring coffee')
        """
        spec = spec.strip()
        if spec.lower() in VOCABULARIES:
            names: Sequence[str] = read_vocabulary(spec.lower())
        elif "," not in spec and _names_a_file(spec):
            names = _read_names(Path(spec).expanduser())
        else:
            names = [name for name in re.split(r"[,\r\n]", spec) if name.strip()]
            if len(names) == 1 and (meant := _vocabulary_like(spec)):
                raise UsageError(f"--actions {spec}: there is no such list; did you mean {meant}?")
        return cls(_unique(to_words(name) for name in names))


def to_words(name: str) -> str:
    """A data set's label as plain words; names that are words already stay as they are.

    Example:
        >>> [to_words(name) for name in ("ApplyEyeMakeup", "shoot_bow", "BMX", "Clean and jerk", "Fahrrad fahren")]
        ['apply eye makeup', 'shoot bow', 'BMX', 'Clean and jerk', 'Fahrrad fahren']
    """
    name = " ".join(name.replace("_", " ").split())
    if " " in name:
        return name
    spaced = _CASE_BOUNDARY.sub(" ", name)
    return spaced.lower() if spaced != name or name[1:].islower() else name


@cache
def read_vocabulary(name: str) -> tuple[str, ...]:
    """Labels of a built-in vocabulary in the data set's own order and spelling.

    Raises:
        UsageError: there is no such vocabulary.
    """
    if name not in VOCABULARIES:
        raise UsageError(f"no vocabulary {name!r}; there are {', '.join(VOCABULARIES)}")
    text = files("gerund.text").joinpath("data", "vocabularies", f"{name}.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def _read_names(path: Path) -> list[str]:
    if not path.is_file():
        raise UsageError(
            f"--actions {path}: no such file; give names separated by commas, a text file with one name a line, "
            f"or one of {', '.join(VOCABULARIES)}"
        )
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--actions {path}: expected a UTF-8 text file with one action a line; {error}") from error
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _names_a_file(spec: str) -> bool:
    """True for what can only be meant as a file: a bare word is an action, even where a file has that name."""
    looks_like_a_path = spec.startswith(("/", "./", "../", "~")) or Path(spec).suffix.lower() in _LIST_SUFFIXES
    try:
        return looks_like_a_path or ("/" in spec and Path(spec).is_file())
    except (OSError, ValueError):  # too long for a name of a file
        return False


def _vocabulary_like(spec: str) -> str | None:
    """The built-in list that a mistyped one was meant to be."""
    bare = re.sub(r"\W|_", "", spec.lower())
    found = get_close_matches(bare, VOCABULARIES, n=1, cutoff=0.8)
    return found[0] if found and any(c.isdigit() for c in bare) else None


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    kept: dict[str, str] = {}
    for name in names:
        kept.setdefault(name.casefold(), name)
    return tuple(kept.values())
