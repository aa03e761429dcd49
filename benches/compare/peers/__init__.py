"""The proxies that are compared. A peer is one file here and one entry in `PEERS`."""

from __future__ import annotations

from .caddy import Caddy
from .envoy import Envoy
from .forebay import Forebay
from .haproxy import HAProxy
from .nginx import Nginx
from .peer import Peer, Setting, Site
from .traefik import Traefik

# Forebay stands first and comes from the build; the second is what the ratios are to.
PEERS: list[Peer] = [Forebay(), HAProxy(), Nginx(), Envoy(), Traefik(), Caddy()]

BASE = "haproxy"

__all__ = ["BASE", "PEERS", "Forebay", "Peer", "Setting", "Site"]
