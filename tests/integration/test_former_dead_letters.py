"""Dead letters of an earlier release, in the stream of its name, are moved to the stream of this release."""

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pytest_aiohttp import AiohttpClient

from services.stats.app import create_consumer
from services.stats.counting import dead_letters
from services.stats.counting.dead_letters import FORMER_INTERVAL, FormerDeadLetters, move_former
from services.stats.counting.stream_reader import StreamReader
from services.stats.settings import ConsumerSettings
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from tests.integration.counting import count_batch, counted_once, full, stored_dead_letters
from tests.integration.stores import Stores
from tests.support.builders import click_event, encoded
from tests.support.environments import environment
from tests.support.network import at_port, refusing_port
from tests.support.waiting import until

Environ = Callable[..., dict[str, str]]


async def store(redis: RedisClient, key: str, *events: bytes) -> None:
    for event in events:
        await redis.xadd(
            key, {redis_keys.DEAD_LETTER_EVENT: event, redis_keys.DEAD_LETTER_REASON: b"reason of " + event}
        )


async def events_of(redis: RedisClient) -> list[bytes]:
    stored = await stored_dead_letters(redis)
    assert all(reason == b"reason of " + event for event, reason in stored)
    return [event for event, _ in stored]


async def is_moved(redis: RedisClient) -> bool:
    return not await redis.exists(redis_keys.FORMER_DEAD_LETTERS)


async def run_command(env: dict[str, str], *options: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.stats.counting.command",
        *options,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    return output.decode()


async def test_the_command_shows_former_dead_letters(redis: RedisClient, environ: Environ) -> None:
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, b"first", b"second")
    output = await run_command(environ("stats"))
    assert output.startswith("2 dead letters ")
    assert "reason of first" in output
    assert "reason of second" in output
    assert await is_moved(redis)


async def test_the_command_replays_former_dead_letters_and_they_are_counted(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link, environ: Environ
) -> None:
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, encoded(click_event(link.id)))
    assert (await run_command(environ("stats"), "--replay")).startswith("1 events are in the stream again")
    assert await is_moved(redis)
    assert (await count_batch(stats_database, stream)).counted == 1
    await counted_once(stats_database)
    assert await stored_dead_letters(redis) == []


async def test_the_consumer_moves_former_dead_letters(
    redis: RedisClient, environ: Environ, aiohttp_client: AiohttpClient
) -> None:
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, b"former")
    await aiohttp_client(create_consumer(ConsumerSettings.from_env(environ("stats"))))
    await until(lambda: is_moved(redis))
    assert await events_of(redis) == [b"former"]


async def test_a_consumer_without_redis_starts_and_moves_them_later(
    *, stores: Stores, redis: RedisClient, database_name: str, aiohttp_client: AiohttpClient, monkeypatch: Any
) -> None:
    monkeypatch.setattr(dead_letters, "FORMER_INTERVAL", 0.1)
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, b"former")
    settings = stores.redis_settings(timeout=0.3)
    env = environment(stores.database_settings(database_name, "boltlink_stats"), settings)
    await redis.client_pause(timeout=60_000, all=False)
    try:
        client = await aiohttp_client(create_consumer(ConsumerSettings.from_env(env)))
        async with client.get("/health") as response:
            assert response.status == 200
    finally:
        await redis.client_unpause()
    await until(lambda: is_moved(redis))
    assert await events_of(redis) == [b"former"]


async def test_a_stream_that_is_moved_whole_keeps_the_times_of_its_entries(redis: RedisClient) -> None:
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, b"first", b"second")
    before = await redis.xrange(redis_keys.FORMER_DEAD_LETTERS)
    assert await move_former(redis) == 2
    assert await redis.xrange(redis_keys.DEAD_LETTERS) == before
    assert await is_moved(redis)


async def test_former_dead_letters_are_added_to_those_of_this_release(
    redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "_BATCH_SIZE", 2)
    await store(redis, redis_keys.DEAD_LETTERS, b"new")
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, b"1", b"2", b"3", b"4", b"5")
    assert await move_former(redis) == 5
    assert await events_of(redis) == [b"new", b"1", b"2", b"3", b"4", b"5"]
    assert await is_moved(redis)


async def test_nothing_changes_without_former_dead_letters(redis: RedisClient) -> None:
    assert await move_former(redis) == 0
    await store(redis, redis_keys.DEAD_LETTERS, b"new")
    assert await move_former(redis) == 0
    assert await events_of(redis) == [b"new"]


@pytest.mark.parametrize("events", [[], [b"new"]], ids=["alone", "beside another stream"])
async def test_an_empty_former_stream_is_removed(redis: RedisClient, events: list[bytes]) -> None:
    await store(redis, redis_keys.DEAD_LETTERS, *events)
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, b"gone")
    await redis.xtrim(redis_keys.FORMER_DEAD_LETTERS, maxlen=0)
    assert await move_former(redis) == 0
    assert await events_of(redis) == events
    assert await is_moved(redis)


@pytest.mark.parametrize("calls", [0, 1, 2])
async def test_a_move_that_is_interrupted_goes_on_and_moves_every_event_once(
    redis: RedisClient, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """The process dies before it knows what the last script call has done."""
    monkeypatch.setattr(dead_letters, "_BATCH_SIZE", 2)
    await store(redis, redis_keys.DEAD_LETTERS, b"new")
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, b"1", b"2", b"3", b"4", b"5")
    register = redis.register_script

    def register_interrupted(text: Any) -> Any:
        script, left = register(text), calls

        async def call(**arguments: Any) -> Any:
            nonlocal left
            reply = await script(**arguments)
            left -= 1
            if left < 0:
                raise ConnectionResetError
            return reply

        return call

    with monkeypatch.context() as patch:
        patch.setattr(redis, "register_script", register_interrupted)
        with pytest.raises(StoreUnavailable):
            await move_former(redis)
    await move_former(redis)
    assert await events_of(redis) == [b"new", b"1", b"2", b"3", b"4", b"5"]
    assert await is_moved(redis)


async def test_two_processes_that_move_them_at_once_move_every_event_once(
    redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "_BATCH_SIZE", 2)
    events = [b"%d" % number for number in range(20)]
    await store(redis, redis_keys.DEAD_LETTERS, b"new")
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, *events)
    assert sum(await asyncio.gather(move_former(redis), move_former(redis))) == 20
    assert await events_of(redis) == [b"new", *events]


async def test_a_full_redis_still_renames_the_former_stream(redis: RedisClient) -> None:
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, b"1", b"2")
    async with full(redis):
        assert await move_former(redis) == 2
    assert await events_of(redis) == [b"1", b"2"]


async def test_a_full_redis_loses_no_event_of_two_streams_and_holds_up_no_counting(
    redis: RedisClient, caplog: pytest.LogCaptureFixture
) -> None:
    await store(redis, redis_keys.DEAD_LETTERS, b"new")
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, b"1", b"2")
    now = 0.0
    former = FormerDeadLetters(lambda: now)
    async with full(redis):
        with caplog.at_level(logging.WARNING):
            await former.move_if_due(redis)
        assert "cannot be moved yet" in caplog.text
        with pytest.raises(StoreUnavailable):
            await move_former(redis)
    now += FORMER_INTERVAL
    await former.move_if_due(redis)
    assert await events_of(redis) == [b"new", b"1", b"2"]
    assert await is_moved(redis)


async def test_they_are_looked_for_once_in_an_interval(redis: RedisClient) -> None:
    now = 0.0
    former = FormerDeadLetters(lambda: now)
    await former.move_if_due(redis)
    await store(redis, redis_keys.FORMER_DEAD_LETTERS, b"late")
    await former.move_if_due(redis)
    assert not await is_moved(redis)
    now += FORMER_INTERVAL
    await former.move_if_due(redis)
    assert await is_moved(redis)


async def test_without_redis_the_move_raises_store_unavailable(stores: Stores) -> None:
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as unavailable:
            with pytest.raises(StoreUnavailable):
                await move_former(unavailable)
