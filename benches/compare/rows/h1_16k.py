"""Answers of a page's size."""

from .row import LoadRow

ROW = LoadRow("h1-16k", "HTTP/1.1, 16 KiB, 64 connections", body_bytes=16 * 1024, quick=True)
