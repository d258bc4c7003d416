"""A server with a fast path that the test controls, and a connection to it."""

import asyncio
from collections.abc import AsyncIterator

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
