"""The outermost wrapper: whatever a method does, its caller gets a canonical code at once, and the next call is served."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2

from domain.errors import UnknownUser
from earshot.client import error_info_of, reason_of
from server.rpc.outermost import stream, unary
from server.rpc.reading import decoded, reader

DEFECTS = [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit, MemoryError, RecursionError, StopIteration]
Code = grpc.StatusCode


class Told:
    """Methods that raise what they are told to."""

    def __init__(self) -> None:
        self.problem: BaseException | None = None

    def ask(self, request, context):
        decoded(request)
        if self.problem is not None:
            raise self.problem
        return health_pb2.HealthCheckResponse()

    def watch(self, request, context):
        yield self.ask(request, context)
        yield self.ask(request, context)

    def talk(self, requests, context):
        for request in map(decoded, requests):
            yield self.ask(request, context)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def channel(told):
    read, write = reader(health_pb2.HealthCheckRequest), health_pb2.HealthCheckResponse.SerializeToString
    handlers = {
        "Ask": grpc.unary_unary_rpc_method_handler(unary(told.ask), read, write),
        "Watch": grpc.unary_stream_rpc_method_handler(stream(told.watch), read, write),
        "Talk": grpc.stream_stream_rpc_method_handler(stream(told.talk), read, write),
    }
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("t", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.stop(0).wait()


CALLS = {
    "unary": lambda channel, body: channel.unary_unary("/t/Ask")(body, timeout=5),
    "stream": lambda channel, body: list(channel.unary_stream("/t/Watch")(body, timeout=5)),
    "both ways": lambda channel, body: list(channel.stream_stream("/t/Talk")(iter([body]), timeout=5)),
}


def refused(call, *arguments):
    with pytest.raises(grpc.RpcError) as refusal:
        call(*arguments)
    return refusal.value


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defect_is_internal_at_once_with_an_id_that_the_log_has(call, kind, told, channel, caplog):
    told.problem = kind("secret")
    started = time.monotonic()
    error = refused(call, channel, b"")
    assert time.monotonic() - started < 2
    error_id = error_info_of(error).metadata["error_id"]
    assert (error.code(), error.details(), reason_of(error)) == (Code.INTERNAL, f"internal error {error_id}", "INTERNAL")
    (line,) = [record for record in caplog.records if record.message == "internal error"]
    assert line.fields["error_id"] == error_id
    assert "secret" in str(line.exc_info[1]) or kind is StopIteration  # which a generator turns into a RuntimeError of its own
    told.problem = None
    call(channel, b"")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_error_of_the_domain_has_its_own_code(call, told, channel):
    told.problem = UnknownUser("nobody", {"user_id": "x"})
    assert (refused(call, channel, b"").code(), reason_of(refused(call, channel, b""))) == (Code.NOT_FOUND, "UNKNOWN_USER")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\x02\xc3\x28", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b" * 5000])
def test_bytes_that_are_no_message_are_invalid(call, body, channel):
    error = refused(call, channel, body)
    assert (error.code(), reason_of(error)) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")


def test_a_caller_that_leaves_a_stream_leaves_no_line_in_the_log(told, channel, caplog):
    talk = channel.stream_stream("/t/Talk")(iter_that_waits(), timeout=5)
    next(talk)
    talk.cancel()
    time.sleep(0.3)
    assert not [record for record in caplog.records if record.message == "internal error"]


def iter_that_waits():
    yield b""
    time.sleep(0.5)
