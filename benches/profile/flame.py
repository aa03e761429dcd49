"""Stacks for a flame graph: perf samples the proxy under full load; what comes out is one line for each
different stack with its number of samples, which speedscope, inferno and FlameGraph all read."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import tools
from load import Wrk
from peers import Peer, Setting
from subject import Subject, need

SECONDS = 5

# Not a divisor of anything that ticks.
SAMPLES_PER_SECOND = 1999


def build(progress) -> Path:
    """A release build that keeps frame pointers, in a directory of its own: perf walks stacks by them."""
    target = tools.REPOSITORY / "target" / "profile"
    flags = os.environ.get("RUSTFLAGS", "") + " -C force-frame-pointers=yes"
    os.environ.update(RUSTFLAGS=flags.strip(), CARGO_TARGET_DIR=str(target))
    return tools.build(progress)


def run(peer: Peer, program: Path, setting: Setting, backend: Path, arguments: argparse.Namespace) -> None:
    need("perf", "linux-perf")
    with Subject(peer, program, setting, backend, arguments.body) as subject, tempfile.TemporaryDirectory() as directory:
        data = f"{directory}/perf.data"
        # Without the processor's counters, as in most virtual machines, perf falls back to a clock.
        record = subprocess.Popen(
            ["perf", "record", "-F", str(SAMPLES_PER_SECOND), "-g", "-p", str(subject.proxy.pid), "-o", data,
             "--", "sleep", str(SECONDS)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        load = Wrk().run(subject.site.port, SECONDS + 1)
        if record.wait(30) != 0:
            raise RuntimeError(f"perf does not record: {record.stderr.read().strip()}")
        script = subprocess.run(["perf", "script", "-i", data], capture_output=True, text=True, check=False).stdout
    stacks = _fold(script)
    arguments.out.write_text("".join(f"{stack} {count}\n" for stack, count in sorted(stacks.items())))
    total = sum(stacks.values())
    print(f"{peer.title} {peer.version(program)}: {total} samples at {load.per_second:.0f} requests/s, in {arguments.out}")
    print("To look at it: https://www.speedscope.app, or `inferno-flamegraph < FILE > flame.svg`")
    leaves: Counter = Counter()
    for stack, count in stacks.items():
        leaves[stack.rsplit(";", 1)[-1]] += count
    for function, count in leaves.most_common(arguments.functions):
        print(f"{count / total:7.1%}  {function[:150]}")


def _fold(script: str) -> Counter:
    """`a;b;c` from the outermost frame to the innermost, for every sample."""
    stacks: Counter = Counter()
    for sample in script.split("\n\n"):
        head, *frames = sample.strip().splitlines() or [""]
        names = [found.group(1) for frame in frames if (found := re.match(r"\s*[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \(", frame))]
        if names:
            thread = head.split()[0] if head else "?"
            stacks[";".join([thread, *reversed(names)])] += 1
    return stacks
