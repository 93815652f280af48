"""Interleaved rounds of HTTP/2 without TLS, by h2load: fly-atc, h2o, nginx and HAProxy side by side."""
# SPDX-License-Identifier: MIT

import contextlib
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass

import contest
import measure
import peers
from measure import Failed

PEERS = ("nginx", "haproxy", "h2o", "fly-atc", "fly-atc-before")


@dataclass(frozen=True)
class Load:
    title: str
    connections: int
    streams: int        # at once, on each
    body: int = 63


LOADS = {
    "h2c": Load("HTTP/2 without TLS, 63 B body, 8 connections of 32 streams", 8, 32),
    "h2c-single": Load("HTTP/2 without TLS, 63 B body, 64 connections of one stream", 64, 1),
    "h2c-10k": Load("HTTP/2 without TLS, 10 KB body, 8 connections of 32 streams", 8, 32, 10_000),
}


# --- the proxies -------------------------------------------------------------------------------

def start_nginx(stack, options, task, port, log):
    [backend] = peers.start_backends(stack, task)
    conf = task.work / "nginx.conf"
    conf.write_text(f"""
{"user root;" if os.geteuid() == 0 else ""}
daemon off; worker_processes 1; pid {task.work}/nginx.pid; error_log {task.work}/error.log;
events {{ worker_connections {peers.MAX_CONNECTIONS}; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout {peers.FOREVER_S}s;
  client_body_temp_path {task.work}/body; proxy_temp_path {task.work}/proxy;
  fastcgi_temp_path {task.work}/f; uwsgi_temp_path {task.work}/u; scgi_temp_path {task.work}/s;
  proxy_max_temp_file_size 0; {peers.SIXTEEN_K if task.large else ""}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
  upstream b {{
    server 127.0.0.1:{backend};
    keepalive 512; keepalive_requests 1000000000; keepalive_timeout {peers.FOREVER_S}s;
  }}
  server {{ listen 127.0.0.1:{port} http2 backlog=4096; location / {{ proxy_pass http://b; }} }}
}}
""")
    return measure.spawn(["nginx", "-e", task.work / "error.log", "-c", conf], task.cores,
                         stdout=log, stderr=log)


def start_haproxy(stack, options, task, port, log):
    [backend] = peers.start_backends(stack, task)
    conf = task.work / "haproxy.cfg"
    conf.write_text(f"""
global
  nbthread 1
  no strict-limits
  maxconn {peers.MAX_CONNECTIONS}
defaults
  mode http
  timeout connect 5s
  timeout client {peers.FOREVER_S}s
  timeout server {peers.FOREVER_S}s
  timeout http-keep-alive {peers.FOREVER_S}s
  http-reuse always
  option forwardfor
frontend f
  bind 127.0.0.1:{port} proto h2 backlog 4096
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend b
backend b
  server s 127.0.0.1:{backend} pool-max-conn -1 pool-purge-delay {peers.FOREVER_S}s
""")
    return measure.spawn(["haproxy", "-db", "-f", conf], task.cores, stdout=log, stderr=log)


def start_h2o(stack, options, task, port, log):
    """One thread.  It sets X-Forwarded-For and -Proto by itself, and a Via line."""
    [backend] = peers.start_backends(stack, task)
    conf = task.work / "h2o.yaml"
    conf.write_text(f"""
{"user: root" if os.geteuid() == 0 else ""}
num-threads: 1
max-connections: {peers.MAX_CONNECTIONS}
http2-idle-timeout: {peers.FOREVER_S}
proxy.preserve-host: ON
proxy.timeout.keepalive: {peers.FOREVER_S * 1000}
listen: {{host: 127.0.0.1, port: {port}}}
hosts:
  default:
    paths:
      /: {{proxy.reverse.url: "http://127.0.0.1:{backend}/"}}
""")
    return measure.spawn(["h2o", "-c", conf], task.cores, stdout=log, stderr=log)


def start_fly_atc(stack, options, task, port, log, program=None):
    conf = task.work / "atc.json"
    conf.write_text(json.dumps({
        "server": {"http_port": port, "address": "127.0.0.1", "threads": 1, "log_requests": False,
                   "h2c_enabled": True, "keepalive_timeout": f"{peers.FOREVER_S}s"},
        "app": {"framework": "generic", "command": task.application(), "prefix": "pass",
                "health_check": "/b/0", "idle_timeout": f"{peers.FOREVER_S}s"},
        "users": {"bench": {"tenants": ["main"]}}}))
    return measure.spawn([program or options.fly_atc, "run", "-c", conf], task.cores, cwd=task.work,
                         env=dict(os.environ, XDG_RUNTIME_DIR=str(task.work)),
                         stdout=log, stderr=log)


def start_fly_atc_before(stack, options, task, port, log):
    return start_fly_atc(stack, options, task, port, log, options.fly_atc_before)


STARTERS = {"nginx": start_nginx, "haproxy": start_haproxy, "h2o": start_h2o, "fly-atc": start_fly_atc,
            "fly-atc-before": start_fly_atc_before}


@contextlib.contextmanager
def running(name, options, task):
    """A peer that answers; ended afterwards with everything that it started."""
    task.work.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        port = measure.free_port()
        output = task.work / "output"
        log = stack.enter_context(output.open("wb"))
        try:
            process = STARTERS[name](stack, options, task, port, log)
        except FileNotFoundError as missing:
            raise Failed(str(missing)) from None
        stack.callback(measure.end, process)
        yield peers.Running(name, f"http://127.0.0.1:{port}", process, output)


# --- the load ----------------------------------------------------------------------------------

def h2load(url, load, seconds, cores, through=(), requests=None):
    """One bounded run; what it counted, and the times of all requests."""
    how_long = ["-n", requests] if requests else ["-D", seconds]
    argv = [*through, "h2load", "-t1", "-c", 1 if requests else load.connections, "-m", load.streams,
            *how_long, "-T", "10", "-N", "10", url]
    process = measure.spawn(argv, cores, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        out, _ = process.communicate(timeout=seconds + 30)
    finally:
        measure.end(process)
    counts = re.search(r"requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", out)
    times = re.search(r"finished in ([\d.]+)(s|ms|us)", out)
    if process.returncode or not counts or not times or not int(counts[2]):
        raise Failed(f"h2load on {url}: {out}")
    # For a run of fixed length it counts what was under way at the end as not done, not as failed.
    scale = {"s": 1, "ms": 1e-3, "us": 1e-6}[times[2]]
    return {"requests": int(counts[2]), "seconds": float(times[1]) * scale,
            "errors": int(counts[1]) - int(counts[2])}


def wait_for(peer, path, load, options, patience_s=20):
    deadline = time.monotonic() + patience_s
    while True:
        try:
            h2load(peer.url + path, load, 5, options.load_cores, requests=1)
            return
        except Failed:
            if time.monotonic() > deadline or peer.process.poll() is not None:
                raise
        time.sleep(0.05)


def sample(peer, path, load, options):
    """The figures of one peer in one round."""
    time.sleep(0.2)     # what the one before left to do
    pids = peer.pids()
    stolen, ticks, cpu = *measure.steal_ticks(), measure.cpu_ns(pids)
    with peer.blamed():
        done = h2load(peer.url + path, load, options.seconds, options.load_cores)
    cpu = measure.cpu_ns(pids) - cpu
    stolen, ticks = (after - before for after, before in zip(measure.steal_ticks(), (stolen, ticks)))
    return {"rps": done["requests"] / done["seconds"], "cpu_us": cpu / 1000 / done["requests"],
            "errors": done["errors"], "steal": stolen / ticks}


def run_load(name, options):
    """One of LOADS on every peer that was asked for, and on h2o."""
    load, path = LOADS[name], f"{contest.PATH}/b/{LOADS[name].body}"
    result = {"title": load.title, "base": "h2o", "rounds": {}, "once": {}, "unavailable": {}}
    with contextlib.ExitStack() as stack:
        ready = {}
        for peer in PEERS:
            if peer != "h2o" and peer not in options.peers:
                continue
            try:
                task = options.task(peer, large=load.body >= contest.LARGE)
                ready[peer] = stack.enter_context(running(peer, options, task))
                with ready[peer].blamed():
                    wait_for(ready[peer], path, load, options)
            except Failed as why:
                ready.pop(peer, None)
                result["unavailable"][peer] = str(why)
                continue
            result["once"][peer], result["rounds"][peer] = {}, []
            sample(ready[peer], path, load, options)    # warm
        for turn in range(options.rounds):
            names = list(ready)
            for peer in names[turn % len(names):] + names[:turn % len(names)]:
                result["rounds"][peer].append(sample(ready[peer], path, load, options))
        for peer, its in ready.items():
            done, calls = measure.system_calls(
                its.pids(), lambda through, its=its: h2load(its.url + path, load, 1, options.load_cores, through))
            result["once"][peer] = {"calls": calls["all"] / done["requests"], "pss_kb": measure.memory_kb(its.pids())}
    return result
