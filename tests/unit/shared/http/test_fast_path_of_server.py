"""The fast path of a connection, tested by a real socket: in order, one request at a time, each with a response."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from aiohttp.http_parser import RawRequestMessage

from shared.http.application import create_application
from shared.http.server import FAST_PATH, Connection, serve
from tests.support.waiting import until
from tests.unit.conftest import INSTANCE

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FakeFastPath:
    """A fast path for paths that begin with /fast; it responds with the path, at once or when the test says so."""

    def __init__(self) -> None:
        self.offered: list[str] = []
        self.accepted: list[tuple[str, Connection]] = []
        self.responds_at_once = True

    def offer(self, message: RawRequestMessage, connection: Connection) -> bool:
        self.offered.append(message.path)
        if not message.path.startswith("/fast"):
            return False
        self.accepted.append((message.path, connection))
        if self.responds_at_once:
            asyncio.get_running_loop().call_soon(self.respond_next)
        return True

    def respond_next(self) -> None:
        path, connection = self.accepted.pop(0)
        connection.respond(f"HTTP/1.1 200 OK\r\nContent-Length: {len(path)}\r\n\r\n{path}".encode())

    def pass_on_next(self) -> None:
        self.accepted.pop(0)[1].pass_to_application()


async def application(request: web.Request) -> web.Response:
    return web.Response(text=f"application {request.method} {request.path}")


@pytest.fixture
def fast_path() -> FakeFastPath:
    return FakeFastPath()


@pytest.fixture
async def runner(fast_path: FakeFastPath) -> AsyncIterator[web.AppRunner]:
    app, _ = create_application("resolver", INSTANCE)
    app[FAST_PATH] = fast_path
    app.router.add_route("*", "/{path}", application, name="any")
    runner = serve(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner
    await runner.cleanup()


@pytest.fixture
async def streams(runner: web.AppRunner) -> AsyncIterator[Streams]:
    """A connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
    yield reader, writer
    writer.close()


def get_requests(*paths: str) -> bytes:
    return b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths)


async def response_from(reader: asyncio.StreamReader) -> str:
    """The body of the next response."""
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.decode().split("\r\n") if line.lower().startswith("content-length"))
        return (await reader.readexactly(int(length.split(":")[1]))).decode()


async def has_accepted(fast_path: FakeFastPath, count: int = 1) -> None:
    async def is_accepted() -> bool:
        return len(fast_path.accepted) >= count

    await until(is_accepted)


async def test_consecutive_requests_on_one_connection_get_their_responses(streams: Streams) -> None:
    reader, writer = streams
    for path in ("/fast1", "/long", "/fast2", "/fast3", "/long"):
        writer.write(get_requests(path))
        assert (await response_from(reader)).endswith(path)


async def test_pipelined_requests_get_their_responses_in_order(streams: Streams) -> None:
    reader, writer = streams
    paths = ["/fast1", "/long1", "/fast2", "/fast3", "/long2", *(f"/fast{number}" for number in range(40))]
    writer.write(get_requests(*paths))
    assert [(await response_from(reader)).removeprefix("application GET ") for _ in paths] == paths


async def test_a_request_that_arrives_during_another_waits_for_its_turn(
    fast_path: FakeFastPath, streams: Streams
) -> None:
    reader, writer = streams
    fast_path.responds_at_once = False
    writer.write(get_requests("/fast1"))
    await has_accepted(fast_path)
    writer.write(get_requests("/long", "/fast2"))
    await asyncio.sleep(0.1)  # by then the requests have arrived, and would get their responses too early
    fast_path.responds_at_once = True
    fast_path.respond_next()
    assert await response_from(reader) == "/fast1"
    assert await response_from(reader) == "application GET /long"
    assert (await response_from(reader)).endswith("/fast2")


async def test_a_request_in_several_packets_is_offered_once_it_is_complete(
    fast_path: FakeFastPath, streams: Streams
) -> None:
    reader, writer = streams
    for piece in (b"GET /fa", b"st HTTP/1.1\r\nHo", b"st: a\r\n", b"\r\n"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.02)  # so that the pieces arrive separately
    assert await response_from(reader) == "/fast"
    assert fast_path.offered == ["/fast"]


async def test_a_request_that_the_fast_path_passes_on_is_handled_by_the_application(
    fast_path: FakeFastPath, streams: Streams
) -> None:
    reader, writer = streams
    fast_path.responds_at_once = False
    writer.write(get_requests("/fast"))
    await has_accepted(fast_path)
    fast_path.pass_on_next()
    assert await response_from(reader) == "application GET /fast"
    fast_path.responds_at_once = True
    writer.write(get_requests("/fast"))
    assert await response_from(reader) == "/fast"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
        b"POST /fast HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"GET /fast HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET /fast HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /fast HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=["a body", "a body in chunks", "HTTP 1.0", "the last request of its connection", "another protocol"],
)
async def test_a_request_that_needs_aiohttp_is_not_offered(
    fast_path: FakeFastPath, streams: Streams, request_bytes: bytes
) -> None:
    reader, writer = streams
    writer.write(request_bytes)
    assert (await response_from(reader)).startswith("application ")
    assert fast_path.offered == []


async def test_a_client_that_disconnects_before_its_response_does_not_affect_others(
    fast_path: FakeFastPath, runner: web.AppRunner, streams: Streams
) -> None:
    fast_path.responds_at_once = False
    _, leaving_writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
    leaving_writer.write(get_requests("/fast"))
    await has_accepted(fast_path)
    _, connection = fast_path.accepted[0]
    leaving_writer.transport.abort()

    async def has_left() -> bool:
        return connection.transport is None

    await until(has_left)
    fast_path.respond_next()
    fast_path.responds_at_once = True
    reader, writer = streams
    writer.write(get_requests("/fast2"))
    assert await response_from(reader) == "/fast2"


async def test_a_client_that_reads_no_responses_does_not_fill_the_memory(
    fast_path: FakeFastPath, runner: web.AppRunner
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1], limit=1_024)
    writer.write(get_requests("/fast"))
    await response_from(reader)
    [connection] = runner.server.connections if runner.server else []
    assert connection.transport is not None
    for transport, buffer in ((writer.transport, socket.SO_RCVBUF), (connection.transport, socket.SO_SNDBUF)):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, buffer, 2**14)
    path = "/fast".ljust(20_000, "x")

    async def is_not_offered() -> bool:
        writer.write(get_requests(path))
        return fast_path.accepted == [] and len(connection._messages) > 1

    await until(is_not_offered)
    assert connection.transport.get_write_buffer_size() < 2**20
    writer.transport.abort()


@pytest.mark.parametrize(
    "finish", [FakeFastPath.respond_next, FakeFastPath.pass_on_next], ids=["the fast path", "the application path"]
)
async def test_a_running_request_gets_its_response_before_the_service_stops(
    fast_path: FakeFastPath,
    runner: web.AppRunner,
    streams: Streams,
    caplog: pytest.LogCaptureFixture,
    finish: Callable[[FakeFastPath], None],
) -> None:
    reader, writer = streams
    fast_path.responds_at_once = False
    writer.write(get_requests("/fast"))
    await has_accepted(fast_path)
    cleanup = asyncio.create_task(runner.cleanup())
    await asyncio.sleep(0.1)  # by then the service waits for the request
    assert not cleanup.done()
    finish(fast_path)
    assert (await response_from(reader)).endswith("/fast")
    async with asyncio.timeout(10):
        await cleanup
    assert [row.getMessage() for row in caplog.records if row.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_idle_client_of_a_stopping_service_still_gets_a_response_and_connection_close(
    runner: web.AppRunner, streams: Streams, method: str
) -> None:
    reader, writer = streams
    writer.write(get_requests("/long"))
    await response_from(reader)
    cleanup = asyncio.create_task(runner.cleanup())
    await asyncio.sleep(0.1)  # by then the shutdown has begun
    writer.write(f"{method} /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
    async with asyncio.timeout(10):
        response = await reader.read()
        await cleanup
    assert response.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in response
    assert response.endswith(f"application {method} /fast".encode())


async def test_an_idle_client_without_a_request_does_not_delay_the_stop(
    runner: web.AppRunner, streams: Streams
) -> None:
    reader, writer = streams
    writer.write(get_requests("/long"))
    await response_from(reader)
    async with asyncio.timeout(10):
        await runner.cleanup()
        assert await reader.read() == b""
