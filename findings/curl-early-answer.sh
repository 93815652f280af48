#!/bin/sh
# curl 7.88.1 (Debian 12) ends an HTTP/2 upload as if it were whole when the answer comes before its end.
#
# A server that refuses an upload answers at once (413 here) and need not read on.  curl stops sending then, with an empty DATA frame
# that has END_STREAM, after fewer bytes than its Content-Length said.  By RFC 9113, 8.1.1 such a request is malformed; RST_STREAM is
# how a request is given up.  A proxy between the two may have passed the body on: it must not take it for a whole one, and a strict
# one answers with a stream error of its own instead of the 413.  curl itself ends with 0.
#
# Seen: "declared 20000000, sent 65535, ended by END_STREAM; curl: 413, exit 0" (or sent 0, which is when the answer comes).
# Needs Debian 12 with its curl, python3 with venv.  Exit 1 if curl does something else.
#
# SPDX-License-Identifier: MIT
set -eu
case $(curl --version) in
"curl 7.88.1 "*) ;;
*)
	echo "this is about the curl of Debian 12, 7.88.1" >&2
	exit 1
	;;
esac
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip -q install hyperframe==6.1.0 hpack==4.1.0
cat >serve.py <<'EOF'
"""Answers 413 as soon as a request begins, and tells how the request ends."""
import os
import socket
import hpack
from hyperframe import frame

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(1)
with open("port.new", "w") as file:
    file.write(str(listener.getsockname()[1]))
os.rename("port.new", "port")
client = listener.accept()[0]
client.settimeout(20)
data = client.makefile("rb")
assert data.read(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
client.sendall(frame.SettingsFrame(0).serialize())
declared = sent = 0
ended = None
while not ended:
    received, length = frame.Frame.parse_frame_header(memoryview(data.read(9)))
    received.parse_body(memoryview(data.read(length)))
    if isinstance(received, frame.SettingsFrame) and "ACK" not in received.flags:
        client.sendall(frame.SettingsFrame(0, flags=["ACK"]).serialize())
    elif isinstance(received, frame.HeadersFrame):
        declared = int(dict(hpack.Decoder().decode(received.data))["content-length"])
        block = hpack.Encoder().encode([(":status", "413"), ("content-length", "0")])
        client.sendall(frame.HeadersFrame(received.stream_id, block, flags=["END_HEADERS", "END_STREAM"]).serialize())
    elif isinstance(received, frame.DataFrame):
        sent += len(received.data)
        ended = "END_STREAM" if "END_STREAM" in received.flags else None
    elif isinstance(received, (frame.RstStreamFrame, frame.GoAwayFrame)):
        ended = type(received).__name__
print("declared %d, sent %d, ended by %s" % (declared, sent, ended))
EOF
head -c 20000000 /dev/zero >body
venv/bin/python serve.py >told &
for _ in $(seq 200); do [ -s port ] && break; sleep 0.1; done
status=0
code=$(curl -s -o answer -w '%{http_code}' --noproxy '*' --http2-prior-knowledge -T body "http://127.0.0.1:$(cat port)/x") || status=$?
wait
echo "$(cat told); curl: $code, exit $status"
[ "$code, $status" = "413, 0" ] && grep -q "ended by END_STREAM" told && ! grep -q "sent 20000000" told
