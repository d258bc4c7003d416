"""One connection to Redis at the least cost: a command goes out, its answer comes to a callback, in order.

redis.asyncio opens the connection, with all that it knows of passwords, TLS and Sentinel, and then hands its transport
over: what a command costs there (about 120 µs) is more than the rest of a redirect (docs/decisions/0010-short-way.md).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import hiredis

from shared.domain.errors import StoreUnavailable
from shared.redis.client import RedisClient, redis_errors

log = logging.getLogger(__name__)

Answer = Any
"""What Redis said: bytes, a number, a list, None; an exception where it refused, or said nothing."""

Take = Callable[[Any], None]
Words = tuple[bytes | str | int, ...]

_AWAY: Final = StoreUnavailable("Redis did not answer in time.")


class RedisPipe:
    """A connection that is opened again after each loss, by whoever calls `open`; meanwhile nothing can be sent."""

    def __init__(self, redis: RedisClient, limit: float) -> None:
        """`limit`: seconds that Redis has for its oldest answer; after that the connection is given up."""
        self._pool: Any = redis.connection_pool
        self._limit = limit
        self._line: _Line | None = None

    @property
    def is_open(self) -> bool:
        return self._line is not None

    async def open(self) -> None:
        """Connect, unless that has been done. Raises StoreUnavailable."""
        if self._line is not None:
            return
        connection = self._pool.make_connection()
        try:
            with redis_errors():
                await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._line = _Line(connection, self._limit, self._lost)
        log.info("the pipe to Redis is open")

    def send(self, words: Words, take: Take) -> None:
        """Send a command; `take` gets its answer, later and in any case."""
        if self._line is None:
            asyncio.get_running_loop().call_soon(take, _AWAY)
        else:
            self._line.send(words, take)

    def close(self) -> None:
        """Give the connection up; whoever waits for an answer is told."""
        if self._line is not None:
            self._line.give_up("closed")

    def _lost(self) -> None:
        self._line = None


class _Line(asyncio.Protocol):
    """One connection from its beginning to its end."""

    def __init__(self, connection: Any, limit: float, lost: Callable[[], None]) -> None:
        self._limit = limit
        self._lost: Callable[[], None] | None = lost
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[float, Take]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        # There is no public way to take a connection's transport over. Its writer is kept, lest it closes it.
        self._writer: asyncio.StreamWriter = connection._writer  # noqa: SLF001
        connection._reader = connection._writer = None  # noqa: SLF001
        self._transport: asyncio.WriteTransport = self._writer.transport
        self._transport.set_protocol(self)

    def send(self, words: Words, take: Take) -> None:
        command = hiredis.pack_command(words)  # type: ignore[arg-type]  # str and int will do as well
        self._waiting.append((self._loop.time() + self._limit, take))
        if self._watch is None:
            self._watch = self._loop.call_later(self._limit, self._check)
        try:
            self._transport.write(command)
        except RuntimeError as fault:  # it was closed before it was ours, so nobody told us
            self.give_up(str(fault))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while self._lost is not None and (answer := self._reader.gets()) is not False:
                if not isinstance(answer, hiredis.PushNotification):
                    _tell(self._waiting.popleft()[1], answer)
        except (hiredis.ProtocolError, IndexError):
            self.give_up("what answers is no Redis")

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up(str(exc or "closed by Redis"))

    def give_up(self, reason: str) -> None:
        """Close the connection, and tell whoever waits."""
        if self._lost is None:
            return
        log.warning("the pipe to Redis is lost: %s", reason)
        self._lost()
        self._lost = None
        self._transport.abort()
        if self._watch is not None:
            self._watch.cancel()
        waiting, self._waiting = self._waiting, deque()
        for _, take in waiting:
            _tell(take, _AWAY)

    def _check(self) -> None:
        """Give up when the oldest command waits too long. One timer, not one for each command."""
        self._watch = None
        if not self._waiting:
            return
        until = self._waiting[0][0]
        if self._loop.time() >= until:
            self.give_up(f"no answer within {self._limit:g} s")
        else:
            self._watch = self._loop.call_at(until, self._check)


def _tell(take: Take, answer: Answer) -> None:
    """Hand an answer over. Who cannot bear it takes the answer from nobody else."""
    try:
        take(answer)
    except Exception:
        log.exception("an answer of Redis was not understood")
