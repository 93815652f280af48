"""What Thruster's own tests say of its configuration, its log and its handlers, asked of the real program from outside.
SPDX-License-Identifier: MIT

Its tests of the cache, of compression and of files are recreated in the files of these parts; all of them together meet the real
Thruster in test_thruster_difference.py.
"""
import re
import time

import pytest
import yaml

from atc import KNOBS_COMMAND, free_port
from waiting import wait_until

DEFAULTS = {"target_port": 3000, "http_port": 80, "cache_size": "64MiB", "max_cache_item_size": "1MiB", "x_sendfile_enabled": True,
            "gzip_compression_enabled": True, "gzip_compression_disable_on_auth": False, "gzip_compression_jitter": 32,
            "max_request_body": 0, "bad_gateway_page": "./public/502.html", "keepalive_timeout": "1m", "header_timeout": "30s",
            "body_timeout": "30s", "write_timeout": "30s", "h2c_enabled": False, "forward_headers": True, "log_requests": True,
            "debug": False}
# Thruster's variable, a value, and what becomes of it here.
OVERRIDES = [("TARGET_PORT", "4000", "target_port", 4000), ("HTTP_PORT", "8080", "http_port", 8080),
             ("CACHE_SIZE", "256", "cache_size", "256B"), ("MAX_CACHE_ITEM_SIZE", "17", "max_cache_item_size", "17B"),
             ("X_SENDFILE_ENABLED", "false", "x_sendfile_enabled", False),
             ("GZIP_COMPRESSION_ENABLED", "0", "gzip_compression_enabled", False),
             ("GZIP_COMPRESSION_DISABLE_ON_AUTH", "T", "gzip_compression_disable_on_auth", True),
             ("GZIP_COMPRESSION_JITTER", "64", "gzip_compression_jitter", 64),
             ("MAX_REQUEST_BODY", "64", "max_request_body", "64B"), ("BAD_GATEWAY_PAGE", "/tmp/502.html", "bad_gateway_page", "/tmp/502.html"),
             ("HTTP_IDLE_TIMEOUT", "5", "keepalive_timeout", "5s"), ("HTTP_READ_TIMEOUT", "6", "header_timeout", "6s"),
             ("HTTP_WRITE_TIMEOUT", "7", "write_timeout", "7s"), ("H2C_ENABLED", "1", "h2c_enabled", True),
             ("FORWARD_HEADERS", "false", "forward_headers", False), ("LOG_REQUESTS", "f", "log_requests", False),
             ("DEBUG", "1", "debug", True)]


def settings(atc, **env):
    done = atc.cli("dump", env=env)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)["server"]


def start(atc, env=None):
    atc.start(command=KNOBS_COMMAND, env={"KNOBS_DIR": str(atc.home), "TARGET_PORT": str(free_port()), **(env or {})})
    wait_until(lambda: atc.get("/up").status == 200)


# --- configuration ---

def test_the_defaults_are_thrusters(atc):
    seen = settings(atc)
    seen["bad_gateway_page"] = seen["bad_gateway_page"].replace(str(atc.app), ".")
    assert {name: seen.get(name) for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize("prefix", ["", "THRUSTER_"])
def test_each_variable_overrides_its_default(atc, prefix):
    seen = settings(atc, **{prefix + variable: text for variable, text, _, _ in OVERRIDES})
    assert {name: str(seen.get(name)) for _, _, name, _ in OVERRIDES} == {name: str(value) for _, _, name, value in OVERRIDES}


def test_a_variable_with_the_prefix_beats_the_one_without(atc):
    seen = settings(atc, **{variable: "1" for variable, _, _, _ in OVERRIDES},
                    **{"THRUSTER_" + variable: text for variable, text, _, _ in OVERRIDES})
    assert {name: str(seen.get(name)) for _, _, name, _ in OVERRIDES} == {name: str(value) for _, _, name, value in OVERRIDES}


@pytest.mark.parametrize("domains, forwards", [(None, True), ("", True), (" , ", True), ("a.test", False), ("a.test,b.test", False),
                                               (" a.test , b.test ", False)])
@pytest.mark.parametrize("says", [None, "true", "false"])
def test_whether_forwarded_headers_are_kept_depends_on_the_domains_unless_said(atc, domains, forwards, says):
    env = {name: value for name, value in (("TLS_DOMAIN", domains), ("FORWARD_HEADERS", says)) if value is not None}
    assert settings(atc, **env)["forward_headers"] is (forwards if says is None else says == "true")


def test_there_is_no_tls_and_that_is_said(atc):
    start(atc, {"TLS_DOMAIN": "a.test", "HTTPS_PORT": "0"})
    assert atc.get("/up", host="b.test").status == 200
    atc.wait_log("TLS_DOMAIN")
    atc.wait_log("platform's edge")


# --- the log ---

def test_a_line_of_the_log_has_all_that_thrusters_has_in_its_order(atc):
    start(atc)
    atc.post("/status?code=201", b"hello", [("X-Forwarded-For", "192.168.1.1"), ("User-Agent", "Robot/1"), ("Content-Type", "text/plain")])
    line = wait_until(lambda: atc.requests_logged(method="POST"))[0]
    keys = ["time", "level", "msg", "path", "status", "dur", "method", "req_content_length", "req_content_type", "resp_content_length",
            "resp_content_type", "remote_addr", "user_agent", "cache", "query", "proto"]
    assert [key for key in line if key in keys] == keys
    wanted = {"level": "INFO", "msg": "Request", "path": "/status", "status": 201, "method": "POST", "req_content_length": 5,
              "req_content_type": "text/plain", "resp_content_type": "text/plain; charset=utf-8", "user_agent": "Robot/1", "cache": "bypass",
              "query": "code=201", "proto": "HTTP/1.1"}
    assert {key: line.get(key) for key in wanted} == wanted
    assert line["remote_addr"].startswith("192.168.1.1") and isinstance(line["dur"], (int, float))
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)$", line["time"])


# --- the handlers ---

def test_what_the_application_sees_of_a_request(atc):
    start(atc)
    before = int(time.time() * 1000)
    seen = {name.lower(): value for name, value in
            atc.get("/echo", [("X-Forwarded-For", "4.3.2.1"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "shop.test")],
                    host="example.org").json()["headers"]}
    assert seen["host"] == "example.org" and seen["x-forwarded-for"] == "4.3.2.1"
    assert (seen["x-forwarded-proto"], seen["x-forwarded-host"]) == ("https", "shop.test")
    assert before - 1000 <= int(seen["x-request-start"].removeprefix("t=")) <= time.time() * 1000 + 1000
    assert "accept-encoding" not in seen and "user-agent" not in seen


def test_the_coding_that_a_client_takes_is_told_as_it_was_said(atc):
    start(atc)
    seen = dict(atc.get("/echo", [("Accept-Encoding", "gzip;q=0.5, br")]).json()["headers"])
    assert seen["Accept-Encoding"] == "gzip;q=0.5, br"


@pytest.mark.parametrize("limit, size, status", [("10", 11, 413), ("10", 10, 200), ("0", 100000, 200), ("-1", 100000, 200)])
def test_a_body_has_a_limit_or_none(atc, limit, size, status):
    start(atc, {"MAX_REQUEST_BODY": limit})
    assert atc.post("/upload", b"x" * size).status == status
