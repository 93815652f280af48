"""How each proxy is built, configured and started: one function a peer, all with the same task."""
# SPDX-License-Identifier: MIT

import contextlib
import json
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import measure
from measure import Failed

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fly-atc" / "bin"
THRUSTER = "github.com/basecamp/thruster/cmd/thrust@v0.1.22"
FOREVER_S = 3600
DESCRIPTORS = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)
MAX_CONNECTIONS = DESCRIPTORS - 1000


@dataclass
class Task:
    """What a peer is to serve."""
    work: Path                              # scratch directory of this peer alone
    cores: set
    backend: Path                           # the application, compiled
    logged: bool = False
    large: bool = False                     # bodies larger than a small buffer
    prefixes: list = field(default_factory=lambda: ["/bench/main"])
    busy: list = field(default_factory=lambda: [0])   # indexes of the prefixes that get requests
    boot_ms: int = 0                        # how long the application takes to boot (fly-atc only)
    listen: str = "tcp"                     # how it learns where to listen (fly-atc only)
    backend_cores: set = None               # where it runs; None: as the proxy

    def application(self):
        """The application's command, for those that start it themselves."""
        pin = ["taskset", "-c", ",".join(map(str, self.backend_cores))] if self.backend_cores else []
        return [*pin, str(self.backend)]


@dataclass
class Running:
    name: str
    url: str                                # without a path
    process: subprocess.Popen
    output: Path                            # what it printed

    @contextlib.contextmanager
    def blamed(self):
        """What fails within is said to be this peer's, with the last that it printed."""
        try:
            yield
        except (Failed, OSError) as error:
            said = self.output.read_text(errors="replace")[-2000:]
            raise Failed(f"{self.name}: {error}\n{said}") from error

    def pids(self):
        """The proxy's own processes: not the applications that it started."""
        family = [self.process.pid, *measure.descendants(self.process.pid)]
        return [pid for pid in family if executable(pid) != "backend"]


def executable(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return None


@contextlib.contextmanager
def running(name, options, task):
    """A peer that answers; ended afterwards with everything that it started."""
    task.work.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        port = measure.free_port()
        output = task.work / "output"
        log = stack.enter_context(output.open("wb"))
        process = STARTERS[name](stack, options, task, port, log)
        stack.callback(measure.end, process)
        peer = Running(name, f"http://127.0.0.1:{port}", process, output)
        with peer.blamed():
            measure.wait_for(peer.url + "/nobody", process)  # wakes no tenant
        yield peer


# --- the applications behind nginx and HAProxy -------------------------------------------------

def start_backends(stack, task):
    """Ports of one application for each busy prefix; the kernel chooses them."""
    cores = task.backend_cores or task.cores
    ports = []
    for _ in task.busy:
        with measure.listening_socket() as listener:
            ports.append(listener.getsockname()[1])
            stack.callback(measure.end, start_backend(task.backend, listener, cores))
    return ports


def start_backend(program, listener, cores):
    """The application with its listening socket as descriptor 3."""
    fd = listener.fileno()
    return measure.spawn(["/bin/bash", "-c", f'exec "$0" 3<&{fd}', program], cores, pass_fds=[fd],
                         env=dict(os.environ, LISTEN_FDS="1"))


def upstream_names(task):
    """(prefix, index of its application): those without requests share the first one's."""
    of = {prefix: i for i, prefix in enumerate(task.busy)}
    return [(prefix, of.get(i, 0)) for i, prefix in enumerate(task.prefixes)]


# --- nginx -------------------------------------------------------------------------------------

ACCESS_LOG = "access_log {}/access.log combined"
SIXTEEN_K = "proxy_buffer_size 16k; proxy_buffers 8 16k;"


def start_nginx(stack, options, task, port, log, access_log=ACCESS_LOG, buffers=None):
    """nginx; with large bodies the size of its buffers that is best on them."""
    if buffers is None:
        buffers = SIXTEEN_K if task.large else ""
    upstreams = "".join(f"""
  upstream b{i} {{
    server 127.0.0.1:{p};
    keepalive 512; keepalive_requests 1000000000; keepalive_timeout {FOREVER_S}s;
  }}""" for i, p in enumerate(start_backends(stack, task)))
    locations = "".join(f"\n    location {prefix}/ {{ proxy_pass http://b{i}; }}"
                        for prefix, i in upstream_names(task))
    conf = task.work / "nginx.conf"
    conf.write_text(f"""
{"user root;" if os.geteuid() == 0 else ""}
daemon off; worker_processes 1; pid {task.work}/nginx.pid; error_log {task.work}/error.log;
events {{ worker_connections {MAX_CONNECTIONS}; }}
http {{
  {access_log.format(task.work) if task.logged else "access_log off"};
  keepalive_requests 1000000000; keepalive_timeout {FOREVER_S}s;
  client_body_temp_path {task.work}/body; proxy_temp_path {task.work}/proxy;
  fastcgi_temp_path {task.work}/f; uwsgi_temp_path {task.work}/u; scgi_temp_path {task.work}/s;
  proxy_max_temp_file_size 0; {buffers}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $http_host;
  {upstreams}
  server {{
    listen 127.0.0.1:{port} backlog=4096;{locations}
  }}
}}
""")
    return measure.spawn(["nginx", "-e", task.work / "error.log", "-c", conf], task.cores,
                         stdout=log, stderr=log)


def start_nginx_buffered(stack, options, task, port, log):
    """nginx whose access log is written in large pieces, as fly-atc's is."""
    return start_nginx(stack, options, task, port, log, ACCESS_LOG + " buffer=64k flush=1s")


def start_nginx_stock(stack, options, task, port, log):
    """nginx with its own buffers, 4 KB each."""
    return start_nginx(stack, options, task, port, log, buffers="")


# --- HAProxy -----------------------------------------------------------------------------------

def start_haproxy(stack, options, task, port, log):
    backends = "".join(f"""
backend b{i}
  server s 127.0.0.1:{p} pool-max-conn -1 pool-purge-delay {FOREVER_S}s"""
                       for i, p in enumerate(start_backends(stack, task)))
    table = task.work / "prefixes.map"
    table.write_text("".join(f"{prefix}/ b{i}\n" for prefix, i in upstream_names(task)))
    conf = task.work / "haproxy.cfg"
    conf.write_text(f"""
global
  nbthread 1
  no strict-limits
  maxconn {MAX_CONNECTIONS}
  {"log stdout format raw local0" if task.logged else ""}
defaults
  mode http
  {"log global" if task.logged else ""}
  {"option httplog" if task.logged else ""}
  timeout connect 5s
  timeout client {FOREVER_S}s
  timeout server {FOREVER_S}s
  timeout http-keep-alive {FOREVER_S}s
  http-reuse always
  option forwardfor
frontend f
  bind 127.0.0.1:{port} backlog 4096
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  use_backend %[path,map_beg({table})]
{backends}
""")
    return measure.spawn(["haproxy", "-db", "-f", conf], task.cores, stdout=log, stderr=log)


# --- Thruster ----------------------------------------------------------------------------------

def thrust_program(given):
    """The program, built from its Go module at the first use."""
    program = Path(given) if given else CACHE / "thrust"
    if program.exists():
        return program
    if given:
        raise Failed(f"{given}: no such program")
    if not shutil.which("go"):
        raise Failed("Thruster is built by Go >= 1.26, which is not installed")
    print(f"go install {THRUSTER}", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["go", "install", THRUSTER], env=dict(os.environ, GOBIN=str(CACHE)),
                          capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise Failed(f"go install {THRUSTER}: {done.stderr.strip()}; "
                     "a program built elsewhere can be given with --thrust")
    return program


def start_thruster(stack, options, task, port, log):
    if isinstance(options.thrust, Failed):
        raise options.thrust
    environ = dict(os.environ, HTTP_PORT=str(port), TARGET_PORT=str(measure.free_port()),
                   CACHE_SIZE="0", GZIP_COMPRESSION_ENABLED="0", GOMAXPROCS="1",
                   LOG_REQUESTS=str(int(task.logged)), HTTP_IDLE_TIMEOUT=str(FOREVER_S),
                   HTTP_READ_TIMEOUT=str(FOREVER_S), HTTP_WRITE_TIMEOUT=str(FOREVER_S))
    return measure.spawn([options.thrust, *task.application()], task.cores,
                         env=environ, stdout=log, stderr=log)


# --- fly-atc -----------------------------------------------------------------------------------

def fly_atc_program(given):
    """The release build, brought up to date first."""
    if given:
        return Path(given)
    build = ROOT / "build-bench"
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, ROOT, "-Dbuildtype=release"], check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, "-j2", "fly-atc"], check=True, stdout=subprocess.DEVNULL)
    return build / "fly-atc"


def start_fly_atc(stack, options, task, port, log):
    users = {}
    for prefix in task.prefixes:
        user, name = prefix.strip("/").split("/", 1)
        users.setdefault(user, {"tenants": []})["tenants"].append(name)
    conf = task.work / "atc.json"
    conf.write_text(json.dumps({
        "server": {"http_port": port, "address": "127.0.0.1", "threads": 1, "log_requests": task.logged,
                   "keepalive_timeout": f"{FOREVER_S}s"},
        "app": {"framework": "generic", "command": task.application(), "prefix": "pass",
                "health_check": "/b/0", "listen": task.listen, "idle_timeout": f"{FOREVER_S}s",
                "env": {"BOOT_MS": str(task.boot_ms)}},
        "users": users}))
    return measure.spawn([options.fly_atc, "run", "-c", conf], task.cores, cwd=task.work,
                         env=dict(os.environ, XDG_RUNTIME_DIR=str(task.work)),
                         stdout=log, stderr=log)


STARTERS = {
    "nginx": start_nginx,
    "nginx-buffered": start_nginx_buffered,
    "nginx-stock": start_nginx_stock,
    "haproxy": start_haproxy,
    "thruster": start_thruster,
    "fly-atc": start_fly_atc,
}
