"""How tenants and the program end when connections are open: at once, and nothing is held against them.
SPDX-License-Identifier: MIT
"""
import json
import os
import signal
import sys

import pytest

from atc import WINTER, Background, knobs_config, together
from ends import DATABASES, Leaving
from h2wire import H2Wire, Tunnel
from waiting import holds_for, wait_until

pytestmark = pytest.mark.usefixtures("spoken")

CLINGING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../apps/clinging/clinging.py")


class Clinging:
    def __init__(self, atc, tmp_path, extra="", at_once=1, server=None, **app):
        self.atc, self.notes = atc, tmp_path
        tmp_path.chmod(0o777)
        atc.start({"server": {"log_level": "debug", **(server or {})},
                   "app": {"framework": "generic", "command": [sys.executable, CLINGING], "listen": "tcp", "files": "none",
                           "stop_timeout": "20m", "env": {"NOTES": str(tmp_path), "EXTRA": extra, "TOGETHER": str(at_once)}, **app},
                   "users": {"bellevue": {"tenants": ["2025/winter"]}}})

    def note(self, name):
        path = self.notes / name
        return json.loads(path.read_text()) if path.exists() else None

    def left(self):
        """Connections that it has now; None before one of ours came, which was not the probe's."""
        now, accepted = self.note("open") or (0, 0)
        return now if accepted > 1 else None


MANY = 40
FOR_EVER = "Keep-Alive: timeout=86400\\r\\n"


def stop(atc):
    done = atc.cli("stop", "bellevue/2025/winter", timeout=120)
    assert done.returncode == 0, done.stderr


def restart(atc):
    done = atc.cli("restart", "bellevue/2025/winter", timeout=120)
    assert done.returncode == 0, done.stderr


def end(atc):
    atc.signal(signal.SIGTERM)
    atc.wait_exit(0)


@pytest.mark.parametrize("how", [stop, end])
def test_a_tenant_has_no_connection_of_ours_when_it_is_told_to_end(atc, tmp_path, how):
    """One that waits for its connections to end would wait for ever for one on which nothing will come."""
    tenant = Clinging(atc, tmp_path, extra=FOR_EVER, at_once=MANY)
    assert {response.status for response in together(MANY, lambda i: atc.get(WINTER + "/together?%d" % i))} == {200}
    wait_until(lambda: tenant.left() == MANY)
    how(atc)
    assert tenant.note("open_when_told") == 0
    assert tenant.note("ended")


def test_an_idle_tenant_has_no_connection_of_ours_when_it_is_told_to_end(atc, tmp_path):
    tenant = Clinging(atc, tmp_path, extra=FOR_EVER, at_once=MANY, idle_timeout="1s")
    assert {response.status for response in together(MANY, lambda i: atc.get(WINTER + "/together?%d" % i))} == {200}
    wait_until(lambda: tenant.note("ended"))
    assert tenant.note("open_when_told") == 0


def test_a_proxy_that_hangs_does_not_keep_a_tenant_from_its_end(atc, tmp_path):
    tenant = Clinging(atc, tmp_path, extra=FOR_EVER, stop_timeout="1s")
    assert atc.get(WINTER + "/").status == 200
    proxy = atc.proxy_pid()
    os.kill(proxy, signal.SIGSTOP)
    try:
        stop(atc)
    finally:
        os.kill(proxy, signal.SIGCONT)
    assert tenant.note("open_when_told") == 1


# --- connections that nobody uses ---

def test_a_connection_that_is_not_used_is_ended_before_the_application_does(atc, tmp_path):
    tenant = Clinging(atc, tmp_path)
    assert atc.get(WINTER + "/").status == 200
    wait_until(lambda: tenant.left() == 0)
    assert atc.get(WINTER + "/").status == 200


def test_an_application_is_taken_at_its_word_how_long_it_keeps_connections(atc, tmp_path):
    tenant = Clinging(atc, tmp_path, extra="Keep-Alive: max=5, timeout=2\\r\\n", server={"upstream_idle_timeout": "60s"})
    assert atc.get(WINTER + "/").status == 200
    wait_until(lambda: tenant.left() == 0)


def test_an_application_that_keeps_connections_for_long_finds_them_used_again(atc, tmp_path):
    tenant = Clinging(atc, tmp_path, extra=FOR_EVER, server={"upstream_idle_timeout": "100ms"})
    assert atc.get(WINTER + "/").status == 200
    wait_until(lambda: tenant.left() == 1)
    holds_for(lambda: tenant.left() == 1, 1)


@pytest.mark.parametrize("field", ["timeout=0", "timeout=99999999999999999999999", "timeout=-1", "timeout=", "timeout", ",,="])
def test_whatever_an_application_says_of_its_connections_it_is_served(atc, tmp_path, field):
    tenant = Clinging(atc, tmp_path, extra="Keep-Alive: %s\\r\\n" % field)
    assert [atc.get(WINTER + "/").status for _ in range(3)] == [200] * 3
    wait_until(lambda: tenant.left() == 0)


# --- what has no end of its own ---

SLOW_TO_GIVE_UP = {"server": {"drain_timeout": "20m"}, "stop_timeout": "20m"}
GOING_AWAY = (8, b"\x03\xe9")
FOR_DAYS = "/sse?n=1000000&gap=0.05"


@pytest.mark.http1
@pytest.mark.parametrize("how", [stop, restart, end])
def test_an_open_tunnel_does_not_hold_up_the_end(atc, how):
    atc.start(knobs_config(**SLOW_TO_GIVE_UP))
    with atc.wire().websocket(WINTER + "/ws") as wire:
        assert wire.send_frame(b"still there?", 2).message() == b"still there?"
        ended = Background(how, atc)
        assert wire.frame() == GOING_AWAY
        assert wire.is_closed()
        ended.result()


@pytest.mark.http1
@pytest.mark.parametrize("how", [stop, restart, end])
def test_a_websocket_of_http_2_is_told_that_its_tenant_goes_away(atc, how):
    atc.speaks_h2 = True
    atc.start(knobs_config(**SLOW_TO_GIVE_UP))
    with H2Wire(("127.0.0.1", atc.port), checks=False) as wire:
        tunnel = Tunnel(wire, WINTER + "/ws")
        tunnel.send_message(b"still there?")
        assert tunnel.message() == (2, b"still there?")
        ended = Background(how, atc)
        assert tunnel.message() == GOING_AWAY
        wire.pull_until(lambda: tunnel.stream.ended)
        ended.result()


UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
           ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
ABC = b"\x81\x03abc"


@pytest.mark.http1
@pytest.mark.parametrize("said, is_told", [
    pytest.param(b"", True, id="nothing"), pytest.param(ABC, True, id="one"),
    pytest.param(ABC + b"\x01\x03abc", True, id="part of a message"),
    pytest.param(b"\x82\x7e\x00\x80" + bytes(128), True, id="long"),
    pytest.param(ABC[:1], False, id="half a head"), pytest.param(ABC[:4], False, id="half a frame"),
    pytest.param(ABC + b"\x82\x7e\x00\x80" + bytes(127), False, id="all but one byte"),
    pytest.param(ABC + b"\x88\x02\x03\xe8", False, id="a close"), pytest.param(b"\x81\x831234abc", False, id="masked"),
    pytest.param(b"no frames at all", False, id="other words"),
])
def test_a_websocket_is_told_only_between_two_frames(atc, said, is_told):
    """Inside of one it would be a part of that."""
    atc.start(knobs_config(**SLOW_TO_GIVE_UP))
    head = b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    with atc.wire() as wire:
        wire.request("GET", WINTER + "/raw?stay&hex=" + (head + said).hex(), UPGRADE)
        assert wire.head().status == 101 and wire.exactly(len(said)) == said
        ended = Background(stop, atc)
        assert wire.rest() == (b"\x88\x02\x03\xe9" if is_told else b"")
        ended.result()


@pytest.mark.http1
def test_another_protocol_gets_no_words_of_this_one(atc):
    atc.start(knobs_config(**SLOW_TO_GIVE_UP))
    with atc.wire() as wire:
        wire.request("GET", WINTER + "/upgrade/custom?greet", [("Connection", "Upgrade"), ("Upgrade", "custom")])
        assert wire.head().status == 101 and wire.exactly(7) == b"welcome"
        ended = Background(stop, atc)
        assert wire.rest() == b""
        ended.result()


def test_a_client_that_takes_nothing_does_not_hold_up_the_end(atc):
    """Events that it does not read, and perhaps never will."""
    atc.start(knobs_config(server={"drain_timeout": "20m", "write_timeout": 0, "min_write_rate": 0}, stop_timeout="20m"))
    with H2Wire(("127.0.0.1", atc.port), reads=False) if atc.speaks_h2 else atc.wire() as wire:
        asked = wire.request("GET", WINTER + "/sse?n=1000000&gap=0&pad=65536")
        head = wire.head(asked) if atc.speaks_h2 else wire.head()
        assert head.status == 200
        holds_for(lambda: atc.tenant()["in_flight"] == 1, 1) # until all that is between is full
        end(atc)


def event_stream(atc, target=WINTER + FOR_DAYS, name="bellevue/2025/winter"):
    """What comes of it when it has ended."""
    stream = Background(atc.get, target)
    wait_until(lambda: atc.tenant(name)["in_flight"] == 1)
    return stream


@pytest.mark.parametrize("how", [stop, end])
def test_an_event_stream_does_not_hold_up_the_end_and_ends_in_order(atc, how):
    atc.start(knobs_config(**SLOW_TO_GIVE_UP))
    stream = event_stream(atc)
    how(atc)
    response = stream.result()
    assert response.status == 200 and response.text.startswith("data: 0\n\ndata: 1\n\n")


def test_an_event_stream_that_is_about_to_end_may_do_so(atc):
    atc.start(knobs_config(**SLOW_TO_GIVE_UP))
    stream = event_stream(atc, WINTER + "/sse?n=5&gap=0.1")
    stop(atc)
    assert stream.result().text.endswith("data: 4\n\n")


def test_an_answer_that_is_no_event_stream_is_waited_for(atc):
    """However long it takes, within the limits that there are."""
    atc.start(knobs_config(**SLOW_TO_GIVE_UP))
    stream = event_stream(atc)
    slow = Background(atc.get, WINTER + "/sleep?until=go")
    wait_until(lambda: atc.tenant()["in_flight"] == 2)
    atc.signal(signal.SIGTERM)
    assert stream.result().status == 200
    assert not slow.is_done
    atc.allow("go")
    assert slow.result().status == 200
    atc.wait_exit(0)


def test_an_event_stream_of_a_tenant_that_is_removed_ends(atc):
    users = {name: {"tenants": ["2025"]} for name in ("ann", "bob")}
    atc.start(knobs_config(users=users, **SLOW_TO_GIVE_UP))
    stream = event_stream(atc, "/ann/2025" + FOR_DAYS, "ann/2025")
    atc.write_config(knobs_config(users={"bob": users["bob"]}, **SLOW_TO_GIVE_UP))
    assert atc.cli("reload").returncode == 0
    assert stream.result().status == 200


@pytest.mark.http1
def test_tenants_end_together_and_none_waits_for_another(atc, store):
    """Nor for its backup, nor for clients; `ends.py` measures how long it takes."""
    leaving = Leaving(atc, store, 4, env={"KNOBS_TERM_UNTIL": "go"}, **SLOW_TO_GIVE_UP)
    leaving.start()
    leaving.open()
    atc.signal(signal.SIGTERM)
    assert leaving.told() == {"told": 4} and leaving.streamed() == {"in order": 4}
    wait_until(lambda: atc.log.count("knobs: signal SIGTERM") == 4)
    for name in reversed(leaving.tenants):
        assert atc.is_running and not atc.log_lines(msg="tenant stopped", tenant=name)
        atc.allow("go", name)
        wait_until(lambda: atc.log_lines(msg="tenant stopped", tenant=name)) # pylint: disable=cell-var-from-loop
    atc.wait_exit(0)
    atc.write_config(knobs_config(leaving.users(), backup=store.config, databases=DATABASES))
    assert leaving.restored() == [1] * 4


# --- the terminal that it was started on ---

ON_TERMINAL = """
import os, signal, sys
if os.getsid(0) != os.getpid():
    os.setsid()
os.open(sys.argv[1], os.O_RDWR)     # a leader of a session gets it for its own
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[2] == "nohup" else signal.SIG_DFL)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def start_on_terminal(atc, how="plain"):
    """The other end of it."""
    ours, its = os.openpty()
    atc.start(knobs_config(), wrapper=[sys.executable, "-c", ON_TERMINAL, os.ttyname(its), how])
    assert atc.get(WINTER + "/up").status == 200
    os.close(its)
    return ours


@pytest.mark.http1
def test_the_program_ends_with_the_terminal_that_it_was_started_on(atc):
    os.close(start_on_terminal(atc))
    atc.wait_exit(0)


@pytest.mark.http1
def test_a_hangup_with_the_terminal_still_there_is_a_reload(atc):
    terminal = start_on_terminal(atc)
    atc.write_config(knobs_config(users={"ann": {"tenants": ["2025"]}}))
    atc.signal(signal.SIGHUP)
    wait_until(lambda: atc.get("/ann/2025/up").status == 200)
    os.close(terminal)
    atc.wait_exit(0)


@pytest.mark.http1
def test_who_started_it_with_nohup_keeps_it_without_a_terminal(atc):
    os.close(start_on_terminal(atc, "nohup"))
    holds_for(lambda: atc.is_running and atc.get(WINTER + "/up").status == 200, 1)


# --- the question whether it answers ---

IN_PIECES = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    conn, _ = listener.accept()
    conn.recv(65536)
    conn.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n")
    try:
        for piece in range(20):
            conn.sendall(b"piece")
            conn.settimeout(0.01)
            try:
                print("connection ended: %r" % conn.recv(1), flush=True)
                break
            except TimeoutError:
                pass
        else:
            print("said all", flush=True)
    except OSError as error:
        print("connection broken: %s" % error, flush=True)
    conn.close()
"""


@pytest.mark.http1
def test_the_answer_of_a_health_check_is_read_to_its_end(atc):
    """An application that is still writing it would find the connection reset, and tell so at length."""
    atc.start({"app": {"framework": "generic", "command": [sys.executable, "-c", IN_PIECES], "listen": "tcp", "files": "none"},
               "users": {"bellevue": {"tenants": ["2025/winter"]}}})
    assert atc.cli("start", "bellevue/2025/winter").returncode == 0
    atc.wait_log("said all")
    assert "connection ended" not in atc.log and "connection broken" not in atc.log
