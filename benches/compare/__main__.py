"""Where Forebay stands against its peers: `python3 benches/compare --help`.

One worker of each proxy on one core, load and backend on another, rounds interleaved, CPU time per
request as the main figure. How and why: benches/README.md.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import machine
import tools
from lab import Contestant, Lab
from peers import BASE, PEERS, Forebay
from report import Report, Result
from rows import ROWS, Row
from rows.chaos import PEERS as CHAOS_PEERS
from rows.row import Outcome

# A full and a quick run end within these, on two cores.
FULL_SECONDS = 570.0
QUICK_SECONDS = 80.0

# Rounds and seconds of each measurement, the better first. What fits the time is taken.
PLANS = [(7, 3), (7, 2), (5, 2), (4, 2), (3, 2), (4, 1), (3, 1)]
QUICK_PEERS = ["forebay", BASE]

# What starting and stopping the peers of a row takes, each; and what surrounds a measurement.
START_SECONDS = 0.3
AROUND_SECONDS = 0.2


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: int

    def takes(self, rows: list[Row], contestants: list[Contestant]) -> float:
        """Seconds, roughly."""
        total = 0.0
        for row in rows:
            n_peers = sum(row.unable(one) is None for one in contestants)
            rounds = min(self.rounds, row.rounds_max)
            one = row.runs * (self.seconds + AROUND_SECONDS) if row.tools else 3.0
            total += n_peers * (row.calm_seconds + rounds * one + START_SECONDS * len(row.settings)) + 1
        return total


def main() -> int:
    arguments = parse()
    for which in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(which, interrupt)
    try:
        rows, peers = chosen(arguments)
        examples, contestants, notes = found(arguments, peers)
        rows, missing = with_tools(rows)
        plan = choose_plan(arguments, rows, contestants)
        report = Report(contestants, plan.rounds, plan.seconds, notes=notes + missing)
        run(report, rows, plan, examples)
    except tools.Missing as missing:
        say(f"compare: {missing}")
        return 2
    except KeyboardInterrupt:
        say("compare: interrupted; everything that was started has been ended")
        return 130
    print(report.json() if arguments.json else report.markdown())
    return 1 if any(result.failures for result in report.results) else 0


def parse() -> argparse.Namespace:
    row_names, peer_names = (", ".join(one.name for one in all_) for all_ in (ROWS, PEERS))
    parser = argparse.ArgumentParser(
        prog="python3 benches/compare",
        description="Runs Forebay and its peers side by side and prints a Markdown table.",
        epilog=f"rows: {row_names}. peers: {peer_names}. Without rows all are run, without peers all that "
        "are found. Exit: 0 all measured, 1 a peer failed, 2 something is missing. Example: "
        "python3 benches/compare h1-128 log forebay haproxy --rounds 5",
    )
    parser.add_argument("names", nargs="*", metavar="ROW|PEER", help="what to run; rows and peers in any order")
    parser.add_argument("--quick", action="store_true", help="the most telling rows against HAProxy, under 90 s")
    parser.add_argument("--chaos", action="store_true",
                        help="backends that die, hang and lie, for Forebay, HAProxy and nginx; about six minutes")
    parser.add_argument("--rounds", type=int, help="rounds, instead of what fits ten minutes (or 90 s)")
    parser.add_argument("--seconds", type=int, help="seconds of each measurement, likewise")
    parser.add_argument("--json", action="store_true", help="every reading, as JSON")
    parser.add_argument("--before", type=Path, metavar="PROGRAM", help="another forebay binary to stand beside")
    parser.add_argument("--built", type=Path, metavar="DIRECTORY",
                        help="take forebay and the examples from here instead of building them")
    return parser.parse_args()


def chosen(arguments: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """Rows and names of peers, in their order of listing."""
    names = set(arguments.names)
    known = {row.name for row in ROWS} | {peer.name for peer in PEERS}
    if unknown := sorted(names - known):
        raise tools.Missing(f"no row or peer is called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    rows = [row for row in ROWS if row.name in names] or [row for row in ROWS if usual(row, arguments)]
    peers = [peer.name for peer in PEERS if peer.name in names]
    if not peers and all(row.chaos for row in rows):
        peers = list(CHAOS_PEERS)
    return rows, peers or (QUICK_PEERS if arguments.quick else [peer.name for peer in PEERS])


def usual(row: Row, arguments: argparse.Namespace) -> bool:
    """Whether it is run when no row is named."""
    return row.chaos if arguments.chaos else not row.chaos and (row.quick or not arguments.quick)


def found(arguments: argparse.Namespace, names: list[str]) -> tuple[Path, list[Contestant], list[str]]:
    """The directory of the examples, the peers that are here, and notes on those that are not."""
    built = arguments.built or tools.build(say)
    peers = [Forebay(built / "forebay") if peer.name == "forebay" else peer for peer in PEERS]
    peers = [peer for peer in peers if peer.name in names]
    if arguments.before:
        peers.insert(0, Forebay(arguments.before, "before", "Forebay before"))
    contestants, notes = [], []
    for peer in peers:
        program = peer.find()
        if program and program.is_file():
            contestants.append(Contestant(peer, program, peer.version(program)))
        else:
            notes.append(f"{peer.title} is not here: {peer.install}.")
    if not contestants:
        raise tools.Missing("no proxy to measure: " + " ".join(notes))
    if BASE not in [one.peer.name for one in contestants]:
        notes.append("Without HAProxy in the run there are no ratios.")
    if len(set(machine.cores())) == 1:
        notes.append("Only one core is allowed: proxy and load share it, and only CPU times mean something.")
    return built / "examples", contestants, notes


def with_tools(rows: list[Row]) -> tuple[list[Row], list[str]]:
    """The rows whose load generators are here, and notes on those that are not."""
    kept, notes = [], []
    for row in rows:
        try:
            for tool in row.tools:
                tools.need(tool)
            kept.append(row)
        except tools.Missing as missing:
            notes.append(f"Row {row.name} is left out: {missing}.")
    if not kept:
        raise tools.Missing(" ".join(notes))
    return kept, notes


def choose_plan(arguments: argparse.Namespace, rows: list[Row], contestants: list[Contestant]) -> Plan:
    limit = QUICK_SECONDS if arguments.quick else FULL_SECONDS
    plans = [Plan(arguments.rounds or rounds, arguments.seconds or seconds) for rounds, seconds in PLANS]
    return next((plan for plan in plans if plan.takes(rows, contestants) <= limit), plans[-1])


def run(report: Report, rows: list[Row], plan: Plan, examples: Path) -> None:
    started = time.monotonic()
    takes = plan.takes(rows, report.contestants)
    say(f"{len(rows)} rows, {len(report.contestants)} peers, {plan.rounds} rounds of {plan.seconds} s: "
        f"about {takes / 60:.1f} minutes")
    for number, row in enumerate(rows, 1):
        say(f"[{number}/{len(rows)}] {row.title}  ({time.monotonic() - started:.0f} s)")
        report.disturbance = max(report.disturbance, machine.busy_share())
        report.results.append(run_row(row, report.contestants, plan, examples))
    say(f"done in {time.monotonic() - started:.0f} s")


def run_row(row: Row, contestants: list[Contestant], plan: Plan, examples: Path) -> Result:
    result = Result(row)
    able = []
    for contestant in contestants:
        if reason := row.unable(contestant):
            result.absent[contestant.peer.name] = reason
        else:
            able.append(contestant)
    rounds = min(plan.rounds, row.rounds_max)
    backend = tools.need("nghttpd") if row.h2_backends else examples / "backend"
    with Lab(row.settings, row.body_bytes, able, backend, row.backends) as lab:
        row.prepare(lab, plan.seconds, examples)
        take(result, lab, "alone", row.calm(lab))
        for number in range(rounds):
            take(result, lab, f"{number + 1}/{rounds}", row.round(lab, plan.seconds))
        result.failures = lab.failures
    return result


def take(result: Result, lab: Lab, label: str, outcomes: Iterator[tuple[Contestant, Outcome]]) -> None:
    """Takes readings in and says each; a peer without one leaves the row."""
    for contestant, outcome in outcomes:
        name = contestant.peer.name
        if isinstance(outcome, Exception):
            lab.fail(contestant, str(outcome))
            say(f"    {name:10} failed: {outcome}")
            continue
        result.readings.setdefault(name, []).append(outcome)
        figures = [figure for figure in result.row.figures if figure.name in outcome]
        shown = "  ".join(f"{figure.heading} {figure.show(outcome[figure.name])}" for figure in figures)
        say(f"    {label:5} {name:10} {shown}")


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
