"""Every request leaves a line: Forebay, Envoy, Traefik and Caddy to a file (Forebay, Traefik, Caddy as
JSON), nginx combined to a file, HAProxy httplog to a syslog socket."""

from peers import Setting

from .row import LoadRow

ROW = LoadRow(
    "log",
    "HTTP/1.1, 128 B, access log on",
    settings={"": Setting(access_log=True)},
    quick=True,
)
