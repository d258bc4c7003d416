"""Clients that do to nginx what no good client does, until they are cancelled."""

import asyncio
import contextlib
import itertools
import resource
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Abuse = Callable[[str], Awaitable[None]]


async def _connect(nginx: str) -> Streams:
    address = urlsplit(nginx)
    return await asyncio.open_connection(address.hostname, address.port)


@asynccontextmanager
async def _connected(nginx: str) -> AsyncIterator[Streams]:
    """A connection that is dropped at the end, whoever ends it; a broken one is no fault of a client that is none."""
    streams = await _connect(nginx)
    try:
        with contextlib.suppress(OSError):
            yield streams
    finally:
        streams[1].transport.abort()


async def _one_byte_a_second(nginx: str, text: bytes) -> None:
    """Say something as slowly as it goes, again and again."""
    while True:
        async with _connected(nginx) as (_, writer):
            for byte in itertools.chain(text, itertools.repeat(ord("x"))):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)


async def slow_headers(nginx: str) -> None:
    """300 clients whose headers never end."""
    await asyncio.gather(*(_one_byte_a_second(nginx, b"GET /abc HTTP/1.1\r\nHost: x\r\nX-Slow: ") for _ in range(300)))


async def slow_bodies(nginx: str) -> None:
    """300 clients whose bodies never end."""
    head = b"POST /links HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"

    async def trickle() -> None:
        while True:
            async with _connected(nginx) as (_, writer):
                writer.write(head)
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(1)

    await asyncio.gather(*(trickle() for _ in range(300)))


async def idle_connections(nginx: str) -> None:
    """10,000 clients who connect and say nothing."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened: list[Streams] = []
    try:
        for _ in range(100):
            opened += await asyncio.gather(*(_connect(nginx) for _ in range(100)))
        await asyncio.Event().wait()
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def _flood(nginx: str, request: Callable[[], bytes], *, connections: int, at_once: int, pause: float) -> None:
    """Requests on kept connections, some of them sent at once; answers are read and thrown away."""

    async def client() -> None:
        while True:
            async with _connected(nginx) as (reader, writer):
                reading = asyncio.create_task(_swallow(reader))
                while not reading.done():
                    writer.write(b"".join(request() for _ in range(at_once)))
                    await writer.drain()
                    await asyncio.sleep(pause)

    await asyncio.gather(*(client() for _ in range(connections)))


async def _swallow(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65_536):
            pass


async def pipelining(nginx: str) -> None:
    """4 clients who send 20 requests at once, five times a second."""
    await _flood(nginx, lambda: b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", connections=4, at_once=20, pause=0.2)


async def huge_urls(nginx: str) -> None:
    """URLs of 15,000 characters, which nginx lets through, and of 100,000, 100 a second in all."""
    lengths = itertools.cycle((15_000, 100_000))

    def request() -> bytes:
        return b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * next(lengths))

    await _flood(nginx, request, connections=10, at_once=1, pause=0.1)


async def unknown_codes(nginx: str) -> None:
    """Codes that there are not, each a new one, 500 a second."""

    def request() -> bytes:
        return b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % uuid.uuid4().hex[:12].encode()

    await _flood(nginx, request, connections=10, at_once=5, pause=0.1)


async def wrong_keys(nginx: str) -> None:
    """Keys that there are not, each a new one, 300 a second."""

    def request() -> bytes:
        return b"GET /links HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bl_%s\r\n\r\n" % uuid.uuid4().hex.encode()

    await _flood(nginx, request, connections=10, at_once=3, pause=0.1)


@asynccontextmanager
async def disturbed_by(abuse: Abuse, nginx: str) -> AsyncIterator[None]:
    """The abuse goes on while the block runs. What ends it early fails the test."""
    task = asyncio.ensure_future(abuse(nginx))
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
