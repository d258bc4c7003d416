from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from services.stats.app import create_api
from services.stats.settings import StatsSettings
from services.writer.api_keys.creation import make_key
from shared.postgres.pool import Database
from tests.support.builders import BOT, NOON, click_event, count_clicks, make_link, make_owner, milliseconds
from tests.support.environments import PUBLIC_URL

GetReport = Callable[..., Any]
HOUR = timedelta(hours=1)


@pytest.fixture
async def get_report(
    aiohttp_client: AiohttpClient, environ: Callable[..., dict[str, str]], writer_database: Database
) -> GetReport:
    """A function that requests a report from the stats API and returns the status and the document of the response."""
    _, secret = await make_key(writer_database, name="key", scopes=["stats:read"])
    client: TestClient[web.Request, web.Application] = await aiohttp_client(
        create_api(StatsSettings.from_env(environ("stats")))
    )

    async def get(path: str, **query: str) -> tuple[int, Any]:
        params = {name.rstrip("_"): value for name, value in query.items()}
        async with client.get(path, params=params, headers={"Authorization": f"Bearer {secret}"}) as response:
            return response.status, await response.json(content_type=None)

    return get


@pytest.fixture
async def visits(writer_database: Database, stats_database: Database) -> None:
    """Three clicks of `abc` by two visitors and one by a bot, one per hour."""
    link = await make_link(writer_database, owner_id=await make_owner(writer_database), code="abc", title="A")
    fields: list[dict[str, Any]] = [
        {"referrer": "https://a.example/"},
        {"referrer": "https://a.example/"},
        {"address": "192.0.2.2"},
        {"user_agent": BOT},
    ]
    await count_clicks(
        stats_database,
        *(
            click_event(link.id, number, at_ms=milliseconds(NOON + number * HOUR), **more)
            for number, more in enumerate(fields)
        ),
    )


TOTALS = {
    "clicks": 3,
    "unique_visitors": 2,
    "bots": 1,
    "first_click": "2026-03-01T12:00:00Z",
    "last_click": "2026-03-01T14:00:00Z",
}


@pytest.mark.usefixtures("visits")
async def test_the_overview_totals_all_links(get_report: GetReport) -> None:
    assert await get_report("/stats/overview") == (200, TOTALS)


@pytest.mark.usefixtures("visits")
async def test_the_totals_of_a_link_are_returned(get_report: GetReport) -> None:
    assert await get_report("/stats/links/abc") == (200, {"code": "abc", **TOTALS})


@pytest.mark.usefixtures("visits")
@pytest.mark.parametrize("path", ["/stats/timeseries", "/stats/links/abc/timeseries"])
async def test_the_times_of_a_series_are_in_utc(get_report: GetReport, path: str) -> None:
    status, document = await get_report(
        path, from_="2026-03-01T13:00:00+01:00", to="2026-03-01T14:00:00Z", interval="hour", tz="Europe/Berlin"
    )
    assert status == 200
    assert document == {
        "interval": "hour",
        "tz": "Europe/Berlin",
        "buckets": [{"start": "2026-03-01T12:00:00Z", "clicks": 1}, {"start": "2026-03-01T13:00:00Z", "clicks": 1}],
    }


@pytest.mark.usefixtures("visits")
@pytest.mark.parametrize("path", ["/stats/breakdown/referrer", "/stats/links/abc/breakdown/referrer"])
async def test_a_breakdown_has_counts_and_shares(get_report: GetReport, path: str) -> None:
    assert await get_report(path) == (
        200,
        {
            "dimension": "referrer",
            "total": 3,
            "values": [
                {"value": "a.example", "clicks": 2, "share": 0.666667},
                {"value": "direct", "clicks": 1, "share": 0.333333},
            ],
        },
    )


@pytest.mark.usefixtures("visits")
async def test_the_top_links_have_their_urls_and_titles(get_report: GetReport) -> None:
    assert await get_report("/stats/top") == (
        200,
        {
            "links": [
                {
                    "code": "abc",
                    "short_url": f"{PUBLIC_URL}/abc",
                    "url": "https://example.com/",
                    "title": "A",
                    "clicks": 3,
                }
            ]
        },
    )


@pytest.mark.usefixtures("visits")
@pytest.mark.parametrize(
    ("query", "clicks"),
    [
        ({"bots": "include"}, 4),
        ({"bots": "only"}, 1),
        ({"referrer": "a.example"}, 2),
        ({"referrer": "-a.example"}, 1),
        ({"referrer": "a.example,direct", "browser": "-Firefox"}, 0),
        ({"from_": "2026-03-01T13:00:00Z"}, 2),
        ({"to": "2026-03-01T13:00:00Z"}, 1),
        ({"from_": "2026-03-01", "to": "2026-03-01"}, 3),
        ({"from_": "2026-03-02"}, 0),
        ({"to": "2026-03-01", "tz": "Pacific/Kiritimati"}, 0),
    ],
)
async def test_the_query_filters_the_clicks(get_report: GetReport, query: dict[str, str], clicks: int) -> None:
    _, document = await get_report("/stats/overview", **query)
    assert document["clicks"] == clicks


@pytest.mark.parametrize("path", ["", "/timeseries", "/breakdown/os"])
async def test_an_unknown_link_is_404(get_report: GetReport, path: str) -> None:
    assert (await get_report(f"/stats/links/unknown{path}"))[0] == 404


async def test_an_unknown_dimension_is_404(get_report: GetReport) -> None:
    assert (await get_report("/stats/breakdown/visitor"))[0] == 404


@pytest.mark.parametrize("code", ["%00", "%FF", "%C3%28", "%F0%9F%98%80", "%0A", "a" * 1_000])
async def test_an_invalid_code_is_404(get_report: GetReport, code: str) -> None:
    assert (await get_report(f"/stats/links/{code}"))[0] == 404


@pytest.mark.parametrize(
    "query",
    [
        {"from_": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z", "tz": "America/New_York"},
        {"from_": "0001-01-01", "to": "0001-01-02", "tz": "Asia/Tokyo"},
        {"from_": "9999-12-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"},
        {"from_": "9999-12-30", "to": "9999-12-30", "tz": "America/New_York"},
        {"from_": "9999-12-31", "to": "9999-12-31"},
    ],
)
@pytest.mark.parametrize("interval", ["hour", "day", "week", "month"])
async def test_a_period_at_the_ends_of_the_calendar_causes_no_500(
    get_report: GetReport, query: dict[str, str], interval: str
) -> None:
    assert (await get_report("/stats/timeseries", interval=interval, **query))[0] in (200, 422)
