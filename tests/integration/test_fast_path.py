"""The fast path responds as the application path does, counts each redirect once, and passes on what it cannot do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_aiohttp import AiohttpClient

from services.resolver.app import RAW_CONNECTION, create_api
from services.resolver.clicks.stream_writer import StreamWriter
from services.resolver.fast_path import batch
from services.resolver.fast_path.responses import Responses
from services.resolver.fast_path.script import SCRIPT, events_of
from services.resolver.handlers import CLICK_RECORDER
from services.resolver.metrics import RESOLVER_METRICS
from services.resolver.settings import ResolverSettings
from services.writer.redis_sync.relay import relay_once
from shared.domain.codes import in_default_domain
from shared.domain.models import REDIRECT_STATUSES, ClickEvent
from shared.http.server import FAST_PATH
from shared.postgres.pool import Database
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import RouteRecords, decode
from tests.integration.conftest import Stores
from tests.support.builders import make_link, make_owner
from tests.support.client import Response
from tests.support.environments import environment
from tests.support.network import TcpProxy, at_port
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
    """Creates a link with the code abc and publishes it to Redis."""
    owner_id = await make_owner(writer_database)

    async def publish(**options: Any) -> int:
        link = await make_link(writer_database, owner_id=owner_id, code="abc", **options)
        await relay_once(writer_database, RouteRecords(redis), link_lifetime=600)
        return link.id

    return publish


async def follow(client: Client, path: str = "/abc", method: str = "GET", **headers: str) -> Response:
    """Visit a link; the response. Header names have _ for -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.request(method, path, headers=sent, allow_redirects=False, max_field_size=2**18) as response:
        return Response(response.status, response.headers, await response.read())


def took_fast_path(response: Response) -> bool:
    """The application repeats the request's id in each response; of a redirect, the fast path leaves that to nginx."""
    return "X-Request-ID" not in response.headers


async def clicks_in(redis: RedisClient) -> list[ClickEvent]:
    entries: Any = await redis.xrange(redis_keys.CLICK_STREAM)
    texts = [fields[click_stream.FIELD] for _, fields in entries]
    return [click_events.decode(event) for text in texts for event in click_events.split(text)]


def visible_headers(response: Response) -> dict[str, str]:
    """The headers of a response that a client of nginx gets."""
    names = ("Location", "Cache-Control", "X-Robots-Tag", "X-Upstream", "Vary", "Content-Length")
    return {name: response.headers[name] for name in names if name in response.headers}


HOUR = timedelta(hours=1)
LIVE_LINKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "permanent": {"redirect_status": 301},
    "temporary": {"redirect_status": 307},
    "permanent, method kept": {"redirect_status": 308},
    "a target that is not ASCII": {"url": "https://例え.jp/ü"},
    "a target of the maximum length": {"url": URL + "ü" * (8_192 - len(URL))},
    "not expired yet": {"valid_until": datetime.now(UTC) + HOUR},
    "already valid": {"valid_since": datetime.now(UTC) - HOUR},
    "a query that is forwarded": {"forward_query": True},
}


@pytest.mark.parametrize("options", LIVE_LINKS.values(), ids=LIVE_LINKS.keys())
async def test_both_paths_respond_and_count_alike(
    client: Client, publish: Callable[..., Any], redis: RedisClient, options: dict[str, Any]
) -> None:
    link_id = await publish(**options)
    fast = await follow(client, "/abc?a=1", User_Agent="a browser", Referer="https://example.org/")
    [recorded] = await clicks_in(redis)
    await redis.delete(redis_keys.CLICK_STREAM)
    slow = await follow(client, "/abc?a=1", User_Agent="a browser", Referer="https://example.org/", X_Debug="true")
    assert (took_fast_path(fast), took_fast_path(slow)) == (True, False)
    assert (fast.status, visible_headers(fast)) == (slow.status, visible_headers(slow))
    assert [recorded] == await clicks_in(redis)
    assert recorded.link_id == link_id
    assert (recorded.id, recorded.at_ms) == (NGINX_HEADERS["X-Request-ID"], 1_772_366_400_123)


@pytest.mark.parametrize("accept", ["text/html,*/*;q=0.8", "application/json", None])
async def test_both_paths_respond_alike_for_a_disabled_link(
    client: Client, publish: Callable[..., Any], redis: RedisClient, accept: str | None
) -> None:
    await publish(enabled=False)
    accept_header = {"Accept": accept} if accept else {}
    fast = await follow(client, **accept_header)
    slow = await follow(client, X_Debug="true", **accept_header)
    assert (fast.status, visible_headers(fast)) == (slow.status, visible_headers(slow)) == (404, visible_headers(slow))
    assert fast.headers["Content-Type"] == slow.headers["Content-Type"]
    assert fast.headers["X-Request-ID"] == NGINX_HEADERS["X-Request-ID"]
    assert fast.body == slow.body
    assert await clicks_in(redis) == []


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    ("options", "status"),
    [({"valid_since": datetime.now(UTC) + HOUR}, 404), ({"valid_until": datetime.now(UTC) - HOUR}, 410)],
)
async def test_both_paths_respond_alike_for_a_link_outside_of_its_time(
    *,
    client: Client,
    publish: Callable[..., Any],
    redis: RedisClient,
    options: dict[str, Any],
    status: int,
    accept: str,
) -> None:
    await publish(**options)
    fast = await follow(client, Accept=accept)
    slow = await follow(client, Accept=accept, X_Debug="true")
    assert (fast.status, visible_headers(fast), fast.body) == (status, visible_headers(slow), slow.body)
    assert (fast.headers["Content-Type"], slow.status) == (slow.headers["Content-Type"], status)
    assert await clicks_in(redis) == []


async def test_a_limited_link_is_passed_to_the_application(client: Client, publish: Callable[..., Any]) -> None:
    await publish(max_clicks=1)
    response = await follow(client)
    assert (response.status, took_fast_path(response)) == (302, False)


async def test_a_redirect_to_expired_url_is_no_click(
    client: Client, publish: Callable[..., Any], redis: RedisClient
) -> None:
    await publish(valid_until=datetime.now(UTC) - HOUR, expired_url="https://example.com/over")
    response = await follow(client)
    assert (response.status, response.headers["Location"]) == (302, "https://example.com/over")
    assert took_fast_path(response)
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
async def test_an_unusual_request_is_passed_to_the_application(
    client: Client, publish: Callable[..., Any], path: str, headers: dict[str, str], method: str
) -> None:
    await publish()
    response = await follow(client, path, method, **headers)
    assert (response.status, took_fast_path(response)) == (302, False)


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
async def test_a_path_of_the_service_is_not_taken_for_a_code(client: Client, path: str) -> None:
    assert (await follow(client, path)).status == 200


@pytest.mark.parametrize(
    "record",
    [
        "junk",
        "1 2",
        "1 2 302",
        "1 x 302 https://a/",
        "1 2 999 https://a/",
        "1 2 {",
        "",
        "1 2 302 https://a/\r\nX: 1",
        '1 2 {"url":"https://a/","redirect_status":302}',
        '1 2 {"url":"https://a/","redirect_status":302,"limited":false}',
    ],
)
async def test_a_malformed_record_is_read_again_from_postgres(
    client: Client, publish: Callable[..., Any], redis: RedisClient, record: str
) -> None:
    link_id = await publish()
    await redis.set(redis_keys.route(in_default_domain("abc")), record)
    response = await follow(client)
    assert (response.status, response.headers["Location"]) == (302, URL)
    assert link_id in {click.link_id for click in await clicks_in(redis)}


async def test_each_visit_of_a_batch_gets_the_response_of_its_own_code(
    client: Client, writer_database: Database, redis: RedisClient
) -> None:
    owner_id = await make_owner(writer_database)
    for number in range(60):
        options = {"forward_query": True} if number % 3 == 0 else {}
        await make_link(writer_database, owner_id=owner_id, code=f"c{number}", url=f"{URL}{number}", **options)
    await relay_once(writer_database, RouteRecords(redis), link_lifetime=600)

    async def visit(number: int) -> tuple[int, str]:
        response = await follow(client, f"/c{number}", X_Request_ID=f"{number:032x}")
        return response.status, response.headers.get("Location", "")

    responses = await asyncio.gather(*(visit(number) for number in range(70)))
    assert responses == [(302, f"{URL}{number}") for number in range(60)] + [(404, "")] * 10
    assert sorted(click.id for click in await clicks_in(redis)) == [f"{number:032x}" for number in range(60)]


FAULTS = {
    "decide": (batch, "decide"),
    "decode": (batch, "decode"),
    "the script": (batch, "look_up_and_add"),
    "the responses": (Responses, "redirect"),
}


@pytest.mark.parametrize(("where", "name"), FAULTS.values(), ids=FAULTS.keys())
async def test_an_exception_in_the_fast_path_leaves_no_visitor_without_a_response(
    *,
    client: Client,
    publish: Callable[..., Any],
    redis: RedisClient,
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    name: str,
) -> None:
    await publish()
    with monkeypatch.context() as patch:
        patch.setattr(where, name, lambda *_: 1 / 0)
        async with asyncio.timeout(10):
            responses = [await asyncio.gather(*(follow(client) for _ in range(8))) for _ in range(3)]
    assert {response.status for some in responses for response in some} == {302}

    async def is_recorded() -> bool:  # by the spool if the circuit breaker has opened
        return {click.id for click in await clicks_in(redis)} == {NGINX_HEADERS["X-Request-ID"]}

    async def is_fast_again() -> bool:
        return took_fast_path(await follow(client))

    await until(is_recorded)
    await until(is_fast_again)


async def test_an_exception_while_a_visit_is_offered_goes_to_the_application(
    app: web.Application, client: Client, publish: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish()
    monkeypatch.setattr(app[FAST_PATH], "offer", lambda *_: 1 / 0)
    async with asyncio.timeout(10):
        responses = [await follow(client) for _ in range(3)]
    assert {response.status for response in responses} == {302}


async def test_an_exception_while_the_clicks_are_added_leaves_no_visitor_without_a_response(
    client: Client, publish: Callable[..., Any], redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(forward_query=True)
    monkeypatch.setattr(StreamWriter, "send", lambda *_: 1 / 0)
    async with asyncio.timeout(10):
        responses = await asyncio.gather(*(follow(client, "/abc?a=1") for _ in range(8)))
    assert {(response.status, response.headers["Location"]) for response in responses} == {(302, f"{URL}?a=1")}

    async def is_recorded() -> bool:  # by the spool
        return {click.id for click in await clicks_in(redis)} == {NGINX_HEADERS["X-Request-ID"]}

    await until(is_recorded)


RECORDS = st.one_of(
    st.builds(
        lambda version, link_id, status, url: f"{version} {link_id} {status} {url}",
        st.integers(0, 2**60),
        st.integers(0, 2**60),
        st.sampled_from([*REDIRECT_STATUSES, 200, 399, 3020]),
        st.sampled_from([URL, f"{URL}{{", "-", "https://a/b c"]),
    ),
    st.sampled_from(
        [
            "1 2 -",
            "x 2 302 https://a/",
            "1_0 2 302 https://a/",
            "1 +2 302 https://a/",
            " 1 2 302 https://a/",
            '1 2 {"url":"https://a/","redirect_status":302,"limited":true}',
            "",
        ]
    ),
)


@given(record=RECORDS)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_the_script_adds_the_click_of_a_record_that_decode_takes_for_a_plain_link(
    redis: RedisClient, record: str
) -> None:
    await redis.delete(redis_keys.CLICK_STREAM)
    await redis.set("tested", record)
    entry, count, records = await redis.eval(SCRIPT, 2, redis_keys.CLICK_STREAM, "tested", b"\x1ftail")
    tails = [b"\x1ftail"]
    assert (count, bool(entry)) == (len(events_of(tails, records)), bool(count))
    stored: Any = await redis.xrange(redis_keys.CLICK_STREAM)
    texts = [fields[click_stream.FIELD] for _, fields in stored]
    assert [event for text in texts for event in click_events.split(text)] == events_of(tails, records)
    if is_plain(record.encode()):
        assert count == 1


def is_plain(record: bytes) -> bool:
    try:
        return decode(record).is_plain
    except ValueError:
        return False


async def test_a_script_that_redis_no_longer_has_is_sent_again(
    client: Client, publish: Callable[..., Any], redis: RedisClient
) -> None:
    await publish()
    await redis.script_flush()
    responses = [await follow(client) for _ in range(2)]
    assert [(response.status, took_fast_path(response)) for response in responses] == [(302, True)] * 2
    assert len(await clicks_in(redis)) == 2


@pytest.fixture
async def full_redis(redis: RedisClient, publish: Callable[..., Any]) -> AsyncIterator[Callable[..., Any]]:
    """Publishes a link and then fills Redis, so that it can be read but refuses every write."""

    async def publish_and_fill(**options: Any) -> int:
        link_id: int = await publish(**options)
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", 1)
        return link_id

    yield publish_and_fill
    await redis.config_set("maxmemory", 0)
    await redis.config_set("maxmemory-policy", "volatile-lfu")


@pytest.mark.parametrize("options", [{}, {"forward_query": True}, {"valid_until": datetime.now(UTC) + HOUR}])
async def test_a_full_redis_serves_lookups_and_the_clicks_go_into_the_spool(
    app: web.Application,
    client: Client,
    full_redis: Callable[..., Any],
    redis: RedisClient,
    options: dict[str, Any],
) -> None:
    await full_redis(**options)
    ids = [f"{number:032x}" for number in range(20)]
    responses = [await follow(client, X_Request_ID=request_id, X_Debug=debug(request_id)) for request_id in ids]
    assert {(response.status, response.headers["Location"]) for response in responses} == {(302, URL)}
    assert app[RESOLVER_METRICS].lookups == {"hit": 20, "miss": 0, "fallback": 0}
    assert app[CLICK_RECORDER].spooled == 20
    await redis.config_set("maxmemory", 0)

    async def are_in_the_stream() -> bool:
        return sorted(click.id for click in await clicks_in(redis)) == ids

    await until(are_in_the_stream)


def debug(request_id: str) -> str:
    """Every second visit asks for debug headers, and so is passed to the application at once."""
    return "true" if int(request_id, 16) % 2 else ""


async def test_a_full_redis_does_not_stop_the_fast_path_when_there_is_no_click_to_write(
    client: Client, full_redis: Callable[..., Any]
) -> None:
    await full_redis(valid_until=datetime.now(UTC) - HOUR, expired_url="https://example.com/over")
    assert [took_fast_path(await follow(client)) for _ in range(5)] == [True] * 5


@pytest.fixture
async def proxied_app(
    stores: Stores, database_name: str, proxy: TcpProxy, redis: RedisClient, tmp_path: Path
) -> web.Application:
    """A resolver that reaches Redis only while the proxy is open."""
    assert redis
    env = environment(
        stores.database_settings(database_name, "boltlink_resolver"),
        at_port(stores.redis_settings(timeout=0.2), proxy.port),
        spool_folder=tmp_path,
    )
    return create_api(ResolverSettings.from_env(env))


@pytest.mark.parametrize("fault", ["shut", "frozen"])
async def test_clicks_are_kept_while_redis_is_unavailable_and_the_fast_path_recovers(
    *,
    proxied_app: web.Application,
    aiohttp_client: AiohttpClient,
    publish: Callable[..., Any],
    proxy: TcpProxy,
    redis: RedisClient,
    fault: str,
) -> None:
    await publish()
    client = await served(aiohttp_client, proxied_app)
    assert took_fast_path(await follow(client, X_Request_ID=f"{100:032x}"))
    if fault == "shut":
        await proxy.shut()
    else:
        proxy.freeze()
    responses = await asyncio.gather(*(follow(client, X_Request_ID=f"{number:032x}") for number in range(20)))
    assert {response.status for response in responses} == {302}
    if fault == "shut":
        await proxy.open()
    else:
        proxy.thaw()

    async def is_fast_again() -> bool:
        return proxied_app[RAW_CONNECTION].is_open and took_fast_path(await follow(client, X_Request_ID=f"{101:032x}"))

    await until(is_fast_again)
    expected = {f"{number:032x}" for number in [*range(20), 100, 101]}

    async def are_all_recorded() -> bool:
        return {click.id for click in await clicks_in(redis)} == expected

    await until(are_all_recorded)


async def test_a_connection_that_redis_closes_loses_no_redirect(
    proxied_app: web.Application,
    aiohttp_client: AiohttpClient,
    publish: Callable[..., Any],
    redis: RedisClient,
) -> None:
    await publish()
    client = await served(aiohttp_client, proxied_app)
    await follow(client)
    for row in await redis.client_list():
        if row["id"] != str(await redis.client_id()):
            await redis.client_kill_filter(_id=row["id"])
    assert (await follow(client)).status == 302
