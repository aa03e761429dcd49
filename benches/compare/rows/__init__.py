"""The kinds of work that are compared. A row is one file here and one entry in `ROWS`."""

from __future__ import annotations

from . import (
    chaos,
    close,
    h1_1m,
    h1_16k,
    h1_128,
    idle,
    log,
    many,
    post_16k,
    reload,
    slow,
    steady,
    strategies,
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
