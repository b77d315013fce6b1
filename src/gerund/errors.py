"""What can go wrong, in words a user can act on.

Every error says what was given, what was expected and what to do.
"""

from __future__ import annotations

from os import PathLike, fspath


class GerundError(Exception):
    """Base of every error that gerund raises on purpose; its text is meant for the user."""


class UsageError(GerundError, ValueError):
    """A setting or an argument that cannot be right, whatever the video."""


class AssetError(GerundError):
    """A weight file or a sample that cannot be had, or is not what it should be."""


class VideoError(GerundError):
    """A file that cannot be read as a video.

    Attributes:
        path: the file, as given.
        reason: what is wrong with it, without the file's name.
    """

    def __init__(self, path: str | PathLike[str], reason: str) -> None:
        self.path = fspath(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")


class UnreadableWarning(UserWarning):
    """Some of the actions are named in a script that the model's vocabulary does not have."""


class OutputError(GerundError):
    """An output that the answers to come could not be written into either, such as one on a full disk; work stops.

    Attributes:
        path: the file, as given.
    """

    def __init__(self, path: str | PathLike[str], error: OSError) -> None:
        self.path = fspath(path)
        super().__init__(f"cannot write {self.path}: {error.strerror or error}")


def reason_of(error: BaseException) -> str:
    """What is wrong, without the name of the video where the error is about one; never empty.

    Example:
        >>> reason_of(VideoError("a.mp4", "it is empty")), reason_of(KeyError())
        ('it is empty', 'KeyError')
    """
    return error.reason if isinstance(error, VideoError) else str(error) or type(error).__name__


def in_words(error: BaseException) -> str:
    r"""An error that nobody foresaw: its type and what it says, on one line.

    Example:
        >>> in_words(ValueError("two\nlines")), in_words(MemoryError())
        ('ValueError: two lines', 'MemoryError')
    """
    return ": ".join(filter(None, [type(error).__name__, " ".join(str(error).split())]))
