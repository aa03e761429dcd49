"""Forebay, as shipped: timeouts, limits and counters are at their defaults, and what it does about backends that
fail."""

from __future__ import annotations

import signal
from pathlib import Path

import tools

from .peer import POOL_CONNECTIONS, Peer, Site


class Forebay(Peer):
    name = "forebay"
    title = "Forebay"
    install = "it is built by Cargo"
    reload_signal = signal.SIGHUP
    knows = frozenset({"tls", "h2", "h2_backend"})

    def __init__(self, program: Path | None = None, name: str = "forebay", title: str = "Forebay"):
        self.program = program
        self.name, self.title = name, title

    def find(self) -> Path | None:
        return self.program

    def version(self, program: Path) -> str:
        return tools.output([str(program), "--version"]).removeprefix("forebay").strip()

    def command(self, program: Path, site: Site) -> list[str]:
        log = f'[log]\naccess = {{ to = "{site.access_log}", format = "json" }}'
        scheme = "h2c://" if site.setting.h2_backend else ""
        backends = ", ".join(f'"{scheme}127.0.0.1:{port}"' for port in site.backend_ports)
        tls = f'tls = {{ certificates = [{{ cert = "{site.certificate}", key = "{site.key}" }}] }}'
        failures = """
[upstream.app.retry]
on = ["connect", "refused_stream", "reset_before_response", "first_byte_timeout", "stalled", "500", "502", "503", "504"]
[upstream.app.passive]
count = ["connect", "timeout", "reset", "500", "502", "503", "504"]
"""
        slow = "[upstream.app.passive]\nlatency_factor = 3.0"
        file = site.write("forebay.toml", f"""
[global]
workers = {site.setting.workers}
{log if site.setting.access_log else ""}
[[listener]]
bind = "127.0.0.1:{site.port}"
{tls if site.setting.tls else ""}
{"http = { h2c = true }" if site.setting.h2 else ""}
[[route]]
upstream = "app"
[upstream.app]
balance = "{site.setting.balance}"
backends = [{backends}]
pool = {{ max_idle = {POOL_CONNECTIONS} }}
{failures if site.setting.fails_with_500 else ""}
{slow if site.setting.ejects_slow else ""}
""")
        return [str(program), "run", "-c", str(file)]
