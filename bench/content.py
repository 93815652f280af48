"""What proxies do to responses besides passing them on: hits of a cache, compression, files."""
# SPDX-License-Identifier: MIT

from dataclasses import dataclass

import answers
import contest
import measure
from measure import Failed

KIB = 1024
PAGES = 64
GZIP = ("Accept-Encoding: gzip",)
ZSTD = ("Accept-Encoding: zstd",)
ALL = ("nginx", "varnish", "thruster", "fly-atc")
FILES = {"100k": 100 * 1000, "100m": 100 * 1000 * 1000, "10k": 10 * 1000}


@dataclass(frozen=True)
class Content(contest.Load):
    wants: frozenset = frozenset()
    answers: tuple = ()         # of the application, in turn, the same for all
    file: str = ""              # or the file that it names
    coding: str = ""            # of what the client is to get

    def paths(self, task):
        if "static" in self.wants:
            return [f"{task.prefixes[0]}/{self.file}"]
        return [f"{task.prefixes[0]}/r/{name}" for name in task.answers]

    def task(self):
        found = {"wants": self.wants, "large": True}
        found["answers"] = {f"answer-{i}": answer for i, answer in enumerate(self.answers)}
        if self.file:
            found["files"] = {self.file: FILES[self.file]}
            found["answers"] = {"file": answers.file_answer(
                f"X-Accel-Redirect: /internal/{self.file}", f"X-Sendfile: public/{self.file}")}
        return found

    def ready(self, peer, path):
        """Nothing is measured that is not what its name says."""
        measure.wait_for(peer.url + path, peer.process, size=-1, headers=self.headers)
        _, fields, body = measure.get(peer.url + path, self.headers)
        if fields.get("Content-Encoding", "") != self.coding:
            raise Failed(f"not compressed as it should be: {fields.items()}")
        if "cache" in self.wants and "hit" not in fields.get("X-Cache", "").lower() and "Age" not in fields:
            raise Failed(f"not from the cache: {fields.items()}")
        if self.file and len(body) != FILES[self.file]:
            raise Failed(f"{len(body)} bytes are not the file")
        return {"body_bytes": len(body)}


def pages(size, field):
    """Many in turn: the same page again and again is foreseen by the processor, which halves what it costs to compress it."""
    return tuple(answers.answer(answers.page(size, seed), field) for seed in range(PAGES))


def kept(size, **differs):
    return Content(wants=frozenset({"cache", "gzip"} if "coding" in differs else {"cache"}), peers=ALL,
                   nginx=("nginx", "nginx-stock"), answers=pages(size, answers.KEPT), **differs)


def page(**differs):
    return Content(wants=frozenset({"gzip"}), answers=pages(10 * 1000, answers.OWN), **differs)


CONTENT = {
    "cache-1k": kept(KIB, title="hits of a cache, 1 KB"),
    "cache-10k": kept(10 * 1000, title="hits of a cache, 10 KB"),
    "cache-1k-gzip": kept(KIB, title="hits of a cache, 1 KB, compressed", headers=GZIP, coding="gzip"),
    "cache-10k-gzip": kept(10 * 1000, title="hits of a cache, 10 KB, compressed", headers=GZIP, coding="gzip"),
    "gzip": page(title="pages of 10 KB by gzip", headers=GZIP, coding="gzip", peers=(*ALL, "haproxy")),
    "zstd": page(title="pages of 10 KB by zstd", headers=ZSTD, coding="zstd", peers=("thruster", "fly-atc"), base="thruster"),
    "sendfile-100k": Content(title="a file of 100 KB that the application names", wants=frozenset({"files"}), file="100k",
                             peers=("nginx", "thruster", "fly-atc")),
    "sendfile-100m": Content(title="a file of 100 MB that the application names", wants=frozenset({"files"}), file="100m",
                             connections=4, peers=("nginx", "thruster", "fly-atc")),
    "static": Content(title="a file of 10 KB without the application", wants=frozenset({"static"}), file="10k",
                      peers=("nginx", "fly-atc")),
}
