"""A service that stops finishes running requests and closes idle connections."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from aiohttp import web

from tests.unit.shared.http.fast_path_server import FakeFastPath, Streams, get_requests, has_accepted, response_from


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
