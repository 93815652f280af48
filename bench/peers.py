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
BEFORE = "b03ef90"      # the last commit without cache, compression and files
FOREVER_S = 3600
DESCRIPTORS = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)
MAX_CONNECTIONS = DESCRIPTORS - 1000
FILLING = bytes(range(256)) * 4096


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
    wants: frozenset = frozenset()          # of cache, gzip, files, static: what the proxy does itself
    answers: dict = field(default_factory=dict)     # name: what the application answers below /r/
    files: dict = field(default_factory=dict)       # name: size, of those that are sent or served

    def prepare(self):
        """What the application and the proxy read; the files in `public`, which stands for both places."""
        self.work.mkdir(parents=True)
        for name, data in self.answers.items():
            (self.work / name).write_bytes(data)
        (self.work / "public").mkdir()
        for name, size in self.files.items():
            with open(self.work / "public" / name, "wb") as file:
                for _ in range(size // len(FILLING)):
                    file.write(FILLING)
                file.write(FILLING[:size % len(FILLING)])

    def environment(self):
        return dict(os.environ, BENCH_ANSWERS=str(self.work))

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
    task.prepare()
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
            stack.callback(measure.end, start_backend(task, listener, cores))
    return ports


def start_backend(task, listener, cores):
    """The application with its listening socket as descriptor 3."""
    fd = listener.fileno()
    return measure.spawn(["/bin/bash", "-c", f'exec "$0" 3<&{fd}', task.backend], cores, pass_fds=[fd],
                         env=dict(task.environment(), LISTEN_FDS="1"))


def upstream_names(task):
    """(prefix, index of its application): those without requests share the first one's."""
    of = {prefix: i for i, prefix in enumerate(task.busy)}
    return [(prefix, of.get(i, 0)) for i, prefix in enumerate(task.prefixes)]


# --- nginx -------------------------------------------------------------------------------------

ACCESS_LOG = "access_log {}/access.log combined"
SIXTEEN_K = "proxy_buffer_size 16k; proxy_buffers 8 16k;"
# What it does each with at the least cost, tried: files stay open; small ones are read, large ones go by sendfile; gzip at
# its own level, which is 1.
UPLOADS = "client_max_body_size 0; client_body_buffer_size 1m;"     # collected in memory, then sent
OPEN = "open_file_cache max=1000 inactive=3600s;"
NGINX_WANTS = {
    "cache": "proxy_cache_path {work}/cache levels=1:2 keys_zone=c:16m use_temp_path=off; proxy_cache c; "
             "add_header X-Cache $upstream_cache_status; " + OPEN,
    "gzip": "gzip on; gzip_proxied any; gzip_vary on;",
    "files": "sendfile on; tcp_nopush on; " + OPEN,
    "static": OPEN,
}


def start_nginx(stack, options, task, port, log, access_log=ACCESS_LOG, buffers=None, stock=False, uploads=UPLOADS):
    """nginx; with large bodies the size of its buffers that is best on them, or all as it comes from Debian."""
    if buffers is None:
        buffers = SIXTEEN_K if task.large else ""
    upstreams = "".join(f"""
  upstream b{i} {{
    server 127.0.0.1:{p};
    keepalive 512; keepalive_requests 1000000000; keepalive_timeout {FOREVER_S}s;
  }}""" for i, p in enumerate(start_backends(stack, task)))
    locations = "".join(f"\n    location {prefix}/ {{ proxy_pass http://b{i}; }}"
                        for prefix, i in upstream_names(task))
    if "files" in task.wants:
        locations += f"\n    location /internal/ {{ internal; alias {task.work}/public/; }}"
    if "static" in task.wants:
        locations = f"\n    location {task.prefixes[0]}/ {{ alias {task.work}/public/; }}"
    wants = "".join(NGINX_WANTS.get(want, "").format(work=task.work) for want in sorted(task.wants))
    if stock:
        wants = "sendfile on; tcp_nopush on;" + wants.replace(OPEN, "")
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
  {buffers} {uploads} {wants}
  {"" if "cache" in task.wants else "proxy_max_temp_file_size 0;"}
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
    """nginx with its own buffers, 4 KB each, and files as Debian configures them."""
    return start_nginx(stack, options, task, port, log, buffers="", stock=True)


def start_nginx_through(stack, options, task, port, log):
    """nginx that passes uploads on as they come, as fly-atc does."""
    return start_nginx(stack, options, task, port, log, uploads="client_max_body_size 0; proxy_request_buffering off;")


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
  {"compression algo gzip" if "gzip" in task.wants else ""}
  {"compression type text/html" if "gzip" in task.wants else ""}
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


# --- Varnish -----------------------------------------------------------------------------------

def start_varnish(stack, options, task, port, log):
    """One pool of threads, memory for what is kept, compressed once when it is kept."""
    [application] = start_backends(stack, task)
    vcl = task.work / "default.vcl"
    vcl.write_text(f"""vcl 4.1;
backend application {{ .host = "127.0.0.1"; .port = "{application}"; }}
sub vcl_recv {{ return ({"hash" if "cache" in task.wants else "pass"}); }}
sub vcl_backend_response {{ set beresp.do_gzip = {"true" if "gzip" in task.wants else "false"}; }}
""")
    return measure.spawn(["varnishd", "-F", "-j", "none", "-n", task.work / "varnish", "-f", vcl,
                          "-a", f"127.0.0.1:{port}", "-s", "malloc,256m", "-p", "thread_pools=1",
                          "-p", f"timeout_idle={FOREVER_S}"], task.cores, stdout=log, stderr=log)


# --- Thruster ----------------------------------------------------------------------------------

def thrust_program(given):
    """The program, built from its Go module at the first use."""
    program = Path(given).resolve() if given else CACHE / "thrust"
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
    environ = dict(task.environment(), HTTP_PORT=str(port), TARGET_PORT=str(measure.free_port()),
                   CACHE_SIZE=str((64 << 20) * ("cache" in task.wants)), GOMAXPROCS="1",
                   GZIP_COMPRESSION_ENABLED=str(int("gzip" in task.wants)),
                   LOG_REQUESTS=str(int(task.logged)), HTTP_IDLE_TIMEOUT=str(FOREVER_S),
                   HTTP_READ_TIMEOUT=str(FOREVER_S), HTTP_WRITE_TIMEOUT=str(FOREVER_S))
    return measure.spawn([options.thrust, *task.application()], task.cores, cwd=task.work,
                         env=environ, stdout=log, stderr=log)


# --- fly-atc -----------------------------------------------------------------------------------

def fly_atc_program(given):
    """The release build, brought up to date first."""
    if given:
        return Path(given).resolve()
    return built(ROOT, ROOT / "build-bench")


def fly_atc_before(given):
    """The program as it was before there was anything to do to a response."""
    if given:
        return Path(given).resolve()
    source = ROOT / "build-before" / "source"
    if not source.exists():
        source.mkdir(parents=True)
        archive = subprocess.run(["git", "-C", ROOT, "archive", BEFORE], check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)
    return built(source, ROOT / "build-before" / "build")


def built(source, build):
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, source, "-Dbuildtype=release"], check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, "-j2", "fly-atc"], check=True, stdout=subprocess.DEVNULL)
    return build / "fly-atc"


def start_fly_atc_before(stack, options, task, port, log):
    return start_fly_atc(stack, options, task, port, log, options.fly_atc_before)


def start_fly_atc_plain(stack, options, task, port, log):
    """With nothing to do to a response: no stage applies, and no field tells of the cache."""
    return start_fly_atc(stack, options, task, port, log, server={"cache": "off", "gzip_compression_enabled": False,
                                                                 "x_sendfile_enabled": False})


def start_fly_atc_elsewhere(stack, options, task, port, log):
    """All users live on another machine, to which Fly's edge, which is us, is sent."""
    return start_fly_atc(stack, options, task, port, log, server={"trusted_proxies": ["127.0.0.0/8"]}, user={"machine": "3d8d413b29d638"},
                         environ={"FLY_MACHINE_ID": "148e45d7c20978", "FLY_REGION": "sea", "FLY_ATC_FLEET_SECRET": "a secret of the fleet's own"})


def start_fly_atc_hop(stack, options, task, port, log):
    """All tenants live on another machine, whose place the application takes."""
    [other] = start_backends(stack, task)
    fleet = {"machine": {"name": "m1", "target": "hosts", "secret": "a secret of this fleet"},
             "machines": {"m1": {"address": f"127.0.0.1:{port}"}, "m2": {"address": f"127.0.0.1:{other}"}}}
    return start_fly_atc(stack, options, task, port, log, settings=fleet, user={"machine": "m2"})


def start_fly_atc(stack, options, task, port, log, program=None, server=None, settings=None, user=None, environ=None):
    users = {}
    for prefix in task.prefixes:
        owner, name = prefix.strip("/").split("/", 1)
        users.setdefault(owner, {"tenants": [], **(user or {})})["tenants"].append(name)
    app = {"framework": "generic", "command": task.application(), "prefix": "pass",
           "health_check": "/b/0", "listen": task.listen, "idle_timeout": f"{FOREVER_S}s",
           "env": {"BOOT_MS": str(task.boot_ms), "BENCH_ANSWERS": str(task.work)}}
    if task.files:
        app["public"] = "public"
    conf = task.work / "atc.json"
    conf.write_text(json.dumps({
        "server": {"http_port": port, "address": "127.0.0.1", "threads": 1, "log_requests": task.logged,
                   "keepalive_timeout": f"{FOREVER_S}s", **(server or {})},
        "app": app, "users": users, **(settings or {})}))
    return measure.spawn([program or options.fly_atc, "run", "-c", conf], task.cores, cwd=task.work,
                         env=dict(os.environ, XDG_RUNTIME_DIR=str(task.work), **(environ or {})),
                         stdout=log, stderr=log)


STARTERS = {
    "nginx": start_nginx,
    "nginx-buffered": start_nginx_buffered,
    "nginx-stock": start_nginx_stock,
    "nginx-through": start_nginx_through,
    "haproxy": start_haproxy,
    "varnish": start_varnish,
    "thruster": start_thruster,
    "fly-atc": start_fly_atc,
    "fly-atc-hop": start_fly_atc_hop,
    "fly-atc-before": start_fly_atc_before,
    "fly-atc-plain": start_fly_atc_plain,
    "fly-atc-elsewhere": start_fly_atc_elsewhere,
}
