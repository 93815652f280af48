"""The tools of these tests do what they say: knobs without anything in front of it, and the client that reads it.
SPDX-License-Identifier: MIT
"""
import hashlib
import os
import signal
import socket
import subprocess

import pytest

from atc import ACTIVATE, KNOBS_COMMAND, bound_socket
from waiting import stretched, wait_until
from wire import Closed, Malformed, Wire


class Knobs:
    """The application alone, on an activated socket."""

    def __init__(self, folder, **env):
        listener = bound_socket()
        self.port, self.folder = listener.getsockname()[1], folder
        self.process = subprocess.Popen(["bash", "-c", ACTIVATE, "activate", str(listener.fileno()), *KNOBS_COMMAND],
                                        env={**os.environ, "KNOBS_DIR": str(folder), **env}, pass_fds=[listener.fileno()],
                                        stdout=subprocess.PIPE)
        listener.close()

    def wire(self):
        return Wire(("127.0.0.1", self.port))


@pytest.fixture
def alone(tmp_path):
    knobs = Knobs(tmp_path)
    yield knobs
    knobs.process.kill()
    knobs.process.wait()


def test_activation_gives_the_right_pid_and_descriptor(alone):
    with alone.wire() as wire:
        assert wire.get("/whoami").json()["pid"] == alone.process.pid
        listeners = [fd for fd, what in wire.get("/fds").json().items() if what.startswith("socket:")]
        assert sorted(listeners)[0] == "3"


def test_every_form_of_answer_is_read(alone):
    with alone.wire() as wire:
        assert wire.get("/trailers").trailers == [("X-Sum", "42")]
        assert [hint.status for hint in wire.get("/hints?n=2").interim] == [103, 103]
        assert wire.get("/sse?n=3&gap=0").body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
        assert wire.ask("HEAD", "/download?bytes=10").header("Content-Length") == "10"
        assert hashlib.sha256(wire.get("/download?bytes=200001").body).digest() \
            == hashlib.sha256(wire.get("/download?bytes=200001&chunked=1").body).digest()
        assert wire.get("/close").body == b"until the end\n"


def test_broken_answers_are_noticed(alone):
    for target in ("/truncate", "/truncate?chunked=1", "/vanish"):
        with alone.wire() as wire, pytest.raises(Closed):
            wire.get(target)
    with alone.wire() as wire, pytest.raises(Malformed):
        wire.ask("POST", "/raw", body=b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok")


def test_uploads_are_counted(alone):
    data = os.urandom(300001)
    with alone.wire() as wire:
        assert wire.ask("POST", "/upload", body=data).json() == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        wire.request("POST", "/upload", [("Expect", "100-continue"), ("Content-Length", "1")])
        assert wire.head().status == 100
        assert wire.send(b"x").response("POST").json()["size"] == 1


def test_upgrades_echo_and_half_close(alone):
    with alone.wire().websocket("/ws") as wire:
        assert wire.send_frame("hello").message() == "hello"
    with alone.wire() as wire:
        wire.request("GET", "/upgrade/custom", [("Connection", "upgrade"), ("Upgrade", "custom")])
        assert wire.head().status == 101
        wire.send(b"bytes").half_close()
        assert wire.rest() == b"bytesbye"


def test_a_unix_socket_is_listened_on(tmp_path):
    path = str(tmp_path / "knobs.sock")
    process = subprocess.Popen(KNOBS_COMMAND, env={**os.environ, "KNOBS_DIR": str(tmp_path), "PORT": path}, stdout=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(path) and Wire(path).get("/up").status == 200)
    process.send_signal(signal.SIGTERM)
    assert process.wait(stretched(10)) == 0


def test_it_ends_as_it_is_told(tmp_path):
    knobs = Knobs(tmp_path, KNOBS_TERM_EXIT="143")
    wait_until(lambda: knobs.wire().get("/up").status == 200)
    knobs.process.terminate()
    assert knobs.process.wait(stretched(10)) == 143
    assert socket.socket().connect_ex(("127.0.0.1", knobs.port)) != 0
