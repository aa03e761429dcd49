"""What each strategy costs: CPU time per request over four equal backends, against round robin.

Ours alone: strategies are compared here, not proxies.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab import Contestant, Lab
from load import Wrk
from peers import Setting
from turns import take_turns

from .row import CPU, Figure, Reading, Row, cpu_of

OTHERS = ("random", "least_conn", "p2c", "peak_ewma", "ip_hash", "ring_hash", "maglev", "first")


@dataclass
class Strategies(Row):
    settings: dict[str, Setting] = field(default_factory=lambda: {
        name: Setting(balance=name) for name in ("round_robin", *OTHERS)
    })
    figures: tuple[Figure, ...] = (
        Figure("round_robin", "round_robin", CPU.show),
        *(Figure(name, f"{name} ÷ round_robin", lambda value: f"{value:.2f}") for name in OTHERS),
    )
    backends: tuple[str, ...] = ("", "", "", "")
    runs: float = 1 + len(OTHERS)
    rounds_max: int = 5

    def unable(self, contestant: Contestant) -> str | None:
        return None if contestant.peer.name in ("forebay", "before") else "a row of Forebay's strategies"

    def measure(self, lab: Lab, contestant: Contestant, seconds: float) -> Reading:
        stands = [lab.stand(contestant, name) for name in self.settings]
        turns = take_turns(stands, Wrk(), seconds)
        cpu = {name: cpu_of(lab, *each)["cpu_us"] for name, each in zip(self.settings, zip(stands, turns))}
        base = cpu["round_robin"]
        return {"round_robin": base, **{name: cpu[name] / base for name in OTHERS}}


ROW = Strategies("strategies", "Every strategy over four backends, 128 B")
