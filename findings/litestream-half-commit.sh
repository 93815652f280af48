#!/bin/sh
# Litestream 0.5.18 replicates a commit that no reader of the database ever sees, and then misses the next one.
#
# SQLite commits to a WAL in two steps: the frames go to the file and are made durable, then the WAL-index (NAME-shm) names them.
# A writer that is killed between the two leaves a whole commit in the file that does not exist for anybody while some connection
# is open; the next writer puts its frames in its place.  Litestream reads the file and not the index: it uploads the commit that
# never was, and goes on behind it.  A shorter commit in the same place, acknowledged to its writer, is in no replica, though
# /sync with wait answers that all is there, until later commits have written over all of the first one.
#
# Seen: "database: 21 rows, acknowledged: 1; restored: 920 rows, acknowledged: 0".
# Needs go, python3 with venv, curl.  Exit 1 if Litestream does something else.
#
# SPDX-License-Identifier: MIT
set -eu
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir"
GOBIN=$dir GOTOOLCHAIN=auto go install github.com/benbjohnson/litestream/cmd/litestream@v0.5.18
python3 -m venv venv
venv/bin/pip -q install apsw==3.50.4.0

cat >litestream.yml <<EOF
socket: {enabled: true, path: $dir/sock}
logging: {level: error}
EOF
ask() {
	curl -s --unix-socket sock -X POST "http://l/$1" -d "$2"
}

cat >write.py <<'EOF'
import os, signal, sys, apsw

class Half(apsw.VFS):
    """SQLite's own file system, in which the process is killed while it makes a commit durable."""
    def __init__(self):
        super().__init__("half", "")
    def xOpen(self, name, flags):
        return File(name, flags)

class File(apsw.VFSFile):
    def __init__(self, name, flags):
        self.is_wal = bool(flags[0] & apsw.SQLITE_OPEN_WAL)
        super().__init__("", name, flags)
    def xSync(self, flags):
        if self.is_wal and os.path.exists("half"):
            os.kill(os.getpid(), signal.SIGKILL)
        super().xSync(flags)

half = Half()
db = apsw.Connection("db", vfs="half")
list(db.execute("pragma journal_mode = wal; pragma synchronous = full; create table if not exists t(who text, x text)"))
who, n = sys.argv[1], int(sys.argv[2])
db.execute("with recursive c(i) as (select 1 union all select i + 1 from c where i < ?) "
           "insert into t select ?, hex(zeroblob(60)) from c", (n, who))
print(who, "committed")
os._exit(0)  # as any application that is still running: nobody closes the database
EOF

venv/bin/python write.py first 20
./litestream replicate -config litestream.yml >log 2>&1 &
pid=$!
for _ in $(seq 100); do [ -S sock ] && break; sleep 0.1; done
ask register "{\"path\":\"$dir/db\",\"replica_url\":\"file://$dir/replica\"}" >/dev/null
ask sync "{\"path\":\"$dir/db\",\"wait\":true}"; echo

touch half
venv/bin/python write.py killed 900 || true # never acknowledged
rm half
ask sync "{\"path\":\"$dir/db\",\"wait\":true}"; echo
venv/bin/python write.py acknowledged 1
answer=$(ask sync "{\"path\":\"$dir/db\",\"wait\":true}")
echo "$answer"

./litestream restore -integrity-check full -o restored "file://$dir/replica"
venv/bin/python - "$answer" <<'EOF'
import json, sys, apsw

def rows(name):
    db = apsw.Connection(name)
    return [db.execute("select count(*) from t" + more).fetchone()[0] for more in ("", " where who = 'acknowledged'")]
here, back, answer = rows("db"), rows("restored"), json.loads(sys.argv[1])
print("database: %d rows, acknowledged: %d; restored: %d rows, acknowledged: %d" % (*here, *back))
is_as_described = here == [21, 1] and back == [920, 0] and answer["txid"] == answer["replicated_txid"]
sys.exit(0 if is_as_described else 1)
EOF
