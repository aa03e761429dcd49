"""Four backends that serve one request at a time, one of them ten times slower: what each strategy makes of it.

Ours alone: strategies are compared here, not proxies.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab import Contestant, Lab
from load import Wrk
from peers import Setting

from .row import Figure, Reading, Row, latency, measure_load

STRATEGIES = ("round_robin", "random", "least_conn", "p2c", "peak_ewma")

FAST, SLOW = "busy=0.2ms", "busy=2ms"


@dataclass
class Slow(Row):
    settings: dict[str, Setting] = field(default_factory=lambda: {
        name: Setting(balance=name) for name in STRATEGIES
    })
    figures: tuple[Figure, ...] = (
        Figure("peak_ewma_to_round_robin", "p99 of peak_ewma ÷ round_robin", lambda value: f"{value:.2f}"),
        Figure("least_conn_to_round_robin", "of least_conn ÷ round_robin", lambda value: f"{value:.2f}"),
        *(Figure(name, f"p99 of {name}", latency) for name in STRATEGIES),
    )
    backends: tuple[str, ...] = (FAST, FAST, FAST, SLOW)
    runs: float = len(STRATEGIES)
    rounds_max: int = 3

    def unable(self, contestant: Contestant) -> str | None:
        return None if contestant.peer.name in ("forebay", "before") else "a row of Forebay's strategies"

    def measure(self, lab: Lab, contestant: Contestant, seconds: float) -> Reading:
        p99 = {
            name: measure_load(lab, lab.stand(contestant, name), Wrk(), seconds)["p99_us"] for name in STRATEGIES
        }
        return {
            **p99,
            "peak_ewma_to_round_robin": p99["peak_ewma"] / p99["round_robin"],
            "least_conn_to_round_robin": p99["least_conn"] / p99["round_robin"],
        }


ROW = Slow("slow", "Four serial backends, one 10 times slower, 128 B, 64 connections")
