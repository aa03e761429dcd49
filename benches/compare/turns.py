"""Taking turns: every peer under its own load, one at a time, for a tenth of a second each.

A shared machine drifts within seconds by more than what is to be seen. Turns this short meet all peers in the
same weather, so the ratio of their CPU times holds still where whole runs one after the other do not. Latencies
mean nothing here, since requests wait while it is another's turn: they come from an undisturbed run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import machine
from lab import Stand
from load import H2Load, Load, Running, Wrk

TURN_SECONDS = 0.1

# For connecting, before the turns begin.
CONNECT_SECONDS = 0.1


@dataclass(frozen=True)
class Turn:
    """What all turns of one peer came to."""

    load: Load
    cpu_us: float
    # Answers in a second that was its turn.
    per_second: float


def take_turns(stands: list[Stand], load: Wrk | H2Load, seconds: float) -> list[Turn | RuntimeError]:
    """Loads each of `stands` for `seconds` in all; the results in their order. A load that gave none stands as
    its error."""
    loads: list[Running] = []
    try:
        before = [machine.cpu_us(stand.process.pid) for stand in stands]
        for stand in stands:
            running = load.start_turns(stand.site.port, len(stands) * (seconds + CONNECT_SECONDS))
            loads.append(running)
            time.sleep(CONNECT_SECONDS)
            running.pause()
        order = list(range(len(loads)))
        for _ in range(round(seconds / TURN_SECONDS)):
            for index in order:
                loads[index].resume()
                time.sleep(TURN_SECONDS)
                loads[index].pause()
            # So that nobody always follows the same neighbour's cold caches.
            order.reverse()
        return [_end(*each, seconds) for each in zip(loads, stands, before)]
    finally:
        for running in loads:
            running.kill()


def _end(running: Running, stand: Stand, before: float, seconds: float) -> Turn | RuntimeError:
    try:
        seen = running.end()
    except RuntimeError as failure:
        return failure
    cpu_us = machine.cpu_us(stand.process.pid) - before
    return Turn(seen, cpu_us, seen.requests / (seconds + CONNECT_SECONDS))
