from types import ModuleType
from typing import Any

import pytest

from services.stats.counting import consumer, rollups
from services.stats.counting.consumer import BatchResult
from services.stats.counting.dead_letters import _batches, count, newest, replay
from services.stats.counting.stream_reader import Backlog, StreamReader
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.postgres.pool import Database, connect
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from tests.integration.counting import (
    add,
    count_batch,
    counted_once,
    full,
    stored_dead_letters,
    stream_of,
    total,
)
from tests.support.builders import (
    click_event,
    encoded,
    make_link,
    make_owner,
)
from tests.support.network import at_port, refusing_port
from tests.support.waiting import until

UNDECODABLE = {
    "no event": b"junk",
    "empty": b"",
    "a later version": b"3" + encoded(click_event(7))[1:],
    "no id": encoded(click_event(7, id="")),
    "no link id": encoded(click_event(0)),
    "a link id that is no number": encoded(click_event(7)).replace(b"\x1f7\x1f", b"\x1fx\x1f"),
    "a link id beyond 63 bits": encoded(click_event(2**63)),
    "a time after the year 9999": encoded(click_event(7, at_ms=10**18)),
    "a time before the year 1": encoded(click_event(7, at_ms=-(10**18))),
    "an id that is too long for the index": encoded(click_event(7, id="".join(f"{n:x}" for n in range(3_000)))),
}


@pytest.mark.parametrize("undecodable", UNDECODABLE.values(), ids=UNDECODABLE.keys())
async def test_an_undecodable_event_becomes_a_dead_letter_and_the_others_are_counted(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link, undecodable: bytes
) -> None:
    undecodable = undecodable.replace(b"\x1f7\x1f", b"\x1f%d\x1f" % link.id)
    await add(redis, undecodable, click_event(link.id))
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=1, skipped=0, dead_letters=1)
    ((event, reason),) = await stored_dead_letters(redis)
    assert event == undecodable
    assert reason
    await counted_once(stats_database)


async def test_a_click_that_postgres_refuses_becomes_a_dead_letter_and_the_others_are_counted(
    stats_database: Database, database: Database, redis: RedisClient
) -> None:
    owner_id = await make_owner(database)
    link = await make_link(database, owner_id=owner_id)
    await database.execute("ALTER TABLE clicks ADD CHECK (browser <> 'curl')")
    stream = StreamReader(redis, "consumer-1", batch_size=10, claim_after=60, timeout=2)
    await stream.read()  # creates the group
    agents = ("", "curl/8.5.0", "")
    events = [encoded(click_event(link.id, number, user_agent=agent)) for number, agent in enumerate(agents, 1)]
    await redis.xadd(redis_keys.CLICK_STREAM, {click_stream.FIELD: click_events.join(events)})
    counted = await consumer.count_batch(stats_database, stream, b"secret")
    assert (counted.counted, counted.skipped, counted.dead_letters) == (2, 0, 1)
    assert await redis.xlen(redis_keys.DEAD_LETTERS) == 1
    assert await redis.xlen(redis_keys.CLICK_STREAM) == 0


async def test_an_undecodable_event_that_is_read_again_becomes_one_dead_letter(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, b"junk", click_event(link.id))
    with refusing_port() as port:
        async with connect(at_port(stats_database._settings, port)) as unavailable:
            with pytest.raises(StoreUnavailable):
                await count_batch(unavailable, stream)
    await count_batch(stats_database, stream)
    assert [event for event, _ in await stored_dead_letters(redis)] == [b"junk"]
    await counted_once(stats_database)


async def test_clicks_are_counted_and_deleted_from_a_full_redis(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    for number in range(3):
        await add(redis, click_event(link.id, number))
    async with full(redis):
        assert (await count_batch(stats_database, stream)).counted == 3
        assert await stream.backlog() == Backlog(entries=0, pending=0, oldest_seconds=0.0, dead_letters=0)


async def test_while_redis_is_full_an_entry_with_a_dead_letter_does_not_stop_the_others(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, b"junk", click_event(link.id, 1))
    for number in range(2, 6):
        await add(redis, click_event(link.id, number))
    stream = stream_of(redis, batch_size=1)
    async with full(redis):
        assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=1, skipped=0, dead_letters=0)
        for _ in range(4):
            assert (await count_batch(stats_database, stream)).counted == 1
        assert (await stream.backlog()).entries == 1


async def test_while_redis_is_full_a_consumer_that_starts_again_counts_the_other_pending_entries(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, b"junk")
    await add(redis, b"junk")
    await add(redis, click_event(link.id))
    assert len(await stream.read()) == 3
    restarted = stream_of(redis, batch_size=1)
    async with full(redis):
        for _ in range(3):
            await count_batch(stats_database, restarted)
        await counted_once(stats_database)


async def test_while_redis_is_full_new_entries_are_counted_although_others_can_be_claimed_again(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    for _ in range(5):
        await add(redis, b"junk")
    assert len(await stream.read()) == 5
    for number in range(1, 6):
        await add(redis, click_event(link.id, number))
    eager = stream_of(redis, "consumer-2", batch_size=1, claim_after=0.0)
    async with full(redis):
        for _ in range(10):
            await count_batch(stats_database, eager)
        assert await total(stats_database) == 5


async def test_while_redis_is_full_every_entry_of_a_dead_consumer_is_claimed(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    for _ in range(3):
        await add(redis, b"junk")
    await add(redis, click_event(link.id))
    assert len(await stream.read()) == 4
    for _ in range(10):
        await add(redis, b"junk")
    other = stream_of(redis, "consumer-2", batch_size=1, claim_after=0.0)
    async with full(redis):
        for _ in range(8):
            await count_batch(stats_database, other)
        await counted_once(stats_database)


async def test_once_redis_has_room_again_the_dead_letters_are_stored(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id, 1))
    await add(redis, b"junk", click_event(link.id, 2))
    stream = stream_of(redis, claim_after=0.05)
    async with full(redis):
        await count_batch(stats_database, stream)
        assert (await stream.backlog()).entries == 1

    async def stored() -> bool:
        return (await count_batch(stats_database, stream)).dead_letters == 1

    await until(stored)
    assert await stream.backlog() == Backlog(entries=0, pending=0, oldest_seconds=0.0, dead_letters=1)
    assert await total(stats_database) == 2


@pytest.mark.parametrize(("module", "function"), [(rollups, "agent_of"), (click_events, "ClickEvent")])
async def test_an_event_that_fails_with_any_error_becomes_a_dead_letter(
    *,
    stats_database: Database,
    redis: RedisClient,
    stream: StreamReader,
    link: Link,
    module: ModuleType,
    function: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = getattr(module, function)

    def fail_for_opera(*arguments: Any, **named: Any) -> Any:
        if "Opera" in (*arguments, *named.values()):
            raise KeyError("no such browser")
        return original(*arguments, **named)

    monkeypatch.setattr(module, function, fail_for_opera)
    await add(redis, click_event(link.id, 2, user_agent="Opera"), click_event(link.id))
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=1, skipped=0, dead_letters=1)
    assert [reason for _, reason in await stored_dead_letters(redis)] == [b"KeyError: 'no such browser'"]
    await counted_once(stats_database)


async def test_dead_letters_are_shown_and_are_counted_after_a_replay(
    stats_database: Database, database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await database.execute("ALTER TABLE clicks ADD CONSTRAINT no_firefox CHECK (browser <> 'Firefox')")
    events = [click_event(link.id, number) for number in range(1, 4)]
    await add(redis, b"junk", *events)
    assert (await count_batch(stats_database, stream)).dead_letters == 4
    assert await count(redis) == 4
    shown = await newest(redis, 10)
    assert {one.event for _, one in shown} == {b"junk", *(encoded(event) for event in events)}
    assert any("no_firefox" in one.reason for _, one in shown)
    await database.execute("ALTER TABLE clicks DROP CONSTRAINT no_firefox")
    assert await replay(redis) == 4
    assert (await count_batch(stats_database, stream)).counted == 3
    assert [event for event, _ in await stored_dead_letters(redis)] == [b"junk"]
    assert await replay(redis) == 1


async def test_a_replay_ends_although_every_event_becomes_a_dead_letter_again(redis: RedisClient) -> None:
    await redis.xadd(
        redis_keys.DEAD_LETTERS, {redis_keys.DEAD_LETTER_EVENT: b"junk", redis_keys.DEAD_LETTER_REASON: b"no event"}
    )
    moved = []
    async for batch in _batches(redis):
        moved += [entry_id for entry_id, _ in batch]
        await redis.xdel(redis_keys.DEAD_LETTERS, *moved)
        await redis.xadd(redis_keys.DEAD_LETTERS, {redis_keys.DEAD_LETTER_EVENT: b"junk"})
    assert len(moved) == 1
