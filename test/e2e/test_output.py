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
    """Our own stdout is a full pipe: requests go on, whatever becomes of the lines."""
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
    for _ in range(10):
        assert atc.get(WINTER + "/chatter?lines=2000&len=100").status == 200
    assert atc.get(WINTER + "/up").status == 200
    atc.stop(0)
    os.close(read_end)
