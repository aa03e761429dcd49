"""User instructions per request, and in which functions: callgrind over two runs of different length, the
shorter subtracted from the longer, so that starting, connecting and stopping cancel out."""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from peers import Peer, Setting
from subject import Subject, need

# Requests of the two runs.
SHORT, LONG = 4000, 20000


def run(peer: Peer, program: Path, setting: Setting, backend: Path, arguments: argparse.Namespace) -> None:
    need("valgrind", "valgrind")
    need("h2load", "nghttp2-client")
    short, long = (
        _count(peer, program, setting, backend, arguments.body, n_requests) for n_requests in (SHORT, LONG)
    )
    per_request = Counter({
        function: (long[function] - short[function]) / (LONG - SHORT) for function in long
    })
    print(f"{peer.title} {peer.version(program)}: {sum(per_request.values()):.0f} user instructions per request")
    for function, count in per_request.most_common(arguments.functions):
        print(f"{count:8.0f}  {function[:150]}")


def _count(peer: Peer, program: Path, setting: Setting, backend: Path, body_bytes: int, n_requests: int) -> Counter:
    """Instructions by function in one run."""
    with tempfile.TemporaryDirectory() as directory:
        # nginx's workers change their user before they write.
        Path(directory).chmod(0o777)
        prefix = (
            "valgrind", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={directory}/out.%p",
        )
        with Subject(peer, program, setting, backend, body_bytes, prefix) as subject:
            subject.ask(n_requests)
            subject.end()
        total: Counter = Counter()
        for file in Path(directory).glob("out.*"):
            total += _by_function(file)
        return total


def _by_function(file: Path) -> Counter:
    text = subprocess.run(
        ["callgrind_annotate", "--auto=no", "--threshold=100", "--show-percs=no", str(file)],
        capture_output=True, text=True, check=False,
    ).stdout
    functions: Counter = Counter()
    for line in text.splitlines():
        # “ 1,234  src/file.rs:function [/path/to/program]”
        if found := re.match(r"\s*([\d,]+)\s+(\S.*?):(.*?)( \[.*)?$", line):
            functions[found.group(3)] += int(found.group(1).replace(",", ""))
    functions.pop("PROGRAM TOTALS", None)
    return functions
