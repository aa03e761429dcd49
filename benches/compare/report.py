"""What a run came to, as Markdown or JSON: medians over the rounds, their spread, ratios to the base."""

from __future__ import annotations

import datetime
import json
import statistics
from dataclasses import dataclass, field

import machine
from lab import Contestant
from peers import BASE
from rows import Row
from rows.row import Figure, Reading


@dataclass
class Result:
    """One row: readings by peer and round, and the reasons of peers that have none."""

    row: Row
    readings: dict[str, list[Reading]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    # Peers that do not take part, with the reason.
    absent: dict[str, str] = field(default_factory=dict)

    def complete(self) -> dict[str, list[Reading]]:
        """Readings of the peers that stood to the end."""
        return {name: all_ for name, all_ in self.readings.items() if all_ and name not in self.failures}

    def value(self, peer: str, figure: Figure) -> float:
        values = self.values(peer, figure)
        return max(values) if figure.worst else statistics.median(values)

    def values(self, peer: str, figure: Figure) -> list[float]:
        """Of every reading that has it."""
        return [reading[figure.name] for reading in self.readings[peer] if figure.name in reading]

    def ratio(self, peer: str) -> float | None:
        """The main figure to the base's, where that says something: the median of the ratios of each round, since a round's
        measurements stand close together while the machine drifts."""
        readings, main = self.complete(), self.row.figures[0]
        if self.row.chaos or peer not in readings or BASE not in readings:
            return None
        pairs = zip(self.values(peer, main), self.values(BASE, main))
        return statistics.median(ours / base for ours, base in pairs if base)


@dataclass
class Report:
    """All rows of a run."""

    contestants: list[Contestant]
    rounds: int
    seconds: int
    results: list[Result] = field(default_factory=list)
    # What was left out and how to have it.
    notes: list[str] = field(default_factory=list)
    # The most that other programs took of the machine when a row started, 0 to 1.
    disturbance: float = 0.0

    def markdown(self) -> str:
        parts = [self._head(), self._summary()]
        parts += [self._row(result) for result in self.results]
        return "\n\n".join(part for part in parts if part) + "\n"

    def json(self) -> str:
        return json.dumps({
            "date": _today(),
            "machine": machine.describe(),
            "rounds": self.rounds,
            "seconds": self.seconds,
            "versions": {one.peer.name: one.version for one in self.contestants},
            "notes": self.notes,
            "disturbance": self.disturbance,
            "rows": [
                {
                    "name": result.row.name,
                    "title": result.row.title,
                    "main": result.row.figures[0].name,
                    "ratio_to_" + BASE: {one.peer.name: result.ratio(one.peer.name) for one in self.contestants},
                    "readings": result.complete(),
                    "failures": result.failures,
                    "absent": result.absent,
                }
                for result in self.results
            ],
        }, indent=1)

    def _head(self) -> str:
        versions = " · ".join(f"{one.peer.title} {one.version}" for one in self.contestants)
        lines = [
            f"{_today()} · {machine.describe()}",
            f"{versions}",
            self._method(),
        ]
        notes = list(self.notes)
        if self.disturbance > QUIET_SHARE:
            notes.append(f"Other programs used up to {self.disturbance:.0%} of the cores meanwhile: the figures are rough.")
        return "  \n".join(lines) + "".join(f"\n\n> {note}" for note in notes)

    def _method(self) -> str:
        """How the figures were taken, in a sentence."""
        cores = "the proxy on one core, load and backends on another"
        if all(result.row.chaos for result in self.results):
            return f"One run each with the event after a third of it, behind an undisturbed one; {cores}."
        return (f"{self.rounds} rounds of {self.seconds} s in turns of a tenth; medians; {cores}; “to HAProxy” is the "
                "median of each round's ratio.")

    def _summary(self) -> str:
        """The main figure of every row, all peers side by side."""
        peers = [one.peer for one in self.contestants]
        lines = [_line(["work", "figure", *(peer.title for peer in peers)]), _line(["---"] * (len(peers) + 2))]
        for result in self.results:
            figures = result.row.figures[:result.row.n_summed_up]
            cells = []
            for peer in peers:
                if peer.name not in result.complete():
                    cells.append("–")
                    continue
                cell = " · ".join(figure.show(result.value(peer.name, figure)) for figure in figures)
                ratio = result.ratio(peer.name)
                cells.append(cell if ratio is None or peer.name == BASE else f"{cell} ({ratio:.2f})")
            lines.append(_line([result.row.title, " · ".join(figure.heading for figure in figures), *cells]))
        return "\n".join(lines)

    def _row(self, result: Result) -> str:
        figures, main = result.row.figures, result.row.figures[0]
        headings = [main.heading, "spread", "to HAProxy", *(figure.heading for figure in figures[1:])]
        lines = [f"### {result.row.title} (`{result.row.name}`)", ""]
        lines += [_line(["", *headings]), _line(["---", *["---:"] * len(headings)])]
        for contestant in self.contestants:
            name = contestant.peer.name
            if name not in result.complete():
                continue
            values = result.values(name, main)
            ratio = result.ratio(name)
            cells = [
                main.show(result.value(name, main)),
                f"{main.show(min(values))} – {main.show(max(values))}",
                "" if ratio is None else f"{ratio:.2f}",
                *(figure.show(result.value(name, figure)) for figure in figures[1:]),
            ]
            lines.append(_line([contestant.peer.title, *cells]))
        if len(lines) == 4:
            del lines[1:]
        reasons: dict[str, list[str]] = {}
        for name, reason in {**result.absent, **result.failures}.items():
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            first, *tail = reason.splitlines() or [""]
            lines += ["", f"Not measured: **{', '.join(names)}**: {first}"]
            if tail:
                lines += ["", "```text", *tail, "```"]
        return "\n".join(lines)


# A machine that does nothing else stays below this.
QUIET_SHARE = 0.1


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _today() -> str:
    return datetime.date.today().isoformat()
