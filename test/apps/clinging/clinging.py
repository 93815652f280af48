#!/usr/bin/env python3
"""clinging - an application that, told to end, lets each connection end by itself, however long that takes.
SPDX-License-Identifier: MIT

As many servers do.  It writes down how many connections were open at that moment, and how many there are now.  EXTRA is
put into each answer's head; TOGETHER is how many requests of /together wait for each other.
"""
import json
import os
import select
import signal
import socket
import threading

listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=512)
connections, notes = set(), os.environ["NOTES"]
extra = os.environ.get("EXTRA", "").encode().decode("unicode_escape").encode()


def write(name, what):
    with open(os.path.join(notes, name + ".new"), "w") as file:
        json.dump(what, file)
    os.replace(file.name, os.path.join(notes, name))


def talk(conn):
    data = b""
    while more := conn.recv(65536):
        data += more
        while b"\r\n\r\n" in data:
            head, data = data.split(b"\r\n\r\n", 1)
            if b"/together" in head.split()[1]:
                gate.wait()
            conn.sendall(b"HTTP/1.1 200 OK\r\n" + extra + b"Content-Length: 3\r\n\r\nyes")


def serve(conn):
    try:
        talk(conn)
    except ConnectionError:
        pass
    connections.discard(conn)
    conn.close()


def is_open(conn):
    poll = select.poll()
    try:
        poll.register(conn, select.POLLIN | select.POLLRDHUP)
    except ValueError:                      # its thread has closed it meanwhile
        return False
    return not poll.poll(0)


def end(*_):
    write("open_when_told", sum(is_open(conn) for conn in list(connections)))
    listener.close()
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and thread is not writer:
            thread.join()
    write("ended", True)
    os._exit(0)


def keep_writing():
    last = None
    while True:
        if (now := [len(connections), accepted]) != last:
            write("open", last := now)
        threading.Event().wait(0.05)


accepted = 0
gate = threading.Barrier(int(os.environ.get("TOGETHER", "1")))
writer = threading.Thread(target=keep_writing, daemon=True)
writer.start()
signal.signal(signal.SIGTERM, end)
while True:
    conn, _ = listener.accept()
    connections.add(conn)
    accepted += 1
    threading.Thread(target=serve, args=(conn,), daemon=True).start()
