#!/usr/bin/env python3
"""inside - a tenant that tries what it must not do, and says whether it could.
SPDX-License-Identifier: MIT

Every attempt is harmless where it succeeds: it opens, asks or sends signal 0, and nothing more.  GET /NAME?argument
answers {"could": true or false, "why": …}.  It knows nothing of fly-atc but that its parent started it.
"""
import ctypes
import http.server
import json
import os
import socket
import subprocess
import sys
from urllib.parse import unquote, urlsplit

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH, CLONE_NEWNS, MNT_DETACH = 16, 17, 0x20000, 2
ATTEMPTS = {}


def attempt(function):
    ATTEMPTS[function.__name__] = function
    return function


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@attempt
def read(path):
    """The content, as far as it is text: what it is worth is for the test to say."""
    with open(path, "rb") as file:
        return file.read(65536).decode("latin-1")


@attempt
def write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    return True


@attempt
def listing(path):
    return os.listdir(path)


@attempt
def memory(pid):
    os.close(os.open("/proc/%s/mem" % pid, os.O_RDONLY))
    return True


@attempt
def trace(pid):
    pid = int(pid)
    checked(LIBC.ptrace(PTRACE_ATTACH, pid, None, None))
    os.waitpid(pid, 0x40000000)
    checked(LIBC.ptrace(PTRACE_DETACH, pid, None, None))
    return True


@attempt
def signal(pid):
    os.kill(int(pid), 0)
    return True


@attempt
def ask(request):
    """"path METHOD target" to a unix socket; the first line of the answer."""
    path, method, target = request.split(" ")
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(path)
        peer.sendall(("%s %s HTTP/1.0\r\nContent-Length: 0\r\n\r\n" % (method, target)).encode())
        return peer.recv(4096).decode("latin-1").splitlines()[0]


@attempt
def uncover(path):
    """What lies below mounts, seen from a copy of the mount namespace."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            checked(LIBC.unshare(CLONE_NEWNS))
            folder = path
            while folder != "/":
                while LIBC.umount2(folder.encode(), MNT_DETACH) == 0:
                    pass
                folder = os.path.dirname(folder)
            with open(path, "rb") as file:
                os.write(theirs, b"1" if file.read(1) else b"0")
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(pid, 0)
    return os.read(ours, 1) == b"1"


@attempt
def environment(_):
    return dict(os.environ)


@attempt
def modes(_):
    return {name: oct(os.stat(os.environ[name]).st_mode & 0o777) for name in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR")}


@attempt
def escape(tag):
    """A process that leaves the session, the environment and its parent; its pid is written by itself."""
    code = "import os, sys, time\nif os.fork(): os._exit(0)\nos.setsid()\n" \
           "open(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(600)"
    subprocess.run(["setsid", "env", "-i", sys.executable, "-c", code, tag], check=True, close_fds=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return True


@attempt
def shout(count):
    """That many lines of a kilobyte."""
    block = b"".join(b"loud %08d %s\n" % (i, b"x" * 1000) for i in range(100))
    for _ in range(int(count) // 100):
        os.write(1, block)
    return True


@attempt
def say(text):
    os.write(1, text.encode() + b"\n")
    return True


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        name = url.path.rpartition("/")[2]
        answer = {"could": name not in ATTEMPTS}
        if name in ATTEMPTS:
            try:
                answer = {"could": True, "what": ATTEMPTS[name](unquote(url.query))}
            except OSError as error:
                answer = {"could": False, "why": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    if os.environ.get("DATABASE_PATH"):
        with open(os.environ["DATABASE_PATH"], "ab") as database:
            pass
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
