"""Tracks on disk, so that no video is decoded and encoded twice.

A store is a folder::

    store.json                        says that it is a store, and the version of its layout
    clip-1f5a0c...-stride8/           one folder for each kind of track: encoder, fingerprint, sampling
        kind.json                     what the kind is
        v_Archery_g01_c01.npz         one file for each video

A video's file is an uncompressed ``.npz`` that ``numpy.load`` reads: `vectors` float32 (or float16, where the kind
says ``half``) ``[T, D]``, `spans_s` float64
``[T, 2]``, and `about`, a JSON text that names the encoder's fingerprint, the sampling and the video: path, size and
`content_id`. Nothing in it is pickled, and its checksums are compared when it is read.

Every file appears whole or not at all under its final name, so several processes may fill one store. What a killed
process leaves behind ends in ``.part`` and is not looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from gerund.errors import UsageError, VideoError
from gerund.features.layout import TRACK_SUFFIX, choose_kind, make_kind, read_kinds
from gerund.features.tracks import FeatureError, Features, TrackKind
from gerund.reading import open_arrays, parse_json
from gerund.types import FloatArray, Track
from gerund.video.identity import content_id
from gerund.video.numbering import rate_of
from gerund.video.reader import Video
from gerund.writing import whole_file

Source = str | os.PathLike[str] | Video
"""What a track was made from."""


class FeatureStore(Features):
    """The tracks of one kind in a folder that may hold several kinds; `create` makes it, this opens it.

    Args:
        folder: the store.
        encoder: the name of the encoder, or the last part of it.
        sampling: the key of the sampling.
        fingerprint: the one that the tracks must have, such as that of the encoder of the class texts.
        raw: see `gerund.features.layout.choose_kind`.

    Raises:
        UsageError: there is no store, nothing in it is of that kind, or several kinds are.
        FeatureError: its description is damaged.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> store = FeatureStore.create(folder, TrackKind("clip", "1f5a", 2, "own"))
        >>> store.write("a", Track(np.ones((1, 2), np.float32), np.array([[0.0, 0.5]]), "1f5a"))
        >>> FeatureStore(folder).read("a").spans_s.tolist()
        [[0.0, 0.5]]
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        encoder: str | None = None,
        sampling: str | None = None,
        fingerprint: str | None = None,
        raw: bool | None = None,
    ) -> None:
        kinds = read_kinds(Path(folder))
        meant = choose_kind(Path(folder), kinds, encoder=encoder, sampling=sampling, fingerprint=fingerprint, raw=raw)
        super().__init__(meant, Path(folder))
        self._folder = next(folder for folder, kind in kinds.items() if kind == meant)

    @classmethod
    def create(cls, folder: str | os.PathLike[str], kind: TrackKind) -> FeatureStore:
        """Opens the tracks of a kind to add to them, making folders where there are none.

        Raises:
            UsageError: the folder holds other things than a store, or a part of the kind cannot be a file name.
            FeatureError: a description in the store is damaged.
        """
        there = make_kind(Path(folder), kind)
        return cls(folder, encoder=there.encoder, sampling=there.sampling, fingerprint=there.fingerprint)

    def ids(self) -> list[str]:
        """The videos that there are tracks of, sorted: file names without ending, or paths with ``/``."""
        found = (path.relative_to(self._folder).as_posix() for path in self._folder.rglob(f"*{TRACK_SUFFIX}"))
        return sorted(
            name.removesuffix(TRACK_SUFFIX) for name in found if not PurePosixPath(name).name.startswith("._")
        )

    def __contains__(self, video: object) -> bool:
        return isinstance(video, str) and self.file_of(video).is_file()

    def file_of(self, video: str) -> Path:
        """Where the track of a video lies once it is there.

        Raises:
            UsageError: the id cannot be a file name.
        """
        parts = PurePosixPath(video).parts
        if not video or video != "/".join(parts) or ".." in parts or parts[0] == "/" or "\0" in video:
            raise UsageError(f"{video!r} cannot be the id of a video: expected a file name, or several joined by /")
        return self._folder / f"{video}{TRACK_SUFFIX}"

    def read(self, video: str) -> Track:
        """The track of one video, exactly as it was written, as float32.

        Raises:
            UsageError: there is none.
            FeatureError: its file is damaged, or of another encoder or sampling.
        """
        _, vectors, spans_s = self._load(video, "vectors", "spans_s")
        try:
            return Track(np.asarray(vectors, np.float32), spans_s, self.fingerprint)
        except UsageError as error:
            raise _damaged(self.file_of(video), error) from error

    def write(self, video: str, track: Track, *, source: Source | None = None) -> None:
        """Keeps the track of a video, in place of the one that may be there.

        Args:
            video: its id: the name of its file without folder and ending, or a path with ``/``.
            track: vectors are kept as float32, or as float16 where the kind says so, times as float64.
            source: the file that it was made from, so that two videos of one name, and changes, are noticed. A folder
                of pictures is another video at another rate: give its `Video`.

        Raises:
            UsageError: the track is of another encoder or has vectors of another length, the id cannot be a file name,
                or the track that is there was made from another file; a number is too large for float16.
            VideoError: the source cannot be read.
        """
        if track.encoder != self.fingerprint:
            given = track.encoder or "none"
            raise UsageError(f"{self.path}: holds {self.kind}; got a track of an encoder with fingerprint {given}")
        if track.vectors.shape[1] != self.dim:
            raise UsageError(f"{self.path}: holds {self.kind}; got vectors of {track.vectors.shape[1]} numbers")
        self.has(video, source)
        about = {
            "encoder": self.fingerprint,
            "sampling": self.sampling,
            "source": None if source is None else _source(source),
        }
        vectors = self._as_kept(video, track.vectors)
        spans_s = np.ascontiguousarray(track.spans_s, np.float64)
        file = self.file_of(video)
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as target:
            np.savez(target, vectors=vectors, spans_s=spans_s, about=np.array(json.dumps(about)))

    def _as_kept(self, video: str, vectors: FloatArray) -> npt.NDArray[np.floating[Any]]:
        if not self.kind.half:
            return np.ascontiguousarray(vectors, np.float32)
        largest = float(np.abs(vectors).max(initial=0))
        if largest > float(np.finfo(np.float16).max):
            raise UsageError(f"{video}: has the number {largest:g}, which float16 cannot hold; leave --half out")
        return np.ascontiguousarray(vectors, np.float16)

    def has(self, video: str, source: Source | None = None) -> bool:
        """True when there is a track of the video whose file is not cut off; its vectors are not read.

        Args:
            video: its id.
            source: the file that it must have been made from, wherever it lies now. A track that was made from this
                file before its content changed is none. Tracks of earlier versions know no content; there the path, or
                the name, and the size decide.

        Raises:
            UsageError: it was made from another file, or the id cannot be a file name.
            VideoError: the source cannot be read.
        """
        file = self.file_of(video)
        if not file.is_file():
            return False
        try:
            (about,) = self._load(video)
        except FeatureError:
            return False
        made_from = about.get("source")
        if not made_from or source is None:
            return True
        given = _source(source)
        if "content" in made_from:
            is_same = bool(made_from["content"] == given["content"])
        else:
            was_called, is_called = (Path(item["path"]).name for item in (made_from, given))
            is_same = bool(made_from["bytes"] == given["bytes"] and was_called == is_called)
        if is_same or made_from["path"] == given["path"]:
            return is_same
        was, now = (f"{item['path']} ({item['bytes']} bytes)" for item in (made_from, given))
        raise UsageError(
            f"{file}: was made from {was}, not from {now}. If this is the one that counts, delete the "
            "former and extract again; if these are two videos of one name, keep two stores, or name videos by their "
            "paths (--root)"
        )

    def _load(self, video: str, *names: str) -> list[Any]:
        """What a video's file says about itself, after a comparison with the kind, and some of its arrays."""
        file = self.file_of(video)
        try:
            opened = file.open("rb")
        except FileNotFoundError:
            raise UsageError(f"{self.path}: no features of the video {video!r} ({self.kind}); extract it") from None
        with opened:
            try:
                with open_arrays(opened) as content:
                    about = parse_json(str(content["about"]))
                    found = [content[name] for name in names]
                made = about["encoder"], about["sampling"]
            except Exception as error:  # whatever a damaged file makes of numpy, zipfile and json
                raise _damaged(file, error) from error
        if made != (self.fingerprint, self.sampling):
            raise FeatureError(
                f"{file}: made by an encoder with fingerprint {made[0]}, sampling {made[1]}, but it lies among those "
                f"of {self.kind}; delete it and extract it again"
            )
        return [about, *found]


def name_videos(paths: Iterable[str | os.PathLike[str]], root: str | os.PathLike[str] | None = None) -> dict[str, Path]:
    """Video files by the ids that stores and the lists of data sets know them by.

    Args:
        paths: the files.
        root: None takes a file's name without folder and ending; else its path below this folder, without ending.

    Raises:
        UsageError: two files would have one id, or a file is not below the root.

    Example:
        >>> list(name_videos(["ucf101/Archery/v_Archery_g01_c01.avi"]))
        ['v_Archery_g01_c01']
        >>> list(name_videos(["ucf101/Archery/v_Archery_g01_c01.avi"], "ucf101"))
        ['Archery/v_Archery_g01_c01']
    """
    named: dict[str, Path] = {}
    for path in map(Path, paths):
        inside = Path(path.name) if root is None else Path(os.path.relpath(path, root))
        if not inside.parts or inside.name == "..":  # a folder of pictures that is named as the place where one is
            inside = Path(Path(os.path.abspath(path)).name)
        if ".." in inside.parts or inside.is_absolute():
            raise UsageError(f"{path} is not below {root}; give a folder that holds all of the videos")
        video = (inside if os.path.isdir(path) else inside.with_suffix("")).as_posix()
        if video in named:
            raise UsageError(
                f"{named[video]} and {path} would both be kept under the name {video!r}; name videos by their paths "
                "below a folder (--root), or extract them into two stores"
            )
        named[video] = path
    return named


def _source(given: Source) -> dict[str, Any]:
    """What tells one video file, or folder of pictures, from another of the same name."""
    path, fps = (given.path, given.pictures_fps) if isinstance(given, Video) else (given, rate_of(Path(given)))
    try:
        status = os.stat(path)
    except OSError as error:
        raise VideoError(path, f"it cannot be read ({error.strerror})") from error
    return _identified(os.path.abspath(path), fps, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=1)
def _identified(path: str, fps: Fraction, size: int, *_: int) -> dict[str, Any]:
    """The same of one state of a file; remembered, for a file may hold the features of many videos."""
    return {"path": path, "bytes": size, "content": content_id(path, fps=fps)}


def _damaged(file: Path, error: Exception) -> FeatureError:
    return FeatureError(f"{file}: damaged, or cut off ({error}); delete it and extract it again")
