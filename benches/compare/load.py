"""Load generators: wrk and h2load, which ask as fast as they are answered, and `steady`, which asks at a fixed rate.

What each prints becomes a `Load`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import machine
import tools

SCRIPT = Path(__file__).with_name("wrk.lua")

# How long a load generator may take to end when it is told to.
END_SECONDS = 5.0


@dataclass(frozen=True)
class Load:
    """What one run of a load generator saw. Times in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    p999: float
    # Answers that were errors, and connections that broke or timed out.
    bad_answers: int
    broken: int
    # The slowest answer, where the generator tells.
    longest: float = 0.0

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def errors(self) -> int:
        return self.bad_answers + self.broken


@dataclass(frozen=True)
class Wrk:
    """Closed loop: every connection sends its next request when the last is answered."""

    connections: int = 64
    # Bytes of body of a POST; 0 is a GET.
    post_bytes: int = 0
    close: bool = False
    tls: bool = False

    def start(self, port: int, seconds: float, timeout_seconds: int = 5) -> "Running":
        command = [
            str(tools.need("wrk")), "-t1", f"-c{self.connections}", f"-d{max(1, round(seconds))}s",
            f"--timeout={timeout_seconds}s", "-s", str(SCRIPT), f"http{'s' * self.tls}://127.0.0.1:{port}/",
        ]
        if self.close:
            command[1:1] = ["-H", "Connection: close"]
        if self.post_bytes:
            command += ["--", "POST", str(self.post_bytes)]
        return Running(command)

    def start_turns(self, port: int, seconds: float) -> "Running":
        """For turns that take `seconds` in all, those of others included."""
        # Longer than that, since we end it; and no request waits too long but for its turn.
        return self.start(port, 2 * seconds + 60, timeout_seconds=60)

    def run(self, port: int, seconds: float) -> Load:
        return self.start(port, seconds).finish()


@dataclass(frozen=True)
class H2Load:
    """Closed loop over HTTP/2: every stream that ends is followed by another."""

    connections: int = 10
    streams: int = 32

    def start(self, port: int, seconds: float, log: Path | None = None) -> "RunningH2Load":
        command = [
            str(tools.need("h2load")), f"-c{self.connections}", f"-m{self.streams}",
            f"-D{max(1, round(seconds))}", f"http://127.0.0.1:{port}/",
        ]
        if log:
            command.append(f"--log-file={log}")
        return RunningH2Load(command, seconds, log)

    def start_turns(self, port: int, seconds: float) -> "RunningH2Load":
        # It ends by itself and only then tells what it saw: with the last turn, or soon after it.
        return self.start(port, seconds)

    def run(self, port: int, seconds: float) -> Load:
        with tempfile.TemporaryDirectory(prefix="forebay-h2load-") as directory:
            return self.start(port, seconds, Path(directory) / "log").finish()


@dataclass(frozen=True)
class Steady:
    """Open loop: requests are due at fixed times, and latency counts from when a request was due."""

    program: Path
    per_second: float
    connections: int = 64

    def run(self, port: int, seconds: float) -> Load:
        command = [
            str(self.program), f"127.0.0.1:{port}", str(max(1, round(self.per_second))),
            str(self.connections), str(max(1, round(seconds))),
        ]
        return Running(command).finish()


class Running:
    """A load generator at work, beside the backend."""

    def __init__(self, command: list[str]):
        core = machine.cores()[1]
        self.command = command
        self.popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )

    def is_running(self) -> bool:
        return self.popen.poll() is None

    def n_waiting(self, port: int, longer_ms: int) -> int:
        """Its connections to `port` that nothing has come on for so long: what a closed loop's percentiles leave out."""
        told = tools.output([str(tools.need("ss")), "-Htni", "state", "established", "dport", "=", f":{port}"])
        return sum(int(ms) > longer_ms for ms in re.findall(r"\blastrcv:(\d+)", told))

    def pause(self) -> None:
        self.popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    def end(self) -> Load:
        """Ends a wrk before its time."""
        self.resume()
        deadline = time.monotonic() + END_SECONDS
        while self.is_running() and time.monotonic() < deadline:
            # It ends at once if its main thread gets the signal, and only then: again until that one does.
            time.sleep(0.01)
            self.popen.send_signal(signal.SIGINT)
            try:
                self.popen.wait(0.25)
            except subprocess.TimeoutExpired:
                pass
        return self.finish()

    def kill(self) -> None:
        """A load that nobody reads must not go on."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()

    def finish(self) -> Load:
        """Waits for the end."""
        try:
            out, err = self.popen.communicate(timeout=120)
        finally:
            self.kill()
        if seen := self.read(out):
            return seen
        said = (out + err).strip().splitlines()[-3:]
        raise RuntimeError(f"{Path(self.command[0]).name} gave no result: {' / '.join(said)}")

    def read(self, out: str) -> Load | None:
        """What it printed."""
        for line in out.splitlines():
            if line.startswith("{"):
                return Load(**json.loads(line))
        return None


class RunningH2Load(Running):
    """h2load at work."""

    def __init__(self, command: list[str], seconds: float, log: Path | None):
        super().__init__(command)
        self.seconds = seconds
        self.log = log

    def end(self) -> Load:
        """Its time is over, or will be soon."""
        self.resume()
        return self.finish()

    def read(self, out: str) -> Load | None:
        seen = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out)
        if not seen:
            return None
        succeeded, failed, errored, timed_out = map(int, seen.groups())
        bad = sum(map(int, re.findall(r"(\d+) [45]xx", out)))
        times = sorted(self._times())

        def percentile(share: float) -> float:
            return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0

        return Load(
            requests=succeeded, seconds=self.seconds, p50=percentile(0.5), p99=percentile(0.99),
            p999=percentile(0.999), bad_answers=bad, broken=failed - bad + errored + timed_out,
            longest=percentile(1.0),
        )

    def _times(self) -> list[int]:
        """Microseconds of each request, where they were written down."""
        if not self.log or not self.log.exists():
            return []
        return [int(line.split("\t")[2]) for line in self.log.read_text().splitlines()]
