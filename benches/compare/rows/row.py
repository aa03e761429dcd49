"""What a row is, and the usual kind: wrk at full speed against each peer, CPU time per request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import machine
from lab import Contestant, Lab, Refused, Stand
from load import H2Load, Load, Wrk
from peers import Setting
from turns import Turn, take_turns

# What one measurement of one peer came to: figures by name.
Reading = dict[str, float]

# Or why there is none.
Outcome = Reading | Exception


@dataclass(frozen=True)
class Figure:
    """A column."""

    name: str
    heading: str
    show: Callable[[float], str]
    # The highest of all rounds, not the median: for what should be 0.
    worst: bool = False


def microseconds(value: float) -> str:
    return f"{value:.1f} µs" if value < 100 else f"{value:.0f} µs"


def latency(value: float) -> str:
    return f"{value:.0f} µs" if value < 1000 else f"{value / 1000:.3g} ms"


def rate(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def mebibytes(kib: float) -> str:
    return f"{kib / 1024:.1f} MiB"


CPU = Figure("cpu_us", "CPU per request", microseconds)
PER_SECOND = Figure("per_second", "requests/s", rate)
P50 = Figure("p50_us", "p50", latency)
P99 = Figure("p99_us", "p99", latency)
RSS = Figure("rss_kib", "RSS", mebibytes)


@dataclass
class Row:
    """One kind of work. Figures: the first is the one that is compared."""

    name: str
    title: str
    figures: tuple[Figure, ...] = (CPU, PER_SECOND, P50, P99, RSS)
    settings: dict[str, Setting] = field(default_factory=lambda: {"": Setting()})
    body_bytes: int = 128
    # What each backend does by itself: see examples/backend.
    backends: tuple[str, ...] = ("",)
    # Backends speak HTTP/2: they are nghttpd.
    h2_backends: bool = False
    # Part of a quick run.
    quick: bool = False
    # Backends fail: only run when asked for.
    chaos: bool = False
    # Figures that stand for the row in the summary.
    n_summed_up: int = 1
    # Programs that it cannot do without.
    tools: tuple[str, ...] = ("wrk",)
    # Measurements of `seconds` each that one round of one peer takes.
    runs: float = 1
    # Seconds of one peer before the rounds.
    calm_seconds: float = 0
    rounds_max: int = 99

    def unable(self, contestant: Contestant) -> str | None:
        """Why this peer does not know how, if so."""
        reasons = (contestant.peer.unable(setting) for setting in self.settings.values())
        return next((reason for reason in reasons if reason), None)

    def prepare(self, lab: Lab, seconds: float, examples: Path) -> None:
        """Once, before the rounds."""

    def calm(self, lab: Lab) -> Iterator[tuple[Contestant, Outcome]]:
        """What is measured of each peer once, before the rounds."""
        return iter(())

    def round(self, lab: Lab, seconds: float) -> Iterator[tuple[Contestant, Outcome]]:
        """One round of all peers that stand."""
        for contestant in lab.standing():
            yield contestant, attempt(lambda: self.measure(lab, contestant, seconds))

    def measure(self, lab: Lab, contestant: Contestant, seconds: float) -> Reading:
        """One round of one peer. Raises `Refused` rather than give a figure that means nothing."""
        raise NotImplementedError


def attempt(measure: Callable[[], Reading]) -> Outcome:
    """What `measure` came to."""
    try:
        return measure()
    except (Refused, OSError, RuntimeError) as failure:
        return failure


@dataclass
class LoadRow(Row):
    """A row of the usual kind: latencies from a run of each peer by itself, CPU times and rates from taking turns."""

    load: Wrk | H2Load = Wrk()
    calm_seconds: float = 1

    def calm(self, lab: Lab) -> Iterator[tuple[Contestant, Outcome]]:
        for contestant in lab.standing():
            yield contestant, attempt(lambda: self._calm(lab, lab.stand(contestant)))

    def _calm(self, lab: Lab, stand: Stand) -> Reading:
        figures = measure_load(lab, stand, self.load, self.calm_seconds)
        return {name: value for name, value in figures.items() if name not in (CPU.name, PER_SECOND.name)}

    def round(self, lab: Lab, seconds: float) -> Iterator[tuple[Contestant, Outcome]]:
        standing = lab.standing()
        stands = [lab.stand(contestant) for contestant in standing]
        for contestant, stand, turn in zip(standing, stands, take_turns(stands, self.load, seconds)):
            yield contestant, attempt(lambda: cpu_of(lab, stand, turn))


def cpu_of(lab: Lab, stand: Stand, turn: Turn | RuntimeError) -> Reading:
    """What a request cost in these turns."""
    if isinstance(turn, RuntimeError):
        raise turn
    lab.accept(stand, turn.load)
    forget_log(stand)
    return {CPU.name: turn.cpu_us / turn.load.requests, PER_SECOND.name: turn.per_second}


def measure_load(lab: Lab, stand: Stand, load: Wrk | H2Load, seconds: float) -> Reading:
    """Runs `load` on `stand` and reads what it cost."""
    before = machine.cpu_us(stand.process.pid)
    seen = load.run(stand.site.port, seconds)
    after = machine.cpu_us(stand.process.pid)
    lab.accept(stand, seen)
    forget_log(stand)
    return reading(seen, after - before, stand)


def reading(seen: Load, cpu_us: float, stand: Stand) -> Reading:
    return {
        "cpu_us": cpu_us / seen.requests,
        "per_second": seen.per_second,
        "p50_us": seen.p50,
        "p99_us": seen.p99,
        "p999_us": seen.p999,
        "rss_kib": machine.rss_kib(stand.process.pid),
    }


def forget_log(stand: Stand) -> None:
    """Access logs grow by tens of megabytes a second here."""
    if stand.site.access_log.exists():
        with open(stand.site.access_log, "r+b") as log:
            log.truncate(0)
