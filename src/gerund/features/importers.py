"""Features in the files of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from gerund.encoders.graph import Array
from gerund.errors import UsageError
from gerund.features.arrays import ARRAY_SUFFIXES, pick, read_arrays
from gerund.features.layout import as_file_name
from gerund.features.timing import Clock, spans_from_times
from gerund.features.tracks import FeatureError, Features, TrackKind
from gerund.types import FloatArray, FloatArray64, Track

Layout = Literal["arrays", "vectors", "video-features", "table"]
"""How others lay out their features; `gerund.features.open_features` says what each is."""

Reader = Callable[[], tuple[FloatArray, FloatArray64]]
"""Reads the vectors ``[T, D]`` of one video and their spans in seconds ``[T, 2]``."""

_TIMES = ("timestamps_ms", "ts_ms")
_WHOLE = "one vector for a whole video"


@dataclass(frozen=True)
class Found:
    """Files of others that were found and not read yet.

    Attributes:
        files: for each video the file with its vectors.
        readers: for each video what reads them.
        sampling: what the vectors stand for, as a short key.
        words: the same in words.
    """

    files: Mapping[str, Path]
    readers: Mapping[str, Reader]
    sampling: str
    words: str


class ImportedFeatures(Features):
    """Features of others; a video's file is read when its track is asked for.

    Args:
        source: where they lie.
        found: the files.
        encoder: what to call the encoder.
        fingerprint: the one to give the tracks.

    Raises:
        UsageError: there is no video.
        FeatureError: the first one cannot be read.
    """

    def __init__(self, source: Path, found: Found, *, encoder: str, fingerprint: str) -> None:
        if not found.readers:
            raise UsageError(f"{source}: no features in it that are named and laid out so")
        dim = next(iter(found.readers.values()))()[0].shape[1]
        super().__init__(TrackKind(encoder, fingerprint, dim, f"imported-{found.sampling}", found.words), source)
        self._files, self._readers = found.files, found.readers

    def ids(self) -> list[str]:
        """The videos, sorted."""
        return sorted(self._readers)

    def __contains__(self, video: object) -> bool:
        return video in self._readers

    def file_of(self, video: str) -> Path:
        """The file with the vectors of one video, which others may share."""
        return self._files[video]

    def read(self, video: str) -> Track:
        """The track of one video; its vectors are the file's, whatever their length is.

        Raises:
            UsageError: there is none.
            FeatureError: its file is damaged or of another form, or its vectors have another length than the others'.
        """
        if video not in self._readers:
            raise UsageError(f"{self.path}: no features of the video {video!r}")
        vectors, spans_s = self._readers[video]()
        if vectors.shape[1] != self.dim:
            raise FeatureError(
                f"{self.path}: vectors of {vectors.shape[1]} numbers for {video}, of {self.dim} for others; files of "
                "two encoders do not belong into one folder"
            )
        return Track(vectors, spans_s, self.fingerprint)


def find_files(
    source: Path, layout: Layout, clock: Clock, *, name: str = "{id}", key: str | None = None, times: str | None = None
) -> Found:
    """Finds the files of a layout; what a setting means, `gerund.features.open_features` says.

    Raises:
        UsageError: there is nothing, several things could be meant, or a setting does not fit the layout.
        FeatureError: the file of a table is damaged.
    """
    if layout not in get_args(Layout):
        raise UsageError(f"no layout {layout!r}; there are {', '.join(get_args(Layout))}")
    if not source.exists():
        raise UsageError(f"{source}: no such file or folder")
    if name.count("{id}") != 1:
        raise UsageError(f"name must hold {{id}} once, such as '{{id}}_rgb'; got {name!r}")
    if times is not None and layout != "video-features":
        raise UsageError(f"times names an array of layout video-features; {layout} has none")
    part = f"-{as_file_name(key)}" if key else ""
    if layout == "video-features":
        files, readers = _timed(source, name, key, times)
        return Found(files, readers, f"times{part}", "at the timestamps of the files")
    if layout == "table":
        readers = _table(source, key, clock)
        return Found(dict.fromkeys(readers, source), readers, f"whole{part}", _WHOLE)
    read = _whole if layout == "vectors" else _steps
    files = _by_id(source, name, ARRAY_SUFFIXES)
    readers = {video: partial(read, video, file, key, clock) for video, file in files.items()}
    how = ("whole", _WHOLE) if layout == "vectors" else (clock.key, clock.words)
    return Found(files, readers, f"{how[0]}{part}", how[1])


def _by_id(source: Path, name: str, suffixes: Iterable[str]) -> dict[str, Path]:
    """The files of a folder, or a file alone, by the ids that their names give."""
    before, after = name.split("{id}")
    allowed = set(suffixes)
    found: dict[str, Path] = {}
    for file in sorted(source.iterdir()) if source.is_dir() else [source]:
        stem = file.stem
        fits = stem.startswith(before) and stem.endswith(after) and len(stem) > len(before) + len(after)
        if file.suffix not in allowed or not fits or stem.startswith("._"):
            continue
        video = stem.removeprefix(before).removesuffix(after)
        if video in found:
            raise UsageError(f"{found[video]} and {file} are both features of {video}; move one of them away")
        found[video] = file
    return found


def _steps(video: str, file: Path, key: str | None, clock: Clock) -> tuple[FloatArray, FloatArray64]:
    """A file with the vectors of one video, one after the other."""
    vectors = pick(read_arrays(file), file, key=key)
    return vectors, clock.spans_s(video, len(vectors))


def _whole(video: str, file: Path, key: str | None, clock: Clock) -> tuple[FloatArray, FloatArray64]:
    """A file with the one vector of a video."""
    arrays = {name: array[None] if array.ndim == 1 else array for name, array in read_arrays(file).items()}
    vectors = pick(arrays, file, key=key)
    if len(vectors) != 1:
        raise FeatureError(f"{file}: expected one vector for the whole video, got {len(vectors)}; use layout arrays")
    return vectors, clock.whole_s(video)


def _table(source: Path, key: str | None, clock: Clock) -> dict[str, Reader]:
    """One file with a row for every video."""
    arrays = read_arrays(source)
    texts = [name for name, array in arrays.items() if array.ndim == 1 and array.dtype.kind == "U"]
    if len(texts) != 1:
        raise FeatureError(f"{source}: expected one array of ids as texts, got {', '.join(texts) or 'none'}")
    rows, ids = pick(arrays, source, key=key), arrays[texts[0]].tolist()
    if len(rows) != len(ids) or len(set(ids)) != len(ids):
        raise FeatureError(f"{source}: {len(ids)} ids, {len(set(ids))} of them different, for {len(rows)} vectors")
    return {video: partial(_row, rows, number, video, clock) for number, video in enumerate(ids)}


def _row(rows: FloatArray, number: int, video: str, clock: Clock) -> tuple[FloatArray, FloatArray64]:
    return rows[number : number + 1], clock.whole_s(video)


def _timed(source: Path, name: str, key: str | None, times: str | None) -> tuple[dict[str, Path], dict[str, Reader]]:
    """Files that come with timestamps: some ``.npy`` for each video, or one ``.npz``."""
    mark = times or _TIMES[0]
    videos = sorted(_by_id(source, f"{name}_{mark}", [".npy"])) if source.is_dir() else []
    if not videos:
        files = _by_id(source, name, [".npz"])
        return files, {video: partial(_archive, file, key, times) for video, file in files.items()}
    stems = {video: name.replace("{id}", video) for video in videos}
    key = key or _common_key(source, list(stems.values()), {mark, "fps"})
    files = {video: source / f"{stem}_{key}.npy" for video, stem in stems.items()}
    return files, {video: partial(_beside, files[video], source / stem, mark) for video, stem in stems.items()}


def _common_key(source: Path, stems: Sequence[str], known: set[str]) -> str:
    """The one ending ``clip`` of files ``<stem>_clip.npy`` that every video has; ids may hold ``_`` themselves."""
    files = {file.stem for file in source.glob("*.npy")}
    first = {file.removeprefix(f"{stems[0]}_") for file in files if file.startswith(f"{stems[0]}_")} - known
    keys = sorted(key for key in first if all(f"{stem}_{key}" in files for stem in stems))
    if len(keys) != 1:
        raise UsageError(f"{source}: which features are meant? Every video has {', '.join(keys) or 'none'} (key)")
    return keys[0]


def _archive(file: Path, key: str | None, times: str | None) -> tuple[FloatArray, FloatArray64]:
    """A file that holds vectors, timestamps and perhaps the rate."""
    arrays = read_arrays(file)
    mark = times or next((name for name in _TIMES if name in arrays), _TIMES[0])
    return _at_times(pick(arrays, file, key=key), arrays.get(mark), arrays.get("fps"), file)


def _beside(file: Path, stem: Path, mark: str) -> tuple[FloatArray, FloatArray64]:
    """Files ``<stem>_clip.npy``, ``<stem>_timestamps_ms.npy`` and perhaps ``<stem>_fps.npy``."""
    times, rate = (stem.with_name(f"{stem.name}_{part}.npy") for part in (mark, "fps"))
    fps = read_arrays(rate).get("") if rate.is_file() else None
    return _at_times(pick(read_arrays(file), file), read_arrays(times).get(""), fps, file)


def _at_times(
    vectors: FloatArray, times_ms: Array | None, fps: Array | None, file: Path
) -> tuple[FloatArray, FloatArray64]:
    if times_ms is None or times_ms.shape != vectors.shape[:1] or times_ms.dtype.kind not in "fiu":
        there = "none" if times_ms is None else f"{times_ms.dtype}{list(times_ms.shape)}"
        raise FeatureError(f"{file}: {len(vectors)} vectors need as many timestamps, got {there}; name others (times)")
    rate = float(fps.reshape(-1)[0]) if fps is not None and fps.size and fps.dtype.kind in "fiu" else None
    return vectors, spans_from_times(np.asarray(times_ms, np.float64) / 1000, rate, str(file))
