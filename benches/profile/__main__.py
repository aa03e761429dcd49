"""What one request costs, counted: `python3 benches/profile --help`.

Instructions by callgrind, system calls by strace, stacks for a flame graph by perf. Counts hold where times
drift; see benches/README.md for how to read them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

# Peers, processes and programs are those of the comparison.
sys.path.append(str(Path(__file__).resolve().parents[1] / "compare"))

import tools  # noqa: E402
from peers import PEERS, Forebay, Setting  # noqa: E402

import flame  # noqa: E402
import instructions  # noqa: E402
import syscalls  # noqa: E402

TOOLS = {"instructions": instructions.run, "syscalls": syscalls.run, "flame": flame.run}


def main() -> int:
    arguments = parse()
    try:
        if arguments.tool == "flame" and arguments.built is None:
            arguments.built = flame.build(say)
        built = arguments.built or tools.build(say)
        setting = Setting(access_log=arguments.log, bulk=arguments.body >= 1 << 20)
        for name in arguments.peers:
            peer = next(peer for peer in PEERS if peer.name == name)
            if name == "forebay":
                peer = Forebay(built / "forebay")
            program = peer.find()
            if program is None:
                raise tools.Missing(f"{peer.title} is not here: {peer.install}")
            TOOLS[arguments.tool](peer, program, setting, built / "examples" / "backend", arguments)
    except (tools.Missing, RuntimeError) as failure:
        say(f"profile: {failure}")
        return 2
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 benches/profile",
        description="Counts what one request through a proxy costs.",
        epilog="Example: python3 benches/profile instructions forebay haproxy --functions 40",
    )
    parser.add_argument("tool", choices=list(TOOLS))
    parser.add_argument("peers", nargs="*", default=["forebay"], help="forebay unless named: "
                        + ", ".join(peer.name for peer in PEERS))
    parser.add_argument("--log", action="store_true", help="with the access log on")
    parser.add_argument("--body", type=int, default=128, metavar="BYTES", help="bytes of the answers (128)")
    parser.add_argument("--functions", type=int, default=25, metavar="N", help="functions to list (25)")
    parser.add_argument("--out", type=Path, default=Path("forebay.folded"), help="where flame writes its stacks")
    parser.add_argument("--built", type=Path, metavar="DIRECTORY",
                        help="take forebay and the examples from here instead of building them")
    arguments = parser.parse_args()
    if unknown := set(arguments.peers) - {peer.name for peer in PEERS}:
        parser.error(f"no peer is called {', '.join(sorted(unknown))}")
    return arguments


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
