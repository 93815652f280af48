"""Interleaved rounds of load on proxies that run side by side: the plain loads, and many routes."""
# SPDX-License-Identifier: MIT

import contextlib
import time
from dataclasses import dataclass
from statistics import mean

import measure
import peers
from measure import Failed

PATH = "/bench/main"
LARGE = 10_000      # bytes of a body
PEERS = ["nginx", "haproxy", "thruster", "fly-atc"]
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "Accept-Language: de-CH,de;q=0.8,en-US;q=0.5,en;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: http://127.0.0.1/bench/main/events/2025-04-01",
    "Cookie: _calendar_session=" + "kX3v" * 80 + "; theme=dark",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Priority: u=0, i",
)


@dataclass(frozen=True)
class Load:
    title: str
    connections: int = 64
    body: int = 63
    upload: int = 0                 # bytes of each request's body
    headers: tuple = ()
    logged: bool = False
    nginx: tuple = ("nginx",)       # its variants that are of interest under this load
    peers: tuple = ()               # those that it is about; none: PEERS
    base: str = "nginx"

    def paths(self, task):
        return [f"{task.prefixes[i]}/b/{self.body}" for i in task.busy]

    def task(self):
        """What the task of a peer differs in."""
        return {"logged": self.logged, "large": max(self.body, self.upload) >= LARGE}

    def ready(self, peer, path):
        """Returns when the path is answered as it should be, with figures that are taken once."""
        measure.wait_for(peer.url + path, peer.process, size=self.body)
        return {}


class Replays(Load):
    """The users of one of the peers live elsewhere: it answers with a replay."""

    def ready(self, peer, path):
        if peer.name != "fly-atc-elsewhere":
            return super().ready(peer, path)
        status, head, body = measure.get(peer.url + path, self.headers)
        if status != 307 or "replay" not in head["Content-Type"]:
            raise Failed(f"no replay: {status} {body[:200]!r}")
        return {"body_bytes": len(body)}


LOADS = {
    "small": Load("63 B body, 64 connections"),
    "small256": Load("63 B body, 256 connections", connections=256),
    "browser": Load("63 B body, 64 connections, the header lines of a browser", headers=BROWSER),
    "10k": Load("10 KB body, 64 connections", body=10_000),
    "100k": Load("100 KB body, 64 connections", body=100_000, nginx=("nginx", "nginx-stock")),
    "1m": Load("1 MB body, 64 connections", body=1_000_000, nginx=("nginx", "nginx-stock")),
    "new": Load("63 B body, a new connection for each request", headers=("Connection: close",)),
    "logged": Load("63 B body, 64 connections, access logs written", logged=True,
                   nginx=("nginx", "nginx-buffered")),   # it writes each line unless told not to
    "before": Load("63 B body, 64 connections, before and after there were cache, compression and files",
                   peers=("fly-atc-before", "fly-atc-plain", "fly-atc"), base="fly-atc-before"),
}

LOADS["replay"] = Replays("a small request that is passed on, and one that is answered by a signed replay; 64 connections",
                          headers=("Fly-Request-Id: 01J8XYZ-sea",), peers=("fly-atc", "fly-atc-elsewhere"), base="fly-atc")
# To another machine: what answers there is the application itself, so that only the hop is measured.
HOP = {"peers": ("nginx", "haproxy", "fly-atc-hop")}
LOADS |= {
    "hop": Load("passed to another machine: 63 B body, 64 connections", **HOP),
    "hop-100k": Load("passed to another machine: 100 KB body, 64 connections", body=100_000, **HOP),
    "hop-1m": Load("passed to another machine: 1 MB body, 64 connections", body=1_000_000, **HOP),
    "hop-up": Load("passed to another machine: an upload of 63 B, 64 connections", upload=63, **HOP),
    "hop-up-100k": Load("passed to another machine: an upload of 100 KB, 64 connections", upload=100_000,
                        nginx=("nginx", "nginx-through"), **HOP),
    "hop-up-1m": Load("passed to another machine: an upload of 1 MB, 64 connections", upload=1_000_000,
                      nginx=("nginx", "nginx-through"), **HOP),
}

# N of routes -> peers that are asked to have so many; eight of them get the requests.
ROUTES = {10: ["nginx", "haproxy", "fly-atc"],
          1_000: ["nginx", "haproxy", "fly-atc"],
          10_000: ["nginx"],
          100_000: ["haproxy", "fly-atc"]}


@dataclass
class Contender:
    label: str
    peer: peers.Running
    paths: list              # those requested

    def load(self, load, options, seconds, through=()):
        many = self.paths if len(self.paths) > 1 else ()
        with self.peer.blamed():
            return measure.wrk(self.peer.url + self.paths[0], load.connections, seconds,
                               options.load_cores, load.headers, many, through, load.upload)


def run_load(name, options):
    """One of LOADS on every peer."""
    return run_peers(LOADS[name], options)


def run_peers(load, options):
    """A load on every peer that it is about and that the command line does not leave out."""
    chosen = options.chosen or ()
    about = [peer for peer in load.peers if not chosen or peer in chosen] or options.peers
    # The command line may always ask how another fly-atc does it.
    about += [peer for peer in chosen if peer.startswith("fly-atc-") and peer not in about]
    wanted = [variant for peer in about for variant in (load.nginx if peer == "nginx" else (peer,))]
    return compete(options, load, [(peer, peer, load.task()) for peer in wanted], base=load.base)


def run_routes(options):
    """The same peers with more and more routes; each is compared with itself at 10."""
    entries = []
    for n, names in ROUTES.items():
        prefixes = [f"/user{i // 10}/tenant{i % 10}" for i in range(n)]
        busy = [i * (n - 1) // 7 for i in range(8)]
        entries += [(f"{peer} {n:,}", peer, {"prefixes": prefixes, "busy": busy})
                    for peer in options.peers if peer in names]
    entries.sort(key=lambda entry: entry[1])
    return compete(options, Load("10 to 100,000 routes; 63 B body, 64 connections"), entries)


def compete(options, load, entries, base=None):
    """Entries are (label, peer, what its task differs in).  Returns rounds and figures taken once."""
    result = {"title": load.title, "base": base, "rounds": {}, "once": {}, "unavailable": {}}
    with contextlib.ExitStack() as stack:
        contenders = []
        for label, name, differs in entries:
            task = options.task(label, **differs)
            try:
                peer = stack.enter_context(peers.running(name, options, task))
            except Failed as why:
                result["unavailable"][label] = str(why)
                continue
            paths = load.paths(task)
            result["once"][label] = {"start_kb": measure.memory_kb(peer.pids())}
            try:
                with peer.blamed():
                    figures = [load.ready(peer, path) for path in paths]
                    result["once"][label] |= {name: round(mean(each[name] for each in figures)) for name in figures[0]}
            except Failed as why:
                result["unavailable"][label] = str(why)
                continue
            contenders.append(Contender(label, peer, paths))
            result["rounds"][label] = []
        for c in contenders:    # warm
            c.load(load, options, 1)
        for turn in range(options.rounds):
            for c in contenders[turn % len(contenders):] + contenders[:turn % len(contenders)]:
                result["rounds"][c.label].append(sample(c, load, options))
        for c in contenders:
            pids = c.peer.pids()
            done, calls = measure.system_calls(pids, lambda through: c.load(load, options, 1, through))
            per_request = {call: n / done["requests"] for call, n in calls.items()}
            result["once"][c.label] |= {"calls": per_request.pop("all"), "by_name": per_request,
                                        "pss_kb": measure.memory_kb(pids)}
    return result


def sample(contender, load, options):
    """The figures of one contender in one round."""
    time.sleep(0.2)     # what the one before left to do
    pids = contender.peer.pids()
    stolen, ticks, cpu = *measure.steal_ticks(), measure.cpu_ns(pids)
    done = contender.load(load, options, options.seconds)
    cpu = measure.cpu_ns(pids) - cpu
    stolen, ticks = (after - before for after, before in zip(measure.steal_ticks(), (stolen, ticks)))
    return {"rps": done["requests"] / done["seconds"], "cpu_us": cpu / 1000 / done["requests"],
            "p50_us": done["p50_us"], "p99_us": done["p99_us"], "errors": done["errors"],
            "steal": stolen / ticks}
