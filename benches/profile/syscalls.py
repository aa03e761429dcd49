"""System calls per request: strace counts them while a counted load runs. Their times under strace mean
nothing; their numbers do."""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import time
from pathlib import Path

import machine
from peers import Peer, Setting
from subject import Subject, need

REQUESTS = 20000


def run(peer: Peer, program: Path, setting: Setting, backend: Path, arguments: argparse.Namespace) -> None:
    need("strace", "strace")
    need("h2load", "nghttp2-client")
    with Subject(peer, program, setting, backend, arguments.body) as subject:
        # Warm: connections and buffers are there.
        subject.ask(1000)
        counts = subject.directory / "counts"
        attach = [argument for pid in machine.tree(subject.proxy.pid) for argument in ("-p", str(pid))]
        strace = subprocess.Popen(
            ["strace", "-c", "-f", "-o", str(counts), *attach], stderr=subprocess.PIPE, text=True,
        )
        try:
            # It says so once it is attached.
            strace.stderr.readline()
            time.sleep(0.2)
            subject.ask(REQUESTS)
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(10)
        rows = _rows(counts.read_text())
    print(f"{peer.title} {peer.version(program)}: {sum(rows.values()) / REQUESTS:.2f} system calls per request")
    for name, calls in sorted(rows.items(), key=lambda row: -row[1]):
        if calls / REQUESTS >= 0.005:
            print(f"{calls / REQUESTS:8.2f}  {name}")


def _rows(text: str) -> dict[str, int]:
    """Calls by name, from “% time  seconds  usecs/call  calls  errors  syscall”."""
    rows = {}
    for line in text.splitlines():
        if found := re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line):
            rows[found.group(2)] = int(found.group(1))
    rows.pop("total", None)
    return rows
