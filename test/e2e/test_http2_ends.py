"""How streams and connections of HTTP/2 end: answers that break off or come early, shortage, what nobody reads.
SPDX-License-Identifier: MIT
"""
import os
import signal
import struct
import subprocess
import time

import pytest

import h2wire
import processes
from atc import WINTER, Background, knobs_config
from h2wire import DATA, HEADERS, Reset, block, connect, flood, frame
from waiting import stretched, wait_until

MB = 1 << 20


def stop_process(pid):
    """Each of its threads has stopped, and none has seen what comes from now on."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(open("/proc/%d/task/%s/stat" % (pid, thread)).read().rpartition(")")[2].split()[0] in "Tt"
                           for thread in os.listdir("/proc/%d/task" % pid)))


# --- answers that break off ---

def test_an_answer_that_breaks_off_while_its_client_sends_ends_nothing_else(h2c):
    """All is found in one turn: what the tenant said, its end, and the next frames of the client."""
    with connect(h2c) as wire, connect(h2c) as other:
        assert wire.get(WINTER + "/up").status == other.get(WINTER + "/up").status == 200
        proxy, tenant = h2c.proxy_pid(), h2c.tenant()["pid"]
        os.kill(tenant, signal.SIGSTOP)
        number = wire.request("GET", WINTER + "/crash_in_body")
        wire.settle()
        stop_process(proxy)
        os.kill(tenant, signal.SIGCONT)
        wait_until(lambda: not processes.is_alive(tenant))
        wire.h2.ping(b"meantime")
        wire.push()
        os.kill(proxy, signal.SIGCONT)
        with pytest.raises(Reset) as why:
            wire.response(number)
        assert why.value.code == h2wire.INTERNAL_ERROR
        for each in (wire, other):
            wait_until(lambda each=each: each.get(WINTER + "/up").status == 200)


def test_answers_that_break_off_among_others_end_themselves_alone(h2c):
    with connect(h2c) as wire:
        for _ in range(60):
            numbers = [wire.request("GET", WINTER + ("/truncate?chunked" if i % 4 == 0 else "/up")) for i in range(8)]
            for i, number in enumerate(numbers):
                if i % 4 == 0:
                    with pytest.raises(Reset):
                        wire.response(number)
                else:
                    assert wire.response(number).status == 200


BROKEN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nno chunk\r\n0\r\n\r\n"


@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2.0"])
def test_a_body_that_is_broken_beside_its_head_is_502(h2c, protocol):
    path = WINTER + "/raw?hex=" + BROKEN.hex()
    if protocol == "HTTP/1.1":
        response = h2c.get(path)
    else:
        with connect(h2c) as wire:
            response = wire.get(path)
    assert (response.status, response.error) == (502, "bad_response")
    line = wait_until(lambda: h2c.requests_logged(proto=protocol))[0]
    assert (line["status"], line["error"]) == (502, "bad_response")


# --- answers that come early ---

def test_a_request_whose_length_has_come_is_not_reset_for_its_missing_end(h2c):
    """Clients that send their last, empty frame apart have the answer before they have sent it."""
    with connect(h2c) as wire:
        for size in (1, 5000, 60_000):
            number = wire.request("POST", WINTER + "/upload", [("content-length", str(size))], body=b"x" * size, end=False)
            response = wire.response(number)
            assert response.json()["size"] == size
            wire.settle()
            assert wire.stream(number).reset is None
            wire.end(number)
        wire.settle()
        assert [stream.reset for stream in wire.streams.values()] == [None] * len(wire.streams)


@pytest.mark.parametrize("code", [403, 413])
def test_an_upload_that_is_refused_early_may_go_on_to_its_end(atc, code):
    """More of it than all windows hold: what comes is thrown away, and the client is not cut off."""
    atc.start(knobs_config(server={"h2c_enabled": True, "max_request_body": "1MB"}))
    size = 3 * MB if code == 413 else 900_000
    with connect(atc) as wire:
        number = wire.request("POST", WINTER + "/refuse?code=403", [("content-length", str(size))], end=False)
        assert wire.response(number).status == code
        wire.send(number, b"x" * size, end=True)
        wire.settle()
        assert wire.stream(number).reset is None
        assert wire.get(WINTER + "/up").status == 200


def test_who_never_ends_an_upload_that_has_its_answer_is_reset_in_the_end(h2c):
    with connect(h2c) as wire:
        number = wire.request("POST", WINTER + "/refuse?code=403", [("content-length", "100000")], body=b"x" * 100, end=False)
        assert wire.response(number).status == 403
        wire.pull_until(lambda: wire.stream(number).reset is not None)
        assert wire.stream(number).reset == h2wire.NO_ERROR


@pytest.mark.parametrize("limit", [None, "1MB"])
def test_curl_sees_the_answer_that_comes_before_its_upload_has_ended(atc, limit):
    atc.start(knobs_config(server={"h2c_enabled": True, **({"max_request_body": limit} if limit else {})}))
    big = atc.home / "big"
    big.write_bytes(b"x" * (6 * MB))
    url = "http://127.0.0.1:%d%s/refuse?code=403" % (atc.port, WINTER)
    for _ in range(14):
        done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-o", os.devnull, "-w", "%{http_code}",
                               "--data-binary", "@%s" % big, url],
                              capture_output=True, text=True, timeout=stretched(60), check=False)
        assert (done.returncode, done.stdout) == (0, "413" if limit else "403"), done


def test_a_client_that_ends_its_upload_when_it_sees_the_answer_gets_the_rest_of_it(h2c):
    """As curl does: fewer bytes than were declared, which is malformed only as long as nothing was answered."""
    with connect(h2c, checks=False) as wire:
        number = wire.request("POST", WINTER + "/slow?n=2&len=5&steps=go", [("content-length", "100")], end=False)
        wire.send(number, b"x" * 10)
        assert wire.head(number).status == 200
        wire.end(number)
        h2c.allow("go")
        assert wire.response(number).body == b"x" * 10


@pytest.mark.parametrize("sent", [5, 15])
def test_a_body_that_is_not_as_long_as_it_said_is_malformed(h2c, sent):
    with connect(h2c, checks=False) as wire:
        number = wire.request("POST", WINTER + "/upload", [("content-length", "10")], end=False)
        with pytest.raises(Reset) as reset:
            wire.send(number, b"x" * sent, end=True)
            wire.response(number)
        assert reset.value.code == h2wire.PROTOCOL_ERROR
        assert wire.get(WINTER + "/up").status == 200


# --- shortage ---

def test_out_of_descriptors_a_connection_that_is_served_is_not_an_idle_one(atc):
    """Files that were sent stay open for a moment: one after the other takes the last descriptors."""
    (atc.app / "public").mkdir()
    for i in range(64):
        (atc.app / "public" / ("%d.txt" % i)).write_bytes(b"x" * 100_000)
    atc.start(knobs_config(server={"h2c_enabled": True, "threads": 1, "connect_timeout": "300ms"}, public="public"),
              wrapper=["prlimit", "--nofile=64:64"])
    with connect(atc) as wire:
        assert wire.get(WINTER + "/close").status == 200       # which leaves no connection to the tenant
        numbers = [wire.request("GET", WINTER + "/%d.txt" % i) for i in range(64)] + [wire.request("GET", WINTER + "/close")]
        statuses = [wire.response(number).status for number in numbers]
        assert 200 in statuses and 502 in statuses and set(statuses) <= {200, 404, 502}
    wait_until(lambda: atc.get(WINTER + "/close").status == 200)


# --- floods ---

def test_a_head_that_names_an_entry_of_the_table_without_end_ends_the_connection(h2c):
    # An entry of 4 KB, and then a byte for each time that it is named.
    large = b"\x40" + b"\x01x" + b"\x7f\x81\x1e" + b"v" * 3968
    flood(h2c, [frame(HEADERS, 5, 1, block("/", large) + b"\xbe" * 10_000)])
    assert "a head that is much too large" in h2c.log


def test_a_flood_of_frames_of_unknown_types(h2c):
    flood(h2c, (b"".join(frame(kind, 0, 0, b"?") for kind in range(16, 256)) for _ in range(40)))
    assert "carry nothing" in h2c.log


def test_a_flood_of_data_for_streams_that_are_closed(h2c):
    with connect(h2c) as wire:
        number = wire.request("GET", WINTER + "/up")
        assert wire.response(number).status == 200
        wire.raw(frame(DATA, 0, number, b"x") * 8000)
        codes = [struct.unpack(">I", payload[4:8])[0] for kind, _, _, payload in wire.raw_frames() if kind == h2wire.GOAWAY]
        assert codes == [h2wire.ENHANCE_YOUR_CALM]
    with connect(h2c) as wire:
        assert wire.get(WINTER + "/up").status == 200


# --- memory ---

@pytest.mark.slow
def test_answers_that_nobody_reads_are_few_bytes_each_and_are_given_back(atc):
    (atc.app / "public").mkdir()
    (atc.app / "public" / "large.bin").write_bytes(os.urandom(MB))
    atc.start(knobs_config(server={"h2c_enabled": True, "threads": 1}, public="public"))
    with connect(atc) as wire:
        assert len(wire.get(WINTER + "/large.bin").body) == MB
    proxy = atc.proxy_pid()
    before = processes.rss(proxy)
    wires = [connect(atc, reads=False) for _ in range(16)]
    for wire in wires:
        for _ in range(100):
            wire.request("GET", WINTER + "/large.bin")
        wire.settle()
    full = processes.rss(proxy) - before
    assert full < 40 * MB, "%d bytes for 1,600 answers" % full
    with connect(atc) as wire:
        assert len(wire.get(WINTER + "/large.bin").body) == MB
    for wire in wires:
        wire.sock.close()
    wait_until(lambda: processes.rss(proxy) - before < full / 4 + 2 * MB, 20)


@pytest.mark.slow
def test_uploads_that_no_tenant_reads_do_not_fill_the_memory(atc):
    """They wait for a tenant that starts slowly: together they get a window, and others on other connections go on."""
    atc.start(knobs_config(server={"h2c_enabled": True, "threads": 1}, env={"KNOBS_BOOT_UNTIL": "go"}, start_timeout=0,
                           users={"ann": {"tenants": ["slow"]}}))
    proxy = atc.proxy_pid()
    with connect(atc) as wire:
        before = processes.rss(proxy)
        numbers = [wire.request("POST", "/ann/slow/upload", [("content-length", "60000")], end=False) for _ in range(100)]
        sent = dict.fromkeys(numbers, 0)
        wire.sock.settimeout(stretched(1))
        with pytest.raises(TimeoutError):
            while True:
                for number in numbers:
                    room = min(wire.h2.local_flow_control_window(number), 60_000 - sent[number], 16_384)
                    if room > 0:
                        wire.send(number, b"x" * room)
                        sent[number] += room
                if all(n == 60_000 for n in sent.values()):
                    raise AssertionError("everything was taken")
                if not any(min(wire.h2.local_flow_control_window(n), 60_000 - sent[n]) > 0 for n in numbers):
                    wire.pull()
        assert sum(sent.values()) < 3 * MB and processes.rss(proxy) - before < 8 * MB
        wire.sock.settimeout(stretched(30))
        atc.allow("go", "ann/slow")
        for number in numbers:
            wire.send(number, b"x" * (60_000 - sent[number]), end=True)
        assert [wire.response(number).json()["size"] for number in numbers] == [60_000] * 100


# --- a pause of the whole process ---

@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2.0"])
def test_what_came_in_time_is_not_late_after_a_pause(atc, protocol):
    """The rest of an upload is here before body_timeout is over, and we are stopped until it is."""
    limit = stretched(1000)
    atc.start(knobs_config(server={"h2c_enabled": True, "body_timeout": "%dms" % limit, "threads": 1, "heartbeat_timeout": "1h"}))
    proxy = atc.proxy_pid()
    assert atc.get(WINTER + "/up").status == 200
    with atc.wire() if protocol == "HTTP/1.1" else connect(atc) as wire:
        fields = [("content-length", "10")]
        if protocol == "HTTP/1.1":
            wire.request("POST", WINTER + "/upload", [*fields, ("host", "localhost")], body=b"12345")
        else:
            number = wire.request("POST", WINTER + "/upload", fields, body=b"12345", end=False)
        wait_until(lambda: atc.tenant()["in_flight"] == 1)
        stop_process(proxy)
        try:
            if protocol == "HTTP/1.1":
                wire.send(b"67890")
            else:
                wire.send(number, b"67890", end=True)
            time.sleep(limit / 1000 + 0.5)     # the limit is what has to pass
        finally:
            os.kill(proxy, signal.SIGCONT)
        response = wire.response("POST") if protocol == "HTTP/1.1" else wire.response(number)
    assert (response.status, response.json()["size"]) == (200, 10)


@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2.0"])
def test_an_answer_that_came_in_time_is_not_late_after_a_pause(atc, protocol):
    limit = stretched(1000)
    atc.start(knobs_config(server={"h2c_enabled": True, "response_timeout": "%dms" % limit, "threads": 1, "heartbeat_timeout": "1h"}))
    proxy = atc.proxy_pid()
    assert atc.get(WINTER + "/up").status == 200
    path = WINTER + "/sleep?until=go"
    with atc.wire() if protocol == "HTTP/1.1" else connect(atc) as wire:
        number = wire.request("GET", path)
        wait_until(lambda: atc.tenant()["in_flight"] == 1)
        stop_process(proxy)
        atc.allow("go")
        time.sleep(limit / 1000 + 0.5)
        os.kill(proxy, signal.SIGCONT)
        response = wire.response("GET") if protocol == "HTTP/1.1" else wire.response(number)
    assert response.status == 200


def test_a_tenant_that_is_ready_after_a_pause_of_the_supervisor_has_not_failed(atc):
    """It became ready while we were stopped, and its time was over before we could ask it."""
    limit = stretched(1500)
    atc.start(knobs_config(env={"KNOBS_BOOT_UNTIL": "go"}, start_timeout="%dms" % limit))
    answer = Background(atc.get, WINTER + "/up")
    atc.wait_state("starting")
    stop_process(atc.pid)
    atc.allow("go")
    time.sleep(limit / 1000 + 1.5)
    os.kill(atc.pid, signal.SIGCONT)
    assert answer.result().status in (200, 503)
    wait_until(lambda: atc.tenant()["state"] == "running")
    assert len(atc.boots()) == 1 and not atc.log_lines(msg="tenant failed")
