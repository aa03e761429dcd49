"""Latency at a fixed rate that every peer of its class should bear: 60 % of HAProxy's peak.

Requests are due at fixed times and latency counts from then, so a proxy that stalls is charged for all
that it kept waiting, as its users would.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import machine
from lab import Contestant, Lab, Refused
from load import Steady, Wrk
from peers import BASE

from .row import CPU, P50, P99, Figure, PER_SECOND, Reading, Row, latency, reading

SHARE_OF_PEAK = 0.6

# A peer that answers less than this share of what was due is overloaded: its latency is that of a queue.
KEPT_UP = 0.95


@dataclass
class OpenLoop(Row):
    figures: tuple[Figure, ...] = (
        P99, P50, Figure("p999_us", "p99.9", latency), Figure("per_second", "requests/s", PER_SECOND.show), CPU,
    )

    def prepare(self, lab: Lab, seconds: float, examples: Path) -> None:
        standing = lab.standing()
        chosen = [one for one in standing if one.peer.name == BASE] or standing[:1]
        for contestant in chosen:
            peak = Wrk().run(lab.stand(contestant).site.port, seconds)
            self.load = Steady(examples / "steady", peak.per_second * SHARE_OF_PEAK)

    def measure(self, lab: Lab, contestant: Contestant, seconds: float) -> Reading:
        stand = lab.stand(contestant)
        before = machine.cpu_us(stand.process.pid)
        seen = self.load.run(stand.site.port, seconds)
        after = machine.cpu_us(stand.process.pid)
        lab.accept(stand, seen)
        if seen.per_second < self.load.per_second * KEPT_UP:
            raise Refused(f"overloaded: {seen.per_second:.0f} of {self.load.per_second:.0f} requests/s")
        return reading(seen, after - before, stand)


ROW = OpenLoop("steady", "Open loop at 60 % of HAProxy's peak, 128 B")
