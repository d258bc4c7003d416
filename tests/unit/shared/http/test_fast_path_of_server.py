"""The fast path of a connection, asked of a real socket: in order, one at a time, and never left without an answer."""

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


class Gate:
    """A fast path for what begins with /fast, which answers its path when it is let."""

    def __init__(self) -> None:
        self.offered: list[str] = []
        self.taken: list[tuple[str, Connection]] = []
        self.is_open = True

    def offer(self, message: RawRequestMessage, connection: Connection) -> bool:
        self.offered.append(message.path)
        if not message.path.startswith("/fast"):
            return False
        self.taken.append((message.path, connection))
        if self.is_open:
            asyncio.get_running_loop().call_soon(self.let)
        return True

    def let(self) -> None:
        path, connection = self.taken.pop(0)
        connection.respond(f"HTTP/1.1 200 OK\r\nContent-Length: {len(path)}\r\n\r\n{path}".encode())

    def turn_away(self) -> None:
        self.taken.pop(0)[1].pass_to_application()


async def application(request: web.Request) -> web.Response:
    return web.Response(text=f"application {request.method} {request.path}")


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def runner(gate: Gate) -> AsyncIterator[web.AppRunner]:
    app, _ = create_application("resolver", INSTANCE)
    app[FAST_PATH] = gate
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


def asked(*paths: str) -> bytes:
    return b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths)


async def answer_from(reader: asyncio.StreamReader) -> str:
    """The body of the next answer."""
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.decode().split("\r\n") if line.lower().startswith("content-length"))
        return (await reader.readexactly(int(length.split(":")[1]))).decode()


async def has_taken(gate: Gate, count: int = 1) -> None:
    async def taken() -> bool:
        return len(gate.taken) >= count

    await until(taken)


async def test_consecutive_requests_on_one_connection_get_their_responses(streams: Streams) -> None:
    reader, writer = streams
    for path in ("/fast1", "/long", "/fast2", "/fast3", "/long"):
        writer.write(asked(path))
        assert (await answer_from(reader)).endswith(path)


async def test_pipelined_requests_get_their_responses_in_order(streams: Streams) -> None:
    reader, writer = streams
    paths = ["/fast1", "/long1", "/fast2", "/fast3", "/long2", *(f"/fast{number}" for number in range(40))]
    writer.write(asked(*paths))
    assert [(await answer_from(reader)).removeprefix("application GET ") for _ in paths] == paths


async def test_a_request_that_arrives_during_another_waits_for_its_turn(gate: Gate, streams: Streams) -> None:
    reader, writer = streams
    gate.is_open = False
    writer.write(asked("/fast1"))
    await has_taken(gate)
    writer.write(asked("/long", "/fast2"))
    await asyncio.sleep(0.1)  # it has come by then, and would be answered too early
    gate.is_open = True
    gate.let()
    assert await answer_from(reader) == "/fast1"
    assert await answer_from(reader) == "application GET /long"
    assert (await answer_from(reader)).endswith("/fast2")


async def test_a_request_in_several_packets_is_offered_once_it_is_complete(gate: Gate, streams: Streams) -> None:
    reader, writer = streams
    for piece in (b"GET /fa", b"st HTTP/1.1\r\nHo", b"st: a\r\n", b"\r\n"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.02)  # so that they come apart
    assert await answer_from(reader) == "/fast"
    assert gate.offered == ["/fast"]


async def test_a_request_that_the_fast_path_passes_on_is_handled_by_the_application(
    gate: Gate, streams: Streams
) -> None:
    reader, writer = streams
    gate.is_open = False
    writer.write(asked("/fast"))
    await has_taken(gate)
    gate.turn_away()
    assert await answer_from(reader) == "application GET /fast"
    gate.is_open = True
    writer.write(asked("/fast"))
    assert await answer_from(reader) == "/fast"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
        b"POST /fast HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"GET /fast HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET /fast HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /fast HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=["a body", "a body in chunks", "HTTP 1.0", "the last of its connection", "another protocol"],
)
async def test_a_request_that_needs_aiohttp_is_not_offered(gate: Gate, streams: Streams, request_bytes: bytes) -> None:
    reader, writer = streams
    writer.write(request_bytes)
    assert (await answer_from(reader)).startswith("application ")
    assert gate.offered == []


async def test_a_client_that_disconnects_before_its_response_does_not_affect_others(
    gate: Gate, runner: web.AppRunner, streams: Streams
) -> None:
    gate.is_open = False
    _, impatient = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
    impatient.write(asked("/fast"))
    await has_taken(gate)
    _, connection = gate.taken[0]
    impatient.transport.abort()

    async def left() -> bool:
        return connection.transport is None

    await until(left)
    gate.let()
    gate.is_open = True
    reader, writer = streams
    writer.write(asked("/fast2"))
    assert await answer_from(reader) == "/fast2"


async def test_a_client_that_reads_no_responses_does_not_fill_the_memory(gate: Gate, runner: web.AppRunner) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1], limit=1_024)
    writer.write(asked("/fast"))
    await answer_from(reader)
    [connection] = runner.server.connections if runner.server else []
    assert connection.transport is not None
    for transport, buffer in ((writer.transport, socket.SO_RCVBUF), (connection.transport, socket.SO_SNDBUF)):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, buffer, 2**14)
    path = "/fast".ljust(20_000, "x")

    async def is_turned_down() -> bool:
        writer.write(asked(path))
        return gate.taken == [] and len(connection._messages) > 1

    await until(is_turned_down)
    assert connection.transport.get_write_buffer_size() < 2**20
    writer.transport.abort()


@pytest.mark.parametrize("end", [Gate.let, Gate.turn_away], ids=["the fast path", "the application path"])
async def test_a_running_request_gets_its_response_before_the_service_stops(
    gate: Gate,
    runner: web.AppRunner,
    streams: Streams,
    caplog: pytest.LogCaptureFixture,
    end: Callable[[Gate], None],
) -> None:
    reader, writer = streams
    gate.is_open = False
    writer.write(asked("/fast"))
    await has_taken(gate)
    ending = asyncio.create_task(runner.cleanup())
    await asyncio.sleep(0.1)  # it waits by then
    assert not ending.done()
    end(gate)
    assert (await answer_from(reader)).endswith("/fast")
    async with asyncio.timeout(10):
        await ending
    assert [row.getMessage() for row in caplog.records if row.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_idle_client_of_a_stopping_service_still_gets_a_response_and_connection_close(
    runner: web.AppRunner, streams: Streams, method: str
) -> None:
    reader, writer = streams
    writer.write(asked("/long"))
    await answer_from(reader)
    ending = asyncio.create_task(runner.cleanup())
    await asyncio.sleep(0.1)  # it has begun by then
    writer.write(f"{method} /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
        await ending
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in answer
    assert answer.endswith(f"application {method} /fast".encode())


async def test_an_idle_client_without_a_request_does_not_delay_the_stop(
    runner: web.AppRunner, streams: Streams
) -> None:
    reader, writer = streams
    writer.write(asked("/long"))
    await answer_from(reader)
    async with asyncio.timeout(10):
        await runner.cleanup()
        assert await reader.read() == b""
