"""What all tests share: one way of drawing examples, no way to the network, and a few fixtures."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import threading

import pytest
from hypothesis import HealthCheck, settings
from typer.testing import CliRunner

import gerund.api
from gerund.api import Model
from gerund.cli import app
from stub import ColourEncoder

_SLOW = [HealthCheck.too_slow]  # on a busy machine everything is
settings.register_profile("same", deadline=None, derandomize=True, database=None, suppress_health_check=_SLOW)
settings.register_profile("explore", deadline=None, suppress_health_check=_SLOW, print_blob=True)
settings.load_profile("explore" if os.environ.get("GERUND_EXPLORE") else "same")
"""Every run draws the same examples, so that a red test is red for everybody; GERUND_EXPLORE=1 draws new ones."""


class Network:
    """Notes every address outside of this machine that Python code of a test connects to, and prevents it."""

    def __init__(self):
        self.asked = []

    def hook(self, event, arguments):
        """Sees what the interpreter is about to do."""
        if event == "socket.connect" and not _is_here(arguments[1]):
            self.asked.append(arguments[1])
            raise ConnectionRefusedError(f"tests have no network, and this one connects to {arguments[1]}")


def _is_here(address):
    if not isinstance(address, tuple):  # a socket in the file system
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return address[0] == "localhost"


NETWORK = Network()
sys.addaudithook(NETWORK.hook)


@pytest.fixture(autouse=True)
def no_way_out():
    """No test connects to another machine, whoever catches the error that it gets for it."""
    before = len(NETWORK.asked)
    yield
    assert NETWORK.asked[before:] == []


class Listener:
    """A port on this machine that counts who connects; a name or a content that mentions it must not bring anybody."""

    def __init__(self):
        self.visits = 0
        self._heard = threading.Condition()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = self._socket.getsockname()
        self.host = f"127.0.0.1:{self.address[1]}"
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self):
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            visitor.close()
            with self._heard:
                self.visits += 1
                self._heard.notify_all()

    def wait_for(self, visits):
        """Returns when so many have been counted."""
        with self._heard:
            assert self._heard.wait_for(lambda: self.visits >= visits, timeout=30)

    def close(self):
        """Stops listening."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def listener():
    """A port to mention in names and contents; the test fails when anybody, Python or not, connects to it."""
    found = Listener()
    yield found
    with socket.create_connection(found.address):  # comes behind all others in the queue
        found.wait_for(1)
    found.close()
    assert found.visits == 1, f"{found.visits - 1} connections were opened because of a name or a content"


@pytest.fixture
def run(monkeypatch):
    """Types a command to a gerund whose model sees colours."""
    monkeypatch.setattr(gerund.api, "load", lambda *_, **__: Model(ColourEncoder()))

    def typed(*words, **settings):
        return CliRunner().invoke(app, [str(word) for word in words], **settings)

    return typed
