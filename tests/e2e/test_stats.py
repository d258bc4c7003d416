"""The calls under /stats, on clicks from real requests."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.support.client import Client
from tests.support.waiting import until

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


async def _make_visited_link(client: Client) -> str:
    """Make a link with two clicks by Firefox from a news page, one by an iPhone, one by curl and three by a bot."""
    link = await client.make_link()
    code: str = link["code"]
    for _ in range(2):
        await client.follow(code, User_Agent=FIREFOX, Referer="https://www.news.example/story?id=1")
    await client.follow(code, User_Agent=IPHONE)
    await client.follow(code, User_Agent="curl/8.5.0")
    for _ in range(3):
        await client.follow(code, User_Agent=GOOGLEBOT)

    async def all_are_counted() -> bool:
        summary = await client.stats(f"/links/{code}", bots="include")
        return bool(summary["clicks"] == 7)

    await until(all_are_counted)
    return code


async def test_a_summary_counts_people_and_bots_apart(client: Client) -> None:
    code = await _make_visited_link(client)
    summary = await client.stats(f"/links/{code}")
    assert (summary["clicks"], summary["unique_visitors"], summary["bots"]) == (4, 3, 3)
    assert summary["first_click"] < summary["last_click"]
    assert (await client.stats(f"/links/{code}", bots="include"))["clicks"] == 7
    assert (await client.stats(f"/links/{code}", bots="only"))["clicks"] == 3


async def test_a_link_shows_its_clicks(client: Client) -> None:
    code = await _make_visited_link(client)
    assert (await client.call("GET", f"/links/{code}")).document["clicks"] == 4


async def test_breakdowns_count_values_with_their_shares(client: Client) -> None:
    code = await _make_visited_link(client)
    browsers = await client.stats(f"/links/{code}/breakdown/browser")
    assert browsers["total"] == 4
    assert browsers["values"][0] == {"value": "Firefox", "clicks": 2, "share": 0.5}
    devices = await client.stats(f"/links/{code}/breakdown/device")
    assert {row["value"]: row["clicks"] for row in devices["values"]} == {"desktop": 2, "mobile": 1, "unknown": 1}
    referrers = await client.stats(f"/links/{code}/breakdown/referrer")
    assert {row["value"]: row["clicks"] for row in referrers["values"]} == {"news.example": 2, "direct": 2}
    systems = await client.stats(f"/links/{code}/breakdown/os")
    assert {row["value"] for row in systems["values"]} == {"Linux", "iOS", "unknown"}


async def test_filters_include_and_exclude_values(client: Client) -> None:
    code = await _make_visited_link(client)
    assert (await client.stats(f"/links/{code}", browser="Firefox"))["clicks"] == 2
    assert (await client.stats(f"/links/{code}", browser="-Firefox"))["clicks"] == 2
    assert (await client.stats(f"/links/{code}", browser="Firefox", referrer="direct"))["clicks"] == 0


async def test_a_timeseries_has_every_bucket_of_the_period(client: Client) -> None:
    code = await _make_visited_link(client)
    today = datetime.now(UTC).date()
    series = await client.stats(
        f"/links/{code}/timeseries", **{"from": str(today - timedelta(days=6)), "to": str(today + timedelta(days=1))}
    )
    assert [bucket["start"][:10] for bucket in series["buckets"]] == [
        str(today + timedelta(days=days)) for days in range(-6, 2)
    ]
    assert sum(bucket["clicks"] for bucket in series["buckets"]) == 4


async def test_every_interval_counts_the_same_clicks(client: Client) -> None:
    code = await _make_visited_link(client)
    for interval in ("minute", "hour", "day", "week", "month"):
        series = await client.stats(f"/links/{code}/timeseries", interval=interval, tz="Asia/Kolkata")
        assert sum(bucket["clicks"] for bucket in series["buckets"]) == 4


async def test_a_period_before_the_first_click_has_no_clicks(client: Client) -> None:
    code = await _make_visited_link(client)
    summary = await client.stats(f"/links/{code}", to="2026-01-01")
    assert (summary["clicks"], summary["first_click"]) == (0, None)


async def test_the_top_list_and_the_overview_include_the_clicks(client: Client) -> None:
    code = await _make_visited_link(client)
    top = await client.stats("/top", limit="1000")
    assert {row["code"]: row["clicks"] for row in top["links"]}[code] == 4
    overview = await client.stats("/overview")
    assert overview["clicks"] >= 4
    series = await client.stats("/timeseries")
    assert sum(bucket["clicks"] for bucket in series["buckets"]) >= 4
    assert (await client.stats("/breakdown/os"))["total"] >= 4


async def test_five_hundred_clicks_at_once_are_all_counted(client: Client) -> None:
    link = await client.make_link()
    responses = await asyncio.gather(*(client.follow(link["code"]) for _ in range(500)))
    assert {response.status for response in responses} == {302}
    await client.wait_for_clicks(link["code"], 500)


async def test_all_invalid_query_parameters_are_reported_at_once(client: Client) -> None:
    response = await client.call("GET", "/stats/overview?from=yesterday&tz=Mars/Olympus&bots=some&browser=,&colour=red")
    assert response.status == 422
    assert set(response.faults) == {"from", "tz", "bots", "browser", "colour"}


async def test_an_unknown_link_or_dimension_answers_404(client: Client) -> None:
    assert (await client.call("GET", "/stats/links/not-there")).status == 404
    assert (await client.call("GET", "/stats/breakdown/shoe-size")).status == 404


async def test_too_many_buckets_answer_422(client: Client) -> None:
    response = await client.call("GET", "/stats/timeseries?interval=minute&from=2020-01-01&to=2025-01-01")
    assert (response.status, list(response.faults)) == (422, ["interval"])
