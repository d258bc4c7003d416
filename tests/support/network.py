"""Stores that are unavailable or hang, TCP proxies that a test opens and shuts, and networks that lose packets."""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import TypeVar

from shared.process.settings import DatabaseSettings, RedisSettings

StoreSettings = TypeVar("StoreSettings", DatabaseSettings, RedisSettings)


def at_port(settings: StoreSettings, port: int) -> StoreSettings:
    """The same store at another port."""
    return replace(settings, url=re.sub(r"(?<=@127\.0\.0\.1:)\d+", str(port), settings.url))


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port that refuses connections: it is bound, so that nothing else can listen there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never sends a byte."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1_000)
        yield listening.getsockname()[1]


async def abort(writer: asyncio.StreamWriter) -> None:
    """Close a connection, broken or not, without sending what is buffered, and wait until its socket is closed."""
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def can_drop_packets() -> bool:
    """Whether this process may add rules to the firewall: it needs root and iptables."""
    return os.geteuid() == 0 and shutil.which("iptables") is not None


@contextlib.contextmanager
def packet_loss(port: int, share: float) -> Iterator[None]:
    """Drop a share of the loopback's packets to and from a port while the block runs; 1 drops all. Needs root."""
    condition = ["-m", "statistic", "--mode", "random", "--probability", str(share)] if share < 1 else []
    rules = [
        ["INPUT", "-i", "lo", "-p", "tcp", end, str(port), *condition, "-j", "DROP"] for end in ("--dport", "--sport")
    ]
    added = []
    try:
        for rule in rules:
            subprocess.run(["iptables", "-w", "-I", *rule], check=True)  # noqa: S607
            added.append(rule)
        yield
    finally:
        for rule in added:
            subprocess.run(["iptables", "-w", "-D", *rule], check=True)  # noqa: S607


class TcpProxy:
    """A proxy in front of a store that a test can shut (connections break), open again, freeze and thaw.

    While it is frozen, connections stay open and no byte passes. The store's replies arrive `delay` seconds late.
    """

    def __init__(self, to_port: int, delay: float = 0.0) -> None:
        self._to_port = to_port
        self._delay = delay
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    def freeze(self) -> None:
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            store_reader, store_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            await asyncio.gather(self._copy(reader, store_writer, 0.0), self._copy(store_reader, writer, self._delay))
        self._abort(writer, self._delay)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
        self._writers.add(writer)
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(65_536):
                await self._thawed.wait()
                if delay:
                    loop.call_later(delay, writer.write, data)
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # broken connections are the purpose of this proxy
        finally:
            self._writers.discard(writer)
            self._abort(writer, delay)  # after the bytes that are still delayed

    @staticmethod
    def _abort(writer: asyncio.StreamWriter, delay: float) -> None:
        if delay:
            asyncio.get_running_loop().call_later(delay, writer.transport.abort)
        else:
            writer.transport.abort()  # at once: the event loop may end before a callback would run


@contextlib.asynccontextmanager
async def running_proxy(to_port: int, delay: float = 0.0) -> AsyncIterator[TcpProxy]:
    """A proxy in front of a store, open at first and shut at the end."""
    proxy = TcpProxy(to_port, delay)
    await proxy.open()
    try:
        yield proxy
    finally:
        proxy.thaw()
        await proxy.shut()
