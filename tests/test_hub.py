"""Models from the hub: found in its cache, fetched from a server that speaks its language, refused in words."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import gerund
from gerund.assets.hub import hub_folder
from gerund.errors import AssetError

FILES = {"config.json": b'{"model_type": "clip"}', "model.safetensors": b"weights", "huge.h5": b"not wanted"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tmp_path):
    """A hub cache as its client lays it out, with one model in it."""
    root = tmp_path / "hub" / "models--someone--tiny-clip"
    snapshot = root / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).write_bytes(FILES[name])
    return tmp_path / "hub"


def ask(repository, **environment):
    """Asks for a hub model in a process of its own, because the hub's client reads its settings when it is imported."""
    code = (
        "from gerund.assets.hub import hub_folder\nfrom gerund.errors import AssetError\n"
        f"try:\n    print('FOLDER', hub_folder({repository!r}))\n"
        "except AssetError as error:\n    print('ERROR', error)\n"
    )
    base = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(gerund.__file__).parents[1])}
    base |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", **environment}
    done = subprocess.run([sys.executable, "-c", code], env=base, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kind, _, rest = done.stdout.strip().splitlines()[-1].partition(" ")
    return kind, rest


def test_what_is_in_the_hubs_cache_is_found_offline(hub_cache):
    """A model that another program fetched is used without the network."""
    kind, folder = ask("someone/tiny-clip", HF_HUB_CACHE=str(hub_cache), GERUND_OFFLINE="1")
    assert kind == "FOLDER"
    assert folder.endswith(COMMIT)


def test_offline_and_not_there(tmp_path):
    """Offline, a missing model is an error that says how to bring it by hand and what works without."""
    kind, text = ask("someone/absent", HF_HUB_CACHE=str(tmp_path), GERUND_OFFLINE="1")
    assert kind == "ERROR"
    assert "someone/absent" in text
    assert "GERUND_OFFLINE" in text
    assert "--model FOLDER" in text


def test_no_network(tmp_path):
    """Where nobody answers, the error says so instead of hanging or tracing back."""
    kind, text = ask("someone/absent", HF_HUB_CACHE=str(tmp_path), HF_ENDPOINT="http://127.0.0.1:9")
    assert kind == "ERROR"
    assert "--model FOLDER" in text


class _Hub(BaseHTTPRequestHandler):
    """The few answers of a model hub that its client asks for."""

    def do_HEAD(self):
        self.answer(head=True)

    def do_GET(self):
        self.answer(head=False)

    def answer(self, *, head):
        path = self.path.split("?")[0]
        if "/tree/" in path:
            tree = [{"type": "file", "path": n, "size": len(b), "oid": "0" * 40} for n, b in FILES.items()]
            self.reply(json.dumps(tree).encode(), head, {})
        elif path.startswith("/api/models/someone/tiny-clip"):
            siblings = [{"rfilename": name} for name in FILES]
            self.reply(json.dumps({"id": "someone/tiny-clip", "sha": COMMIT, "siblings": siblings}).encode(), head, {})
        elif path.startswith("/someone/tiny-clip/resolve/") and path.rsplit("/", 1)[1] in FILES:
            name = path.rsplit("/", 1)[1]
            self.server.asked.append(name)
            tag = hashlib.sha256(FILES[name]).hexdigest()
            self.reply(FILES[name], head, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})
        else:
            self.send_error(404)

    def reply(self, body, head, headers):
        self.send_response(200)
        for key, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_fetched_from_a_hub_once(tmp_path):
    """Configuration and safetensors are fetched, other weights left there; the second time nothing is asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = {"HF_HUB_CACHE": str(tmp_path), "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    kind, folder = ask("someone/tiny-clip", **settings)
    server.shutdown()
    assert kind == "FOLDER", folder
    assert set(server.asked) == {"config.json", "model.safetensors"}
    assert ask("someone/tiny-clip", HF_HUB_CACHE=str(tmp_path), GERUND_OFFLINE="1") == (kind, folder)


def test_a_name_that_no_hub_can_have(tmp_path, monkeypatch):
    """A malformed name is refused in words."""
    monkeypatch.setenv("GERUND_OFFLINE", "1")
    with pytest.raises(AssetError, match="model hub"):
        hub_folder("not a name at all")


def test_without_the_client_it_is_said_what_to_install(monkeypatch):
    """The hub's client is an extra, and the error names it and the way without it."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(AssetError, match=r"owner/net comes from the model hub.*gerund\[hub\].*--model FOLDER"):
        hub_folder("owner/net")
