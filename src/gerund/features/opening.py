"""Features for reading, whoever made them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import get_args

from gerund.errors import UsageError
from gerund.features.importers import ImportedFeatures, Layout, find_files
from gerund.features.lengths import UnitTracks
from gerund.features.store import FeatureStore
from gerund.features.timing import Clock, read_info
from gerund.features.tracks import Features


def open_features(
    path: str | os.PathLike[str],
    *,
    encoder: str | None = None,
    sampling: str | None = None,
    fingerprint: str | None = None,
    raw: bool | None = None,
    layout: Layout | None = None,
    fps: float = 0.0,
    stride: float = 0.0,
    info: str | os.PathLike[str] | None = None,
    name: str = "{id}",
    key: str | None = None,
    times: str | None = None,
) -> Features:
    """Opens features for reading: a store of gerund's, or files that others have made.

    Layouts of others:

    - ``"arrays"``: a folder with one file ``[T, D]`` for each video (GAP, T3AL; ``.npy``, ``.npz``, ``.pt``). The times
      come from `fps` and `stride`, or from `info`.
    - ``"vectors"``: the same with one vector ``[1, D]`` or ``[D]`` that stands for the whole video (Elaborative
      Rehearsal). It ends at infinity, unless `info` says how long the video is.
    - ``"video-features"``: what ``v-iashin/video_features`` saves: ``<id>_clip.npy`` beside ``<id>_timestamps_ms.npy``
      and ``<id>_fps.npy``, or ``.npz`` files that hold such arrays. The times are those of the file.
    - ``"table"``: one ``.npz`` file with ids ``[N]`` and vectors ``[N, D]``, each for a whole video.

    Args:
        path: the store, or the folder or file of others.
        encoder: of a store, which one is meant, where it has several. Of files, what to call the one that made them.
        sampling: of a store, which one is meant, where it has several.
        fingerprint: of a store, the one that its tracks must have. Of files, the one to give their tracks; by default
            it comes from `encoder` and `layout` and never equals that of an encoder of gerund's.
        raw: of a store, True where vectors must be as the network gives them; False brings those of gerund's own
            encoders to length 1, where no others are there; None takes them as they are.
        layout: None for a store.
        fps: frames a second of every video.
        stride: frames from one vector to the next.
        info: a JSON file that says the rate or length of each video; see `gerund.features.timing.Clock`.
        name: how a file is named after its video, without ending: ``"{id}_rgb"``.
        key: which array is meant, in files that hold several; for ``"video-features"`` also which of several files.
        times: the array with the timestamps in milliseconds, where it is not named as usual.

    Raises:
        UsageError: there is nothing, or several things could be meant, or a setting does not fit the layout.
        FeatureError: the first file is damaged or of another form.
    """
    if layout is None:
        if fps or stride or info or key or times or name != "{id}":
            raise UsageError(f"{path}: name the layout of these files: {', '.join(get_args(Layout))}")
        store = FeatureStore(path, encoder=encoder, sampling=sampling, fingerprint=fingerprint, raw=raw)
        return UnitTracks(store) if raw is False and store.kind.raw else store
    if not encoder:
        raise UsageError(f"{path}: these files do not say which encoder made them; name it (encoder)")
    if sampling is not None:
        raise UsageError("a sampling is chosen among those of a store; files of others have the one that they have")
    return open_files(
        path,
        layout,
        encoder=encoder,
        fingerprint=fingerprint,
        fps=fps,
        stride=stride,
        info=info,
        name=name,
        key=key,
        times=times,
    )


def open_files(
    path: str | os.PathLike[str],
    layout: Layout,
    *,
    encoder: str,
    fingerprint: str | None = None,
    fps: float = 0.0,
    stride: float = 0.0,
    info: str | os.PathLike[str] | None = None,
    name: str = "{id}",
    key: str | None = None,
    times: str | None = None,
) -> ImportedFeatures:
    """Opens files that others have made; `open_features` says what the settings mean.

    Raises:
        UsageError: there is nothing, or several things could be meant, or a setting does not fit the layout.
        FeatureError: the first file is damaged or of another form.
    """
    clock = Clock(fps, stride, read_info(Path(info)) if info else None, str(info) if info else "the list of videos")
    found = find_files(Path(path), layout, clock, name=name, key=key, times=times)
    if not fingerprint:
        fingerprint = "imported-" + hashlib.sha256(repr((encoder, layout)).encode()).hexdigest()[:16]
    return ImportedFeatures(Path(path), found, encoder=encoder, fingerprint=fingerprint)
