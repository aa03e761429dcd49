"""The kinds of work that are compared. A row is one file here and one entry in `ROWS`."""

from __future__ import annotations

from . import (
    chaos,
    close,
    h1_1m,
    h1_16k,
    h1_128,
    h2,
    idle,
    log,
    many,
    post_16k,
    reload,
    slow,
    steady,
    strategies,
    tls,
    workers,
)
from .row import Row

ROWS: list[Row] = [
    h1_128.ROW,
    h1_16k.ROW,
    h1_1m.ROW,
    post_16k.ROW,
    log.ROW,
    close.ROW,
    tls.KEEP_ALIVE,
    tls.HANDSHAKE,
    h2.TO_H1,
    h2.TO_H2,
    many.ROW,
    workers.ROW,
    reload.ROW,
    steady.ROW,
    idle.ROW,
    slow.ROW,
    strategies.ROW,
    *chaos.ROWS,
]

__all__ = ["ROWS", "Row"]
