"""Exceptions while the fast path reads replies of Redis, and records that another program wrote."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from services.resolver.app import STREAM_WRITER
from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.fast_path.responses import Responses
from shared.domain.codes import in_default_domain
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from tests.integration.fast_path import URL, clicks_in, follow, took_fast_path
from tests.support.served import Client


async def test_an_exception_at_the_response_of_a_conditional_link_leaves_no_visitor_without_a_response(
    client: Client, publish: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(forward_query=True)
    monkeypatch.setattr(Responses, "redirect", lambda *_: 1 / 0)
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(follow(client, "/abc?a=1") for _ in range(8)))
    assert {answer.status for answer in answers} == {302}


async def test_one_failing_response_of_a_conditional_link_does_not_take_the_others_with_it(
    client: Client, publish: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(forward_query=True)
    original = Responses.redirect
    calls = 0

    def sometimes(self: Responses, redirect: Any) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError
        return original(self, redirect)

    monkeypatch.setattr(Responses, "redirect", sometimes)
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(follow(client, "/abc?a=1") for _ in range(8)))
    assert {answer.status for answer in answers} == {302}


@pytest.mark.parametrize("options", [{}, {"forward_query": True}], ids=["plain", "conditional"])
async def test_an_exception_of_the_replay_buffer_leaves_no_visitor_without_a_response_and_no_flag_set(
    client: Client, publish: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    await publish(**options)
    with monkeypatch.context() as patch:
        patch.setattr(ReplayBuffer, "remember", lambda *_: 1 / 0)
        tasks = [asyncio.create_task(follow(client, "/abc?a=1")) for _ in range(4)]
        done, waiting = await asyncio.wait(tasks, timeout=3)
    for task in waiting:
        task.cancel()
    later = asyncio.create_task(follow(client))
    later_done, _ = await asyncio.wait([later], timeout=3)
    later.cancel()
    assert (len(done), len(later_done)) == (4, 1)


async def test_a_record_with_an_absurd_id_does_not_stop_the_replay(
    app: web.Application, client: Client, publish: Callable[..., Any], redis: RedisClient
) -> None:
    """The script accepts any digits as an id; Python's int() does not."""
    await publish()
    record = await redis.get(redis_keys.route(in_default_domain("abc")))
    assert record is not None
    await redis.set(redis_keys.route(in_default_domain("abc")), f"1 {'9' * 5_000} 302 {URL}")
    assert (await follow(client, X_Request_ID=f"{1:032x}")).status == 302
    await redis.set(redis_keys.route(in_default_domain("abc")), record)
    answer = await follow(client, X_Request_ID=f"{2:032x}")
    assert took_fast_path(answer)
    await redis.flushall()  # Redis comes back empty
    await app[STREAM_WRITER].reconcile()
    entries: Any = await redis.xrange(redis_keys.CLICK_STREAM)
    assert f"{2:032x}".encode() in b"".join(fields[b"e"] for _, fields in entries)


@pytest.mark.parametrize("record", ["1 2 302 ", '1 2 {"url":"","redirect_status":302,"forward_query":true}'])
async def test_a_record_without_a_target_is_read_again_from_postgres(
    client: Client, publish: Callable[..., Any], redis: RedisClient, record: str
) -> None:
    """`decode` raises ValueError for anything that `encode` did not write."""
    await publish()
    await redis.set(redis_keys.route(in_default_domain("abc")), record)
    answer = await follow(client)
    assert (answer.status, answer.headers["Location"]) == (302, URL)
    assert await clicks_in(redis)
