"""s3.py - a real S3 server for the tests: versitygw over a directory.
SPDX-License-Identifier: MIT
"""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from atc import TOOLS, free_port
from waiting import wait_until

KEY, SECRET = "test-access-key", "test-secret-key"


class S3:
    """Started with one bucket; `stop` and `start` make it unreachable and reachable again, with the same data."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="s3-", dir="/tmp"))
        for folder in ("data", "sidecar"):
            (self.home / folder).mkdir()
        self.port = free_port()
        self.endpoint = "http://127.0.0.1:%d" % self.port
        self.process = None
        self.start()
        self.curl("-X", "PUT", "/bucket")

    def start(self):
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(TOOLS / "versitygw"), "--port", "127.0.0.1:%d" % self.port, "--access", KEY, "--secret", SECRET,
                 "--region", "auto", "--health", "/health", "posix", "--sidecar", str(self.home / "sidecar"),
                 str(self.home / "data")], stdout=log, stderr=log, env={"PATH": os.environ["PATH"], "HOME": str(self.home)})
        wait_until(lambda: self.curl("/health", check=False).returncode == 0, what="the S3 server answers")

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process = None

    def curl(self, *args, check=True):
        *options, target = args
        return subprocess.run(["curl", "-sf", "--noproxy", "*", "--aws-sigv4", "aws:amz:auto:s3", "--user", "%s:%s" % (KEY, SECRET),
                               "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", *options, self.endpoint + target],
                              capture_output=True, text=True, check=check)

    @property
    def environment(self):
        """What `fly storage create` sets."""
        return {"BUCKET_NAME": "bucket", "AWS_ENDPOINT_URL_S3": self.endpoint, "AWS_REGION": "auto",
                "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}

    def requests(self):
        """How many requests it has answered, by its log; the one that made the bucket is among them."""
        count = sum(" | vgw | " in line and "/health" not in line for line in (self.home / "log").read_text().splitlines())
        assert count, "its log does not look as it did"
        return count

    def files(self):
        root = self.home / "data" / "bucket"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and ".sgwtmp" not in path.parts)

    def remove(self):
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
