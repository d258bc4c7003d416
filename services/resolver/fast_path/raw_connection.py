"""A raw connection to Redis: a command goes out, its reply comes to a callback, in order.

redis.asyncio opens the connection, with all that it knows of passwords, TLS and Sentinel, and then hands its transport
over: what a command costs there (about 120 µs) is more than the rest of a redirect (docs/decisions/0010-fast-path.md).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

import hiredis

from shared.domain.errors import StoreUnavailable
from shared.redis.client import UNAVAILABLE, RedisClient, redis_errors

log = logging.getLogger(__name__)

Reply = Any
"""What Redis replied: bytes, a number, a list, None; an exception where it refused, or did not reply."""

OnReply = Callable[[Any], None]
Command = tuple[bytes | str | int, ...]
Result = TypeVar("Result")

_NO_REPLY: Final = StoreUnavailable(UNAVAILABLE)


class RawRedisConnection:
    """A connection that is opened again after each loss, by whoever calls `open`; meanwhile nothing can be sent."""

    def __init__(self, redis: RedisClient, timeout: float) -> None:
        """`timeout`: seconds that Redis has for its oldest reply; after that the connection is closed."""
        self._pool: Any = redis.connection_pool
        self._timeout = timeout
        self._protocol: _Protocol | None = None

    @property
    def is_open(self) -> bool:
        return self._protocol is not None

    async def open(self) -> None:
        """Connect, unless that has been done. Raises StoreUnavailable."""
        if self._protocol is not None:
            return
        connection = self._pool.make_connection()
        try:
            with redis_errors():
                await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._protocol = _Protocol(connection, self._timeout, self._on_close)
        log.info("the raw connection to Redis is open")

    def send(self, command: Command, on_reply: OnReply) -> None:
        """Send a command; `on_reply` gets its reply, later and in any case."""
        if self._protocol is None:
            asyncio.get_running_loop().call_soon(on_reply, _NO_REPLY)
        else:
            self._protocol.send(command, on_reply)

    def close(self) -> None:
        """Close the connection; every waiting callback gets StoreUnavailable."""
        if self._protocol is not None:
            self._protocol.close("closed")

    def _on_close(self) -> None:
        self._protocol = None


class _Protocol(asyncio.Protocol):
    """One connection from its beginning to its end."""

    def __init__(self, connection: Any, timeout: float, on_close: Callable[[], None]) -> None:
        self._timeout = timeout
        self._on_close: Callable[[], None] | None = on_close
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[float, OnReply]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        # redis.asyncio has no public way to hand its transport over. The writer is kept, because it would close the
        # transport when it is garbage-collected.
        self._writer: asyncio.StreamWriter = connection._writer  # noqa: SLF001
        connection._reader = connection._writer = None  # noqa: SLF001
        self._transport: asyncio.WriteTransport = self._writer.transport
        self._transport.set_protocol(self)

    def send(self, command: Command, on_reply: OnReply) -> None:
        packed = hiredis.pack_command(command)  # type: ignore[arg-type]  # it packs str and int too
        self._waiting.append((self._loop.time() + self._timeout, on_reply))
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout, self._check_timeout)
        try:
            self._transport.write(packed)
        except RuntimeError as fault:  # the transport was closed before this protocol took it over
            self.close(str(fault))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while self._on_close is not None and (reply := self._reader.gets()) is not False:
                if not isinstance(reply, hiredis.PushNotification):
                    _call(self._waiting.popleft()[1], reply)
        except (hiredis.ProtocolError, IndexError):
            self.close("the other side does not speak Redis's protocol")

    def connection_lost(self, exc: Exception | None) -> None:
        self.close(str(exc or "closed by Redis"))

    def close(self, reason: str) -> None:
        """Close the connection, and call every waiting callback."""
        if self._on_close is None:
            return
        log.warning("the raw connection to Redis is lost: %s", reason)
        self._on_close()
        self._on_close = None
        self._transport.abort()
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting = self._waiting, deque()
        for _, on_reply in waiting:
            _call(on_reply, _NO_REPLY)

    def _check_timeout(self) -> None:
        """Close when the oldest command waits too long. There is one timer, not one for each command."""
        self._timer = None
        if not self._waiting:
            return
        deadline = self._waiting[0][0]
        if self._loop.time() >= deadline:
            self.close(f"no reply within {self._timeout:g} s")
        else:
            self._timer = self._loop.call_at(deadline, self._check_timeout)


def read_safely(reply: Reply, read: Callable[[Reply], Result]) -> Result | StoreUnavailable:
    """What `read` makes of a reply, or StoreUnavailable when it fails: a callback must always report a result."""
    try:
        return read(reply)
    except Exception:
        log.exception("a reply of Redis could not be read")
        return StoreUnavailable("A reply of Redis could not be read.")


def _call(on_reply: OnReply, reply: Reply) -> None:
    """Call a callback. A callback that fails must not keep the others from their replies."""
    try:
        on_reply(reply)
    except Exception:
        log.exception("the callback of a reply of Redis failed")
