"""What tenants write comes line by line into our log, whatever it is, and never holds anything up.
SPDX-License-Identifier: MIT
"""
import json

from atc import WINTER, knobs_config
from waiting import wait_until


def output(atc, **where):
    return [line for line in atc.log_lines(tenant="bellevue/2025/winter") if line.get("msg") != "Request"
            and all(line.get(key) == value for key, value in where.items())]


def test_a_line_carries_its_tenant_and_stream(atc):
    atc.start(knobs_config())
    atc.get(WINTER + "/say?text=to+stdout")
    atc.get(WINTER + "/say?text=to+stderr&stream=stderr")
    for stream in ("stdout", "stderr"):
        wait_until(lambda: [line for line in output(atc, stream=stream) if "to " + stream in json.dumps(line)])


def test_a_json_line_stays_json(atc):
    atc.start(knobs_config())
    atc.get(WINTER + '/say?text={"event":"sale","amount":3}')
    def found():
        return [line for line in output(atc) if "amount" in json.dumps(line)]
    line = wait_until(found)[0]
    flat = {**line, **next((value for value in line.values() if isinstance(value, dict)), {})}
    assert flat["event"] == "sale" and flat["amount"] == 3


def test_a_json_line_cannot_pretend_to_be_ours(atc):
    """Members that we write cannot be forged by the tenant's line."""
    atc.start(knobs_config())
    atc.get(WINTER + '/say?text={"tenant":"boston/2025/april","marker":"forged"}')
    line = wait_until(lambda: [entry for entry in atc.log.splitlines() if "forged" in entry and "stdout" in entry])[0]
    pairs = json.loads(line, object_pairs_hook=lambda pairs: pairs)
    assert ("tenant", "bellevue/2025/winter") in pairs and ("tenant", "boston/2025/april") not in pairs


def test_an_overlong_line_is_cut_with_a_mark(atc):
    atc.start(knobs_config())
    atc.get(WINTER + "/chatter?lines=1&len=100000")
    line = wait_until(lambda: [entry for entry in output(atc) if "cccc" in json.dumps(entry)])[0]
    assert len(json.dumps(line)) < 20000 and any("cut" in key or "cut" in str(value)[-40:] for key, value in line.items())
    assert atc.get(WINTER + "/up").status == 200


def test_bytes_that_are_no_text_do_no_harm(atc):
    atc.start(knobs_config())
    atc.get(WINTER + "/chatter?lines=3&len=200&binary=1")
    wait_until(lambda: len([entry for entry in output(atc) if "[31m" in json.dumps(entry)]) == 3)
    raw = atc.out.read_bytes() + atc.err.read_bytes()
    raw.decode("utf-8")
    assert b"\x1b" not in raw and b"\x00" not in raw


def test_a_last_line_without_its_end_is_not_lost(atc):
    atc.start(knobs_config())
    atc.get(WINTER + "/chatter?lines=1&len=30&partial=1")
    atc.cli("stop", "bellevue/2025/winter")
    wait_until(lambda: [entry for entry in output(atc) if "c" * 30 in json.dumps(entry)])


def test_a_chatty_tenant_loses_no_line_and_stops_nobody(atc):
    atc.start(knobs_config())
    assert atc.get(WINTER + "/chatter?lines=20000&len=60").status == 200
    assert atc.get(WINTER + "/up").status == 200
    wait_until(lambda: len([line for line in atc.log.splitlines() if "c" * 60 in line]) == 20000, 20)


def test_a_log_that_nobody_reads_does_not_stop_the_service(atc):
    """Our own stdout is a full pipe: requests go on, and the lines that are lost are counted."""
    import os
    import subprocess
    from atc import ACTIVATE, PROGRAM, bound_socket
    listener = bound_socket()
    atc.port = listener.getsockname()[1]
    config = atc.write_config(knobs_config())
    read_end, write_end = os.pipe()
    atc.process = subprocess.Popen(["bash", "-c", ACTIVATE, "activate", str(listener.fileno()), PROGRAM, "run", "-c", config],
                                   cwd=atc.app, env=atc.environment(), stdin=subprocess.DEVNULL, stdout=write_end,
                                   stderr=write_end, pass_fds=[listener.fileno()])
    os.close(write_end)
    listener.close()
    wait_until(atc.control_socket)
    for _ in range(15):
        assert atc.get(WINTER + "/chatter?lines=2000&len=100").status == 200
    assert atc.get(WINTER + "/up").status == 200
    assert wait_until(lambda: atc.status()["log_dropped"]["lines"])
    assert "lost from the log: " in atc.cli("status").stdout
    atc.stop(0)
    os.close(read_end)


# --- the reason ---

def failing(atc, command, **more):
    config = knobs_config(**more)
    config["app"]["command"] = command
    atc.start(config)
    assert atc.get(WINTER + "/").status == 503
    atc.wait_state("failed")
    return atc.tenant()


def test_a_module_that_node_misses_is_named_in_the_status(atc):
    (atc.app / "server.js").write_text('console.log("\\n".repeat(100)); require("no-such-module")\n')
    tenant = failing(atc, ["node", "server.js"])
    assert tenant["error_output"][0] == "Error: Cannot find module 'no-such-module'"
    assert any("MODULE_NOT_FOUND" in line for line in tenant["error_output"])
    assert "Cannot find module 'no-such-module'" in atc.cli("status").stdout
    assert "no-such-module" in json.dumps(atc.log_lines(msg="tenant failed"))


def test_the_exception_of_ruby_is_found_behind_much_that_stdout_says(atc):
    (atc.app / "server.rb").write_text(
        '$stdout.sync = false\n'
        'begin\n  require "no_such_gem"\nrescue LoadError => e\n  $stderr.puts e.full_message(highlight: false)\nend\n'
        '2000.times { |i| puts "== #{i} CreateWishes: migrated" }\nexit 1\n')
    tenant = failing(atc, ["ruby", "server.rb"], environment="development")
    assert "cannot load such file -- no_such_gem (LoadError)" in tenant["error_output"][0]
    assert tenant["last_output"][-1].startswith("== 1999")
    page = atc.get(WINTER + "/", headers=[("Accept", "text/html")])
    assert b"no_such_gem (LoadError)" in page.body and b"== 1999" in page.body


def test_an_error_of_the_run_before_is_not_the_reason(atc):
    (atc.app / "server.sh").write_text('test -e seen || { touch seen; echo "Error: the first" >&2; }; exit 1\n')
    tenant = failing(atc, ["sh", "server.sh"])
    assert tenant["error_output"] == ["Error: the first"]
    wait_until(lambda: atc.get(WINTER + "/").status == 503 and atc.tenant()["starts"] == 2)
    tenant = atc.tenant()
    assert tenant["error_output"] == [] and "Error: the first" in tenant["last_output"]


def test_what_was_dropped_from_the_log_stays_counted_while_it_sleeps(atc):
    atc.start(knobs_config(log_rate="1KiB"))
    atc.get(WINTER + "/chatter?lines=200&len=100")
    dropped = wait_until(lambda: atc.tenant()["output_dropped"]["lines"])
    atc.cli("stop", "bellevue/2025/winter")
    atc.wait_state("stopped")
    assert atc.tenant()["output_dropped"]["lines"] >= dropped


def test_one_that_puts_itself_into_the_background_is_told_to_stay(atc):
    (atc.app / "server.sh").write_text("sleep 100 & exit 0\n")
    reason = failing(atc, ["sh", "server.sh"])["reason"]
    assert "(pid " in reason and "exited with status 0" in reason and "must stay in the foreground" in reason


def test_a_start_that_takes_too_long_names_process_and_address(atc):
    (atc.app / "server.sh").write_text("echo told $PORT; exec sleep 100\n")
    tenant = failing(atc, ["sh", "server.sh"], start_timeout="1s", listen="tcp")
    port = next(line.split()[1] for line in tenant["last_output"] if line.startswith("told "))
    assert "on 127.0.0.1:%s" % port in tenant["reason"] and "(pid " in tenant["reason"]


def test_one_that_ignores_term_is_told_once_what_may_help(atc):
    atc.start(knobs_config(env={"KNOBS_IGNORE_TERM": "1"}, stop_timeout="300ms"))
    for _ in range(2):
        assert atc.get(WINTER + "/up").status == 200
        atc.cli("stop", "bellevue/2025/winter")
    killed = [line["msg"] for line in atc.log_lines() if "is killed" in line.get("msg", "")]
    assert len(killed) == 2 and "stop_signal: INT" in killed[0] and "stop_signal" not in killed[1]
