"""What a peer is: a program that can be found, configured for a setting, and started."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Setting:
    """What a row asks of every peer."""

    workers: int = 1
    # On the proxy's core alone; otherwise on all cores.
    pinned: bool = True
    access_log: bool = False
    # Bodies are large: a peer that has a special way for them uses it.
    bulk: bool = False
    # It will be told to reload.
    reloads: bool = False
    # How it chooses among several backends: `round_robin` or `least_conn`; Forebay knows more.
    balance: str = "round_robin"
    # Backends will fail: a peer defends itself with all it has.
    hardened: bool = False
    # As `hardened`, and a 500 is a failure, too, where it is not one by itself.
    fails_with_500: bool = False
    # Clients speak TLS to it.
    tls: bool = False
    # Clients speak HTTP/2 to it, in the clear by prior knowledge.
    h2: bool = False
    # It speaks HTTP/2 to its backends, in the clear.
    h2_backend: bool = False
    # A backend that is slower than its peers is taken out, where a peer can.
    ejects_slow: bool = False


@dataclass(frozen=True)
class Site:
    """Where one instance of a peer lives."""

    setting: Setting
    # Its own, for everything it writes.
    directory: Path
    port: int
    backend_ports: list[int]
    # Client connections that it must take.
    connections_max: int
    # Where the certificate stands that clients are shown: itself, its key, and both in one file.
    certificate: Path = Path()
    key: Path = Path()
    certificate_and_key: Path = Path()

    @property
    def backend_port(self) -> int:
        """The only one, for rows with one backend."""
        return self.backend_ports[0]

    @property
    def access_log(self) -> Path:
        return self.directory / "access.log"

    @property
    def syslog(self) -> Path:
        """A datagram socket that is read and forgotten, for peers that log no other way."""
        return self.directory / "syslog"

    def write(self, name: str, text: str) -> Path:
        """Writes a configuration file, blank lines left out."""
        path = self.directory / name
        path.write_text("\n".join(line for line in text.splitlines() if line.strip()) + "\n")
        return path


class Peer:
    """One kind of proxy."""

    # What it is set up for beside HTTP/1.1 in the clear.
    knows: frozenset[str] = frozenset()

    # On the command line, and in tables.
    name: str
    title: str
    # How to get it, as a sentence.
    install: str
    # What makes it read its configuration again; None if no signal does.
    reload_signal: signal.Signals | None = None
    # What ends it, however long its processes take for that.
    patient_signal: signal.Signals = signal.SIGTERM
    # Its access log goes to `Site.syslog`.
    wants_syslog: bool = False

    def unable(self, setting: Setting) -> str | None:
        """What a setting asks for that it is not set up for here, if anything."""
        wanted = [name for name in ("tls", "h2", "h2_backend") if getattr(setting, name)]
        return next((f"not set up here for {name}" for name in wanted if name not in self.knows), None)

    def find(self) -> Path | None:
        """The program, if it is here."""
        raise NotImplementedError

    def version(self, program: Path) -> str:
        """Its version number."""
        raise NotImplementedError

    def command(self, program: Path, site: Site) -> list[str]:
        """Writes the configuration; returns the command that runs it in the foreground."""
        raise NotImplementedError

    def environment(self, site: Site) -> dict[str, str]:
        """What it needs in the environment."""
        return {}


# When a response is late, in a hardened setting: as short as peers can have it to their advantage, though a site
# with one page that takes longer could not.
RESPONSE_SECONDS = 1

# Idle connections that every peer may keep to the backend: as many as any row has clients.
POOL_CONNECTIONS = 1024
