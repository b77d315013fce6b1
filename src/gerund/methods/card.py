"""The card of a method: what it is called, where its class is, what it needs; every file of a method carries its own.

A file in `recognizers/` or `localizers/` has ``CARDS = (MethodCard(...), ...)``, one card for each name. That is all
that registers a method: the catalogue walks the two folders.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from gerund.errors import UsageError
from gerund.own import home_of, names_file, run_file

Task = Literal["recognition", "localization"]

TAKES = ("clip", "track", "vector")
"""What a method may look at: decoded frames, vectors over time, or the mean of these."""


@dataclass(frozen=True)
class MethodCard:
    """One method by name.

    Attributes:
        name: what users type.
        made: its class; ``"module:Class"`` where importing that needs PyTorch; ``"file.py:Class"`` for a user's.
        what: one line about it.
        task: what it answers.
        learns: what it learns, in words; ``""`` for nothing.
        source: the paper it is from.
        needs: what it needs besides the parts and settings of its constructor, in words.
        encoder: the model whose tracks it takes, where that is one alone.
        settings: those that make this name of a class that has several.
        paper: arguments of the class's ``paper`` that give this method's published settings.
        sha256: of the user's file that it is in; ``""`` for gerund's own.
    """

    name: str
    made: type[Any] | str
    what: str
    task: Task = "recognition"
    learns: str = ""
    source: str = ""
    needs: tuple[str, ...] = ()
    encoder: str = ""
    settings: tuple[tuple[str, Any], ...] = ()
    paper: tuple[tuple[str, Any], ...] = ()
    sha256: str = ""

    @property
    def home(self) -> str:
        """Where its class is, ``"gerund.methods.recognizers.eszsl:Eszsl"`` or ``"mine.py:Mine"``."""
        return self.made if isinstance(self.made, str) else home_of(self.made)

    def load(self) -> Any:
        """Its class.

        Raises:
            UsageError: it needs PyTorch, which is not here; its file is no longer the one that was found; or it says
                that it takes what there is not.
        """
        made = class_of(self.made, self.sha256) if isinstance(self.made, str) else self.made
        require_takes(made)
        return made


def class_of(home: str, sha256: str = "") -> Any:
    """The class at ``module:Class`` or ``file.py:Class``; a file is run once.

    Args:
        home: as a card or a person says it, never as a file's content does.
        sha256: what the file must have; ``""`` for any.

    Raises:
        UsageError: it is not there, or needs PyTorch, which is not here.
    """
    module, _, name = home.rpartition(":")
    if names_file(home):
        loaded: Any = run_file(Path(module), sha256).module
    else:
        try:
            loaded = import_module(module)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise UsageError("this method learns with PyTorch; install it with: pip install 'gerund[torch]'") from error
    if not hasattr(loaded, name):
        raise UsageError(f"{module} has no class {name!r}")
    return getattr(loaded, name)


def require_takes(method: Any) -> str:
    """What a method, or its class, looks at; one that does not say looks at tracks.

    Raises:
        UsageError: it says something else than `TAKES`, or is a localizer that does not take a track.

    Example:
        >>> require_takes(type("Mine", (), {"takes": "vector", "score": None}))
        'vector'
    """
    name = method.__name__ if isinstance(method, type) else type(method).__name__
    given = getattr(method, "takes", "track")
    if given not in TAKES:
        raise UsageError(f"{name}.takes is {given!r}, which no method can get; say one of {', '.join(TAKES)}")
    if given != "track" and hasattr(method, "locate") and not hasattr(method, "score"):
        why = "a mean over time has no moments" if given == "vector" else "locate gets a track, not decoded frames"
        raise UsageError(f"{name} locates, and {why}; say takes = 'track'")
    return str(given)
