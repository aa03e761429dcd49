"""Three backends, one of which dies, hangs or lies in the middle of a run: what the clients notice.

Every peer has backends of its own, which nobody else asks, and first runs undisturbed: that is what its
throughput under the event is divided by.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lab import Backend, Contestant, Lab, Refused
from load import Load, Wrk
from peers import Setting

from .row import Figure, Reading, Row, latency

PEERS = ("forebay", "haproxy", "nginx")

N_BACKENDS = 3

# Seconds of a run, and of the part before the event.
SECONDS, EVENT_AT = 10, 3.3

# A request that waits for longer than this when a run ends counts as an error: a closed loop would forget it.
LOST_MS = 1100

# Of the undisturbed run before it.
CALM_SECONDS = 4

# Of the run behind it, where a row wants to know what remained.
AFTER_SECONDS = 3

# What happens to a backend, until the flag is set: the run is over.
Event = Callable[[Backend, threading.Event], None]


def share(value: float) -> str:
    return f"{value:.2f}"


ERRORS = Figure("errors", "errors", lambda value: f"{value:.0f}", worst=True)
P99 = Figure("p99_us", "p99", latency)
THROUGHPUT = Figure("throughput", "throughput ÷ undisturbed", share)
LONGEST = Figure("longest_us", "slowest", latency, worst=True)
CALM_P99 = Figure("calm_p99_us", "p99 undisturbed", latency)
AFTER_P99 = Figure("after_p99_us", "p99 of the 3 s behind", latency)


@dataclass
class Chaos(Row):
    # What befalls the first backend.
    event: Event = lambda backend, over: None
    # How Forebay is configured where its peers have nothing of the kind.
    ours: Setting = Setting(hardened=True)
    theirs: Setting = Setting(hardened=True)
    # How long every backend takes to answer, as a query.
    pace: str = ""
    looks_behind: bool = False
    # The lab of all peers stays empty: each gets one of its own.
    settings: dict[str, Setting] = field(default_factory=dict)
    figures: tuple[Figure, ...] = (ERRORS, P99, THROUGHPUT, LONGEST, CALM_P99)
    backends: tuple[str, ...] = ()
    chaos: bool = True
    n_summed_up: int = 3
    tools: tuple[str, ...] = ("wrk", "ss")
    runs: float = 0
    calm_seconds: float = CALM_SECONDS + SECONDS + 1
    rounds_max: int = 1

    def unable(self, contestant: Contestant) -> str | None:
        if contestant.peer.name in (*PEERS, "before"):
            return None
        return "backends that fail are a matter of " + ", ".join(PEERS)

    def measure(self, lab: Lab, contestant: Contestant, seconds: float) -> Reading:
        ours = contestant.peer.name in ("forebay", "before")
        settings = {"": self.ours if ours else self.theirs}
        with Lab(settings, self.body_bytes, [contestant], lab.backend, (self.pace,) * N_BACKENDS) as own:
            if contestant.peer.name in own.failures:
                raise Refused(own.failures[contestant.peer.name])
            stand = own.stand(contestant)
            calm = Wrk().run(stand.site.port, CALM_SECONDS)
            own.accept(stand, calm)
            disturbed, n_lost = self._disturbed(own, stand.site.port)
            if not stand.process.is_running():
                raise Refused(f"it ended with {stand.process.popen.returncode}")
            figures = {
                ERRORS.name: disturbed.errors + n_lost,
                P99.name: disturbed.p99,
                THROUGHPUT.name: disturbed.per_second / calm.per_second,
                LONGEST.name: disturbed.longest,
                CALM_P99.name: calm.p99,
            }
            if self.looks_behind:
                figures[AFTER_P99.name] = Wrk().run(stand.site.port, AFTER_SECONDS).p99
            return figures

    def _disturbed(self, own: Lab, port: int) -> tuple[Load, int]:
        """A run with the event in it, and how many requests were still unanswered when it ended."""
        over = threading.Event()
        running = Wrk().start(port, SECONDS)
        trouble = threading.Timer(EVENT_AT, self.event, (own.backends[0], over))
        trouble.start()
        try:
            time.sleep(SECONDS - 0.2)
            n_lost = running.n_waiting(port, LOST_MS)
            return running.finish(), n_lost
        finally:
            running.kill()
            over.set()
            trouble.cancel()
            trouble.join()


def says(query: str) -> Event:
    """From now on it answers in this way: see examples/backend."""
    return lambda backend, over: backend.answers_from_now_on(query)


def flap(backend: Backend, over: threading.Event) -> None:
    """Dead for a second, back for a second, and so on."""
    while not over.is_set():
        backend.kill()
        over.wait(1)
        backend.start()
        over.wait(1)


COUNTS_500 = Setting(hardened=True, fails_with_500=True)
BY_LATENCY = Setting(hardened=True, balance="peak_ewma", ejects_slow=True)
BY_LOAD = Setting(hardened=True, balance="least_conn")
BEHIND = (ERRORS, P99, THROUGHPUT, AFTER_P99, LONGEST, CALM_P99)

ROWS = [
    Chaos("chaos-none", "Undisturbed"),
    Chaos("chaos-killed", "Killed (SIGKILL)", event=lambda backend, over: backend.kill()),
    Chaos("chaos-stopped", "Stopped (SIGSTOP)", event=lambda backend, over: backend.pause()),
    Chaos("chaos-silent", "Accepts and never answers", event=says("stall=1")),
    Chaos("chaos-500", "Answers 500 to everything", event=says("status=500"), ours=COUNTS_500, theirs=COUNTS_500),
    Chaos("chaos-slow", "10 times slower (2 ms, then 20)", event=says("delay=20ms"), pace="delay=2ms",
          ours=BY_LATENCY, theirs=BY_LOAD, looks_behind=True, figures=BEHIND,
          calm_seconds=CALM_SECONDS + SECONDS + AFTER_SECONDS + 1),
    Chaos("chaos-flapping", "Killed and started again each second", event=flap),
]
