"""Simulated stores for tests of crashes: so small that a test can try every order of steps, with a crash at each.

They guarantee what Redis and Postgres guarantee where our protocols depend on it, and nothing more.
`tests/integration/test_simulations.py` takes the same steps on the real stores and compares. No other behaviour is
tested with the simulated ones.
"""

import copy
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from services.stats.counting.stream_reader import DeadLetter, Entry
from shared.domain.codes import LinkName
from shared.domain.models import Click
from shared.postgres.tables.clicks import BucketCount
from shared.redis.route_records import RouteUpdate, encode

Result = TypeVar("Result")


class Crash(BaseException):
    """Stands for the death of the process at this point."""


def finished(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that never waits, as on these stores, and return its result. An event loop would only be slow."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise AssertionError("the coroutine waits, so it needs an event loop")


class FaultInjector:
    """Interrupts one of the next operations: before its effect, or after it, when only the reply is lost."""

    def __init__(self) -> None:
        self._steps: int | None = None
        self._fault: BaseException = Crash()

    def schedule(self, fault: BaseException, *, after: int) -> None:
        """Raise a fault once `after` more half-steps have passed."""
        self._steps, self._fault = after, fault

    def cancel(self) -> None:
        self._steps = None

    def half_step(self) -> None:
        """Raise the scheduled fault if it is due. Each operation of a store calls this before and after its effect."""
        if self._steps is None:
            return
        if self._steps == 0:
            self.cancel()
            raise self._fault
        self._steps -= 1


class SimulatedRecords:
    """The route records in Redis: a record is replaced only by one of the same or a newer version."""

    def __init__(self) -> None:
        self.stored: dict[LinkName, bytes] = {}

    async def put(self, updates: Sequence[RouteUpdate], *, replace: bool = True) -> None:
        for name, route, _ in updates:
            old = self.stored.get(name)
            version = int(old.split(b" ")[0]) if old else None
            if version is None or version < route.version or (version == route.version and replace):
                self.stored[name] = encode(route).encode()


@dataclass
class StreamState:
    """What Redis stores about the stream and its consumer group."""

    entries: dict[int, bytes] = field(default_factory=dict)
    last_added: int = 0
    last_delivered: int = 0
    pending: dict[int, str] = field(default_factory=dict)
    dead_letters: list[bytes] = field(default_factory=list)

    def add(self, events: bytes) -> None:
        self.last_added += 1
        self.entries[self.last_added] = events


class SimulatedStream:
    """The stream as one consumer sees it: stands for services.stats.counting.stream_reader.StreamReader."""

    def __init__(self, state: StreamState, consumer: str, injector: FaultInjector, *, batch_size: int) -> None:
        self.state = state
        self._consumer = consumer
        self._injector = injector
        self._batch_size = batch_size
        self._own_first = True
        self.claims = False
        """Whether every pending entry counts as abandoned by a dead consumer, so that this one may claim it."""

    async def read(self) -> list[Entry]:
        try:
            self._injector.half_step()
            found = self._read()
            self._injector.half_step()
        except BaseException:
            self.reread_pending()
            raise
        return [Entry(b"%d" % number, self.state.entries.get(number, b"")) for number in found]

    def reread_pending(self) -> None:
        self._own_first = True

    async def acknowledge(self, entries: Sequence[Entry], dead_letters: Sequence[DeadLetter] = ()) -> bool:
        self._injector.half_step()
        self.state.dead_letters += [dead_letter.event for dead_letter in dead_letters]
        for entry in entries:
            self.state.pending.pop(int(entry.id), None)
            self.state.entries.pop(int(entry.id), None)
        self._injector.half_step()
        return True

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
        """Like XAUTOCLAIM of Redis 7.0: deleted entries of any consumer stop being pending and count for the limit."""
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
    """What Postgres stores: the link of each click, by the primary key of the click, and the clicks of each link."""

    clicks: dict[tuple[str, datetime], int] = field(default_factory=dict)
    totals: Counter[int] = field(default_factory=Counter)


class SimulatedDatabase:
    """Postgres: the changes of a transaction appear all at once when it commits, or not at all."""

    def __init__(self, injector: FaultInjector) -> None:
        self.tables = Tables()
        self._injector = injector

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tables]:
        self._injector.half_step()
        tables = copy.deepcopy(self.tables)
        yield tables
        self._injector.half_step()
        self.tables = tables
        self._injector.half_step()


async def insert_new(tables: Tables, clicks: Sequence[Click]) -> list[Click]:
    """Stands for shared.postgres.tables.clicks.insert_new, with no link purged."""
    fresh = []
    for click in clicks:
        if (click.id, click.at) not in tables.clicks:
            tables.clicks[click.id, click.at] = click.link_id
            fresh.append(click)
    return fresh


async def add_counts(tables: Tables, counts: Iterable[BucketCount]) -> None:
    """Stands for shared.postgres.tables.clicks.add_counts, as far as it changes the totals."""
    for count in counts:
        tables.totals[count.link_id] += count.clicks
