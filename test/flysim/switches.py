"""switches.py - what the platform's documents leave open or contradict each other in, and how long things take.
SPDX-License-Identifier: MIT
"""
import dataclasses


def switch(default, text, choices=None):
    return dataclasses.field(default=default, metadata={"text": text, "choices": choices})


@dataclasses.dataclass
class Switches:
    """Each is a row of --help too; times are seconds."""
    # The replay.
    replay_body_limit: int = switch(1000000, "bytes of a request's body that can be replayed (the documents say 1 MB, and 10 MB elsewhere)")
    replay_body_rule: str = switch("length", "what is too large: a Content-Length above the limit or none (length), or what was read (bytes)",
                                   ("length", "bytes"))
    replay_unknown_keys: str = switch("refuse", "keys of a replay that nobody knows: PA03, or passed over", ("refuse", "ignore"))
    replay_max: int = switch(10, "replays of one request; one more is PA02")
    cache_beside: str = switch("refuse", "a replay that wants to be cached and has state, transform, timeout or fallback: PA03, or not cached",
                               ("refuse", "ignore"))
    cache_forget: float = switch(0.0, "probability that an entry of the replay cache is forgotten when it is wanted")
    keep_authorization: bool = switch(True, "Authorization survives a replay that transforms headers")
    trust_client_fly_headers: bool = switch(False, "fly-* headers that a client sent are passed on")
    force_wakes: bool = switch(True, "fly-force-instance-id wakes a machine that sleeps")
    # The edge.
    no_candidate_delay: float = switch(7.5, "until the 502 when nothing can be tried")
    connect_limit: float = switch(8.0, "how long a machine is tried whose port is not open, if the replay has no timeout")
    retry_every: float = switch(0.05, "between two tries of a port")
    state_lag: float = switch(0.0, "how much later the edge sees a machine's state")
    pool_idle: float = switch(4.0, "how long an idle connection to a machine is kept; 0 for none")
    autostop_every: float = switch(0.0, "between two looks of the autostop loop (the real one: a few minutes); 0 for never")
    autostop_wait: float = switch(0.1, "between the soft cordon and the stop")
    # Machines.
    start_latency: float = switch(0.0, "from a stopped machine's start to its process (measured: 1.3)")
    resume_latency: float = switch(0.0, "from a suspended machine's start to its going on (measured: 0.2 to 0.7)")
    suspend_latency: float = switch(0.02, "in which a machine is suspending, and still runs")
    interruptible_suspend: bool = switch(True, "a start ends a suspend that is under way; otherwise it waits for its end")
    silent_while_suspended: bool = switch(True, "what is sent to a suspended machine arrives nowhere; otherwise its kernel accepts and acknowledges it")
    suspend_max_mb: int = switch(2048, "memory up to which a machine can be suspended (one page says 4096)")
    kill_signal: str = switch("SIGINT", "signal of a stop where the machine's configuration names none (one page says SIGTERM)", ("SIGINT", "SIGTERM"))
    final_signal: str = switch("SIGKILL", "what follows kill_timeout; a machine that lives on after SIGTERM is ended a second later",
                               ("SIGKILL", "SIGTERM"))
    snapshot_loss: float = switch(0.0, "probability that a snapshot is gone when it is wanted")
    # The API.
    rate_limits: bool = switch(True, "1 request/s for each action and machine, burst 3; Get 5/s, burst 10")
    retry_after: bool = switch(True, "429 has Retry-After")
    api_lag: float = switch(0.0, "how much later list and get show a machine's state")
    api_socket_delay: float = switch(0.0, "from boot until /.fly/api is there")
    socket_may_stop: bool = switch(True, "a machine may stop itself through its socket without a token")
    lease_envelope: bool = switch(True, "a lease is answered inside of {status, data}; otherwise alone")
    oidc_json: bool = switch(False, "a token is answered as {token}; otherwise as text")
    stop_wants_body: bool = switch(False, "/stop with an empty body is 400")
    seed: int = switch(1, "of what is left to chance")


def fields():
    return dataclasses.fields(Switches)


def parsed(field, text):
    if field.type in (bool, "bool"):
        if text.lower() not in ("yes", "no", "true", "false"):
            raise ValueError("yes or no")
        return text.lower() in ("yes", "true")
    if field.metadata["choices"] and text not in field.metadata["choices"]:
        raise ValueError("one of " + ", ".join(field.metadata["choices"]))
    return {"int": int, "float": float, "str": str}.get(getattr(field.type, "__name__", field.type))(text)


def made(values):
    """Switches from a dictionary; an unknown name or a value of the wrong kind is an error."""
    known = {field.name: field for field in fields()}
    for name, value in values.items():
        if name not in known:
            raise ValueError("no switch is called %r" % name)
        wanted = type(known[name].default)
        if not isinstance(value, wanted) and not (wanted is float and type(value) is int):
            raise ValueError("%s is a %s" % (name, wanted.__name__))
        if known[name].metadata["choices"] and value not in known[name].metadata["choices"]:
            raise ValueError("%s is one of %s" % (name, ", ".join(known[name].metadata["choices"])))
    return Switches(**values)
