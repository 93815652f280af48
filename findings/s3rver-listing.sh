#!/bin/sh
# s3rver 3.7.1 leaves common prefixes out of a listing with a delimiter when no object lies directly in them.
#
# GET /bucket?list-type=2&delimiter=/ names "a/" for the key a/2, and says nothing of d/e/f/3; with prefix=d/ the answer is an empty
# list, as if nothing were there.  S3 rolls up every key that has the delimiter behind the prefix, however deep it lies
# (ListObjectsV2, "CommonPrefixes").  Programs that look for backups or releases folder by folder find none.
#
# Seen: "at the top: a/" and "below d/: nothing".
# Needs node with npm, curl 7.86 or newer, python3.  Exit 1 if s3rver does something else.
#
# SPDX-License-Identifier: MIT
set -eu
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-fund --no-audit s3rver@3.7.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir data
node node_modules/s3rver/bin/s3rver.js -d data -a 127.0.0.1 -p "$port" --configure-bucket bucket >log 2>&1 &
pid=$!

ask() {
	curl -s --noproxy '*' --retry 20 --retry-connrefused --aws-sigv4 aws:amz:us-east-1:s3 --user S3RVER:S3RVER \
		-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@"
}
prefixes() {
	ask "http://127.0.0.1:$port/bucket?delimiter=%2F&list-type=2$1" >answer
	python3 - <<'EOF'
import re
print(" ".join(re.findall("<CommonPrefixes><Prefix>([^<]*)</Prefix>", open("answer").read())) or "nothing")
EOF
}
for key in a/2 d/e/f/3; do
	ask -f -o /dev/null -X PUT --data x "http://127.0.0.1:$port/bucket/$key"
done
top=$(prefixes "")
below=$(prefixes "&prefix=d%2F")
echo "at the top: $top"
echo "below d/: $below"
[ "$top" = "a/" ] && [ "$below" = nothing ]
