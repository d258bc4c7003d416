"""The short way says what the ordinary way says, counts what it answers, and steps aside for what it cannot do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from services.resolver.app import PIPE, create_api
from services.resolver.fast_path import answering
from services.resolver.handlers import CLICKS
from services.resolver.settings import ResolverSettings
from services.writer.redis_sync.relay import relay_once
from shared.domain.codes import DEFAULT_DOMAIN
from shared.domain.models import ClickEvent
from shared.postgres.pool import Database
from shared.redis import click_events
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import RouteRecords
from tests.integration.conftest import Stores
from tests.support.builders import make_link, make_owner
from tests.support.client import Response
from tests.support.environments import environment
from tests.support.network import TcpProxy, at_port, running_proxy
from tests.support.served import NGINX_HEADERS, Client, served
from tests.support.waiting import until

URL = "https://example.com/"


@pytest.fixture
def app(environ: Callable[..., dict[str, str]]) -> web.Application:
    return create_api(ResolverSettings.from_env(environ("resolver")))


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, app: web.Application) -> Client:
    return await served(aiohttp_client, app)


@pytest.fixture
async def publish(writer_database: Database, redis: RedisClient) -> Callable[..., Any]:
    """Makes a link of code abc that Redis knows."""
    owner_id = await make_owner(writer_database)

    async def publish(**options: Any) -> int:
        link = await make_link(writer_database, owner_id=owner_id, code="abc", **options)
        await relay_once(writer_database, RouteRecords(redis), link_lifetime=600)
        return link.id

    return publish


async def follow(client: Client, path: str = "/abc", method: str = "GET", **headers: str) -> Response:
    """The answer to a visitor; header names with _ for -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.request(method, path, headers=sent, allow_redirects=False, max_field_size=2**18) as answer:
        return Response(answer.status, answer.headers, await answer.read())


def went_short_way(answer: Response) -> bool:
    """The ordinary way repeats the request's id in each answer; of a redirect, the short way leaves that to nginx."""
    return "X-Request-ID" not in answer.headers


async def clicks_in(redis: RedisClient) -> list[ClickEvent]:
    entries: Any = await redis.xrange(redis_keys.CLICK_STREAM)
    texts = [fields[redis_keys.CLICK_FIELD] for _, fields in entries]
    return [click_events.decode(event) for text in texts for event in click_events.split(text)]


def said(answer: Response) -> dict[str, str]:
    """What a client behind nginx gets to see of an answer's headers."""
    names = ("Location", "Cache-Control", "X-Robots-Tag", "X-Upstream", "Vary", "Content-Length")
    return {name: answer.headers[name] for name in names if name in answer.headers}


HOUR = timedelta(hours=1)
LEADING: dict[str, dict[str, Any]] = {
    "plain": {},
    "permanent": {"redirect_status": 301},
    "temporary": {"redirect_status": 307},
    "permanent, method kept": {"redirect_status": 308},
    "a target that is no ASCII": {"url": "https://例え.jp/ü"},
    "a target as long as they come": {"url": URL + "ü" * (8_192 - len(URL))},
    "not over yet": {"valid_until": datetime.now(UTC) + HOUR},
    "begun": {"valid_since": datetime.now(UTC) - HOUR},
    "a query that is handed on": {"forward_query": True},
}


@pytest.mark.parametrize("options", LEADING.values(), ids=LEADING.keys())
async def test_both_ways_say_and_count_the_same(
    client: Client, publish: Callable[..., Any], redis: RedisClient, options: dict[str, Any]
) -> None:
    link_id = await publish(**options)
    short = await follow(client, "/abc?a=1", User_Agent="a browser", Referer="https://example.org/")
    [held] = await clicks_in(redis)
    await redis.delete(redis_keys.CLICK_STREAM)
    ordinary = await follow(client, "/abc?a=1", User_Agent="a browser", Referer="https://example.org/", X_Debug="true")
    assert (went_short_way(short), went_short_way(ordinary)) == (True, False)
    assert (short.status, said(short)) == (ordinary.status, said(ordinary))
    assert [held] == await clicks_in(redis)
    assert held.link_id == link_id
    assert (held.id, held.at_ms) == (NGINX_HEADERS["X-Request-ID"], 1_772_366_400_123)


@pytest.mark.parametrize("accept", ["text/html,*/*;q=0.8", "application/json", None])
async def test_both_ways_say_the_same_of_a_code_that_leads_nowhere(
    client: Client, publish: Callable[..., Any], redis: RedisClient, accept: str | None
) -> None:
    await publish(enabled=False)
    wanted = {"Accept": accept} if accept else {}
    short = await follow(client, **wanted)
    ordinary = await follow(client, X_Debug="true", **wanted)
    assert (short.status, said(short)) == (ordinary.status, said(ordinary)) == (404, said(ordinary))
    assert short.headers["Content-Type"] == ordinary.headers["Content-Type"]
    assert short.headers["X-Request-ID"] == NGINX_HEADERS["X-Request-ID"]
    assert short.body == ordinary.body
    assert await clicks_in(redis) == []


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"valid_since": datetime.now(UTC) + HOUR}, 404),
        ({"valid_until": datetime.now(UTC) - HOUR}, 410),
        ({"max_clicks": 1}, 302),
    ],
)
async def test_what_needs_more_than_its_record_goes_the_ordinary_way(
    client: Client, publish: Callable[..., Any], options: dict[str, Any], status: int
) -> None:
    await publish(**options)
    answer = await follow(client)
    assert (answer.status, went_short_way(answer)) == (status, False)


async def test_where_a_link_leads_when_it_is_over_is_no_click(
    client: Client, publish: Callable[..., Any], redis: RedisClient
) -> None:
    await publish(valid_until=datetime.now(UTC) - HOUR, expired_url="https://example.com/over")
    answer = await follow(client)
    assert (answer.status, answer.headers["Location"]) == (302, "https://example.com/over")
    assert went_short_way(answer)
    assert await clicks_in(redis) == []


@pytest.mark.parametrize(
    ("path", "headers", "method"),
    [
        ("/abc", {"X_Request_ID": "no id of nginx"}, "GET"),
        ("/abc", {"X_Request_Start": "yesterday"}, "GET"),
        ("/abc", {"X_Debug": "true"}, "GET"),
        ("/abc", {"Connection": "close"}, "GET"),
        ("/abc", {}, "HEAD"),
    ],
)
async def test_an_unusual_request_goes_the_ordinary_way(
    client: Client, publish: Callable[..., Any], path: str, headers: dict[str, str], method: str
) -> None:
    await publish()
    answer = await follow(client, path, method, **headers)
    assert (answer.status, went_short_way(answer)) == (302, False)


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
async def test_a_path_of_the_service_is_no_code(client: Client, path: str) -> None:
    assert (await follow(client, path)).status == 200


@pytest.mark.parametrize(
    "record",
    ["junk", "1 2", "1 2 302", "1 x 302 https://a/", "1 2 999 https://a/", "1 2 {", "", "1 2 302 https://a/\r\nX: 1"],
)
async def test_a_broken_record_is_read_anew_from_postgres(
    client: Client, publish: Callable[..., Any], redis: RedisClient, record: str
) -> None:
    link_id = await publish()
    await redis.set(redis_keys.route(DEFAULT_DOMAIN, "abc"), record)
    answer = await follow(client)
    assert (answer.status, answer.headers["Location"]) == (302, URL)
    assert link_id in {click.link_id for click in await clicks_in(redis)}


async def test_a_batch_of_many_codes_is_answered_each_by_its_own(
    client: Client, writer_database: Database, redis: RedisClient
) -> None:
    owner_id = await make_owner(writer_database)
    for number in range(60):
        options = {"forward_query": True} if number % 3 == 0 else {}
        await make_link(writer_database, owner_id=owner_id, code=f"c{number}", url=f"{URL}{number}", **options)
    await relay_once(writer_database, RouteRecords(redis), link_lifetime=600)

    async def visit(number: int) -> tuple[int, str]:
        answer = await follow(client, f"/c{number}", X_Request_ID=f"{number:032x}")
        return answer.status, answer.headers.get("Location", "")

    answers = await asyncio.gather(*(visit(number) for number in range(70)))
    assert answers == [(302, f"{URL}{number}") for number in range(60)] + [(404, "")] * 10
    assert sorted(click.id for click in await clicks_in(redis)) == [f"{number:032x}" for number in range(60)]


async def test_a_record_that_nobody_thought_of_leaves_no_other_of_its_batch_without_an_answer(
    client: Client, publish: Callable[..., Any], redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish()
    await redis.set(redis_keys.route(DEFAULT_DOMAIN, "odd"), '1 2 {"url":"https://a/","redirect_status":302}')
    monkeypatch.setattr(answering, "target_of", lambda *_: 1 / 0)
    async with asyncio.timeout(10):
        paths = ["/odd", *["/abc"] * 8] * 3
        answers = await asyncio.gather(*(follow(client, path) for path in paths))
    assert {(path, answer.status) for path, answer in zip(paths, answers, strict=True)} == {
        ("/odd", 302),
        ("/abc", 302),
    }


async def test_a_script_that_redis_has_forgotten_is_sent_again(
    client: Client, publish: Callable[..., Any], redis: RedisClient
) -> None:
    await publish()
    await redis.script_flush()
    answers = [await follow(client) for _ in range(2)]
    assert [(answer.status, went_short_way(answer)) for answer in answers] == [(302, True)] * 2
    assert len(await clicks_in(redis)) == 2


async def test_a_full_redis_still_tells_where_to_and_the_click_goes_into_the_spool(
    app: web.Application, client: Client, publish: Callable[..., Any], redis: RedisClient
) -> None:
    await publish()
    await redis.config_set("maxmemory-policy", "noeviction")
    await redis.config_set("maxmemory", 1)
    try:
        answer = await follow(client)
        spooled = app[CLICKS].spooled
    finally:
        await redis.config_set("maxmemory", 0)
        await redis.config_set("maxmemory-policy", "volatile-lfu")
    assert (answer.status, answer.headers["Location"]) == (302, URL)
    assert spooled > 0

    async def held() -> bool:
        return len(await clicks_in(redis)) == 1

    await until(held)


@pytest.fixture
async def way(stores: Stores) -> AsyncIterator[TcpProxy]:
    """A way to Redis that the test may shut."""
    async with running_proxy(stores.settings.redis_port) as found:
        yield found


@pytest.fixture
async def shaky_app(
    stores: Stores, database_name: str, way: TcpProxy, redis: RedisClient, tmp_path: Path
) -> web.Application:
    """A resolver that reaches Redis only while the way is open."""
    assert redis
    env = environment(
        stores.database_settings(database_name, "boltlink_resolver"),
        at_port(stores.redis_settings(timeout=0.2), way.port),
        spool_folder=tmp_path,
    )
    return create_api(ResolverSettings.from_env(env))


@pytest.mark.parametrize("fault", ["shut", "frozen"])
async def test_clicks_while_redis_is_away_are_held_and_the_short_way_comes_back(
    *,
    shaky_app: web.Application,
    aiohttp_client: AiohttpClient,
    publish: Callable[..., Any],
    way: TcpProxy,
    redis: RedisClient,
    fault: str,
) -> None:
    await publish()
    client = await served(aiohttp_client, shaky_app)
    assert went_short_way(await follow(client, X_Request_ID=f"{100:032x}"))
    if fault == "shut":
        await way.shut()
    else:
        way.freeze()
    answers = await asyncio.gather(*(follow(client, X_Request_ID=f"{number:032x}") for number in range(20)))
    assert {answer.status for answer in answers} == {302}
    if fault == "shut":
        await way.open()
    else:
        way.thaw()

    async def is_back() -> bool:
        return shaky_app[PIPE].is_open and went_short_way(await follow(client, X_Request_ID=f"{101:032x}"))

    await until(is_back)
    wanted = {f"{number:032x}" for number in [*range(20), 100, 101]}

    async def all_are_held() -> bool:
        return {click.id for click in await clicks_in(redis)} == wanted

    await until(all_are_held)


async def test_what_redis_says_unasked_ends_the_pipe_and_no_redirect(
    shaky_app: web.Application,
    aiohttp_client: AiohttpClient,
    publish: Callable[..., Any],
    redis: RedisClient,
) -> None:
    await publish()
    client = await served(aiohttp_client, shaky_app)
    await follow(client)
    for row in await redis.client_list():
        if row["id"] != str(await redis.client_id()):
            await redis.client_kill_filter(_id=row["id"])
    assert (await follow(client)).status == 302
