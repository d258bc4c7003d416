"""Stores that exist only to be interrupted: so small that every order of every step can be tried, and a crash in each.

They promise what Redis and Postgres promise where our protocols rest on it, and nothing more; the integration tests
(`tests/integration/test_simulations.py`) do the same to both and compare. Nothing else is tested with them.
"""

import copy
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from services.stats.counting.click_stream import DeadLetter, Entry
from shared.domain.codes import LinkName
from shared.domain.models import Click
from shared.postgres.tables.clicks import BucketCount
from shared.redis.route_records import RouteUpdate, encode

Result = TypeVar("Result")


class Crash(BaseException):
    """The process dies here."""


def finished(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine returns that never has to wait, as none does on these stores: a loop would only cost time."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise AssertionError("it waits")


class FaultInjector:
    """Interrupts one of the next steps: before it has had its effect, or after, when only the answer is lost."""

    def __init__(self) -> None:
        self._steps: int | None = None
        self._fault: BaseException = Crash()

    def set(self, steps: int, fault: BaseException) -> None:
        """Let `steps` more half-steps pass, then raise."""
        self._steps, self._fault = steps, fault

    def clear(self) -> None:
        self._steps = None

    def burn(self) -> None:
        """Half a step: each operation of a store does this before and after its effect."""
        if self._steps is None:
            return
        if self._steps == 0:
            self.clear()
            raise self._fault
        self._steps -= 1


class SimulatedRecords:
    """The records of Redis: one is replaced only by one of the same or a newer version."""

    def __init__(self) -> None:
        self.held: dict[LinkName, bytes] = {}

    async def put(self, updates: Sequence[RouteUpdate], *, replace: bool = True) -> None:
        for name, route, _ in updates:
            old = self.held.get(name)
            version = int(old.split(b" ")[0]) if old else None
            if version is None or version < route.version or (version == route.version and replace):
                self.held[name] = encode(route).encode()


@dataclass
class StreamState:
    """What Redis holds of the stream and of its group."""

    entries: dict[int, bytes] = field(default_factory=dict)
    last_made: int = 0
    last_delivered: int = 0
    pending: dict[int, str] = field(default_factory=dict)
    broken: list[bytes] = field(default_factory=list)

    def add(self, events: bytes) -> None:
        self.last_made += 1
        self.entries[self.last_made] = events


class SimulatedStream:
    """The stream as one consumer of its group sees it (services.stats.counting.click_stream.ClickStream)."""

    def __init__(self, state: StreamState, consumer: str, injector: FaultInjector, *, batch_size: int) -> None:
        self.state = state
        self._consumer = consumer
        self._fuse = injector
        self._batch_size = batch_size
        self._own_first = True
        self.claims = False
        """Whether all that is pending counts as left by somebody dead."""

    async def read(self) -> list[Entry]:
        try:
            self._fuse.burn()
            found = self._read()
            self._fuse.burn()
        except BaseException:
            self.start_over()
            raise
        return [Entry(b"%d" % number, self.state.entries.get(number, b"")) for number in found]

    def start_over(self) -> None:
        self._own_first = True

    async def acknowledge(self, entries: Sequence[Entry], broken: Sequence[DeadLetter] = ()) -> None:
        self._fuse.burn()
        self.state.broken += [one.event for one in broken]
        for entry in entries:
            self.state.pending.pop(int(entry.id), None)
            self.state.entries.pop(int(entry.id), None)
        self._fuse.burn()

    def _read(self) -> list[int]:
        state = self.state
        if self._own_first:
            own = [number for number, who in sorted(state.pending.items()) if who == self._consumer]
            if own:
                return own[: self._batch_size]
            self._own_first = False
        if claimed := self._claim():
            return claimed
        fresh = [number for number in sorted(state.entries) if number > state.last_delivered][: self._batch_size]
        for number in fresh:
            state.last_delivered = number
            state.pending[number] = self._consumer
        return fresh

    def _claim(self) -> list[int]:
        """As XAUTOCLAIM of Redis 7.0: entries that are gone leave the list, whoever held them, and take a place."""
        claimed: list[int] = []
        room = self._batch_size
        for number in sorted(self.state.pending):
            if not room:
                break
            if number not in self.state.entries:
                del self.state.pending[number]
                room -= 1
            elif self.claims:
                self.state.pending[number] = self._consumer
                claimed.append(number)
                room -= 1
        return claimed


@dataclass
class Tables:
    """What Postgres holds: clicks by their primary key, and the counts of links."""

    clicks: dict[tuple[str, datetime], int] = field(default_factory=dict)
    totals: Counter[int] = field(default_factory=Counter)


class SimulatedDatabase:
    """Postgres: what a transaction did is there all at once when it commits, or not at all."""

    def __init__(self, injector: FaultInjector) -> None:
        self.tables = Tables()
        self._fuse = injector

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tables]:
        self._fuse.burn()
        tables = copy.deepcopy(self.tables)
        yield tables
        self._fuse.burn()
        self.tables = tables
        self._fuse.burn()


async def insert_new(tables: Tables, clicks: Sequence[Click]) -> list[Click]:
    """What shared.postgres.tables.clicks.insert_new does, where every link lives."""
    fresh = []
    for click in clicks:
        if (click.id, click.at) not in tables.clicks:
            tables.clicks[click.id, click.at] = click.link_id
            fresh.append(click)
    return fresh


async def add_counts(tables: Tables, counts: Iterable[BucketCount]) -> None:
    """What shared.postgres.tables.clicks.add_counts does to the totals."""
    for count in counts:
        tables.totals[count.link_id] += count.clicks
