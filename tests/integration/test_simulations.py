"""The simulated stores behave like the real ones: the same steps on both have the same results."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.stats.counting.stream_reader import StreamReader
from shared.domain.codes import in_default_domain
from shared.domain.models import Route
from shared.redis import click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import RouteRecords, RouteUpdate
from tests.support.simulated import FaultInjector, SimulatedRecords, SimulatedStream, StreamState

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "read", "read", "acknowledge", "start over", "claim", "delete"]),
        st.sampled_from(["consumer-1", "consumer-2"]),
    ),
    max_size=25,
)
PUTS = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["https://a.test/", "https://b.test/"]), st.booleans()))

with_shared_redis = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def redis_is_shared(redis: RedisClient) -> Iterator[None]:
    """All examples of a test use one Redis. Each example flushes it first."""
    assert redis
    return iter([None])


@given(puts=PUTS)
@with_shared_redis
async def test_both_stores_replace_the_same_records(redis: RedisClient, puts: list[tuple[int, str, bool]]) -> None:
    await redis.flushall()
    real, simulated = RouteRecords(redis), SimulatedRecords()
    for version, url, again in puts:
        route = Route(version=version, link_id=7, live=True, url=url)
        for records in (real, simulated):
            await records.put([RouteUpdate(in_default_domain("abc"), route, 600)], replace=again)
        assert await real.get([in_default_domain("abc")]) == [simulated.stored[in_default_domain("abc")]]


@given(steps=STEPS)
@example(  # a deleted entry counts towards the maximum of one claim
    steps=[(step, "consumer-1") for step in ("add", "add", "add", "read", "read", "delete", "claim", "claim")]
)
@with_shared_redis
async def test_both_streams_return_the_same_entries(redis: RedisClient, steps: list[tuple[str, str]]) -> None:
    await redis.flushall()
    pair = Pair(redis)
    await pair.create_group()
    for number, (step, consumer) in enumerate(steps):
        await pair.run(step, consumer, number)


class Pair:
    """A real and a simulated stream, each with the same two consumers."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._state = StreamState()
        self._real = {name: self._stream(name) for name in ("consumer-1", "consumer-2")}
        self._simulated = {
            name: SimulatedStream(self._state, name, FaultInjector(), batch_size=2) for name in self._real
        }
        self._ids: list[bytes] = []
        self._unacknowledged: dict[str, list[tuple[Any, Any]]] = {name: [] for name in self._real}

    async def create_group(self) -> None:
        await self._real["consumer-1"].read()

    async def run(self, step: str, consumer: str, number: int) -> None:
        real, simulated = self._real[consumer], self._simulated[consumer]
        if step == "add":
            made: Any = await self._redis.xadd(redis_keys.CLICK_STREAM, {click_stream.FIELD: b"%d" % number})
            self._ids.append(made)
            self._state.add(b"%d" % number)
        elif step == "start over":
            real.reread_pending()
            simulated.reread_pending()
        elif step == "acknowledge":
            for one, other in self._unacknowledged[consumer]:
                await real.acknowledge(one)
                await simulated.acknowledge(other)
            self._unacknowledged[consumer].clear()
        elif step == "delete" and self._state.entries:
            first = min(self._state.entries)
            del self._state.entries[first]
            await self._redis.xdel(redis_keys.CLICK_STREAM, self._ids[first - 1])
        elif step in ("read", "claim"):
            real._min_idle_ms = 0 if step == "claim" else 3_600_000
            simulated.claims = step == "claim"
            found, expected = await real.read(), await simulated.read()
            assert [entry.events for entry in found] == [entry.events for entry in expected]
            if found:
                self._unacknowledged[consumer].append((found, expected))

    def _stream(self, name: str) -> StreamReader:
        stream = StreamReader(self._redis, name, batch_size=2, claim_after=60, timeout=2)
        stream._block_ms = 1
        return stream
