"""A WebSocket client: one case, against the address given. Fails loudly."""

import asyncio
import os
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

SIZE_MAX = 32 << 20


def open_one(url, tls, **options):
    options = {"max_size": SIZE_MAX, "ping_interval": None, "proxy": None, "open_timeout": 30, **options}
    return connect(url, ssl=tls, subprotocols=["echo"], **options)


async def echoes(url, tls):
    async with open_one(url + "/a/b?c=d", tls) as connection:
        assert connection.subprotocol == "echo", connection.subprotocol
        for message in ["", "a", "ü€𝄞" * 1000, b"", bytes(range(256)), os.urandom(100_000)]:
            await connection.send(message)
            assert await connection.recv() == message
        await connection.send("who asks")
        assert await connection.recv() == "/a/b?c=d 127.0.0.1"


async def large(url, tls):
    async with open_one(url, tls, compression=None) as connection:
        for size in [65_535, 65_536, 16 << 20]:
            message = os.urandom(size)
            await connection.send(message)
            assert await connection.recv() == message, size
        # In pieces: the frames are the client's own.
        pieces = [os.urandom(1 << 20) for _ in range(16)]
        await connection.send(iter(pieces))
        assert await connection.recv() == b"".join(pieces)


async def pings(url, tls):
    async with open_one(url, tls) as connection:
        latency = await (await connection.ping(b"from the client"))
        assert latency >= 0
        await connection.send("ping me")
        assert await connection.recv() == "pong came"


async def closes(url, tls):
    for code, reason in [(1000, "done"), (1001, "going"), (3000, "own"), (4999, "ü" * 60)]:
        async with open_one(url, tls) as connection:
            await connection.send(f"close {code} {reason}")
            try:
                await connection.recv()
                raise AssertionError("it was not closed")
            except (ConnectionClosedOK, ConnectionClosedError) as closed:
                assert (closed.rcvd.code, closed.rcvd.reason) == (code, reason), closed
    connection = await open_one(url, tls)
    await connection.close(4001, "by the client")
    assert connection.close_code == 4001
    # Until the server has noted it.
    async with open_one(url, tls) as other:
        for _ in range(10_000):
            await other.send("who closed how")
            if "4001 by the client" in (await other.recv()).split("\n"):
                return
        raise AssertionError("the server was told otherwise")


async def many(url, tls):
    async def one(n):
        async with open_one(url, tls) as connection:
            for k in range(20):
                await connection.send(f"{n} {k}")
                assert await connection.recv() == f"{n} {k}"

    await asyncio.gather(*(one(n) for n in range(40)))


async def refused(url, tls):
    try:
        await open_one(url, tls)
        raise AssertionError("it was not refused")
    except InvalidStatus as refusal:
        assert refusal.response.status_code == 502, refusal


async def main():
    case, url = sys.argv[1:3]
    tls = ssl.create_default_context(cafile=sys.argv[3]) if len(sys.argv) > 3 else None
    await {"echoes": echoes, "large": large, "pings": pings, "closes": closes, "many": many, "refused": refused}[case](url, tls)


asyncio.run(main())
