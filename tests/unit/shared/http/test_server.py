import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from shared.http.application import create_application
from shared.http.server import serve
from tests.unit.conftest import INSTANCE
from tests.unit.polling import until


@dataclass(frozen=True)
class RawResponse:
    """A response as it was read from the socket."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of an application that is served as by gunicorn's worker."""
    app, _ = create_application("writer", INSTANCE)
    runner = serve(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def send(port: int, request: bytes) -> RawResponse:
    """Send raw bytes and read until the connection is closed."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        text = await reader.read()
        writer.close()
        await writer.wait_closed()
    head, _, body = text.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return RawResponse(int(first.split()[1]), CIMultiDict((name, value) for name, value in pairs), body)


BROKEN = [
    pytest.param(b"garbage\r\n\r\n", id="garbage"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="TLS"),
    pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="another HTTP"),
    pytest.param(b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", id="NUL in the path"),
    pytest.param(b"GET /health HTTP/1.1\r\nHost: a\r\nUser-Agent: a\x1fb\r\n\r\n", id="a separator of clicks"),
    pytest.param(b"GET /health HTTP/1.1\r\nHost: a\r\nReferer: a\x1eb\r\n\r\n", id="another separator of clicks"),
    pytest.param(b"GET /health HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", id="NUL in a header"),
    pytest.param(b"GET /health HTTP/1.1\r\nNo colon\r\n\r\n", id="a header without a colon"),
    pytest.param(b"POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", id="a length that is not a number"),
    pytest.param(
        b"POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        id="two lengths",
    ),
    pytest.param(b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="too long a line"),
    pytest.param(b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", id="too long a header"),
]


@pytest.mark.parametrize("request_bytes", BROKEN)
async def test_malformed_http_gets_a_problem(port: int, request_bytes: bytes) -> None:
    response = await send(port, request_bytes)
    assert (response.status, response.headers["Content-Type"]) == (400, "application/problem+json")
    assert response.document["type"] == "/problems/bad-request"


async def test_the_problem_names_the_request_and_the_instance(port: int) -> None:
    response = await send(port, b"garbage\r\n\r\n")
    assert response.headers["X-Upstream"] == "writer-7"
    assert response.document["request_id"] == response.headers["X-Request-ID"]
    assert len(bytes.fromhex(response.headers["X-Request-ID"])) == 16


async def test_the_problem_reveals_nothing_of_the_parser(port: int) -> None:
    response = await send(port, b"garbage\r\n\r\n")
    assert set(response.document) == {"type", "title", "status", "request_id"}


async def test_the_next_client_gets_its_response(port: int) -> None:
    await send(port, b"garbage\r\n\r\n")
    response = await send(port, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (response.status, response.document["instance"]) == (200, "writer-7")


async def test_a_line_of_the_maximum_length_of_nginx_is_read(port: int) -> None:
    request = b"GET /health?" + b"x" * 16_000 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert (await send(port, request)).status == 200


async def test_a_stopping_service_still_responds_on_an_idle_connection_and_closes_it_then() -> None:
    app, _ = create_application("writer", INSTANCE)
    runner = serve(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    request = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Connection: close" not in head
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        cleanup = asyncio.create_task(runner.cleanup())
        await until(lambda: not runner.sites)
        writer.write(request)
        response = await reader.read()
        await cleanup
        writer.close()
        await writer.wait_closed()
    assert response.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in response
