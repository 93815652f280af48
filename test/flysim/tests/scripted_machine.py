"""scripted_machine.py - what runs on a machine in the simulator's own tests: answers as the request itself says.

The header x-script is JSON, from a machine's id (or "failed", for a request that a replay gave back) to [status, fields, body].
Without it the answer says what arrived.
SPDX-License-Identifier: MIT
"""
import json
import os
import signal
import socket
import sys
import threading
import time

ME = os.environ["FLY_MACHINE_ID"]


def read_head(file):
    lines = []
    while (line := file.readline()) not in (b"\r\n", b""):
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    return lines


def read_body(file, fields):
    if fields.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
        return body
    return file.read(int(fields.get("content-length", 0)))


def answer(conn, status, fields, body):
    if isinstance(body, str):
        body = body.encode()
    lines = ["HTTP/1.1 %d Whatever" % status, *("%s: %s" % tuple(pair) for pair in fields), "content-length: %d" % len(body)]
    conn.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + body)


def special(conn, file, path):
    if path == "/ws":
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                     b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        while data := file.read1(65536):
            conn.sendall(data)
    elif path == "/stream":
        conn.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        while not os.path.exists("go"):
            time.sleep(0.005)
        conn.sendall(b"4\r\nlast\r\n0\r\n\r\n")
    elif path == "/hold":
        open("held", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.005)
        answer(conn, 200, [], ME)
    elif path == "/up":
        note("checked")
        answer(conn, 301 if os.path.exists("ill") else 200, [], "")
    elif path.startswith("/exit/"):
        os._exit(int(path[6:]))
    elif path == "/vanish":
        conn.shutdown(socket.SHUT_RDWR)
    else:
        return False
    return True


def serve(conn):
    file = conn.makefile("rb")
    while lines := read_head(file):
        method, target, _ = lines[0].split(" ")
        pairs = [tuple(line.split(": ", 1)) for line in lines[1:]]
        fields = {key.lower(): value for key, value in pairs}
        if special(conn, file, target):
            continue
        script = json.loads(fields.get("x-script", "{}"))
        wanted = script.get("failed") if "fly-replay-failed" in fields else script.get(ME)
        if wanted and wanted[0] == "early":
            answer(conn, *wanted[1:])
            read_body(file, fields)
            continue
        body = read_body(file, fields)
        if wanted:
            answer(conn, *wanted)
        else:
            answer(conn, 200, [["content-type", "application/json"]], json.dumps({
                "machine": ME, "method": method, "target": target, "headers": pairs, "size": len(body), "sum": sum(body),
                "pid": os.getpid()}))


def note(name):
    with open(os.path.join(os.environ["FLYSIM_VOLUME"], name), "a", encoding="ascii") as file:
        file.write("%d\n" % os.getpid())


def on_signal(number, _):
    note("signal-%d" % number)
    if os.environ.get("STUBBORN") != "yes":
        os._exit(0)


def main():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    note("boots")
    open("on-rootfs", "a").close()
    if os.environ.get("CHILD") == "yes" and not os.fork():
        while True:
            time.sleep(100)
    listener = socket.create_server((os.environ["FLYSIM_ADDRESS"], 8080), backlog=100)
    print("it listens", flush=True)
    while True:
        conn, _ = listener.accept()
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(conn,), daemon=True).start()


sys.exit(main())
