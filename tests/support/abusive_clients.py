"""Clients that misuse nginx until they are cancelled: slow, idle, flooding, or with nonsense."""

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


async def _connect(base_url: str) -> Streams:
    address = urlsplit(base_url)
    return await asyncio.open_connection(address.hostname, address.port)


@asynccontextmanager
async def _connected(base_url: str) -> AsyncIterator[Streams]:
    """A connection, aborted at the end. It may break inside the block, because nginx may refuse an abusive client."""
    streams = await _connect(base_url)
    try:
        with contextlib.suppress(OSError):
            yield streams
    finally:
        streams[1].transport.abort()


async def _one_byte_a_second(base_url: str, text: bytes) -> None:
    """Send a text and then endless `x`, one byte a second; connect again whenever nginx closes the connection."""
    while True:
        async with _connected(base_url) as (_, writer):
            for byte in itertools.chain(text, itertools.repeat(ord("x"))):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)


async def slow_headers(base_url: str) -> None:
    """300 clients whose headers never end."""
    await asyncio.gather(
        *(_one_byte_a_second(base_url, b"GET /abc HTTP/1.1\r\nHost: x\r\nX-Slow: ") for _ in range(300))
    )


async def slow_bodies(base_url: str) -> None:
    """300 clients whose bodies never end."""
    head = b"POST /links HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"

    async def trickle() -> None:
        while True:
            async with _connected(base_url) as (_, writer):
                writer.write(head)
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(1)

    await asyncio.gather(*(trickle() for _ in range(300)))


async def idle_connections(base_url: str) -> None:
    """10,000 clients that connect and send nothing."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened: list[Streams] = []
    try:
        for _ in range(100):
            opened += await asyncio.gather(*(_connect(base_url) for _ in range(100)))
        await asyncio.Event().wait()
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def _flood(base_url: str, request: Callable[[], bytes], *, connections: int, at_once: int, pause: float) -> None:
    """Send requests on kept connections, `at_once` together, then `pause` seconds nothing. Responses are discarded."""

    async def client() -> None:
        while True:
            async with _connected(base_url) as (reader, writer):
                reading = asyncio.create_task(_discard(reader))
                while not reading.done():
                    writer.write(b"".join(request() for _ in range(at_once)))
                    await writer.drain()
                    await asyncio.sleep(pause)

    await asyncio.gather(*(client() for _ in range(connections)))


async def _discard(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65_536):
            pass


async def pipelining(base_url: str) -> None:
    """4 clients that each send 20 requests at once, five times a second."""
    await _flood(base_url, lambda: b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", connections=4, at_once=20, pause=0.2)


async def huge_urls(base_url: str) -> None:
    """100 requests a second, in turn with 15,000 characters in the URL, which nginx lets through, and with 100,000."""
    lengths = itertools.cycle((15_000, 100_000))

    def request() -> bytes:
        return b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * next(lengths))

    await _flood(base_url, request, connections=10, at_once=1, pause=0.1)


async def unknown_codes(base_url: str) -> None:
    """500 requests a second for codes that do not exist, each for another one."""

    def request() -> bytes:
        return b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % uuid.uuid4().hex[:12].encode()

    await _flood(base_url, request, connections=10, at_once=5, pause=0.1)


async def wrong_keys(base_url: str) -> None:
    """300 requests a second with API keys that do not exist, each with another one."""

    def request() -> bytes:
        return b"GET /links HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bl_%s\r\n\r\n" % uuid.uuid4().hex.encode()

    await _flood(base_url, request, connections=10, at_once=3, pause=0.1)


@asynccontextmanager
async def disturbed_by(abuse: Abuse, base_url: str) -> AsyncIterator[None]:
    """Let abusive clients run while the block runs. The test fails if they end early."""
    task = asyncio.ensure_future(abuse(base_url))
    try:
        yield
        assert not task.done(), f"the abusive clients ended early: {task}"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
