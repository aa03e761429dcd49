"""A WebSocket server: echoes text as text and bytes as bytes, with a few words of its own."""

import asyncio
import ssl
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

SIZE_MAX = 32 << 20


closed = []


async def handle(connection):
    try:
        await answer(connection)
    except ConnectionClosed:
        pass
    closed.append(f"{connection.close_code} {connection.close_reason}")


async def answer(connection):
    async for message in connection:
        if isinstance(message, str) and message.startswith("close "):
            _, code, reason = message.split(" ", 2)
            return await connection.close(int(code), reason)
        if message == "ping me":
            await (await connection.ping(b"from the server"))
            await connection.send("pong came")
        elif message == "who asks":
            forwarded = connection.request.headers.get("x-forwarded-for", "")
            await connection.send(f"{connection.request.path} {forwarded}")
        elif message == "who closed how":
            await connection.send("\n".join(closed))
        else:
            await connection.send(message)


async def main():
    tls = None
    port, *files = sys.argv[1:]
    if files:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*files)
        # It would rather speak HTTP/2, which no WebSocket can be had by yet: that is for the proxy to know.
        tls.set_alpn_protocols(["h2", "http/1.1"])
    options = {"max_size": SIZE_MAX, "ping_interval": None, "subprotocols": ["chat", "echo"], "ssl": tls}
    async with serve(handle, "127.0.0.1", int(port), **options) as server:
        host, port = server.sockets[0].getsockname()
        print(f"listening on {host}:{port}", flush=True)
        # Whoever started us is there for as long as this is open.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
