"""Uploads: the body flows to the backend."""

from load import Wrk

from .row import LoadRow

ROW = LoadRow("post-16k", "POST of 16 KiB, 64 connections", load=Wrk(post_bytes=16 * 1024), quick=True)
