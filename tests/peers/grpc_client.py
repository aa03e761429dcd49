"""A client of gRPC: one case, against the address given. Fails loudly."""

import os
import queue
import sys
import threading
from concurrent import futures

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SIZE_MAX = 32 << 20
PATIENCE = 60


class Service:
    def __init__(self, address, ca, name="127.0.0.1"):
        options = [
            ("grpc.max_receive_message_length", SIZE_MAX),
            ("grpc.max_send_message_length", SIZE_MAX),
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
            # What is refused is seen here, and not tried again behind our back.
            ("grpc.enable_retries", 0),
        ]
        if ca is None:
            self.channel = grpc.insecure_channel(address, options=options)
        else:
            with open(ca, "rb") as file:
                credentials = grpc.ssl_channel_credentials(file.read())
            options.append(("grpc.ssl_target_name_override", "localhost"))
            self.channel = grpc.secure_channel(address, credentials, options=options)
        self.unary = self.channel.unary_unary("/test.Service/Unary")
        self.fails = self.channel.unary_unary("/test.Service/Fails")
        self.unavailable = self.channel.unary_unary("/test.Service/Unavailable")
        self.adds = self.channel.stream_unary("/test.Service/Adds")
        self.counts = self.channel.unary_stream("/test.Service/Counts")
        self.talks = self.channel.stream_stream("/test.Service/Talks")
        self.waits = self.channel.stream_stream("/test.Service/Waits")
        self.asks = self.channel.unary_unary("/test.Service/Asks")


def refusal(call, code):
    """The error that `call` ends with, which has `code`."""
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), error.details())
        return error
    raise AssertionError("it went well")


class Requests:
    """Requests that are sent when we say so."""

    END = object()

    def __init__(self):
        self.queue = queue.Queue()

    def __iter__(self):
        return iter(self.queue.get, self.END)

    def send(self, request):
        self.queue.put(request)

    def end(self):
        self.queue.put(self.END)


def unary(service):
    metadata = [("x-test", "a b"), ("x-test-bin", bytes(range(256)))]
    response, call = service.unary.with_call(b"hello", metadata=metadata, timeout=PATIENCE)
    first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert response == b"hello" and call.code() == grpc.StatusCode.OK
    assert first["x-first"] == "1" and first["x-test"] == "a b" and first["x-test-bin"] == bytes(range(256)), first
    assert last["x-last"] == "2" and last["x-last-bin"] == bytes(range(256)), last
    assert service.unary(b"", timeout=PATIENCE) == b""


def streams(service):
    numbers = range(1000)
    requests = (str(n).encode() for n in numbers)
    assert service.adds(requests, timeout=PATIENCE) == str(sum(numbers)).encode()
    assert service.adds(iter([]), timeout=PATIENCE) == b"0"
    assert [int(n) for n in service.counts(b"1000", timeout=PATIENCE)] == list(numbers)
    assert list(service.counts(b"0", timeout=PATIENCE)) == []
    # In step: each answer is here before the next request leaves.
    requests = Requests()
    answers = service.talks(iter(requests), timeout=PATIENCE)
    for n in range(200):
        requests.send(b"%d" % n)
        assert next(answers) == b"you said %d" % n
    requests.end()
    assert list(answers) == [] and answers.code() == grpc.StatusCode.OK


def large(service):
    for size in [16_384, 65_535, 1 << 20, 16 << 20]:
        message = os.urandom(size)
        assert service.unary(message, timeout=PATIENCE) == message, size
    messages = [os.urandom(1 << 20) for _ in range(16)]
    answers = service.talks(iter(messages), timeout=PATIENCE)
    assert [answer.removeprefix(b"you said ") for answer in answers] == messages


def errors(service):
    for request in [b"at once", b"late"]:
        error = refusal(lambda: service.fails(request, timeout=PATIENCE), grpc.StatusCode.FAILED_PRECONDITION)
        assert error.details() == "no, 100 % nö\n", repr(error.details())
    method = service.channel.unary_unary("/test.Service/Missing")
    refusal(lambda: method(b"", timeout=PATIENCE), grpc.StatusCode.UNIMPLEMENTED)


def until_over(service, n):
    """What the server knew of the time its calls had left, once so many are over."""
    while True:
        over, *left = service.asks(b"", timeout=PATIENCE).split()
        if int(over) >= n:
            assert int(over) == n, over
            return left


def deadline(service):
    requests = Requests()
    requests.send(b"speak")
    answers = service.waits(iter(requests), timeout=1)
    assert next(answers) == b"begun"
    refusal(lambda: next(answers), grpc.StatusCode.DEADLINE_EXCEEDED)
    [left] = until_over(service, 1)
    assert 0 < float(left) <= 1, left


def cancels(service):
    calls = []
    for _ in range(8):
        requests = Requests()
        requests.send(b"speak")
        calls.append(service.waits(iter(requests)))
        assert next(calls[-1]) == b"begun"
    for call in calls:
        call.cancel()
    # None was told of a deadline: there are years left.
    assert all(left == b"None" or float(left) > 1e6 for left in until_over(service, 8))
    unary(service)


def checks(service):
    stub = health_pb2_grpc.HealthStub(service.channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    assert stub.Check(health_pb2.HealthCheckRequest(service="test.Service"), timeout=PATIENCE).status == serving
    unknown = health_pb2.HealthCheckRequest(service="unknown")
    refusal(lambda: stub.Check(unknown, timeout=PATIENCE), grpc.StatusCode.NOT_FOUND)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="test.Service"))
    assert next(watch).status == serving
    watch.cancel()


def many(service):
    def call(n):
        match n % 4:
            case 0:
                assert service.unary(b"%d" % n, timeout=PATIENCE) == b"%d" % n
            case 1:
                assert service.adds(iter([b"1", b"%d" % n]), timeout=PATIENCE) == b"%d" % (n + 1)
            case 2:
                assert len(list(service.counts(b"50", timeout=PATIENCE))) == 50
            case _:
                answers = service.talks(iter([b"%d" % n] * 20), timeout=PATIENCE)
                assert list(answers) == [b"you said %d" % n] * 20

    with futures.ThreadPoolExecutor(max_workers=32) as pool:
        list(pool.map(call, range(400)))


def unavailable(service):
    for _ in range(30):
        error = refusal(lambda: service.unavailable(b"", timeout=PATIENCE), grpc.StatusCode.UNAVAILABLE)
        assert error.details() == "not now", error.details()


def nobody_there(service):
    error = refusal(lambda: service.unary(b"", timeout=PATIENCE), grpc.StatusCode.UNAVAILABLE)
    assert "reason: connect_failed; request id: " in error.details(), error.details()


def no_route(service):
    error = refusal(lambda: service.unary(b"", timeout=PATIENCE), grpc.StatusCode.UNIMPLEMENTED)
    assert "reason: no_route; request id: " in error.details(), error.details()


def too_long(service):
    """The proxy's own time is over, at a call that is silent and at one that spoke."""
    requests = Requests()
    requests.send(b"be silent")
    error = refusal(lambda: next(service.waits(iter(requests))), grpc.StatusCode.DEADLINE_EXCEEDED)
    assert "reason: total_timeout" in error.details(), error.details()
    until_over(service, 1)


def silent(service):
    """A stream in which nobody says anything for longer than a request or an answer may be silent."""
    requests = Requests()
    answers = service.talks(iter(requests), timeout=PATIENCE)
    for n in range(3):
        requests.send(b"%d" % n)
        assert next(answers) == b"you said %d" % n
        threading.Event().wait(0.6)
    requests.end()
    assert list(answers) == []


def bereft(service):
    """The server dies within a call, which must end and not look whole."""
    requests = Requests()
    requests.send(b"speak")
    answers = service.waits(iter(requests), timeout=PATIENCE)
    assert next(answers) == b"begun"
    print("begun", flush=True)
    try:
        list(answers)
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL), error
        return
    raise AssertionError("it looked whole")


def main():
    case, address = sys.argv[1:3]
    ca = sys.argv[3] if len(sys.argv) > 3 else None
    globals()[case](Service(address, ca))


main()
