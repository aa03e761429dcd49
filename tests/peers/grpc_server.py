"""A server of gRPC: one service of every kind of call, and the standard health service. Messages are plain bytes.

Arguments: the port, 0 for whichever is free and to end with whoever started it; a certificate and its key for TLS.
"""

import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

lock = threading.Lock()
cancelled = 0
deadlines = []


def unary(request, context):
    metadata = dict(context.invocation_metadata())
    sent = [(key, value) for key, value in metadata.items() if key.startswith("x-test")]
    context.send_initial_metadata([("x-first", "1"), *sent])
    context.set_trailing_metadata([("x-last", "2"), ("x-last-bin", bytes(range(256)))])
    return request


def fails(request, context):
    """`late` is told after a message of its own, else in the head."""
    if request == b"late":
        context.send_initial_metadata([("x-first", "1")])
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no, 100 % nö\n")


def unavailable(request, context):
    context.abort(grpc.StatusCode.UNAVAILABLE, "not now")


def adds(requests, context):
    return str(sum(int(request) for request in requests)).encode()


def counts(request, context):
    for n in range(int(request)):
        yield str(n).encode()


def talks(requests, context):
    for request in requests:
        yield b"you said " + request


def waits(requests, context):
    """Says that it has begun, then nothing until the call is over."""
    over = threading.Event()

    def ended():
        global cancelled
        with lock:
            cancelled += 1
            deadlines.append(left)
        over.set()

    left = context.time_remaining()
    context.add_callback(ended)
    if next(iter(requests)) == b"speak":
        yield b"begun"
    over.wait()


def asks(request, context):
    """What the waiting calls have come to."""
    with lock:
        left = [str(left) for left in deadlines]
        return f"{cancelled} {' '.join(left)}".encode()


HANDLERS = grpc.method_handlers_generic_handler(
    "test.Service",
    {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Fails": grpc.unary_unary_rpc_method_handler(fails),
        "Unavailable": grpc.unary_unary_rpc_method_handler(unavailable),
        "Adds": grpc.stream_unary_rpc_method_handler(adds),
        "Counts": grpc.unary_stream_rpc_method_handler(counts),
        "Talks": grpc.stream_stream_rpc_method_handler(talks),
        "Waits": grpc.stream_stream_rpc_method_handler(waits),
        "Asks": grpc.unary_unary_rpc_method_handler(asks),
    },
)

SIZE_MAX = 32 << 20


def main():
    options = [("grpc.max_receive_message_length", SIZE_MAX), ("grpc.max_send_message_length", SIZE_MAX)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64), options=options)
    server.add_generic_rpc_handlers((HANDLERS,))
    servicer = health.HealthServicer()
    servicer.set("test.Service", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    wanted, *files = sys.argv[1:] or ["0"]
    if files:
        cert, key = (Path(file).read_bytes() for file in files)
        port = server.add_secure_port(f"127.0.0.1:{wanted}", grpc.ssl_server_credentials([(key, cert)]))
    else:
        port = server.add_insecure_port(f"127.0.0.1:{wanted}")
    server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    if wanted != "0":
        server.wait_for_termination()
    # Whoever started us is there for as long as this is open.
    sys.stdin.read()
    server.stop(None)


main()
