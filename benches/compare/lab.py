"""The laboratory of one row: a backend, every peer running side by side, and their end.

A peer that does not start, answers wrongly or gives errors leaves the row, with the reason and the end of
its log; the others go on.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import client
import machine
import tools
from load import Load
from peers import Peer, Setting, Site

START_SECONDS = 10.0

# Client connections that peers are told to be ready for, where the limit on open files allows.
CONNECTIONS_MAX = 8000

# Descriptors for each of them: its own, the backend's, and a share of the pipes that splice takes.
FILES_PER_CONNECTION = 3


class Refused(Exception):
    """A peer cannot be measured; the text says why."""


@dataclass(frozen=True)
class Contestant:
    """A peer that is here."""

    peer: Peer
    program: Path
    version: str


@dataclass
class Stand:
    """One running instance of a peer."""

    contestant: Contestant
    site: Site
    process: machine.Process

    def last_lines(self) -> str:
        return self.process.last_lines()


@dataclass
class Lab:
    """Used as a context: what was started ends with it, whatever happens."""

    # By name: a row may want each peer in several settings.
    settings: dict[str, Setting]
    body_bytes: int
    contestants: list[Contestant]
    backend: Path
    # What each backend does by itself, as a query for examples/backend.
    backend_queries: tuple[str, ...] = ("",)
    stands: dict[tuple[str, str], Stand] = field(default_factory=dict)
    backends: list[Backend] = field(default_factory=list)
    # Why a peer left, by name, with the end of its log.
    failures: dict[str, str] = field(default_factory=dict)
    _processes: list[machine.Process] = field(default_factory=list)
    _sinks: list[Sink] = field(default_factory=list)

    def __enter__(self) -> "Lab":
        self.directory = Path(tempfile.mkdtemp(prefix="forebay-compare-"))
        # Some peers change their user when started by root.
        self.directory.chmod(0o755)
        files_max = machine.raise_file_limit()
        self.connections_max = min(CONNECTIONS_MAX, files_max // FILES_PER_CONNECTION - 100)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for backend in self.backends:
            backend.kill()
        for process in self._processes:
            process.begin_stop()
        for process in self._processes:
            process.stop()
        for sink in self._sinks:
            sink.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def standing(self) -> list[Contestant]:
        """The contestants that have not failed."""
        return [one for one in self.contestants if one.peer.name not in self.failures]

    def stand(self, contestant: Contestant, setting: str = "") -> Stand:
        return self.stands[contestant.peer.name, setting]

    def fail(self, contestant: Contestant, reason: str) -> None:
        """Takes a peer out of the row."""
        tails = [
            lines
            for (name, _), stand in self.stands.items()
            if name == contestant.peer.name and (lines := stand.last_lines())
        ]
        self.failures[contestant.peer.name] = "\n".join([reason, *tails])

    def accept(self, stand: Stand, load: Load) -> None:
        """Raises `Refused` unless every answer of `load` was right: what fails is not measured."""
        if not stand.process.is_running():
            raise Refused(f"it ended with {stand.process.popen.returncode} under load")
        if load.errors:
            raise Refused(
                f"{load.bad_answers} of {load.requests} answers were errors and {load.broken} connections broke"
            )
        if load.requests == 0:
            raise Refused("it answered nothing")

    def _backend_command(self, port: int, query: str) -> list[str]:
        if self.backend.name != "nghttpd":
            return [str(self.backend), f"127.0.0.1:{port}", str(self.body_bytes), query]
        (self.directory / "index.html").write_bytes(b"x" * self.body_bytes)
        return [str(self.backend), "--no-tls", "-a", "127.0.0.1", "-d", str(self.directory), str(port)]

    def _make_certificate(self) -> None:
        """P-256, signed by itself, as most certificates are of that kind."""
        certificate, key = self.directory / "certificate.pem", self.directory / "key.pem"
        made = subprocess.run(
            [str(tools.need("openssl")), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "2", "-subj", f"/CN={client.HOST}", "-addext", f"subjectAltName=DNS:{client.HOST}",
             "-keyout", str(key), "-out", str(certificate)],
            capture_output=True, text=True, check=False,
        )
        if made.returncode != 0:
            raise RuntimeError(f"openssl made no certificate: {made.stderr.strip()}")
        # Some peers change their user when started by root.
        key.chmod(0o644)
        (self.directory / "both.pem").write_text(certificate.read_text() + key.read_text())

    def _start(self) -> None:
        if any(setting.tls for setting in self.settings.values()):
            self._make_certificate()
        for number, query in enumerate(self.backend_queries):
            port = machine.free_port()
            command = self._backend_command(port, query)
            self.backends.append(Backend(port, command, self.directory / f"backend-{number}.log"))
            self.backends[-1].start()
        for contestant in self.contestants:
            for name, setting in self.settings.items():
                self._start_peer(contestant, name, setting)
        for contestant in self.contestants:
            try:
                for name in self.settings:
                    self._prove(self.stand(contestant, name))
            except (Refused, OSError) as failure:
                self.fail(contestant, str(failure))

    def _start_peer(self, contestant: Contestant, name: str, setting: Setting) -> None:
        peer = contestant.peer
        directory = self.directory / f"{peer.name}-{name}".rstrip("-")
        directory.mkdir()
        directory.chmod(0o777)
        ports = [backend.port for backend in self.backends]
        files = [self.directory / name for name in ("certificate.pem", "key.pem", "both.pem")]
        site = Site(setting, directory, machine.free_port(), ports, self.connections_max, *files)
        if setting.access_log and peer.wants_syslog:
            self._sinks.append(Sink(site.syslog))
        cores = {machine.cores()[0]} if setting.pinned else os.sched_getaffinity(0)
        command = peer.command(contestant.program, site)
        process = machine.Process(command, directory / "output.log", cores, peer.environment(site))
        self._processes.append(process)
        self.stands[peer.name, name] = Stand(contestant, site, process)

    def _prove(self, stand: Stand) -> None:
        """It runs, answers 200 and passes the whole body on."""
        if not machine.wait_for_port(stand.site.port, stand.process, START_SECONDS):
            code = stand.process.popen.poll()
            raise Refused(
                f"it does not accept connections after {START_SECONDS:.0f} s"
                if code is None
                else f"it does not start: it ended with {code}"
            )
        # Some listen before they know their routes.
        deadline = time.monotonic() + START_SECONDS
        while (wrong := self._wrong_answer(stand)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if wrong:
            raise Refused(wrong)

    def _wrong_answer(self, stand: Stand) -> str | None:
        """What is wrong with one of a few answers."""
        try:
            for status, body_bytes in self._answers(stand):
                if " 200 " not in status + " " or body_bytes != self.body_bytes:
                    return f"it answered “{status}” with {body_bytes} bytes, not 200 with {self.body_bytes}"
        except OSError as error:
            return f"it does not answer: {error}"
        return None

    def _answers(self, stand: Stand) -> Iterator[tuple[str, int]]:
        setting, port = stand.site.setting, stand.site.port
        if setting.h2:
            yield client.exchange_h2(tools.need("curl"), port)
            return
        with client.connect(port, setting.tls) as stream:
            for _ in range(20):
                yield client.exchange(stream)


@dataclass
class Backend:
    """One backend process, which can be started again on its port."""

    port: int
    command: list[str]
    log: Path
    process: machine.Process | None = None

    def start(self) -> None:
        """Returns when it accepts connections."""
        _, other_core = machine.cores()
        self.process = machine.Process(self.command, self.log, {other_core}, {})
        if not machine.wait_for_port(self.port, self.process, START_SECONDS):
            raise RuntimeError(f"the backend does not start:\n{self.process.last_lines()}")

    def kill(self) -> None:
        if self.process:
            self.process.kill()

    def pause(self) -> None:
        """It hangs: the kernel still takes connections and requests for it."""
        self.process.signal(signal.SIGSTOP)

    def answers_from_now_on(self, query: str) -> None:
        """What a request without a query gets: see examples/backend."""
        with client.connect(self.port) as stream:
            client.exchange(stream, f"/usual?{query}")


class Sink:
    """A syslog server that forgets: reads datagrams so that their writers never wait."""

    def __init__(self, path: Path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o777)
        self.thread = threading.Thread(target=self._drain, daemon=True)
        self.thread.start()

    def close(self) -> None:
        # Closing alone would leave the thread waiting for the next datagram.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(1)
        self.socket.close()

    def _drain(self) -> None:
        buffer = bytearray(1 << 16)
        while self.socket.recv_into(buffer):
            pass
