"""A small HTTP/1.1 client over sockets, plain or through TLS: proves that a proxy answers, and holds idle connections.
HTTP/2 is left to curl."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

TIMEOUT_SECONDS = 5.0

# The name that the certificates of rows with TLS are for.
HOST = "bench.test"


def connect(port: int, tls: bool = False) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return stream
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(stream, server_hostname=HOST)


def exchange_h2(curl: Path, port: int) -> tuple[str, int]:
    """As `exchange`, over HTTP/2 by prior knowledge on a connection of its own."""
    command = [
        str(curl), "--silent", "--show-error", "--http2-prior-knowledge", "--max-time", str(TIMEOUT_SECONDS),
        "--output", "/dev/null", "--write-out", "HTTP/%{http_version} %{http_code} |%{size_download}",
        f"http://127.0.0.1:{port}/",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.strip())
    status, _, size = done.stdout.rpartition("|")
    return status, int(size)


def exchange(stream: socket.socket, target: str = "/") -> tuple[str, int]:
    """Sends one GET; returns the status line and the bytes of the body."""
    stream.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(stream)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    length, have = int(fields.get("content-length", 0)), len(body)
    while have < length:
        have += len(_some(stream))
    return lines[0], have


def _some(stream: socket.socket) -> bytes:
    data = stream.recv(1 << 18)
    if not data:
        raise ConnectionError("the connection was closed in the middle of an answer")
    return data
