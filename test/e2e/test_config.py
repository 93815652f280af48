"""The configuration: every form that is promised, every fault with its place.
SPDX-License-Identifier: MIT
"""
import json
import shlex

import pytest
import yaml

from atc import KNOBS_COMMAND, WINTER, free_port, knobs_config
from waiting import wait_until


def check(atc, text, env=None, name="atc.yml"):
    path = atc.home / name
    path.write_text(text)
    return atc.cli("check", "-c", str(path), env=env)


def dump(atc, text, env=None, name="atc.yml"):
    path = atc.home / name
    path.write_text(text)
    done = atc.cli("dump", "-c", str(path), env=env)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


GOOD = "app:\n  command: /bin/true\nusers:\n  bellevue: {tenants: [2025/winter]}\n"


@pytest.mark.parametrize("text, place, words", [
    ("server:\n  http_prot: 1\n", "2:3", ["http_prot", "http_port"]),
    ("server:\n  threads: [1]\n", "2:", ["threads"]),
    ("server:\n  threads: 1.5\n", "2:", ["threads"]),
    ("server:\n  log_requests: perhaps\n", "2:", ["log_requests"]),
    ("server:\n  http_port: 70000\n", "2:", ["http_port", "70000"]),
    ("server:\n  keepalive_timeout: 5 parsecs\n", "2:", ["keepalive_timeout"]),
    ("server:\n  keepalive_timeout: -5s\n", "2:", ["keepalive_timeout"]),
    ("server:\n  max_request_body: 5XB\n", "2:", ["max_request_body"]),
    ("server:\n  trusted_proxies: [10.0.0.0/40]\n", "2:", ["10.0.0.0/40"]),
    ("server:\n  error_pages: /no/such/directory\n", "2:", ["/no/such/directory"]),
    ("server:\n  log_level: loud\n", "2:", ["log_level", "loud"]),
    ("server:\n  http_port: 1\n  http_port: 2\n", "3:", ["http_port"]),
    ("sevrer:\n  http_port: 1\n", "1:1", ["sevrer", "server"]),
    ("app:\n  framework: sinatra\n", "2:", ["sinatra", "rails"]),
    ("app:\n  idle_timeout: soon\n", "2:", ["idle_timeout", "soon"]),
    ("app:\n  stop_signal: WINCH\n", "2:", ["WINCH"]),
    ("app:\n  listen: carrier-pigeon\n", "2:", ["listen"]),
    ("app:\n  prefix: both\n", "2:", ["prefix"]),
    ("app:\n  env: {BAD-NAME: x}\n", "2:", ["BAD-NAME"]),
    ("app:\n  env: {\"\": x}\n", "2:", ["env"]),
    ("app:\n  env: {1X: x}\n", "2:", ["1X"]),
    ("app:\n  command: ['${NO_SUCH_VARIABLE}']\n", "2:", ["NO_SUCH_VARIABLE"]),
    ("app:\n  command: ['${tenant.colour}']\n", "2:", ["tenant.colour"]),
    ("app:\n  private_directories: [../etc]\n", "2:", ["../etc"]),
    ("app:\n  root: /no/such/application\n", "2:", ["/no/such/application"]),
    ("app:\n  health_check: up\n", "2:", ["health_check"]),
    ("app:\n  databases: {primary: {path: /etc/passwd}}\n", "2:", ["/etc/passwd"]),
    ("app:\n  databases: {primary: {path: a.db, colour: red}}\n", "2:", ["colour"]),
    ("backup:\n  url: ftp://somewhere/x\n", "2:", ["ftp://somewhere/x"]),
    ("backup: []\n", "1:", ["backup"]),
    ("users:\n  bellevue: {tenants: [a, a]}\n", "2:", ["bellevue/a"]),
    ("users:\n  bellevue: {tenants: [../x]}\n", "2:", ["../x"]),
    ("users:\n  bellevue: {tenants: [a//b]}\n", "2:", ["a//b"]),
    ("users:\n  belle/vue: {tenants: [a]}\n", "2:", ["belle/vue"]),
    ("users:\n  bellevue: {tenants: {a: {colour: red}}}\n", "2:", ["colour"]),
    ("users:\n  bellevue: {tenants: [a], regoin: sea}\n", "2:", ["regoin", "region"]),
    ("users:\n  a: {tenants: {x: {host: same.example.com}}}\n  b: {tenants: {y: {host: same.example.com}}}\n", "3:", ["same host"]),
    ("users:\n\tbellevue: {}\n", "2:", []),
    ("users: {bellevue: {tenants: [a]}\n", "", []),
    ("- a\n- b\n", "1:1", []),
    ("users:\n  bellevue: &x {tenants: [a]}\n  boston: {tenants: *y}\n", "3:", []),
])
def test_a_fault_is_told_with_its_place(atc, text, place, words):
    done = check(atc, text)
    assert done.returncode == 2, done
    line = next((line for line in done.stderr.splitlines() if "atc.yml:" + place in line and "error" in line), None)
    assert line, done.stderr
    for word in words:
        assert word in line, done.stderr


def test_all_faults_are_told_in_one_run(atc):
    done = check(atc, "server:\n  http_prot: 1\n  threads: x\n  log_level: loud\napp:\n  framework: x\n  listen: x\nbackup:\n  url: x\n")
    assert done.returncode == 2
    assert [n for n in (2, 3, 4, 6, 7, 9) if "atc.yml:%d:" % n not in done.stderr] == []


def test_a_mistyped_key_gets_a_proposal(atc):
    assert "keepalive_timeout" in check(atc, "server:\n  keepalive_timout: 5\n").stderr


def test_durations_and_sizes(atc):
    seen = dump(atc, GOOD + "server:\n  header_timeout: 250ms\n  body_timeout: 5s\n  connect_timeout: 10m\n  write_timeout: 2h\n"
                "  keepalive_timeout: 1d\n  response_timeout: 90\n  max_request_body: 64MB\n  max_header_bytes: 512KiB\n")["server"]
    assert [seen[name] for name in ("header_timeout", "body_timeout", "connect_timeout", "write_timeout", "keepalive_timeout", "response_timeout")] \
        == ["250ms", "5s", "10m", "2h", "1d", "90s"]
    assert str(seen["max_request_body"]) in ("64MB", "64000000") and str(seen["max_header_bytes"]) in ("512KiB", "524288")


def test_variables_of_the_environment(atc):
    seen = dump(atc, GOOD + "server:\n  http_port: ${MY_PORT}\n  address: ${NOBODY_SET_THIS:-127.0.0.1}\n", env={"MY_PORT": "4711"})
    assert str(seen["server"]["http_port"]) == "4711" and seen["server"]["address"] == "127.0.0.1"


@pytest.mark.parametrize("env, value", [
    ({"HTTP_IDLE_TIMEOUT": "5"}, "5s"),
    ({"THRUSTER_HTTP_IDLE_TIMEOUT": "5", "HTTP_IDLE_TIMEOUT": "6"}, "5s"),
    ({"THRUSTER_HTTP_IDLE_TIMEOUT": "", "HTTP_IDLE_TIMEOUT": "6"}, "60s"),
    ({"HTTP_IDLE_TIMEOUT": "nonsense"}, "60s"),
    ({"HTTP_IDLE_TIMEOUT": "5s"}, "60s"),
    ({"HTTP_IDLE_TIMEOUT": "+7"}, "7s"),
    ({"HTTP_IDLE_TIMEOUT": "-1"}, "0"),
])
def test_thrusters_numbers_from_the_environment(atc, env, value):
    seen = dump(atc, GOOD, env=env)["server"]["keepalive_timeout"]
    assert str(seen) in (value, {"60s": "1m", "0": "0s"}.get(value))


@pytest.mark.parametrize("text, value", [("1", True), ("t", True), ("TRUE", True), ("0", False), ("f", False), ("False", False),
                                         ("yes", True), ("off", True), ("", True)])
def test_thrusters_booleans_from_the_environment(atc, text, value):
    """log_requests is true unless one of Thruster's words for false stands there."""
    assert dump(atc, GOOD, env={"LOG_REQUESTS": text})["server"]["log_requests"] is value


def test_every_variable_of_thruster_is_accepted(atc):
    env = {"TARGET_PORT": "3001", "HTTP_PORT": "8080", "HTTPS_PORT": "443", "CACHE_SIZE": "1", "MAX_CACHE_ITEM_SIZE": "1",
           "X_SENDFILE_ENABLED": "1", "GZIP_COMPRESSION_ENABLED": "1", "GZIP_COMPRESSION_DISABLE_ON_AUTH": "1",
           "GZIP_COMPRESSION_JITTER": "1", "MAX_REQUEST_BODY": "0", "STORAGE_PATH": "x", "BAD_GATEWAY_PAGE": "x", "HTTP_IDLE_TIMEOUT": "1",
           "HTTP_READ_TIMEOUT": "1", "HTTP_WRITE_TIMEOUT": "1", "H2C_ENABLED": "0", "FORWARD_HEADERS": "1", "LOG_REQUESTS": "1",
           "DEBUG": "0", "TLS_DOMAIN": "a.example.com,b.example.com", "ACME_DIRECTORY": "x", "EAB_KID": "x", "EAB_HMAC_KEY": "x"}
    for prefix in ("", "THRUSTER_"):
        done = check(atc, GOOD, env={prefix + name: value for name, value in env.items()})
        assert done.returncode == 0, done.stderr
        assert len([line for line in done.stderr.splitlines() if "edge" in line]) == 1, done.stderr


def test_json_is_read_too(atc):
    atc.config_file = atc.home / "atc.json"
    atc.config_file.write_text(json.dumps(knobs_config()))
    atc.start(args=["run", "-c", str(atc.config_file)])
    assert atc.whoami()["boots"] == 1


def test_the_file_wins_over_the_environment_or_the_other_way_as_documented(atc):
    """Thruster's variables win over the file: a deployment can overrule what an image holds."""
    assert str(dump(atc, GOOD + "server:\n  http_port: 4000\n", env={"HTTP_PORT": "5000"})["server"]["http_port"]) == "5000"


def test_the_prototypes_form_is_read(atc):
    config = {"server": {"upstream_command": KNOBS_COMMAND[0], "upstream_args": KNOBS_COMMAND[1:], "http_idle_timeout": 60,
                         "health_check_path": "/up", "target_port": 0},
              "app": {"env": {"KNOBS_DIR": "${tenant.dir}"}, "prefix": "strip"},
              "routes": [{"name": "samantha", "endpoint": "/sam", "database": "sam", "region": "iad"},
                         {"name": "index", "endpoint": ""}]}
    atc.start(config)
    assert atc.get("/sam/env").json()["FLY_ATC_SCOPE"] == "/sam"
    assert atc.get("/sam/env").json()["FLY_ATC_NAME"] == "samantha"
    assert atc.get("/whoami").json()["scope"] in ("", None)
    assert atc.get("/samantha/whoami").status == 404, "the index route owns this path; knobs does not know it"


def test_the_command_line_replaces_the_command_of_the_file(atc):
    atc.start(knobs_config(command=["/bin/false"]), command=KNOBS_COMMAND)
    assert atc.whoami()["boots"] == 1


def test_words_of_a_tenant_are_filled_in(atc):
    atc.start(knobs_config(env={"ALL": "${tenant.id}|${tenant.user}|${tenant.name}|${tenant.dir}|${tenant.port}|$$HOME"}))
    env = atc.get(WINTER + "/env").json()
    assert env["ALL"] == "bellevue/2025/winter|bellevue|2025/winter|%s|%s|$HOME" % (atc.tenant_dir(), env["PORT"])


SAY_WORDS = 'printf "%s\\n" "$@" >"$KNOBS_DIR/words"; exec ' + " ".join(map(shlex.quote, KNOBS_COMMAND))
DATABASES = {"primary": {"path": "data/one.db", "env": "APP_FILE", "backup": False, "required": False}}


def told(atc, *names, **more):
    """What these words become in command and in env."""
    values = ["${%s}" % name for name in names]
    atc.start(knobs_config(command=["sh", "-c", SAY_WORDS, "say", *values],
                           env={"SEEN_%d" % i: value for i, value in enumerate(values)}, **more),
              env={"DATABASE_URL": "of ours", "RAILS_ENV": "ours"})
    env = atc.get(WINTER + "/env").json()
    seen = [env["SEEN_%d" % i] for i in range(len(names))]
    assert atc.lines("words") == seen
    return dict(zip(names, seen)), env


def test_a_tenant_is_told_its_addresses_and_its_databases(atc):
    seen, env = told(atc, "tenant.prefix", "tenant.host", "tenant.url", "tenant.database.primary", "tenant.port",
                     databases=DATABASES)
    assert seen == {"tenant.prefix": WINTER, "tenant.host": "", "tenant.url": WINTER, "tenant.port": env["PORT"],
                    "tenant.database.primary": str(atc.tenant_dir() / "data/one.db")}


def test_a_tenant_with_a_host_is_told_of_it(atc):
    users = {"bellevue": {"host": "bellevue.example.com", "tenants": ["2025/winter"]}}
    atc.start(knobs_config(users, command=["sh", "-c", SAY_WORDS, "say", "${tenant.host}", "${tenant.url}", "${tenant.prefix}"]))
    assert atc.ask("GET", "/2025/winter/up", host="bellevue.example.com").status == 200
    assert atc.lines("words") == ["bellevue.example.com", "https://bellevue.example.com/2025/winter", "/2025/winter"]


def test_variables_that_the_application_is_told_may_be_named(atc):
    seen, env = told(atc, "APP_FILE", "PORT", "FLY_ATC_SCOPE", "FLY_ATC_NAME", "SECRET_KEY_BASE", databases=DATABASES)
    assert seen == {name: env[name] for name in seen}
    assert seen["APP_FILE"].endswith("bellevue/2025/winter/data/one.db")


@pytest.mark.parametrize("framework, url", [("node", "file:"), ("rails", "sqlite3://")])
def test_the_variables_of_a_preset_are_the_tenants_own(atc, framework, url):
    seen, env = told(atc, "DATABASE_URL", "RAILS_ENV", framework=framework, environment="staging", prepare=[],
                     listen="tcp", prefix="strip")
    assert seen["DATABASE_URL"] == env["DATABASE_URL"] == url + str(atc.tenant_dir() / "storage/staging.sqlite3")
    assert seen["RAILS_ENV"] == ("staging" if framework == "rails" else "ours")


def test_a_variable_that_a_tenant_is_not_told_is_ours_or_its_default(atc):
    seen, _ = told(atc, "DATABASE_URL", "OTHER_DATABASE_URL:-of $$ our {own$}")
    assert list(seen.values()) == ["of ours", "of $ our {own}"]


def test_what_env_makes_of_a_variable_is_not_seen_elsewhere(atc):
    atc.start(knobs_config(databases=DATABASES, env={"A": "${APP_FILE}", "APP_FILE": "other:${APP_FILE}",
                                                     "Z": "${APP_FILE}"}))
    env = atc.get(WINTER + "/env").json()
    assert env["A"] == env["Z"] == str(atc.tenant_dir() / "data/one.db")
    assert env["APP_FILE"] == "other:" + env["A"]


def test_the_prepare_command_is_told_the_same(atc):
    say = 'printf "%s\\n" "$@" >"$KNOBS_DIR/words"'
    atc.start(knobs_config(framework="rails", listen="tcp", prefix="strip", databases={"primary": {"env": "MINE", "required": False}},
                           private_directories=[],
                           prepare=["sh", "-c", say, "say", "${MINE}", "${tenant.database.primary}", "${PORT}|"]))
    assert atc.get(WINTER + "/up").status == 200
    path = str(atc.tenant_dir() / "storage/production.sqlite3")
    assert atc.lines("words") == ["sqlite3://" + path, path, "|"]


def test_a_single_application_is_told_its_port(atc):
    port = str(free_port())
    atc.start({"app": {"framework": "generic", "command": ["sh", "-c", SAY_WORDS, "say", "${PORT}", "${tenant.port}"]}},
              env={"TARGET_PORT": port, "KNOBS_DIR": str(atc.home), "PORT": "1"})
    wait_until(lambda: atc.get("/whoami").status == 200, 10, "it answers")
    assert (atc.home / "words").read_text().split() == [port, port]


def test_a_variable_that_nobody_tells_is_a_fault_with_its_place(atc):
    done = check(atc, "app:\n  command: [a, '${DATABSE_PATH}']\n" + GOOD.partition("users")[1] + GOOD.partition("users")[2])
    assert done.returncode == 2 and "atc.yml:2:16: error: the variable DATABSE_PATH is not set" in done.stderr, done.stderr
    done = check(atc, "app:\n  command: [a, '${DATABASE_PATH}']\nusers:\n"
                 "  a: {databases: {primary: {path: d, env: DATABASE_PATH}}}\n  b:\n")
    assert done.returncode == 2 and "atc.yml:5:3: error: tenant b: it is not told the variable DATABASE_PATH" in done.stderr


def test_a_hundred_thousand_tenants_are_checked_in_seconds(atc):
    users = {"user%d" % i: {"tenants": ["2025/t%d" % j for j in range(100)]} for i in range(1000)}
    (atc.home / "atc.json").write_text(json.dumps({"app": {"command": "/bin/true"}, "users": users}))
    done = atc.cli("check", "-c", str(atc.home / "atc.json"), timeout=20)
    assert done.returncode == 0, done.stderr[-1000:]
