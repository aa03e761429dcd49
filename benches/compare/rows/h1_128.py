"""The main figure: small answers over connections that stay open."""

from .row import LoadRow

ROW = LoadRow("h1-128", "HTTP/1.1, 128 B, 64 connections", quick=True)
