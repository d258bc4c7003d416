"""A newer record is never undone by an older one: writer, relay and resolvers in every order, each slow or dying.

One order is left out, because it cannot be distinguished from a miss: Redis loses a record (flushed, evicted) while a
resolver has read an older version of the link from Postgres and not yet written it. This has to happen within the few
milliseconds of a lookup; `make verify` finds and repairs it.
"""

from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.writer.redis_sync.records import publish
from services.writer.redis_sync.relay import _publish_purged
from shared.domain.codes import DEFAULT_DOMAIN, in_default_domain
from shared.domain.models import Link, LinkOptions, Route
from shared.postgres.tables.outbox import Message
from shared.redis.route_records import RouteUpdate, decode, encode, route_of
from tests.support.simulated import SimulatedRecords, finished

Item = TypeVar("Item")

CODES = ("a", "b")
LIFETIME = 600
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Truth:
    """Postgres: links, the versions of purged codes, and the outbox."""

    links: dict[str, Link] = field(default_factory=dict)
    purged: dict[str, int] = field(default_factory=dict)
    outbox: list[Message] = field(default_factory=list)
    numbers: int = 0

    def commit(self, code: str, link: Link | None, version: int) -> None:
        """Commit a change with its outbox message, as one transaction."""
        self.numbers += 1
        if link is None:
            del self.links[code]
            self.purged[code] = version
        else:
            self.links[code] = link
        self.outbox.append(Message(self.numbers, in_default_domain(code), version))


Read = tuple[str, Link | None]
Dequeued = tuple[list[Message], list[Link]]


class Records(RuleBasedStateMachine):
    """The state of each process between two steps is in a list: it continues from there at any time, or dies."""

    @initialize()
    def start(self) -> None:
        self.truth = Truth()
        self.records = SimulatedRecords()
        self.unpublished: list[Link] = []
        self.dequeued: list[Dequeued] = []
        self.reads: list[Read] = []

    @rule(code=st.sampled_from(CODES))
    def writer_creates_or_changes(self, code: str) -> None:
        link = self.truth.links.get(code)
        if link is None:
            link = _link(code, version=1 + self.truth.purged.get(code, 0), number=self.truth.numbers + 1)
        else:
            options = replace(link.options, url=f"https://{self.truth.numbers}.test/")
            link = replace(link, version=link.version + 1, options=options)
        self.truth.commit(code, link, link.version)
        self.unpublished.append(link)

    @precondition(lambda self: self.truth.links)
    @rule(data=st.data(), status=st.sampled_from(["deleted", "active"]))
    def writer_deletes_or_restores(self, data: st.DataObject, status: Any) -> None:
        link = self.truth.links[data.draw(st.sampled_from(sorted(self.truth.links)))]
        changed = replace(link, version=link.version + 1, status=status)
        self.truth.commit(link.code, changed, changed.version)
        self.unpublished.append(changed)

    @precondition(lambda self: self.truth.links)
    @rule(data=st.data())
    def writer_purges(self, data: st.DataObject) -> None:
        link = self.truth.links[data.draw(st.sampled_from(sorted(self.truth.links)))]
        self.truth.commit(link.code, None, link.version + 1)

    @precondition(lambda self: self.unpublished)
    @rule(data=st.data(), dies=st.booleans())
    def writer_publishes(self, data: st.DataObject, dies: Any) -> None:
        link = self._one_of(self.unpublished, data)
        if not dies:
            self._do(publish(self._records, [link], LIFETIME))

    @precondition(lambda self: self.truth.outbox)
    @rule()
    def relay_dequeues(self) -> None:
        messages, self.truth.outbox = self.truth.outbox[:2], self.truth.outbox[2:]
        self.dequeued.append((messages, self._found(messages)))

    @precondition(lambda self: self.dequeued)
    @rule(data=st.data(), end=st.sampled_from(["commits", "dies before it publishes", "dies before its commit"]))
    def relay_continues(self, data: st.DataObject, end: str) -> None:
        messages, found = self._one_of(self.dequeued, data)
        if end != "dies before it publishes":
            self._relay(messages, found)
        if end != "commits":
            self.truth.outbox = sorted([*messages, *self.truth.outbox], key=lambda message: message.id)

    @rule(code=st.sampled_from(CODES))
    def resolver_reads(self, code: str) -> None:
        self.reads.append((code, self.truth.links.get(code)))

    @precondition(lambda self: self.reads)
    @rule(data=st.data())
    def resolver_fills(self, data: st.DataObject) -> None:
        self._fill(*self._one_of(self.reads, data))

    @precondition(lambda self: not (self.unpublished or self.dequeued or self.reads))
    @rule()
    def redis_loses_everything(self) -> None:
        self.records.stored.clear()

    @invariant()
    def no_record_is_from_the_future(self) -> None:
        for (_, code), record in self.records.stored.items():
            link = self.truth.links.get(code)
            assert decode(record).version <= max(link.version if link else 0, self.truth.purged.get(code, 0))

    def teardown(self) -> None:
        """Once every process has finished, however late, the records agree with the links."""
        while self.truth.outbox:
            messages, self.truth.outbox = self.truth.outbox[:2], self.truth.outbox[2:]
            self._relay(messages, self._found(messages))
        for link in reversed(self.unpublished):
            self._do(publish(self._records, [link], LIFETIME))
        for dequeued in reversed(self.dequeued):
            self._relay(*dequeued)
        for read in reversed(self.reads):
            self._fill(*read)
        for (_, code), record in self.records.stored.items():
            if current := self.truth.links.get(code):
                assert record == encode(route_of(current)).encode()
            else:
                assert not decode(record).live

    @property
    def _records(self) -> Any:
        return self.records

    def _found(self, messages: list[Message]) -> list[Link]:
        codes = {message.name.code for message in messages}
        return [link for code, link in self.truth.links.items() if code in codes]

    def _one_of(self, items: list[Item], data: st.DataObject) -> Item:
        return items.pop(data.draw(st.integers(0, len(items) - 1)))

    def _relay(self, messages: list[Message], found: list[Link]) -> None:
        self._do(publish(self._records, found, LIFETIME))
        self._do(_publish_purged(self._records, messages, found, LIFETIME))

    def _fill(self, code: str, link: Link | None) -> None:
        route = route_of(link) if link else Route(version=0)
        self._do(self.records.put([RouteUpdate(in_default_domain(code), route, LIFETIME)], replace=False))

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        finished(step)


def _link(code: str, *, version: int, number: int) -> Link:
    return Link(
        id=number,
        domain=DEFAULT_DOMAIN,
        code=code,
        options=LinkOptions(url="https://example.com/"),
        status="active",
        clicks=0,
        created_at=NOW,
        updated_at=NOW,
        version=version,
    )


Records.TestCase.settings = settings(max_examples=200, stateful_step_count=30)
TestRecords = Records.TestCase
