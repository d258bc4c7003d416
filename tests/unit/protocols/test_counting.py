"""Every click is counted exactly once: the code of the consumer on a stream and a database that crash at every step."""

from collections import Counter
from typing import Any
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.stats.counting.batch_size import AdaptiveBatchSize
from services.stats.counting.consumer import count_batch
from shared.domain.errors import StoreUnavailable
from shared.postgres.tables import clicks
from shared.redis import click_events
from tests.support import simulated
from tests.support.builders import VISITOR_SECRET, click_event, encoded
from tests.support.simulated import Crash, FaultInjector, SimulatedDatabase, SimulatedStream, StreamState, finished

NAMES = ("consumer-1", "consumer-2")
FAULTS = st.sampled_from([Crash(), StoreUnavailable("unavailable")])


class Counting(RuleBasedStateMachine):
    """Resolvers that add events, some of them twice, and two consumers that crash and restart."""

    def __init__(self) -> None:
        super().__init__()
        self.injector = FaultInjector()
        self.state = StreamState()
        self.database = SimulatedDatabase(self.injector)
        self.answered: dict[int, int] = {}
        """The link of each click whose redirect was answered, by the number of the click."""
        self.junk = 0
        self._patches: list[Any] = [
            patch.object(clicks, "insert_new", simulated.insert_new),
            patch.object(clicks, "add_counts", simulated.add_counts),
        ]
        for one in self._patches:
            one.start()

    @initialize()
    def start(self) -> None:
        self.consumers = {name: self._consumer(name) for name in NAMES}

    @rule(links=st.lists(st.integers(1, 3), min_size=1, max_size=4))
    def resolver_adds(self, links: list[int]) -> None:
        numbers = range(len(self.answered) + 1, len(self.answered) + 1 + len(links))
        self.answered |= dict(zip(numbers, links, strict=True))
        self._add(list(numbers))

    @rule(data=st.data())
    def an_event_is_added_again(self, data: st.DataObject) -> None:
        if self.answered:
            self._add([data.draw(st.sampled_from(sorted(self.answered)))])

    @rule()
    def junk_arrives(self) -> None:
        self.junk += 1
        self.state.add(b"junk")

    @rule(name=st.sampled_from(NAMES), claims=st.booleans(), fault=FAULTS, steps=st.none() | st.integers(0, 12))
    def consumer_counts(self, name: str, claims: Any, fault: BaseException, steps: int | None) -> None:
        stream, batch_size = self.consumers[name]
        stream.claims = claims
        if steps is not None:
            self.injector.schedule(fault, after=steps)
        try:
            self._count(stream, batch_size)
        except StoreUnavailable:
            pass
        except Crash:
            self.consumers[name] = self._consumer(name)
        finally:
            self.injector.cancel()

    @invariant()
    def only_answered_redirects_are_counted(self) -> None:
        tables = self.database.tables
        assert tables.totals == Counter(tables.clicks.values())
        assert tables.totals <= Counter(self.answered.values())

    def teardown(self) -> None:
        try:
            stream, batch_size = self._consumer("consumer-3")
            stream.claims = True
            while self.state.entries:
                self._count(stream, batch_size)
            assert self.database.tables.totals == Counter(self.answered.values())
            assert self.state.dead_letters == [b"junk"] * self.junk
        finally:
            for one in self._patches:
                one.stop()

    def _add(self, numbers: list[int]) -> None:
        events = [encoded(click_event(self.answered[number], number)) for number in numbers]
        self.state.add(click_events.join(events))

    def _consumer(self, name: str) -> tuple[SimulatedStream, AdaptiveBatchSize]:
        return SimulatedStream(self.state, name, self.injector, batch_size=2), AdaptiveBatchSize(max_size=3, min_size=1)

    def _count(self, stream: Any, batch_size: AdaptiveBatchSize) -> None:
        database: Any = self.database
        finished(count_batch(database, stream, VISITOR_SECRET, batch_size))


Counting.TestCase.settings = settings(max_examples=150, stateful_step_count=30)
TestCounting = Counting.TestCase
