"""Stores that are away, that hang, or whose nginx a test opens and shuts; networks that cut, lose and delay."""

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
    """The same store, looked for at another port."""
    return replace(settings, url=re.sub(r"(?<=@127\.0\.0\.1:)\d+", str(port), settings.url))


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port where nothing listens, and nothing else will."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1_000)
        yield listening.getsockname()[1]


async def let_go(writer: asyncio.StreamWriter) -> None:
    """Close a connection at once, and wait until its socket is closed, also where it is broken."""
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def may_lose_packets() -> bool:
    """Whether we may tell the firewall to lose some."""
    return os.geteuid() == 0 and shutil.which("iptables") is not None


@contextlib.contextmanager
def lossy(port: int, share: float) -> Iterator[None]:
    """A loopback on which a share of the packets to and from a port is lost; 1: all of them. Needs root."""
    chance = ["-m", "statistic", "--mode", "random", "--probability", str(share)] if share < 1 else []
    rules = [
        ["INPUT", "-i", "lo", "-p", "tcp", end, str(port), *chance, "-j", "DROP"] for end in ("--dport", "--sport")
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
    """A way to a store that can be shut (connections break), opened again, and frozen (nothing comes through).

    What the store says arrives `delay` seconds late.
    """

    def __init__(self, to_port: int, delay: float = 0.0) -> None:
        self._to_port = to_port
        self._delay = delay
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._let_through, "127.0.0.1", self.port)
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
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    async def _let_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            store_reader, store_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            await asyncio.gather(self._pump(reader, store_writer, 0.0), self._pump(store_reader, writer, self._delay))
        self._abort(writer, self._delay)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
        self._writers.add(writer)
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(65_536):
                await self._flows.wait()
                if delay:
                    loop.call_later(delay, writer.write, data)
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # a broken connection is what this is for
        finally:
            self._writers.discard(writer)
            self._abort(writer, delay)  # after what is still on its way

    @staticmethod
    def _abort(writer: asyncio.StreamWriter, delay: float) -> None:
        if delay:
            asyncio.get_running_loop().call_later(delay, writer.transport.abort)
        else:
            writer.transport.abort()  # at once: the loop may end before it comes to anything else


@contextlib.asynccontextmanager
async def tcp_proxy(to_port: int, delay: float = 0.0) -> AsyncIterator[TcpProxy]:
    """An open way to a store, shut at the end."""
    found = TcpProxy(to_port, delay)
    await found.open()
    try:
        yield found
    finally:
        found.thaw()
        await found.shut()
