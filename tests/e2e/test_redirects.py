"""`GET /{code}`: where it leads, what it says, what it counts."""

import asyncio
from collections import Counter

import pytest

from tests.support.client import Client, new_code
from tests.support.waiting import until

BROWSER = "text/html,application/xhtml+xml"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_has_its_status_its_target_and_a_lifetime(client: Client, status: int) -> None:
    link = await client.make_link(url="https://example.com/x?a=1#f", redirect_status=status)
    answer = await client.follow(link["code"])
    assert answer.status == status
    assert answer.headers["Location"] == "https://example.com/x?a=1#f"
    assert "private" in answer.headers["Cache-Control"]
    assert answer.headers["X-Robots-Tag"] == "noindex"


async def test_thirty_redirects_are_shared_by_three_resolvers(client: Client) -> None:
    link = await client.make_link()
    answers = [await client.follow(link["code"]) for _ in range(30)]
    assert Counter(answer.headers["X-Upstream"] for answer in answers) == {
        "resolver-1": 10,
        "resolver-2": 10,
        "resolver-3": 10,
    }
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 30


async def test_a_debugged_redirect_says_who_knew_and_what_it_took(client: Client) -> None:
    link = await client.make_link()
    answer = await client.follow(link["code"], X_Debug="true")
    assert answer.headers["X-Cache"] == "hit"
    assert "lookup;dur=" in answer.headers["Server-Timing"]
    assert "X-Cache" not in (await client.follow(link["code"])).headers


async def test_an_idn_target_is_sent_as_a_uri(client: Client) -> None:
    link = await client.make_link(url="https://münchen.example/straße?q=ü")
    location = (await client.follow(link["code"])).headers["Location"]
    assert location == "https://xn--mnchen-3ya.example/stra%C3%9Fe?q=%C3%BC"


async def test_a_link_of_the_future_is_not_found_yet(client: Client) -> None:
    link = await client.make_link(valid_since="2126-01-01T00:00:00Z")
    assert (await client.follow(link["code"])).status == 404


async def test_a_link_of_the_past_is_gone(client: Client) -> None:
    link = await client.make_link(valid_until="2020-01-01T00:00:00Z")
    answer = await client.follow(link["code"])
    assert (answer.status, answer.document["type"]) == (410, "/problems/link-gone")


async def test_a_link_of_the_past_leads_to_its_expired_url_and_counts_no_click(client: Client) -> None:
    link = await client.make_link(valid_until="2020-01-01T00:00:00Z", expired_url="https://example.com/over")
    answer = await client.follow(link["code"])
    assert (answer.status, answer.headers["Location"]) == (302, "https://example.com/over")
    other = await client.make_link()
    await client.follow(other["code"])
    await client.wait_for_clicks(other["code"], 1)  # by then a click of the first one would be counted as well
    assert await client.clicks_of(link["code"]) == 0


async def test_max_clicks_is_exact_among_many_at_once(client: Client) -> None:
    link = await client.make_link(max_clicks=7)
    answers = await asyncio.gather(*(client.follow(link["code"]) for _ in range(60)))
    assert Counter(answer.status for answer in answers) == {302: 7, 410: 53}
    await client.wait_for_clicks(link["code"], 7)
    assert (await client.call("GET", f"/links/{link['code']}")).document["status"] == "exhausted"


async def test_more_max_clicks_open_an_exhausted_link_again(client: Client) -> None:
    link = await client.make_link(max_clicks=1)
    assert [(await client.follow(link["code"])).status for _ in range(2)] == [302, 410]
    await client.call("PATCH", f"/links/{link['code']}", json={"max_clicks": 2})
    assert [(await client.follow(link["code"])).status for _ in range(2)] == [302, 410]


async def test_an_exhausted_link_leads_to_its_expired_url(client: Client) -> None:
    link = await client.make_link(max_clicks=1, expired_url="https://example.com/enough")
    assert (await client.follow(link["code"])).headers["Location"] == "https://example.com/"
    assert (await client.follow(link["code"])).headers["Location"] == "https://example.com/enough"


async def test_the_visitors_query_is_merged_and_wins(client: Client) -> None:
    link = await client.make_link(url="https://example.com/p?a=1&b=2#f", forward_query=True)
    answer = await client.ask("GET", f"/{link['code']}?b=3&c=%20x")
    assert answer.headers["Location"] == "https://example.com/p?a=1&b=3&c=%20x#f"


async def test_the_visitors_query_stays_away_from_other_links(client: Client) -> None:
    link = await client.make_link(url="https://example.com/p?a=1")
    assert (await client.ask("GET", f"/{link['code']}?a=2")).headers["Location"] == "https://example.com/p?a=1"


async def test_head_is_answered_alike_and_counts_nothing(client: Client) -> None:
    link = await client.make_link(max_clicks=1)
    answer = await client.ask("HEAD", f"/{link['code']}")
    assert (answer.status, answer.headers["Location"]) == (302, "https://example.com/")
    assert (await client.follow(link["code"])).status == 302
    await client.wait_for_clicks(link["code"], 1)
    assert (await client.ask("HEAD", f"/{link['code']}")).status == 410


async def test_a_code_that_was_asked_for_in_vain_leads_as_soon_as_it_is_made(client: Client) -> None:
    for _ in range(20):
        code = new_code()
        for _ in range(3):
            assert (await client.follow(code)).status == 404
        await client.make_link(code=code)
        assert (await client.follow(code)).status == 302


async def test_a_change_shows_at_once_in_every_resolver(client: Client) -> None:
    link = await client.make_link(url="https://example.com/0")
    for number in range(1, 20):
        url = f"https://example.com/{number}"
        await client.call("PATCH", f"/links/{link['code']}", json={"url": url})
        answers = [await client.follow(link["code"]) for _ in range(3)]
        assert {answer.headers["Location"] for answer in answers} == {url}


async def test_a_link_that_redis_forgot_is_read_from_postgres_and_remembered(client: Client) -> None:
    code = new_code()
    await client.follow(code)
    link = await client.make_link(code=code)

    async def hit() -> bool:
        return (await client.follow(link["code"], X_Debug="true")).headers["X-Cache"] == "hit"

    await until(hit)


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [({"enabled": False}, 404, "There is no link here"), ({"valid_until": "2020-01-01T00:00:00Z"}, 410, "no longer")],
)
async def test_people_get_a_page(client: Client, fields: dict[str, object], status: int, text: str) -> None:
    link = await client.make_link(**fields)
    answer = await client.follow(link["code"], Accept=BROWSER)
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert text in answer.body.decode()
    assert answer.headers["X-Request-ID"] in answer.body.decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_another_method_answers_405_and_says_which_are_allowed(client: Client, method: str) -> None:
    link = await client.make_link()
    answer = await client.ask(method, f"/{link['code']}")
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD"}
    assert answer.document["request_id"] == answer.headers["X-Request-ID"]
