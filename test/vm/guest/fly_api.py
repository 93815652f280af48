"""fly_api.py - /.fly/api in the virtual machine: says on the console what it was asked, by which the host does it.
SPDX-License-Identifier: MIT
"""
import http.server
import os
import socketserver

ANSWER = b'{"ok":true}'


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # pylint: disable=invalid-name
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)
        self.wfile.flush()
        print("vm: asked for " + self.path.rpartition("/")[2], flush=True)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


server = Server("/.fly/api.new", Handler)
os.chmod("/.fly/api.new", 0o666)
os.rename("/.fly/api.new", "/.fly/api")
server.serve_forever()
