"""The fast path of a connection, tested by a real socket: in order, one request at a time, each with a response."""

import asyncio
import socket

import pytest
from aiohttp import web

from tests.support.waiting import until
from tests.unit.shared.http.fast_path_server import FakeFastPath, Streams, get_requests, has_accepted, response_from


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
