"""Figures as Markdown tables, and a verdict on each target."""
# SPDX-License-Identifier: MIT

from dataclasses import dataclass
from statistics import median
from typing import Callable

# Every figure that a scenario may have: heading and form, in the order of the columns.
COLUMNS = {
    "rps": ("requests/s", "{:,.0f}"),
    "body_bytes": ("bytes of the body", "{:,}"),
    "cpu_us": ("CPU µs/request", "{:.1f}"),
    "calls": ("system calls/request", "{:.2f}"),
    "p50_us": ("p50 µs", "{:,.0f}"),
    "p99_us": ("p99 µs", "{:,.0f}"),
    "alone_ms": ("application alone, ms", "{:.2f}"),
    "wake_ms": ("woken by us, ms", "{:.2f}"),
    "overhead_ms": ("overhead, ms", "{:.2f}"),
    "connection_bytes": ("bytes/idle connection", "{:,.0f}"),
    "asleep_calls": ("calls, no tenant awake", "{}"),
    "awake_calls": ("calls, one tenant awake", "{}"),
    "start_kb": ("PSS at start, KB", "{:,}"),
    "pss_kb": ("PSS after, KB", "{:,}"),
}


def value(scenario, label, figure):
    """A figure taken once, or the median of its rounds; None where there is none."""
    if figure in scenario["once"].get(label, {}):
        return scenario["once"][label][figure]
    samples = scenario["rounds"].get(label, [])
    return median(s[figure] for s in samples) if samples and figure in samples[0] else None


def ratios(scenario, label, base, figure="cpu_us"):
    """label / base in each round; empty where one of them is missing."""
    pairs = zip(scenario["rounds"].get(label, []), scenario["rounds"].get(base, []))
    return [ours[figure] / theirs[figure] for ours, theirs in pairs]


def table(scenario):
    labels = list(scenario["rounds"]) or list(scenario["once"])
    shown = [f for f in COLUMNS if any(value(scenario, label, f) is not None for label in labels)]
    rows = [["", *(COLUMNS[f][0] for f in shown)]]
    base = scenario["base"]
    if base in scenario["rounds"]:
        rows[0].append(f"CPU × {base} (min–max)")
    for label in labels:
        row = [label]
        for figure in shown:
            v = value(scenario, label, figure)
            row.append("" if v is None else COLUMNS[figure][1].format(v))
        if base in scenario["rounds"]:
            r = ratios(scenario, label, base)
            row.append(f"{median(r):.2f} ({min(r):.2f}–{max(r):.2f})")
        rows.append(row)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" + "|--:" * (len(rows[0]) - 1) + "|")
    lines += [f"\n{label}: not measured: {why.splitlines()[0]}"
              for label, why in scenario["unavailable"].items()]
    errors = {label: sum(s.get("errors", 0) for s in samples)
              for label, samples in scenario["rounds"].items()}
    lines += [f"\n{label}: {n} failed requests" for label, n in errors.items() if n]
    steal = max((s.get("steal", 0) for samples in scenario["rounds"].values() for s in samples),
                default=0)
    if steal > 0.02:
        lines.append(f"\nUp to {steal:.0%} of the machine's time was stolen by its host in a round.")
    return f"## {scenario['title']}\n\n" + "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Target:
    scenario: str
    text: str
    limit: float
    measured: Callable       # scenario -> a number at most `limit`, or None
    form: str = "{:.2f}"


def cpu_ratio(base, label="fly-atc"):
    def measured(scenario):
        found = ratios(scenario, label, base)
        return median(found) if found else None
    return measured


def ours(figure):
    return lambda scenario: value(scenario, "fly-atc", figure)


def growth(scenario):
    found = [median(r) for label in scenario["rounds"] if label.startswith("fly-atc ")
             if (r := ratios(scenario, label, "fly-atc 10"))]
    return max(found) if len(found) > 1 else None


def worst_overhead(scenario):
    return max((value(scenario, label, "overhead_ms") for label in scenario["rounds"]), default=None)


def worst_calls(scenario):
    figures = scenario["once"].get("fly-atc")
    return figures and max(figures["asleep_calls"], figures["awake_calls"])


def size_ratio(base):
    def measured(scenario):
        sizes = [value(scenario, label, "body_bytes") for label in ("fly-atc", base)]
        return sizes[0] / sizes[1] if all(sizes) else None
    return measured


def rate_ratio(slower, faster):
    """Requests/s of one over those of the other."""
    def measured(scenario):
        found = ratios(scenario, slower, faster, "rps")
        return median(found) if found else None
    return measured


HOPS = {"hop": "a small answer", "hop-100k": "an answer of 100 KB", "hop-1m": "an answer of 1 MB",
        "hop-up": "a small upload", "hop-up-100k": "an upload of 100 KB", "hop-up-1m": "an upload of 1 MB"}
TARGETS = (
    *(Target(name, f"CPU of {text} from or to another machine × nginx", 1.00, cpu_ratio("nginx", "fly-atc-hop"))
      for name, text in HOPS.items()),
    Target("replay", "requests/s of a small request over those of replays", 0.50, rate_ratio("fly-atc", "fly-atc-elsewhere")),
    Target("small", "CPU of a small request, 64 connections, × nginx", 0.75, cpu_ratio("nginx")),
    Target("small256", "CPU of a small request, 256 connections, × nginx", 0.75, cpu_ratio("nginx")),
    Target("logged", "CPU of a small request, both logging, × nginx", 0.80, cpu_ratio("nginx")),
    Target("small", "CPU of a small request × Thruster", 0.10, cpu_ratio("thruster"), "{:.3f}"),
    Target("100k", "CPU of a 100 KB body × nginx", 0.75, cpu_ratio("nginx")),
    Target("1m", "CPU of a 1 MB body × nginx", 0.60, cpu_ratio("nginx")),
    Target("new", "CPU of a new connection for each request × nginx", 0.95, cpu_ratio("nginx")),
    Target("small", "system calls for a small request", 4.5, ours("calls")),
    Target("h2c", "CPU of a small request over HTTP/2 × h2o", 1.0, cpu_ratio("h2o")),
    Target("routes", "CPU at 1,000 and 100,000 tenants × that at 10", 1.05, growth, "{:.3f}"),
    Target("before", "CPU of a small request to which no stage applies × that before there were any", 1.02,
           cpu_ratio("fly-atc-before", "fly-atc-plain"), "{:.3f}"),
    Target("cache-10k", "CPU of a cache hit of 10 KB × nginx as Debian configures it", 0.60, cpu_ratio("nginx-stock")),
    Target("cache-10k", "the same × nginx at its best", 0.60, cpu_ratio("nginx")),
    Target("gzip", "CPU of pages of 10 KB by gzip × nginx", 0.60, cpu_ratio("nginx")),
    Target("gzip", "bytes of these pages by gzip × nginx", 1.00, size_ratio("nginx")),
    Target("sendfile-100k", "CPU of a file of 100 KB sent for the application × nginx", 1.00, cpu_ratio("nginx")),
    Target("sendfile-100m", "CPU of a file of 100 MB sent for the application × nginx", 1.00, cpu_ratio("nginx")),
    Target("static", "CPU of a file of 10 KB of `public/` × nginx", 0.90, cpu_ratio("nginx")),
    Target("wake", "wake overhead, ms", 5, worst_overhead),
    Target("idle", "PSS at start, KB", 8192, ours("start_kb"), "{:,}"),
    Target("idle", "bytes for an idle connection", 1024, ours("connection_bytes"), "{:,.0f}"),
    Target("quiet", "system calls while nothing happens", 0, worst_calls, "{}"),
)


def verdicts(scenarios):
    """(text, limit, measured or None, kept) of every target whose scenario was run."""
    found = []
    for target in TARGETS:
        if target.scenario in scenarios:
            got = target.measured(scenarios[target.scenario])
            found.append((target, got, got is not None and got <= target.limit))
    return found


def verdict_table(scenarios):
    lines = ["## Targets\n", "| | at most | measured | |", "|---|--:|--:|---|"]
    for target, got, kept in verdicts(scenarios):
        said = "not measured" if got is None else target.form.format(got)
        word = "" if got is None else "pass" if kept else "MISS"
        lines.append(f"| {target.text} | {target.limit:,} | {said} | {word} |")
    return "\n".join(lines) + "\n"
