"""stores.py - where the backup tests keep their backups: a directory, or a bucket of a real S3 server.
SPDX-License-Identifier: MIT
"""
import pathlib
import shutil
import tempfile

from s3 import S3


class Directory:
    name = "file"

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="backup-", dir="/tmp"))
        self.config = {"url": "file://%s" % self.root}
        self.environment = {}

    def files(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def path(self, name):
        return self.root / name

    def take_away(self):
        """As a disk that is not there: what stands in its place is no directory, and can be made one by nobody."""
        self.root.rename("%s.away" % self.root)
        self.root.touch()

    def bring_back(self):
        self.root.unlink()
        pathlib.Path("%s.away" % self.root).rename(self.root)

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


class Bucket:
    name = "s3"

    def __init__(self):
        self.server = S3()
        self.config = {"url": "s3://bucket/atc"}
        self.environment = self.server.environment

    def files(self):
        return [name[len("atc/"):] for name in self.server.files() if name.startswith("atc/")]

    def path(self, name):
        return self.server.home / "data" / "bucket" / "atc" / name

    def take_away(self):
        self.server.stop()

    def bring_back(self):
        self.server.start()

    def remove(self):
        self.server.remove()


STORES = {store.name: store for store in (Directory, Bucket)}
