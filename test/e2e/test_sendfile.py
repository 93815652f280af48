"""Files that an application names in X-Sendfile or X-Accel-Redirect are sent by us, and only such as are its own.
SPDX-License-Identifier: MIT
"""
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
from urllib.parse import quote

import pytest

from atc import KNOBS_COMMAND, WINTER, knobs_config, together
from codings import decode
from pages import Site, pages_config
from waiting import holds_for, wait_until

MODIFIED, DATE = 784111777, "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE, AFTER = "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"
TEXT = bytes(range(256)) * 40
KNOBS = {"users": {"bellevue": {"tenants": ["2025/winter", "2025/winter/late", "2025/summer"]}},
         "databases": {"primary": {"path": "data/main.db", "env": "DATABASE_PATH"}}}


def put(atc, name, content=TEXT, tenant="bellevue/2025/winter", modified=MODIFIED):
    path = atc.tenant_dir(tenant) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if modified:
        os.utime(path, (modified, modified))
    return str(path)


def target(path, prefix=WINTER, **query):
    fields = "".join("&h=%s" % quote(h, safe="") for h in query.pop("h", ()))
    return "%s/file?path=%s%s%s" % (prefix, quote(str(path), safe=""), fields,
                                    "".join("&%s=%s" % (key, quote(str(value), safe="")) for key, value in query.items()))


def send(atc, path, headers=(), method="GET", prefix=WINTER, **query):
    return atc.ask(method, target(path, prefix, **query), headers)


def is_refused(atc, response, path, why):
    """404 that says nothing of the path; the log says why."""
    assert (response.status, response.error) == (404, "file_not_sent"), response
    assert str(path) not in repr(response.headers) + response.text
    assert response.header("X-Sendfile") is None and response.header("X-Accel-Redirect") is None
    # The line is written when the answer is out already.
    wait_until(lambda: [line for line in atc.requests_logged(error="file_not_sent")
                        if line["detail"].startswith(str(path) + ": ") and why in line["detail"]],
               5, "the log says of %s: %s; it has %s" % (
                   path, why, [line["detail"] for line in atc.requests_logged(error="file_not_sent")][-3:]))
    return True


# --- what Thruster's own tests ask for ---

def test_the_file_is_sent_and_the_applications_body_is_not(knobs):
    response = send(knobs, put(knobs, "a.txt"), body=100)
    assert (response.status, response.body) == (200, TEXT)
    assert response.header("Content-Type") == "text/plain; charset=utf-8"
    assert response.header("Content-Length") == str(len(TEXT))
    assert response.header("X-Sendfile") is None


def test_the_length_is_right_where_the_application_has_encoded_the_file(knobs):
    response = send(knobs, put(knobs, "a.js.gz"), [("Accept-Encoding", "gzip")],
                    h=["Content-Encoding: gzip", "Content-Type: text/javascript"])
    assert response.header("Content-Encoding") == "gzip"
    assert response.header("Content-Type") == "text/javascript"
    assert (response.header("Content-Length"), response.body) == (str(len(TEXT)), TEXT)


def test_an_answer_without_the_header_stays_as_it_is(knobs):
    assert knobs.get(WINTER + "/status?code=418").status == 418


def test_where_it_is_switched_off_the_header_is_dropped_and_nobody_is_told_to_use_it(atc):
    atc.start(knobs_config(server={"x_sendfile_enabled": False}))
    response = send(atc, put(atc, "a.txt"), body=10)
    assert (response.status, response.body) == (200, b"x" * 10)
    assert response.header("X-Sendfile") is None
    names = [name.lower() for name, _ in atc.get(WINTER + "/echo", [("X-Sendfile-Type", "X-Sendfile")]).json()["headers"]]
    assert "x-sendfile-type" not in names


# --- the answer ---

def test_the_application_is_told_what_we_do_whatever_the_client_says(knobs):
    seen = knobs.get(WINTER + "/echo", [("X-Sendfile-Type", "X-Accel-Redirect"), ("X-Accel-Mapping", "/=/"),
                                        ("X_Sendfile_Type", "evil")]).json()["headers"]
    assert [value for name, value in seen if name.lower().replace("_", "-") == "x-sendfile-type"] == ["X-Sendfile"]
    assert not [name for name, _ in seen if name.lower().startswith("x-accel")]


def test_status_and_fields_are_the_applications(knobs):
    path = put(knobs, "a.bin")
    response = send(knobs, path, status=404, h=["Content-Type: text/x-own", "ETag: \"own\"", "Set-Cookie: a=1", "X-Own: 1",
                                               "Last-Modified: " + BEFORE, "Content-Disposition: attachment"])
    assert (response.status, response.body) == (404, TEXT)
    assert response.header("Content-Type") == "text/x-own"
    assert response.header("ETag") == '"own"'
    assert response.header("Last-Modified") == BEFORE
    assert response.header("Set-Cookie").startswith("a=1")
    assert (response.header("X-Own"), response.header("Content-Disposition")) == ("1", "attachment")


def test_what_the_application_leaves_open_comes_from_the_file(knobs):
    response = send(knobs, put(knobs, "picture.JPEG"))
    assert response.header("Content-Type") == "image/jpeg"
    assert response.header("Last-Modified") == DATE
    assert response.header("Accept-Ranges") == "bytes"
    assert re.fullmatch('"[0-9a-f]{16}"', response.header("ETag"))
    assert send(knobs, put(knobs, "unknown.kind")).header("Content-Type") == "application/octet-stream"


def test_the_entity_tag_changes_with_the_file(knobs):
    tags = {send(knobs, put(knobs, "t.txt", content, modified=at)).header("ETag")
            for content, at in ((b"a", 1000), (b"b", 1001), (b"bc", 1001))}
    assert len(tags) == 3


def test_what_is_changed_replaced_or_deleted_is_so_at_once(knobs):
    """The descriptor is kept for a moment, but never believed without a look."""
    path = put(knobs, "changes.txt", b"one")
    assert send(knobs, path).body == b"one"
    put(knobs, "changes.txt", b"two and more")
    assert send(knobs, path).body == b"two and more"
    os.replace(put(knobs, "other.txt", b"three"), path)
    assert send(knobs, path).body == b"three"
    os.remove(path)
    assert send(knobs, path).status == 404


def test_head_gets_the_head_and_post_the_whole(knobs):
    path = put(knobs, "a.txt")
    head = send(knobs, path, [("Range", "bytes=0-1")], method="HEAD")
    assert (head.status, head.body, head.header("Content-Length")) == (200, b"", str(len(TEXT)))
    post = knobs.post(target(path), b"body", [("Range", "bytes=0-1"), ("If-None-Match", "*")])
    assert (post.status, post.body) == (200, TEXT)


def test_an_empty_file_is_sent_too(knobs):
    response = send(knobs, put(knobs, "empty.txt", b""))
    assert (response.status, response.body, response.header("Content-Length")) == (200, b"", "0")


def test_connections_go_on_behind_a_file(knobs):
    path = put(knobs, "a.txt")
    with knobs.wire() as wire:
        for query in ({}, {"body": 70}, {"chunked": 1}, {"body": 300000}):
            assert wire.get(target(path, **query)).body == TEXT
        assert wire.get(WINTER + "/up").status == 200


def test_pipelined_files_come_in_order(knobs):
    paths = [put(knobs, "p%d.txt" % i, b"file %d" % i) for i in range(20)]
    with knobs.wire() as wire:
        for path in paths:
            wire.request("GET", target(path))
        for i in range(20):
            assert wire.response().body == b"file %d" % i


def test_many_clients_at_once_each_get_their_own(knobs):
    paths = [put(knobs, "m%d.bin" % i, os.urandom(3000) + b"%d" % i) for i in range(60)]
    for i, response in enumerate(together(60, lambda i: send(knobs, paths[i]))):
        assert hashlib.sha256(response.body).digest() == hashlib.sha256(open(paths[i], "rb").read()).digest()


def test_a_large_file_comes_whole_also_to_a_slow_client(knobs):
    content = os.urandom(1 << 20) * 40
    path = put(knobs, "large.bin", content)
    with knobs.wire() as wire:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
        wire.request("GET", target(path))
        head = wire.head()
        assert head.header("Content-Length") == str(len(content))
        digest, left = hashlib.sha256(), len(content)
        while left:
            data = wire.exactly(min(left, 1 << 18))
            digest.update(data)
            left -= len(data)
    assert digest.digest() == hashlib.sha256(content).digest()
    line = wait_until(lambda: knobs.requests_logged(query=target(path).split("?")[1]), 5, "it is logged")[0]
    assert (line["source"], line["resp_content_length"]) == ("sendfile", len(content))


@pytest.mark.slow
def test_a_large_file_stays_in_the_kernel_unless_it_is_compressed(knobs):
    content = b"0123456789abcdef" * (1 << 16)
    path = put(knobs, "kernel.txt", content)
    trace, proxy = knobs.home / "sendfile", knobs.proxy_pid()
    with subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=sendfile", "-o", str(trace), "-p", str(proxy)]) as strace:
        try:
            wait_until(lambda: all("TracerPid:\t%d\n" % strace.pid in status.read_text()
                                   for status in pathlib.Path("/proc/%d/task" % proxy).glob("*/status")), 5, "strace is attached")
            sent = lambda: sum(int(n) for n in re.findall(r"sendfile.* = (\d+)\n", trace.read_text()))
            # What it attaches to is seen from the next system call on, so the first file may be missed, or a part of it.
            wait_until(lambda: send(knobs, path).body == content and sent(), 10, "strace sees what is sent")
            wait_until(lambda: holds_for(lambda before=sent(): sent() == before, 0.1) is None, 5, "strace has told all")
            before = sent()
            assert decode("gzip", send(knobs, path, [("Accept-Encoding", "gzip")]).body) == content
            assert sent() == before
            assert send(knobs, path).body == content
            wait_until(lambda: sent() == before + len(content), 5, "the kernel sends the file")
        finally:
            strace.send_signal(signal.SIGINT)


def test_a_file_that_shrinks_meanwhile_cuts_the_connection(knobs):
    path = put(knobs, "shrinks.bin", b"x" * (64 << 20))
    with knobs.wire() as wire:
        wire.request("GET", target(path))
        assert wire.head().header("Content-Length") == str(64 << 20)
        os.truncate(path, 1000)
        try:
            assert wire.count_rest() < 64 << 20
        except AssertionError as cut:
            assert "reset" in str(cut)
    wait_until(lambda: knobs.requests_logged(error="file_unreadable", status=200, cut=True), 5, "it is logged")


def test_a_client_that_goes_meanwhile_harms_nobody(knobs):
    path = put(knobs, "large2.bin", b"x" * (8 << 20))
    for _ in range(20):
        with knobs.wire() as wire:
            wire.request("GET", target(path))
    assert send(knobs, path).status == 200


# --- preconditions and ranges ---

@pytest.mark.parametrize("headers, status", [
    ([("If-None-Match", '"own"')], 304),
    ([("If-None-Match", 'W/"own"')], 304),
    ([("If-None-Match", "*")], 304),
    ([("If-None-Match", '"x", "own"')], 304),
    ([("If-None-Match", '"x"'), ("If-None-Match", '"own"')], 304),
    ([("If-None-Match", '"x"')], 200),
    ([("If-Modified-Since", DATE)], 304),
    ([("If-Modified-Since", AFTER)], 304),
    ([("If-Modified-Since", BEFORE)], 200),
    ([("If-Modified-Since", "yesterday")], 200),
    ([("If-None-Match", '"x"'), ("If-Modified-Since", DATE)], 200),
    ([("If-Match", '"own"')], 200),
    ([("If-Match", "*")], 200),
    ([("If-Match", 'W/"own"')], 412),
    ([("If-Match", '"x"')], 412),
    ([("If-Match", '"x"'), ("If-None-Match", '"own"')], 412),
    ([("If-Unmodified-Since", DATE)], 200),
    ([("If-Unmodified-Since", BEFORE)], 412),
    ([("If-Match", '"own"'), ("If-Unmodified-Since", BEFORE)], 200),
    ([("If-None-Match", '"own"'), ("Range", "bytes=0-1")], 304),
    ([("If-Match", '"x"'), ("Range", "bytes=0-1")], 412),
    ([("If-Match", '"own"'), ("Range", "bytes=0-1")], 206),
])
def test_preconditions_are_looked_at_in_their_order(knobs, headers, status):
    path = put(knobs, "c.txt")
    response = send(knobs, path, headers, h=['ETag: "own"', "Content-Type: text/plain", "Cache-Control: max-age=5"])
    assert response.status == status
    assert response.body == {200: TEXT, 206: TEXT[:2]}.get(status, b"")
    if status == 304:
        assert response.header("ETag") == '"own"' and response.header("Cache-Control") == "max-age=5"
        assert response.header("Content-Type") is None and response.header("Content-Length") is None
    if status == 412:
        assert response.header("Content-Length") == "0" and response.header("ETag") is None


def test_the_tag_that_we_gave_is_known_again(knobs):
    path = put(knobs, "c.txt")
    tag = send(knobs, path).header("ETag")
    response = send(knobs, path, [("If-None-Match", tag)])
    assert (response.status, response.header("ETag")) == (304, tag)
    assert send(knobs, path, [("If-None-Match", tag)], method="HEAD").status == 304


@pytest.mark.parametrize("asked, first, last", [("0-0", 0, 0), ("0-499", 0, 499), ("500-", 500, 10239), ("-500", 9740, 10239),
                                                ("10000-20000", 10000, 10239), ("-99999", 0, 10239), ("9-3,1-2", None, None)])
def test_a_range_is_a_part(knobs, asked, first, last):
    response = send(knobs, put(knobs, "r.txt"), [("Range", "bytes=" + asked)])
    if first is None:
        assert (response.status, response.body) == (200, TEXT)
        return
    assert (response.status, response.body) == (206, TEXT[first:last + 1])
    assert response.header("Content-Range") == "bytes %d-%d/%d" % (first, last, len(TEXT))
    assert response.header("Content-Type") == "text/plain; charset=utf-8"


def parts(response):
    kind = response.header("Content-Type")
    assert kind.startswith("multipart/byteranges; boundary=")
    boundary = b"--" + kind.split("=", 1)[1].encode()
    before, *found, end = response.body.split(boundary)
    assert before in (b"", b"\r\n") and end == b"--\r\n"
    for part in found:
        head, _, content = part.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().strip().split("\r\n"))
        assert content.endswith(b"\r\n")
        yield fields, content[:-2]


def test_several_ranges_are_several_parts(knobs):
    response = send(knobs, put(knobs, "r.txt"), [("Range", "bytes=0-9, 5000-5009,-10")], h=["Content-Type: text/x-own"])
    assert response.status == 206 and response.header("Content-Range") is None
    assert list(parts(response)) == [
        ({"Content-Type": "text/x-own", "Content-Range": "bytes %d-%d/10240" % (first, first + 9)}, TEXT[first:first + 10])
        for first in (0, 5000, 10230)]


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=-0", "bytes=99999-100000"])
def test_what_does_not_exist_is_416_and_says_what_does(knobs, asked):
    response = send(knobs, put(knobs, "r.txt"), [("Range", asked)], h=["Cache-Control: public, max-age=60"])
    assert (response.status, response.body) == (416, b"")
    assert response.header("Content-Range") == "bytes */10240"
    assert response.header("Cache-Control") is None


@pytest.mark.parametrize("asked", ["bytes=0-,0-", "bytes=" + ",".join("0-0" for _ in range(201)), "lines=1-2", "bytes=a-b", "bytes=5-4"])
def test_what_is_too_much_or_makes_no_sense_is_ignored(knobs, asked):
    assert (send(knobs, put(knobs, "r.txt"), [("Range", asked)])).body == TEXT


def test_two_range_fields_are_ignored(knobs):
    assert send(knobs, put(knobs, "r.txt"), [("Range", "bytes=0-1"), ("Range", "bytes=4-5")]).status == 200


@pytest.mark.parametrize("condition, status", [('"own"', 206), ('"x"', 200), ('W/"own"', 200), (DATE, 206), (BEFORE, 200), (AFTER, 200)])
def test_if_range_decides_between_part_and_whole(knobs, condition, status):
    response = send(knobs, put(knobs, "r.txt"), [("Range", "bytes=0-1"), ("If-Range", condition)], h=['ETag: "own"'])
    assert response.status == status


def test_a_part_of_the_applications_own_counting_does_not_matter(knobs):
    response = send(knobs, put(knobs, "r.txt"), status=206, h=["Content-Range: bytes 0-1/2"])
    assert (response.status, response.body) == (200, TEXT)
    assert response.header("Content-Range") is None


# --- what is sent ---

def test_paths_may_be_relative_to_the_application(knobs):
    put(knobs, "rel.txt", b"relative")
    assert send(knobs, "storage/tenants/bellevue/2025/winter/rel.txt").body == b"relative"


def test_names_with_blanks_and_bytes_of_utf8_are_names(knobs):
    path = put(knobs, "böse Datei %41.txt", b"named")
    with knobs.wire() as wire:
        assert wire.get(target(path)).body == b"named"


def test_x_accel_redirect_is_a_path_in_a_uri(knobs):
    path = put(knobs, "accel file.txt", b"accel")
    for uri in (quote(path), quote(path) + "?x=1", "/storage/tenants/bellevue/2025/winter/accel%20file.txt"):
        response = send(knobs, uri, **{"with": "X-Accel-Redirect"})
        assert (response.status, response.body) == (200, b"accel"), uri
        assert response.header("X-Accel-Redirect") is None


def test_the_public_directory_of_the_application_may_be_sent(atc):
    (atc.app / "public").mkdir()
    (atc.app / "public" / "report.csv").write_text("a,b\n")
    atc.start(knobs_config(public="public", public_exclude="/*"))
    assert send(atc, atc.app / "public" / "report.csv").body == b"a,b\n"
    assert send(atc, "public/report.csv").body == b"a,b\n"


def test_private_directories_are_the_tenants(atc):
    """The application names the path that it sees in its own mount namespace."""
    atc.start(knobs_config(private_directories=["files"]))
    assert atc.get(WINTER + "/up").status == 200
    put(atc, "files/deep/a.txt", b"private")
    assert send(atc, atc.app / "files" / "deep" / "a.txt").body == b"private"
    assert send(atc, "files/deep/a.txt").body == b"private"


def test_a_single_application_may_send_what_is_in_its_directory(atc):
    (atc.app / "files").mkdir()
    (atc.app / "files" / "a.txt").write_text("single")
    (atc.app / "config").mkdir()
    (atc.app / "config" / "database.yml").write_text("secret")
    atc.start(command=KNOBS_COMMAND, env={"HTTP_PORT": "0"}, ready=False)
    wait_until(lambda: atc.get("/up").status == 200, 10, "it serves")
    atc.first_proxy = atc.proxy_pid()
    assert send(atc, atc.app / "files" / "a.txt", prefix="").body == b"single"
    assert send(atc, "files/a.txt", prefix="").body == b"single"
    assert is_refused(atc, send(atc, "config/database.yml", prefix=""), "config/database.yml", "never sent")
    assert is_refused(atc, send(atc, "/etc/passwd", prefix="", method="POST"), "/etc/passwd", "outside")


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root cannot become nobody")
def test_the_proxy_needs_no_right_to_the_file_and_has_none(knobs):
    path = put(knobs, "closed/own.txt", b"closed")
    os.chmod(path, 0o600)
    os.chmod(os.path.dirname(path), 0o700)
    with open("/proc/%d/status" % knobs.proxy_pid()) as status:
        assert "\nUid:\t0" not in status.read()
    assert send(knobs, path).body == b"closed"

    def has_it_open():
        folder = "/proc/%d/fd/" % knobs.proxy_pid()
        return path in [os.path.realpath(folder + fd) for fd in os.listdir(folder)]
    wait_until(lambda: not has_it_open(), 5, "what it was given is kept for a moment only")


# --- what is not ---

def test_nothing_outside_is_sent(knobs):
    put(knobs, "x.txt", tenant="bellevue/2025/summer")
    winter = knobs.tenant_dir()
    for path in ("/etc/passwd", "/proc/self/environ", "/dev/zero", str(knobs.app / "atc.yml"), "../../etc/passwd",
                 str(knobs.tenant_dir("bellevue/2025/summer") / "x.txt"), str(winter), str(winter) + "x/y", str(winter.parent)):
        assert is_refused(knobs, send(knobs, path), path, "outside")
        assert is_refused(knobs, send(knobs, path, method="POST"), path, "outside")


def test_dots_do_not_lead_out(knobs):
    put(knobs, "x.txt", tenant="bellevue/2025/summer")
    winter = str(knobs.tenant_dir())
    for path in (winter + "/../summer/x.txt", winter + "/a/../../summer/x.txt", winter + "/" + "../" * 30 + "etc/passwd"):
        assert is_refused(knobs, send(knobs, path), path, "leads out" if "/a/" not in path else "")
    path = put(knobs, "x.txt", b"within")
    os.makedirs(winter + "/sub", exist_ok=True)
    assert send(knobs, winter + "/sub/../x.txt").body == b"within"
    for uri in (quote(winter) + "/%2e%2e/summer/x.txt", quote(winter) + "/..%2fsummer/x.txt", quote(path) + "%00.txt"):
        response = send(knobs, uri, **{"with": "X-Accel-Redirect"})
        assert (response.status, response.error) == (404, "file_not_sent")


def test_links_do_not_lead_out(knobs):
    winter = knobs.tenant_dir()
    put(knobs, "x.txt", tenant="bellevue/2025/summer")
    put(knobs, "real.txt", b"real")
    for name, to in (("to_passwd", "/etc/passwd"), ("to_dir", "/etc"), ("to_summer", "../summer/x.txt"), ("to_proc", "/proc/self/environ"),
                     ("to_self", "to_self"), ("within", "real.txt"), ("to_db", "data/main.db"), ("absolute", str(winter / "real.txt"))):
        if not os.path.lexists(winter / name):
            os.symlink(to, winter / name)
    put(knobs, "data/main.db", b"SQLite format 3\0")
    for name, why in (("to_passwd", "leads out"), ("to_dir/passwd", "leads out"), ("to_summer", "leads out"), ("to_proc", "leads out"),
                      ("absolute", "leads out"), ("to_self", "links"), ("to_db", "database")):
        assert is_refused(knobs, send(knobs, winter / name), winter / name, why)
    assert send(knobs, winter / "within").body == b"real"


def test_only_regular_files_are_sent(knobs):
    winter = knobs.tenant_dir()
    os.makedirs(winter / "folder", exist_ok=True)
    if not (winter / "fifo").exists():
        os.mkfifo(winter / "fifo")
        server = socket.socket(socket.AF_UNIX)
        folder = os.open(winter, os.O_RDONLY)               # the whole path is longer than an address may be
        server.bind("/proc/self/fd/%d/socket" % folder)
        os.close(folder)
    for name, why in (("folder", "regular"), ("folder/", ""), ("fifo", "regular"), ("socket", ""), ("nothing", "no such file"), ("", "")):
        assert is_refused(knobs, send(knobs, "%s/%s" % (winter, name)), "%s/%s" % (winter, name), why)


def test_databases_and_secrets_are_not_sent(knobs):
    for name, why in (("data/main.db", "database"), ("data/main.db-wal", "database"), ("data/main.db-shm", "database"),
                      ("data/main.db-journal", "database"), ("storage/production.sqlite3", "never sent"), ("x.sqlite3-wal", "never sent"),
                      (".hidden", "never sent"), (".dir/file", "never sent"), ("master.key", "never sent"), ("tls.pem", "never sent"),
                      ("tmp/pids/server.pid", "never sent")):
        path = put(knobs, name, b"secret")
        assert is_refused(knobs, send(knobs, path), path, why)
    path = knobs.tenant_dir() / "hardlink.txt"
    if not path.exists():
        os.link(put(knobs, "data/main.db", b"secret"), path)
    assert is_refused(knobs, send(knobs, path), path, "database")


def test_a_tenant_within_a_tenants_directory_is_another_one(knobs):
    path = put(knobs, "x.txt", b"late", tenant="bellevue/2025/winter/late")
    assert is_refused(knobs, send(knobs, path), path, "another tenant")
    assert send(knobs, path, prefix=WINTER + "/late").body == b"late"


def test_a_path_that_is_too_long_is_not_cut(knobs):
    path = str(knobs.tenant_dir()) + "/" + "x/" * 2500
    response = send(knobs, path)
    assert (response.status, response.error) == (404, "file_not_sent")


def test_a_race_of_links_never_lets_anything_out(knobs):
    winter = knobs.tenant_dir()
    put(knobs, "race/inside/f.txt", b"inside")
    outside = knobs.home / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "f.txt").write_text("outside")
    (winter / "race" / "link").unlink(missing_ok=True)
    stop = threading.Event()

    def swap():
        n = 0
        while not stop.is_set():
            n += 1
            os.symlink(str(outside) if n % 2 else "inside", winter / "race" / "new")
            os.rename(winter / "race" / "new", winter / "race" / "link")
            os.rename(winter / "race" / "inside", winter / "race" / "moved")
            os.rename(winter / "race" / "moved", winter / "race" / "inside")
    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        seen = {send(knobs, winter / "race" / "link" / "f.txt").body for _ in range(300)}
    finally:
        stop.set()
        swapper.join()
    assert b"outside" not in seen and b"inside" in seen


def test_the_application_is_asked_again_where_the_file_lies_elsewhere(atc):
    """As frameworks do: a file of theirs is named only where X-Sendfile-Type allows it."""
    atc.start(knobs_config())
    (atc.home / "gem.js").write_text("of a gem")
    response = atc.get(target(atc.home / "gem.js") + "&framework=1")
    assert (response.status, response.body) == (200, b"of a gem")
    assert atc.post(target(atc.home / "gem.js") + "&framework=1").status == 404


@pytest.mark.parametrize("lines", [
    [("A-X-Sendfile-Type", "X-Sendfile"), ("B", "1")],
    [("A", "X-Sendfile-Type: X-Sendfile")],
    [("X-X-Sendfile-Type", "X-Sendfile"), ("Forwarded-For", "192.0.2.66")],
    [("Transfer-X-Sendfile-Type", "X-Sendfile"), ("Encoding", "chunked")],
    [("X-Sendfile-Type", "X-Sendfile"), ("X_Sendfile_Type", "X-Sendfile"), ("B", "1")],
], ids=lambda lines: lines[0][0])
def test_being_asked_again_differs_by_our_own_field_alone(atc, lines):
    """Whatever a client sends that looks like it."""
    atc.start(pages_config())
    site = Site(atc, page={"file": str(atc.home / "elsewhere.txt"), "body": "by the application"})
    (atc.home / "elsewhere.txt").write_text("out of reach")
    with atc.wire() as wire:
        answer = wire.ask("GET", site.prefix + "/page", [("Connection", "close"), *lines])
    assert (answer.status, answer.body) == (200, b"by the application")
    first, second = [json.loads(line)["headers"] for line in atc.lines("asked")]
    assert [field for field in first if field[0] != "x-sendfile-type"] == second
    assert [field for field in first if field[0] == "x-sendfile-type"] == [["x-sendfile-type", "X-Sendfile"]]
