"""A thousand connections, all busy."""

from load import Wrk

from .row import LoadRow

ROW = LoadRow("c1000", "HTTP/1.1, 128 B, 1 000 connections", load=Wrk(connections=1000))
