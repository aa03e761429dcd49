"""Memory of idle client connections, each of which made one request."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import client
import machine
from lab import Contestant, Lab
from pathlib import Path

from .row import RSS, Figure, Reading, Row

CONNECTIONS = 5000


@dataclass
class Idle(Row):
    figures: tuple[Figure, ...] = (
        Figure("per_connection", "RSS per idle connection", lambda kib: f"{kib:.2f} KiB"),
        Figure("before_kib", "RSS before", RSS.show),
        Figure("with_kib", "with all of them", RSS.show),
        Figure("connections", "connections", lambda value: f"{value:.0f}"),
    )
    tools: tuple[str, ...] = ()
    # Memory that was given out once tends to stay: more rounds would only repeat the first.
    rounds_max: int = 1
    before: dict[str, int] = field(default_factory=dict)

    def prepare(self, lab: Lab, seconds: float, examples: Path) -> None:
        for contestant in lab.standing():
            self.before[contestant.peer.name] = machine.rss_kib(lab.stand(contestant).process.pid)

    def measure(self, lab: Lab, contestant: Contestant, seconds: float) -> Reading:
        stand = lab.stand(contestant)
        n_connections = min(CONNECTIONS, lab.connections_max)
        streams = []
        try:
            for _ in range(n_connections):
                streams.append(client.connect(stand.site.port))
                client.exchange(streams[-1])
            # Time for what a peer does when a connection has become idle.
            time.sleep(min(seconds, 1.0))
            after = machine.rss_kib(stand.process.pid)
        finally:
            for stream in streams:
                stream.close()
        before = self.before[contestant.peer.name]
        return {
            "per_connection": (after - before) / n_connections,
            "before_kib": before,
            "with_kib": after,
            "connections": n_connections,
        }


ROW = Idle("idle", "5 000 idle keep-alive connections")
