"""Through TLS: connections that stay open, and a handshake for every request. The certificate is P-256; wrk and every
peer agree on TLS 1.3 with X25519, and wrk resumes nothing."""

from load import Wrk
from peers import Setting

from .row import LoadRow

TLS = {"": Setting(tls=True)}

KEEP_ALIVE = LoadRow("tls", "TLS 1.3, 128 B, 64 connections", settings=TLS, load=Wrk(tls=True), quick=True)

HANDSHAKE = LoadRow(
    "handshake", "A full TLS 1.3 handshake per request", settings=TLS, load=Wrk(tls=True, close=True), quick=True
)
