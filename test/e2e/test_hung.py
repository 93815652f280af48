"""What lives and does nothing is noticed: the proxy, one of its threads, an application; what is only slow is left alone.
SPDX-License-Identifier: MIT
"""
import ctypes
import glob
import os
import signal

import processes
from atc import WINTER, Background, knobs_config
from waiting import holds_for, wait_until

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


def hasty(max_timeouts=3, **app):
    """Requests time out after half a second."""
    return knobs_config(server={"response_timeout": "500ms"}, max_timeouts=max_timeouts, **app)


def proxy_after(atc, former):
    """The pid of the next proxy, once it has ended."""
    return wait_until(lambda: atc.proxy_pid() not in (None, former) and atc.proxy_pid(), 20)


def loops(pid):
    """Its threads that wait in an event loop, beside the first."""
    found = []
    for path in glob.glob("/proc/%d/task/*" % pid):
        tid = int(path.rsplit("/", 1)[1])
        with open(path + "/wchan") as file:
            if tid != pid and "poll" in file.read():
                found.append(tid)
    return found


def halt(pid):
    """Each of its threads stands still when this returns."""
    os.kill(pid, signal.SIGSTOP)

    def stands():
        for path in glob.glob("/proc/%d/task/*/stat" % pid):
            with open(path) as file:
                if file.read().rsplit(")", 1)[1].split()[0] != "T":
                    return False
        return True
    wait_until(stands)


# -- the proxy --

def test_a_proxy_that_hangs_is_replaced_when_somebody_comes(atc):
    atc.start(knobs_config(server={"heartbeat_timeout": "1s"}))
    atc.proxy_may_change = True
    pid, proxy = atc.whoami()["pid"], atc.proxy_pid()
    halt(proxy)
    assert atc.whoami()["pid"] == pid                       # it waited in the socket, and the tenant did not notice
    assert atc.proxy_pid() != proxy and not processes.is_alive(proxy)
    status = atc.status()["proxy"]
    assert status["restarts"] == 1 and "did not answer for 1s" in status["reason"]
    atc.wait_log("the proxy did not answer for 1s and was killed; it is started again")


def test_a_single_thread_of_the_proxy_that_hangs_is_noticed(atc):
    """The others answer, but every connection that the kernel gives to it would wait for ever."""
    atc.start(knobs_config(server={"heartbeat_timeout": "1s", "threads": 2}))
    atc.proxy_may_change = True
    atc.whoami()
    proxy = atc.proxy_pid()
    worker = wait_until(lambda: loops(proxy))[-1]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    assert libc.ptrace(PTRACE_SEIZE, worker, None, None) == 0, os.strerror(ctypes.get_errno())
    assert libc.ptrace(PTRACE_INTERRUPT, worker, None, None) == 0
    os.waitpid(worker, 0x40000000)                          # __WALL: it stands still
    asked = [Background(atc.whoami) for _ in range(8)]      # some of them at the other thread, which answers

    def gone():
        """A process that is traced ends once its tracer has seen that.  Requests that the other thread serves all are a
        reason to ask only now and then, so they go on."""
        asked.append(Background(atc.whoami))
        try:
            os.waitpid(worker, os.WNOHANG | 0x40000000)
        except ChildProcessError:
            pass
        return atc.proxy_pid() not in (None, proxy)
    wait_until(gone, 20)
    for each in asked:
        try:
            each.result()
        except (OSError, AssertionError):
            pass                                            # lost with the proxy; those in the socket are not
    assert atc.whoami()["scope"] == WINTER
    assert "did not answer for 1s" in atc.status()["proxy"]["reason"]


def test_a_proxy_that_hangs_is_noticed_by_a_reload_too(atc):
    atc.start(knobs_config(server={"heartbeat_timeout": "500ms"}))
    atc.proxy_may_change = True
    proxy = atc.proxy_pid()
    halt(proxy)
    assert atc.cli("reload", timeout=60).returncode == 1    # it was waited for in vain, and is asked then
    proxy_after(atc, proxy)
    wait_until(lambda: atc.status()["config"]["proxy_has_it"])


def test_requests_that_are_counted_for_a_proxy_that_hangs_do_not_keep_a_tenant_awake(atc):
    atc.start(knobs_config(server={"heartbeat_timeout": "500ms"}, idle_timeout="500ms"))
    atc.proxy_may_change = True
    with atc.wire() as wire:
        wire.request("GET", WINTER + "/sleep?s=30")
        wait_until(lambda: atc.tenant()["in_flight"] == 1)
        holds_for(lambda: True, 1)                          # past the last question because of a connection
        halt(atc.proxy_pid())
        atc.wait_state("stopped")


def test_a_proxy_is_not_asked_where_that_is_switched_off(atc):
    atc.start(knobs_config(server={"heartbeat_timeout": "0"}))
    proxy = atc.proxy_pid()
    halt(proxy)
    asked = Background(atc.whoami)
    holds_for(lambda: atc.proxy_pid() == proxy and not asked.is_done, 2)
    os.kill(proxy, signal.SIGCONT)
    assert asked.result()["scope"] == WINTER


def test_the_question_can_be_switched_on_by_a_reload(atc):
    atc.start(knobs_config(server={"heartbeat_timeout": "0"}))
    atc.proxy_may_change = True
    atc.write_config(knobs_config(server={"heartbeat_timeout": "500ms"}))
    assert atc.cli("reload").returncode == 0
    proxy = atc.proxy_pid()
    halt(proxy)
    assert atc.whoami()["scope"] == WINTER
    assert atc.proxy_pid() != proxy


# -- an application --

def test_an_application_that_hangs_is_restarted(atc):
    atc.start(hasty())
    pid = atc.whoami()["pid"]
    halt(pid)
    assert [atc.get(WINTER + "/up").status for _ in range(3)] == [504] * 3
    second = wait_until(lambda: next((r.json() for r in [atc.get(WINTER + "/whoami")] if r.status == 200), None), 30)
    assert second["pid"] != pid and second["boots"] == 2 and not processes.is_alive(pid)
    tenant = atc.tenant()
    assert (tenant["restarts"], tenant["reason"]) == (1, None)
    assert "it hangs: " in tenant["last_crash"] and "health check within 500ms" in tenant["last_crash"]
    assert any("it hangs: " in line["reason"] for line in atc.log_lines(msg="tenant crashed"))


def test_an_application_that_hangs_too_often_has_failed(atc):
    atc.start(hasty(max_restarts=0))
    halt(atc.whoami()["pid"])
    for _ in range(3):
        assert atc.get(WINTER + "/up").status == 504
    atc.wait_state("failed")
    assert "it hangs: " in atc.tenant()["reason"]
    response = atc.get(WINTER + "/up")
    assert response.status == 200 or int(response.header("Retry-After")) >= 1
    wait_until(lambda: atc.get(WINTER + "/up").status == 200, 20, "it is tried again after the back-off")


def test_an_application_that_is_slow_in_one_place_is_left_alone(atc):
    atc.start(hasty(max_timeouts=2))
    pid = atc.whoami()["pid"]
    for _ in range(6):
        assert atc.get(WINTER + "/sleep?s=20").status == 504
    atc.wait_log("answers its health check: it is slow, and left alone")
    assert (atc.whoami()["pid"], atc.tenant()["restarts"], atc.tenant()["last_crash"]) == (pid, 0, None)


def test_only_requests_in_a_row_count(atc):
    atc.start(hasty(max_timeouts=2))
    for _ in range(4):
        assert atc.get(WINTER + "/sleep?s=20").status == 504
        assert atc.get(WINTER + "/up").status == 200
    assert "its health check is asked" not in atc.log


def test_an_application_is_not_asked_where_that_is_switched_off(atc):
    atc.start(hasty(max_timeouts=0))
    pid = atc.whoami()["pid"]
    halt(pid)
    for _ in range(5):
        assert atc.get(WINTER + "/up").status == 504
    assert "its health check is asked" not in atc.log
    os.kill(pid, signal.SIGCONT)
    assert atc.whoami()["pid"] == pid


def test_an_application_that_is_stopped_while_its_health_is_asked_rests(atc):
    atc.start(hasty(max_timeouts=1, stop_timeout="300ms"))
    halt(atc.whoami()["pid"])
    assert atc.get(WINTER + "/up").status == 504
    atc.wait_log("its health check is asked")
    assert atc.cli("stop", "bellevue/2025/winter").returncode == 0
    assert atc.state() == "stopped" and atc.tenant()["restarts"] == 0
    assert atc.whoami()["boots"] == 2
