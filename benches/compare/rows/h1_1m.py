"""Large answers: copying, or not copying."""

from load import Wrk
from peers import Setting

from .row import LoadRow

ROW = LoadRow(
    "h1-1m",
    "HTTP/1.1, 1 MiB, 16 connections",
    body_bytes=1 << 20,
    settings={"": Setting(bulk=True)},
    load=Wrk(connections=16),
    quick=True,
)
