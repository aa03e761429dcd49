"""Finding programs: on the PATH, in a virtual environment with the peers' wheels, or built by Cargo."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

# Where the README says to put the wheels. Found without being activated.
PEERS_VENV = REPOSITORY / "target" / "peers"

# Load generators, and what looks at their sockets: how to get them.
INSTALL = {
    "wrk": "apt-get install wrk",
    "ss": "apt-get install iproute2",
    "h2load": "apt-get install nghttp2-client",
    "nghttpd": "apt-get install nghttp2-server",
    "openssl": "apt-get install openssl",
    "curl": "apt-get install curl",
}


class Missing(Exception):
    """A program that is not there; the text says how to get it."""


def find(names: list[str], wheel_files: list[str] = ()) -> Path | None:
    """The first of `names` on the PATH, else the first of `wheel_files` (patterns below site-packages)
    or `names` (in bin) in a virtual environment."""
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    for venv in _venvs():
        for pattern in wheel_files:
            for site in venv.glob("lib/python*/site-packages"):
                for found in sorted(site.glob(pattern)):
                    return _executable(found)
        for name in names:
            if (found := venv / "bin" / name).is_file():
                return found
    return None


def need(name: str) -> Path:
    """The program `name`, or `Missing`."""
    if found := find([name]):
        return found
    raise Missing(f"{name} is not installed: {INSTALL[name]}")


def output(command: list[str]) -> str:
    """What a command prints, on either stream; empty when it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def build(progress) -> Path:
    """Builds what is measured and what measures it; returns the directory it is in."""
    metadata = output(["cargo", "metadata", "--no-deps", "--format-version=1", *_manifest()])
    if not metadata:
        raise Missing("cargo is not installed: see https://rustup.rs")
    target = Path(json.loads(metadata[metadata.index("{"):])["target_directory"])
    progress("cargo build --release …")
    built = subprocess.run(
        ["cargo", "build", "--release", "--quiet", "--bin", "forebay", "--example", "backend",
         "--example", "steady", *_manifest()],
        check=False,
    )
    if built.returncode != 0:
        raise Missing("the release build failed; its messages stand above")
    return target / "release"


def _manifest() -> list[str]:
    return ["--manifest-path", str(REPOSITORY / "Cargo.toml")]


def _venvs() -> list[Path]:
    active = [Path(os.environ["VIRTUAL_ENV"])] if "VIRTUAL_ENV" in os.environ else []
    return [*active, Path(sys.prefix), PEERS_VENV]


def _executable(path: Path) -> Path:
    """Wheels do not always keep the bit that lets a file run."""
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | 0o555)
    return path
