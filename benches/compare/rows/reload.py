"""Reloading an unchanged configuration three times a second under full load: what fails, what it costs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import machine
from lab import Contestant, Lab, Refused
from load import Load, Wrk
from peers import Setting

from .row import CPU, Figure, Reading, Row

RELOADS_PER_SECOND = 3


@dataclass
class Reload(Row):
    settings: dict[str, Setting] = field(default_factory=lambda: {"": Setting(reloads=True)})
    figures: tuple[Figure, ...] = (
        Figure("disturbed", "CPU with reloads ÷ without", lambda value: f"{value:.2f}"),
        Figure("failed", "failed requests", lambda value: f"{value:.0f}", worst=True),
        Figure("calm_us", "without", CPU.show),
        Figure("reloading_us", "with", CPU.show),
        Figure("rate", "requests/s with ÷ without", lambda value: f"{value:.2f}"),
    )
    runs: float = 2
    rounds_max: int = 3

    def unable(self, contestant: Contestant) -> str | None:
        if contestant.peer.reload_signal is None:
            return "no signal tells it to reload"
        return None

    def measure(self, lab: Lab, contestant: Contestant, seconds: float) -> Reading:
        calm, calm_us = self._run(lab, contestant, seconds, reloads=0)
        lab.accept(lab.stand(contestant), calm)
        busy, busy_us = self._run(lab, contestant, seconds, reloads=round(seconds * RELOADS_PER_SECOND))
        if not lab.stand(contestant).process.is_running() or busy.requests == 0:
            raise Refused("it did not survive its reloads")
        return {
            "disturbed": busy_us / calm_us,
            "failed": busy.errors,
            "calm_us": calm_us,
            "reloading_us": busy_us,
            "rate": busy.per_second / calm.per_second,
        }

    def _run(self, lab: Lab, contestant: Contestant, seconds: float, reloads: int) -> tuple[Load, float]:
        """The load, and CPU time per request with that of the processes and threads that reloads ended."""
        stand = lab.stand(contestant)
        before = machine.cpu_us_with_ended(stand.process.pid)
        running = Wrk().start(stand.site.port, seconds)
        for _ in range(reloads):
            time.sleep(1 / RELOADS_PER_SECOND)
            stand.process.signal(contestant.peer.reload_signal)
        load = running.finish()
        if reloads:
            # What still ends old workers belongs to the reloads.
            time.sleep(0.3)
        return load, (machine.cpu_us_with_ended(stand.process.pid) - before) / max(load.requests, 1)


ROW = Reload("reload", f"{RELOADS_PER_SECOND} reloads a second under load, 128 B")
