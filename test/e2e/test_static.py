"""Files of app.public are served without the application, also while it sleeps; paths that nobody is woken for.
SPDX-License-Identifier: MIT
"""
import gzip
import os
import re
import socket
import threading

import pytest

import processes
from atc import KNOBS_COMMAND, WINTER, knobs_config
from waiting import wait_until

MODIFIED, DATE = 784111777, "Sun, 06 Nov 1994 08:49:37 GMT"
STYLE = b"body { color: teal }\n" * 100
FILES = {
    "app.css": STYLE, "assets/app-1a2b3c4d.css": STYLE, "assets/app-1a2b3c4d.css.br": b"brotli", "assets/app-1a2b3c4d.css.gz": b"gzip",
    "assets/app-1a2b3c4d.css.zst": b"zstd", "vite/assets/index-BWx3aK9_.js": b"js", "404.html": b"<h1>404</h1>", "page.html": b"page",
    "docs/index.html": b"docs", "docs/a b.txt": b"blank", "robots.txt": b"User-agent: *\n", "plain": b"plain", ".env": b"SECRET=1",
    ".well-known/assetlinks.json": b"[]", ".git/config": b"secret", "photo-20240101.jpg": b"jpg", "zip.gz": b"gz",
}


@pytest.fixture
def public(atc):
    for name, content in FILES.items():
        path = atc.app / "public" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (MODIFIED, MODIFIED))

    def start(**app):
        return atc.start(knobs_config(public="public", **app))
    start.atc = atc
    return start


def is_asleep(atc):
    return atc.tenant()["starts"] == 0 and atc.state() in ("absent", "asleep", "stopped")


def test_files_are_served_while_the_tenant_sleeps(public):
    atc = public()
    for name in ("app.css", "assets/app-1a2b3c4d.css", "404.html", "robots.txt", "plain", "docs/a%20b.txt"):
        response = atc.get("%s/%s" % (WINTER, name))
        assert (response.status, response.body) == (200, FILES[name.replace("%20", " ")]), name
        assert response.header("Content-Length") == str(len(response.body))
    assert is_asleep(atc)
    assert wait_until(lambda: atc.requests_logged(source="public", path=WINTER + "/app.css"), 5, "it is logged")


def test_what_is_no_file_goes_to_the_application(public):
    atc = public()
    assert atc.get(WINTER + "/").text.startswith("<!doctype html><title>knobs")
    assert atc.get(WINTER + "/whoami").status == 200
    assert atc.get(WINTER + "/nothing.css").status == 404 and atc.get(WINTER + "/nothing.css").error is None
    assert atc.get(WINTER + "/docs/nothing").error is None
    assert atc.get(WINTER + "/app.css/x").error is None


def test_other_methods_go_to_the_application(public):
    atc = public()
    assert atc.post(WINTER + "/app.css", b"x").error is None
    assert atc.tenant()["starts"] == 1


def test_head_and_types_and_fields(public):
    atc = public()
    head = atc.ask("HEAD", WINTER + "/app.css")
    assert (head.status, head.body, head.header("Content-Length")) == (200, b"", str(len(STYLE)))
    get = atc.get(WINTER + "/app.css")
    assert get.header("Content-Type") == "text/css; charset=utf-8"
    assert get.header("Last-Modified") == DATE
    assert get.header("Accept-Ranges") == "bytes"
    assert re.fullmatch('"[0-9a-f]{16}"', get.header("ETag")) and head.header("ETag") == get.header("ETag")
    assert get.header("Cache-Control") == "no-cache"
    assert get.header("Vary") in (None, "Accept-Encoding")
    assert atc.get(WINTER + "/plain").header("Content-Type") == "text/plain; charset=utf-8"
    assert atc.get(WINTER + "/zip.gz").header("Content-Type") == "application/gzip"


def test_pages_have_the_names_that_rails_gives_them(public):
    atc = public()
    assert atc.get(WINTER + "/page").body == b"page"
    assert atc.get(WINTER + "/docs").body == b"docs"
    assert atc.get(WINTER + "/docs/").body == b"docs"
    assert atc.get(WINTER + "/page").header("Content-Type") == "text/html; charset=utf-8"
    assert atc.get(WINTER + "/page.html").body == b"page"
    assert is_asleep(atc)


def test_an_index_at_the_mount_point_is_the_front_page(public):
    (public.atc.app / "public" / "index.html").write_text("front")
    atc = public()
    assert atc.get(WINTER + "/").body == b"front"


def test_fingerprinted_names_are_for_ever(public):
    atc = public()
    for name in ("assets/app-1a2b3c4d.css", "vite/assets/index-BWx3aK9_.js"):
        assert atc.get("%s/%s" % (WINTER, name)).header("Cache-Control") == "public, max-age=31536000, immutable"
    assert atc.get(WINTER + "/photo-20240101.jpg").header("Cache-Control") == "no-cache"


def test_what_was_found_by_the_asking_page_is_for_that_page(public):
    """The URL does not say whose file it is."""
    atc = public()
    answer = atc.get("/assets/app-1a2b3c4d.css", [("Referer", "http://localhost%s/" % WINTER)])
    assert answer.body == FILES["assets/app-1a2b3c4d.css"] and answer.header("Cache-Control") == "private, max-age=31536000"
    assert "Referer" in answer.all("Vary")


@pytest.mark.parametrize("accepted, encoding", [
    ("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("gzip, deflate, br, zstd", "br"), ("gzip;q=1, br;q=0.5", "gzip"), ("*", "br"),
    ("br;q=0, *", "zstd"), ("identity", None), ("", None), ("gzip;q=0", None)])
def test_precompressed_neighbours_are_sent_to_whoever_accepts_them(public, accepted, encoding):
    atc = public()
    response = atc.get(WINTER + "/assets/app-1a2b3c4d.css", [("Accept-Encoding", accepted)])
    assert response.header("Content-Encoding") == encoding
    assert response.body == {"gzip": b"gzip", "br": b"brotli", "zstd": b"zstd", None: STYLE}[encoding]
    assert response.header("Content-Type") == "text/css; charset=utf-8"
    assert "accept-encoding" in ",".join(response.all("Vary")).lower()


def test_variants_have_tags_of_their_own(public):
    atc = public()
    tags = {atc.get(WINTER + "/assets/app-1a2b3c4d.css", [("Accept-Encoding", coding)]).header("ETag") for coding in ("", "br", "gzip", "zstd")}
    assert len(tags) == 4
    tag = atc.get(WINTER + "/assets/app-1a2b3c4d.css", [("Accept-Encoding", "br")]).header("ETag")
    again = atc.get(WINTER + "/assets/app-1a2b3c4d.css", [("Accept-Encoding", "br"), ("If-None-Match", tag)])
    assert (again.status, again.header("ETag")) == (304, tag)
    assert atc.get(WINTER + "/assets/app-1a2b3c4d.css", [("Accept-Encoding", "gzip"), ("If-None-Match", tag)]).status == 200


def test_conditions_and_ranges(public):
    atc = public()
    path = WINTER + "/app.css"
    tag = atc.get(path).header("ETag")
    assert atc.get(path, [("If-None-Match", tag)]).status == 304
    assert atc.get(path, [("If-Modified-Since", DATE)]).status == 304
    assert atc.get(path, [("If-Match", '"x"')]).status == 412
    part = atc.get(path, [("Range", "bytes=5-9")])
    assert (part.status, part.body, part.header("Content-Range")) == (206, STYLE[5:10], "bytes 5-9/%d" % len(STYLE))
    assert atc.get(path, [("Range", "bytes=5-9"), ("If-Range", tag)]).status == 206
    assert atc.get(path, [("Range", "bytes=5-9"), ("If-Range", '"x"')]).status == 200
    assert atc.get(path, [("Range", "bytes=0-1,1000-1001")]).header("Content-Type").startswith("multipart/byteranges")
    beyond = atc.get(path, [("Range", "bytes=99999-")])
    assert (beyond.status, beyond.header("Content-Range"), beyond.body) == (416, "bytes */%d" % len(STYLE), b"")


def test_a_changed_file_is_seen_within_a_moment(public):
    atc = public()
    assert atc.get(WINTER + "/plain").body == b"plain"
    (atc.app / "public" / "new").write_text("changed")
    os.rename(atc.app / "public" / "new", atc.app / "public" / "plain")
    wait_until(lambda: atc.get(WINTER + "/plain").body == b"changed", 5, "the new content")
    (atc.app / "public" / "later.txt").write_text("later")
    wait_until(lambda: atc.get(WINTER + "/later.txt").body == b"later", 5, "the new file")


def ask_often(atc, path, times=20, **asked):
    return {(r.header("ETag"), r.body) for r in (atc.get(path, **asked) for _ in range(times))}


def test_a_file_that_is_asked_for_often_is_seen_to_change_however_it_does(public):
    """Replaced, written over and deleted; its tag is that of what comes with it."""
    atc = public()
    file = atc.app / "public" / "app.css"
    [(tag, body)] = ask_often(atc, WINTER + "/app.css")
    assert body == STYLE
    (atc.app / "public" / "new").write_bytes(STYLE.replace(b"teal", b"blue"))
    os.rename(atc.app / "public" / "new", file)
    wait_until(lambda: {body for _, body in ask_often(atc, WINTER + "/app.css")} == {STYLE.replace(b"teal", b"blue")}, 5, "it is replaced")
    file.write_bytes(b"short")
    wait_until(lambda: {body for _, body in ask_often(atc, WINTER + "/app.css")} == {b"short"}, 5, "it is written over")
    assert tag not in {tag for tag, _ in ask_often(atc, WINTER + "/app.css")}
    file.unlink()
    wait_until(lambda: atc.get(WINTER + "/app.css").status == 404, 5, "it is gone")


def test_a_file_that_is_asked_for_often_is_the_same_in_parts_and_compressed(public):
    atc = public()
    path = WINTER + "/app.css"
    assert len(ask_often(atc, path)) == 1
    assert atc.get(path, [("Range", "bytes=5-9")]).body == STYLE[5:10]
    parts = atc.get(path, [("Range", "bytes=0-3,100-103")]).body
    assert STYLE[:4] + b"\r\n" in parts and STYLE[100:104] + b"\r\n" in parts
    assert gzip.decompress(atc.get(path, [("Accept-Encoding", "gzip")]).body) == STYLE
    assert atc.ask("HEAD", path).body == b""
    assert atc.get(path).body == STYLE


def test_a_neighbour_that_comes_or_goes_is_seen_within_a_moment(public):
    atc = public()
    path, neighbour = WINTER + "/plain", public.atc.app / "public" / "plain.br"
    asked = {"headers": [("Accept-Encoding", "br")]}
    assert {body for _, body in ask_often(atc, path, **asked)} == {b"plain"}
    neighbour.write_bytes(b"brotli")
    wait_until(lambda: {body for _, body in ask_often(atc, path, **asked)} == {b"brotli"}, 5, "it is there")
    neighbour.unlink()
    wait_until(lambda: {body for _, body in ask_often(atc, path, **asked)} == {b"plain"}, 5, "it is gone")


def test_what_is_not_to_be_shown_is_refused(public):
    folder = public.atc.app / "public"
    (public.atc.home / "outside.txt").write_text("outside")
    os.symlink("../../outside.txt", folder / "out.txt")
    os.symlink("/etc", folder / "etc")
    os.symlink("page.html", folder / "within.html")
    os.mkfifo(folder / "fifo.txt")
    atc = public()
    for name in ("out.txt", "etc/passwd", "fifo.txt", ".env", ".git/config"):
        response = atc.get("%s/%s" % (WINTER, name))
        assert (response.status, response.error) == (404, "not_found"), name
    assert atc.get(WINTER + "/within.html").body == b"page"
    assert atc.get(WINTER + "/.well-known/assetlinks.json").body == b"[]"
    assert is_asleep(atc)


@pytest.mark.parametrize("path", ["/../atc.yml", "/%2e%2e/atc.yml", "/..%2fatc.yml", "/a/../../atc.yml", "//etc/passwd", "/%00", "/..%5catc.yml",
                                  "/....//atc.yml", "/app.css%00.html"])
def test_nothing_leads_out_of_the_directory(public, path):
    atc = public()
    with atc.wire() as wire:
        response = wire.send(("GET %s%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % (WINTER, path)).encode()).response()
    assert response.status in (400, 404) and b"users:" not in response.body and b"root:" not in response.body


def test_a_directory_that_is_a_link_out_of_the_application_is_not_entered_by_a_race(public):
    atc = public()
    folder = atc.app / "public"
    outside = atc.home / "outside"
    outside.mkdir()
    (outside / "f.txt").write_text("outside")
    (folder / "inside").mkdir()
    (folder / "inside" / "f.txt").write_text("inside")
    stop, swaps = threading.Event(), [0]

    def swap():
        while not stop.is_set():
            os.symlink("inside" if swaps[0] % 2 else str(outside), folder / "new")
            os.rename(folder / "new", folder / "link")
            swaps[0] += 1
    swapper = threading.Thread(target=swap)
    swapper.start()
    asked = 0
    try:
        while asked < 500 or swaps[0] < 5000:
            assert atc.get(WINTER + "/link/f.txt").body != b"outside"
            asked += 1
    finally:
        stop.set()
        swapper.join()


def test_excluded_paths_are_the_applications(public):
    atc = public(public_exclude=["/assets/*", "/up"])
    assert atc.get(WINTER + "/assets/app-1a2b3c4d.css").status == 404
    assert atc.get(WINTER + "/app.css").body == STYLE


def test_without_the_setting_nothing_is_served(public):
    atc = public.atc.start(knobs_config())
    assert atc.get(WINTER + "/app.css").status == 404
    assert atc.tenant()["starts"] == 1


def test_rails_has_it_by_default(public):
    atc = public.atc
    (atc.app / "bin").mkdir()
    (atc.app / "bin" / "rails").write_text("")
    config = knobs_config(listen="tcp", prefix="strip", prepare=[], private_directories=[])
    del config["app"]["framework"]
    atc.start(config)
    assert atc.get(WINTER + "/app.css").body == STYLE
    assert is_asleep(atc)


def test_a_page_that_asks_at_the_root_finds_its_tenants_files(public):
    atc = public()
    response = atc.get("/app.css", [("Referer", "http://localhost%s/page" % WINTER)])
    assert (response.status, response.body) == (200, STYLE)
    assert is_asleep(atc)
    assert atc.get("/app.css").status == 404


def test_with_a_prefix_that_is_passed_paths_are_below_it_too(public):
    atc = public(prefix="pass", env={"KNOBS_PREFIX": WINTER})
    assert atc.get(WINTER + "/app.css").body == STYLE
    assert is_asleep(atc)


def test_a_single_application_has_it_too(public):
    atc = public.atc
    atc.write_config({"app": {"public": "public"}})
    atc.start(args=["run", "-c", str(atc.config_file)], command=KNOBS_COMMAND)
    assert atc.get("/app.css").body == STYLE
    wait_until(lambda: atc.get("/up").status == 200, 10, "the application is there")


def test_a_reload_changes_what_is_served(public):
    atc = public()
    (atc.app / "other").mkdir()
    (atc.app / "other" / "app.css").write_text("other")
    atc.write_config(knobs_config(public="other"))
    assert atc.cli("reload").returncode == 0
    assert atc.get(WINTER + "/app.css").body == b"other"


def test_a_proxy_that_is_started_again_serves_as_before(public):
    atc = public()
    atc.proxy_may_change = True
    before = atc.proxy_pid()
    os.kill(before, 9)
    wait_until(lambda: atc.proxy_pid() not in (None, before), 10, "another proxy")
    assert atc.get(WINTER + "/app.css").body == STYLE
    path = atc.tenant_dir() / "x.txt"
    assert atc.get(WINTER + "/up").status == 200
    path.write_text("sent")
    assert atc.get("%s/file?path=%s" % (WINTER, path)).body == b"sent"


def test_files_do_not_pile_up(public):
    """Descriptors of files that nobody asks for any more are closed when there are many."""
    folder = public.atc.app / "public" / "many"
    folder.mkdir()
    for i in range(1500):
        (folder / ("%d.txt" % i)).write_text(str(i))
    atc = public()
    with atc.wire() as wire:
        for i in range(1500):
            assert wire.get("%s/many/%d.txt" % (WINTER, i)).body == b"%d" % i
    assert len(os.listdir("/proc/%d/fd" % atc.proxy_pid())) < 1200


def proxy_files(atc):
    """What the proxy has open, without the directories."""
    found = []
    for pid in processes.descendants(atc.pid):
        if processes.executable(pid) == processes.executable(atc.pid):
            found += [os.readlink(entry.path) for entry in os.scandir("/proc/%d/fd" % pid) if os.path.lexists(entry.path)]
    return found


def test_a_deleted_file_gives_back_its_room_though_nobody_asks_again(public):
    atc = public()
    path = str(atc.app / "public" / "app.css")
    assert atc.get(WINTER + "/app.css").body == STYLE
    assert path in proxy_files(atc)
    os.remove(path)
    assert path + " (deleted)" in proxy_files(atc)
    wait_until(lambda: not any(name.startswith(path) for name in proxy_files(atc)), 5, "it is closed")


def test_a_slow_client_gets_a_large_file(public):
    content = os.urandom(1 << 20) * 20
    (public.atc.app / "public" / "large.bin").write_bytes(content)
    atc = public()
    with atc.wire() as wire:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
        assert wire.get(WINTER + "/large.bin").body == content


# --- paths that nobody is woken for ---

JUNK = ["/robots.txt", "/favicon.ico", "/apple-touch-icon-precomposed.png", "/.env", "/.git/config", "/wp-login.php", "/wp-admin/", "/xmlrpc.php",
        "/a/b.php", "/.well-known/security.txt", "/blog/.env", "/cgi-bin/x", "/ads.txt"]


def test_junk_wakes_nobody(atc):
    atc.start(knobs_config())
    for path in JUNK:
        for method in ("GET", "HEAD", "POST"):
            response = atc.ask(method, WINTER + path, body=b"" if method == "POST" else None)
            assert (response.status, response.error) == (404, "not_found"), (method, path)
    assert is_asleep(atc)


def test_junk_is_the_applications_when_it_is_awake(atc):
    atc.start(knobs_config())
    assert atc.get(WINTER + "/up").status == 200
    for path in JUNK:
        response = atc.get(WINTER + path)
        assert response.status == 404 and response.error is None, path


def test_what_wakes_nobody_is_a_setting(atc):
    atc.start(knobs_config(no_wake=["/quiet*"]))
    assert atc.get(WINTER + "/quietly").error == "not_found"
    assert is_asleep(atc)
    assert atc.get(WINTER + "/robots.txt").error is None
    assert atc.tenant()["starts"] == 1


def test_well_known_places_wake_as_others_do(atc):
    atc.start(knobs_config())
    assert atc.get(WINTER + "/.well-known").error == "not_found" and is_asleep(atc)
    assert atc.get(WINTER + "/.well-known/caldav").error is None
    assert atc.tenant()["starts"] == 1


def test_a_path_may_be_excepted_from_those_that_wake_nobody(atc):
    atc.start(knobs_config(no_wake=["/.*", "!/.web/*"]))
    assert atc.get(WINTER + "/.other/").error == "not_found" and is_asleep(atc)
    assert atc.get(WINTER + "/.web/").error is None
    assert atc.tenant()["starts"] == 1


def test_at_the_bare_root_nobody_is_woken(atc):
    atc.start(knobs_config())
    for path in ("/favicon.ico", "/robots.txt"):
        assert atc.get(path).status == 404
    assert is_asleep(atc)
