"""What a second worker costs: two workers on all cores against one worker on its own core."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab import Contestant, Lab
from load import Wrk
from peers import Setting
from turns import take_turns

from .row import CPU, Figure, Reading, Row, cpu_of


@dataclass
class Workers(Row):
    settings: dict[str, Setting] = field(default_factory=lambda: {
        "one": Setting(workers=1),
        "two": Setting(workers=2, pinned=False),
    })
    figures: tuple[Figure, ...] = (
        Figure("two_to_one", "CPU of two ÷ one", lambda value: f"{value:.2f}"),
        Figure("one_us", "one", CPU.show),
        Figure("two_us", "two", CPU.show),
    )
    runs: float = 2

    def measure(self, lab: Lab, contestant: Contestant, seconds: float) -> Reading:
        stands = [lab.stand(contestant, name) for name in ("one", "two")]
        turns = take_turns(stands, Wrk(), seconds)
        one, two = (cpu_of(lab, *each)["cpu_us"] for each in zip(stands, turns))
        return {"two_to_one": two / one, "one_us": one, "two_us": two}


ROW = Workers("workers", "Two workers against one, 128 B")
