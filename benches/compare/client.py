"""A small HTTP/1.1 client over plain sockets: proves that a proxy answers, and holds idle connections."""

from __future__ import annotations

import socket

TIMEOUT_SECONDS = 5.0


def connect(port: int) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def exchange(stream: socket.socket, target: str = "/") -> tuple[str, int]:
    """Sends one GET; returns the status line and the bytes of the body."""
    stream.sendall(f"GET {target} HTTP/1.1\r\nHost: bench.test\r\n\r\n".encode())
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
