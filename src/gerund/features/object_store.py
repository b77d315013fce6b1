"""Objects kept as they are found, so that a run that was stopped, or killed, goes on where it was.

What is found is appended at once to a `Record` beside the file, ``objects.json.<settings>.part``; when the command ends
the file is written as a whole and the record removed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from gerund.errors import UsageError
from gerund.features.object_lists import Listed, ObjectLists, read_lists
from gerund.record import SCHEMA, Record, settings_id
from gerund.types import FloatArray, IntArray
from gerund.video.identity import content_id


class ObjectStore:
    """A file of objects that is added to.

    Args:
        path: the file; it need not be there.
        wanted: vocabulary, network and number of what is to be kept in it; its videos play no part.
        overwrite: leave out all that the file holds.

    Attributes:
        path: the file.

    Raises:
        UsageError: the file holds other objects, or none of gerund's, or another process is adding to it.
        FeatureError: it is damaged.
    """

    def __init__(self, path: Path, wanted: ObjectLists, *, overwrite: bool = False) -> None:
        before = read_lists(path) if path.exists() and not overwrite else None
        if before is not None:
            _require_same(path, before, wanted)
        self.path, self._wanted = path, wanted
        self._settings = settings_id(
            kind="objects",
            network=wanted.network.fingerprint,
            vocabulary=wanted.vocabulary.sha256,
            top=wanted.top,
        )
        self._part = path.with_name(f"{path.name}.{self._settings}.part")
        self._record = Record(self._part, overwrite=overwrite)
        self._videos = dict(before.videos) if isinstance(before, ObjectLists) else {}
        self._is_new = before is None
        for line in self._record.answers(self._settings):
            places, scores = line["objects"]
            self._videos[line["id"]] = Listed((places, scores), line["content"], line["video"])
            self._is_new = True

    def __contains__(self, video: object) -> bool:
        return video in self._videos

    def has(self, video: str, file: Path) -> bool:
        """True when the objects of a video are known, and its file has not changed since.

        Raises:
            UsageError: they are those of another file of that name.
            VideoError: the file cannot be read.
        """
        listed = self._videos.get(video)
        if listed is None:
            return False
        content = content_id(file)
        if listed.content != content and listed.file != os.path.abspath(file):
            raise UsageError(
                f"{self.path}: the objects of {video!r} are those of {listed.file}, not of {file}; if these are two "
                "videos of one name, name videos by their paths (--root) or keep two files, else begin anew "
                "(--overwrite)"
            )
        return listed.content == content

    def begin(self) -> None:
        """Makes ready to add.

        Raises:
            UsageError: nothing can be written there, or another process is adding to it.
        """
        self._record.begin()

    def write(self, video: str, file: Path, places: IntArray, scores: FloatArray) -> None:
        """Keeps the objects of a video, in place of those that may be there; they outlive this process.

        Raises:
            OutputError: they cannot be written.
            VideoError: the file cannot be read any more.
        """
        listed = Listed((places.tolist(), scores.tolist()), content_id(file), os.path.abspath(file))
        self._record.append(
            {
                "schema": SCHEMA,
                "settings": self._settings,
                "content": listed.content,
                "video": listed.file,
                "error": None,
                "id": video,
                "objects": listed.objects,
            }
        )
        self._videos[video] = listed
        self._is_new = True

    def close(self) -> None:
        """Writes the file, where there is something new, and then removes the record.

        Raises:
            OSError: it cannot be written; the record stays.
        """
        self._record.release()
        if self._is_new:
            wanted = self._wanted
            ObjectLists(wanted.vocabulary, wanted.network, wanted.top, self._videos).write(self.path)
        self._part.unlink(missing_ok=True)


def _require_same(path: Path, before: object, wanted: ObjectLists) -> None:
    """Refuses to put objects beside others that they cannot be compared with.

    Raises:
        UsageError: they were found otherwise.
    """
    how = "name another file, or begin this one anew with --overwrite"
    if not isinstance(before, ObjectLists):
        raise UsageError(f"{path}: does not say how its objects were found, so nothing can be added to it; {how}")
    pairs: Sequence[tuple[str, object, object]] = (
        ("vocabulary", before.vocabulary.sha256, wanted.vocabulary.sha256),
        ("network", before.network.fingerprint, wanted.network.fingerprint),
        ("number of objects", before.top, wanted.top),
    )
    for what, was, now in pairs:
        if was != now:
            names = f"({before.network.name} with {before.vocabulary.name} and top {before.top})"
            raise UsageError(f"{path}: was written with another {what} {names}, {was}, not {now}; {how}")
