"""What a second worker costs: two workers on all cores against one worker on its own core."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab import Contestant, Lab
from load import Wrk
from peers import Setting

from .row import CPU, Figure, PER_SECOND, Reading, Row, measure_load


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
        Figure("one_per_second", "requests/s with one", PER_SECOND.show),
        Figure("two_per_second", "with two", PER_SECOND.show),
    )
    runs: float = 2

    def measure(self, lab: Lab, contestant: Contestant, seconds: float) -> Reading:
        one, two = (
            measure_load(lab, lab.stand(contestant, name), Wrk(), seconds) for name in ("one", "two")
        )
        return {
            "two_to_one": two["cpu_us"] / one["cpu_us"],
            "one_us": one["cpu_us"],
            "two_us": two["cpu_us"],
            "one_per_second": one["per_second"],
            "two_per_second": two["per_second"],
        }


ROW = Workers("workers", "Two workers against one, 128 B")
