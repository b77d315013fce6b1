"""Which videos a table means: tables of others name them by paths of another machine, by files or by ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gerund.errors import UsageError
from gerund.lessons.rows import Row
from gerund.video.reader import VIDEO_SUFFIXES


@dataclass
class Shown:
    """What one video shows.

    Attributes:
        video: its id: the path of its file below the folder without ending, or what a store calls it.
        label: its class; of several actions that of the first.
        actions: ``(start_s, end_s, label)`` where the table says when.
        place: where the table says it.
    """

    video: str
    label: str
    place: str
    actions: list[tuple[float, float, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Matched:
    """The videos that a table means.

    Attributes:
        shown: those that are there, in the order of the table.
        missing: the others: as the table calls them, and where.
        num_unnamed: videos that are there and not in the table.
    """

    shown: tuple[Shown, ...]
    missing: tuple[tuple[str, str], ...]
    num_unnamed: int


def match(rows: Iterable[Row], ids: Sequence[str], *, timed: bool) -> Matched:
    """Puts rows and videos together.

    A row means the video whose path is the end of its own, or has its own as its end: ``/data/me/wave/1.mp4`` is
    ``wave/1``, or ``1`` where videos lie in no folders, and ``1.mp4`` is ``wave/1`` where no other folder has a 1.
    Folders that differ are never passed over, for ``walk/1`` is another video.

    Args:
        rows: of a table.
        ids: of the videos that are there.
        timed: what a video shows may differ over time; else one video has one label.

    Raises:
        UsageError: a row could mean several videos, or rows about one video disagree.
    """
    known = Known(ids)
    shown: dict[str, Shown] = {}
    missing: dict[str, str] = {}
    for row in rows:
        video = known.find(row.videos, row.place)
        if video is None:
            missing.setdefault(row.video, row.place)
            continue
        before = shown.setdefault(video, Shown(video, row.label, row.place))
        if before.label != row.label and not timed:
            raise UsageError(
                f"{row.place}: {row.video} shows {row.label!r} here and {before.label!r} in {before.place}; a "
                "recognizer learns one label of each video"
            )
        if row.span_s and (action := (*row.span_s, row.label)) not in before.actions:
            before.actions.append(action)
    return Matched(tuple(shown.values()), tuple(missing.items()), len(set(ids)) - len(shown))


class Known:
    """Videos by their ids and by every way in which these end.

    Args:
        ids: with ``/`` between folders, without the ending of a video.

    Example:
        >>> known = Known(["wave/1", "walk/1", "walk/2"])
        >>> [known.find([path], "") for path in ("/data/me/walk/1.mp4", "2.avi", "run/1", "1.mp4 (copy)")]
        ['walk/1', 'walk/2', None, None]
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = set(ids)
        self._by_end: dict[str, list[str]] = {}
        for video in self._ids:
            parts = video.split("/")
            for start in range(1, len(parts)):
                self._by_end.setdefault("/".join(parts[start:]), []).append(video)

    def find(self, names: Sequence[str], place: str) -> str | None:
        """The video that is meant; None where it is not there.

        Args:
            names: what it may be called, the surest first.
            place: where it is called so, for messages.

        Raises:
            UsageError: several may be meant.
        """
        for named in names:
            parts = [part for part in _without_ending(named).split("/") if part not in ("", ".")]
            for start in range(len(parts)):
                if (end := "/".join(parts[start:])) in self._ids:
                    return end
            several = sorted(self._by_end.get("/".join(parts), ()))
            if len(several) > 1:
                raise UsageError(
                    f"{place}: {named} may be {several[0]} or {several[1]}; write the path with its folders"
                )
            if several:
                return several[0]
        return None


def _without_ending(path: str) -> str:
    path = path.replace("\\", "/")
    stem, dot, ending = path.rpartition(".")
    return stem if dot and f".{ending.lower()}" in VIDEO_SUFFIXES else path
