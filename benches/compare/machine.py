"""The machine: its cores, free ports, processes, and what a process has cost so far.

Everything here reads /proc, so this runs on Linux. Nothing here knows what a proxy is.
"""

from __future__ import annotations

import os
import platform
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

# How long a process may take to end before it is killed.
STOP_SECONDS = 2.0

# Of a log line that is shown.
LINE_CHARACTERS_MAX = 200


def cores() -> tuple[int, int]:
    """The core of the proxy under test, and the core of everything else."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[min(1, len(allowed) - 1)]


def describe() -> str:
    """Processor, cores and kernel on one line."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release()}"


def busy_share(seconds: float = 0.25) -> float:
    """How much of all cores is in use right now, 0 to 1: before a row starts, by programs that are not ours."""

    def times() -> tuple[int, int]:
        ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        # Idle and waiting for a disk are not busy.
        return sum(ticks) - ticks[3] - ticks[4], sum(ticks)

    busy, total = times()
    time.sleep(seconds)
    busy_now, total_now = times()
    return (busy_now - busy) / max(total_now - total, 1)


def raise_file_limit() -> int:
    """Raises the soft limit on open files to the hard one, for us and our children; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A program in a process group of its own, pinned to `allowed` cores, its output in a file."""

    def __init__(self, command: list[str], log: Path, allowed: set[int], env: dict[str, str]):
        self.log = log
        with open(log, "wb") as output:
            self.popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, allowed),
            )
        self.pid = self.popen.pid

    def is_running(self) -> bool:
        return self.popen.poll() is None

    def signal(self, which: signal.Signals) -> None:
        self.popen.send_signal(which)

    def begin_stop(self) -> None:
        """Asks the whole group to end; returns at once."""
        self._signal_group(signal.SIGTERM)

    def stop(self) -> None:
        """Ends the whole group, by force if it takes too long."""
        self.begin_stop()
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        self._signal_group(signal.SIGKILL)
        self.popen.wait()

    def kill(self) -> None:
        """Ends the whole group at once, even if it is stopped."""
        self._signal_group(signal.SIGKILL)
        self.popen.wait()

    def last_lines(self, n_lines: int = 8) -> str:
        """The end of what it wrote."""
        try:
            with open(self.log, "rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - 8192))
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(line[:LINE_CHARACTERS_MAX] for line in text.splitlines()[-n_lines:])

    def _signal_group(self, which: signal.Signals) -> None:
        try:
            os.killpg(self.pid, which)
        except ProcessLookupError:
            pass


def wait_for_port(port: int, process: Process, seconds: float) -> bool:
    """Whether `process` accepts connections on `port` before the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.is_running():
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def tree(pid: int) -> list[int]:
    """`pid` and everything below it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, at = [pid], 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found


def cpu_us(pid: int) -> float:
    """Microseconds that the threads of `pid` and of its children have run, to the nanosecond.

    Threads and processes that have ended no longer count: see `cpu_us_with_ended`.
    """
    total_ns = 0
    for process in tree(pid):
        for stat in Path(f"/proc/{process}/task").glob("*/schedstat"):
            try:
                total_ns += int(stat.read_text().split()[0])
            except (OSError, IndexError):
                pass
    return total_ns / 1000


def cpu_us_with_ended(pid: int) -> float:
    """As `cpu_us`, with what has ended meanwhile, but only to a tick (10 ms) per process."""
    ticks = 0
    for process in tree(pid):
        if fields := _stat(process):
            # utime, stime, and those of the children that were waited for.
            ticks += sum(int(field) for field in fields[11:15])
    return ticks * 1e6 / os.sysconf("SC_CLK_TCK")


def rss_kib(pid: int) -> int:
    """Resident memory of `pid` and its children, in KiB."""
    total = 0
    for process in tree(pid):
        try:
            for line in Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat behind the name: state, parent, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
