"""The proxy that is looked at, with a backend behind it, and a counted load."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import client
import machine
from lab import Sink
from peers import Peer, Setting, Site

CONNECTIONS = 16

# Under valgrind everything takes fifty times as long.
START_SECONDS = 60.0


class Subject:
    """Used as a context. `prefix` runs before the proxy's own command, as valgrind wants it."""

    def __init__(self, peer: Peer, program: Path, setting: Setting, backend: Path, body_bytes: int,
                 prefix: tuple[str, ...] = ()):
        self.peer, self.program, self.setting, self.prefix = peer, program, setting, prefix
        self.backend, self.body_bytes = backend, body_bytes
        self.processes: list[machine.Process] = []
        self.sinks: list[Sink] = []

    def __enter__(self) -> "Subject":
        self.directory = Path(tempfile.mkdtemp(prefix="forebay-profile-"))
        self.directory.chmod(0o755)
        own = self.directory / self.peer.name
        own.mkdir()
        own.chmod(0o777)
        try:
            self._start(own)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes):
            process.stop()
        for sink in self.sinks:
            sink.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, n_requests: int) -> None:
        """Sends exactly so many requests over `CONNECTIONS` connections; every answer must be right."""
        core = machine.cores()[1]
        out = subprocess.run(
            ["taskset", "-c", str(core), "h2load", "--h1", "-n", str(n_requests), "-c", str(CONNECTIONS), "-t1",
             f"http://127.0.0.1:{self.site.port}/"],
            capture_output=True, text=True, check=False,
        ).stdout
        succeeded = re.search(r"(\d+) succeeded", out)
        if not succeeded or int(succeeded.group(1)) != n_requests:
            raise RuntimeError(f"{self.peer.title} did not answer {n_requests} requests:\n{out}")

    def end(self) -> None:
        """Stops the proxy gently and waits, for tools that write their result at its end."""
        self.proxy.signal(self.peer.patient_signal)
        self.proxy.popen.wait(START_SECONDS)

    def _start(self, own: Path) -> None:
        proxy_core, other_core = machine.cores()
        backend_port = machine.free_port()
        self.processes.append(machine.Process(
            [str(self.backend), f"127.0.0.1:{backend_port}", str(self.body_bytes)],
            self.directory / "backend.log", {other_core}, {},
        ))
        self.site = Site(self.setting, own, machine.free_port(), [backend_port], 1000)
        if self.setting.access_log and self.peer.wants_syslog:
            self.sinks.append(Sink(self.site.syslog))
        command = [*self.prefix, *self.peer.command(self.program, self.site)]
        self.proxy = machine.Process(command, own / "output.log", {proxy_core}, self.peer.environment(self.site))
        self.processes.append(self.proxy)
        if not machine.wait_for_port(self.site.port, self.proxy, START_SECONDS):
            raise RuntimeError(f"{self.peer.title} does not start:\n{self.proxy.last_lines()}")
        with client.connect(self.site.port) as stream:
            status, _ = client.exchange(stream)
        if " 200" not in status:
            raise RuntimeError(f"{self.peer.title} answers “{status}”:\n{self.proxy.last_lines()}")


def need(program: str, package: str) -> None:
    """Says how to get a tool that is not there."""
    if shutil.which(program) is None:
        raise RuntimeError(f"{program} is not installed: apt-get install {package}")
