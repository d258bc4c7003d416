"""`GET /{code}`: the target, the headers and the clicks of a redirect."""

import asyncio
from collections import Counter

import pytest

from tests.support.client import Client, new_code
from tests.support.waiting import until

BROWSER = "text/html,application/xhtml+xml"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_has_its_status_its_target_and_a_lifetime(client: Client, status: int) -> None:
    link = await client.make_link(url="https://example.com/x?a=1#f", redirect_status=status)
    response = await client.follow(link["code"])
    assert response.status == status
    assert response.headers["Location"] == "https://example.com/x?a=1#f"
    assert "private" in response.headers["Cache-Control"]
    assert response.headers["X-Robots-Tag"] == "noindex"


async def test_nginx_shares_thirty_redirects_evenly_among_three_resolvers(client: Client) -> None:
    link = await client.make_link()
    responses = [await client.follow(link["code"]) for _ in range(30)]
    assert Counter(response.headers["X-Upstream"] for response in responses) == {
        "resolver-1": 10,
        "resolver-2": 10,
        "resolver-3": 10,
    }
    assert len({response.headers["X-Request-ID"] for response in responses}) == 30


async def test_x_debug_shows_the_source_of_a_redirect_and_the_time_of_the_lookup(client: Client) -> None:
    link = await client.make_link()
    response = await client.follow(link["code"], X_Debug="true")
    assert response.headers["X-Cache"] == "hit"
    assert "lookup;dur=" in response.headers["Server-Timing"]
    assert "X-Cache" not in (await client.follow(link["code"])).headers


async def test_an_idn_target_is_sent_as_a_uri(client: Client) -> None:
    link = await client.make_link(url="https://münchen.example/straße?q=ü")
    location = (await client.follow(link["code"])).headers["Location"]
    assert location == "https://xn--mnchen-3ya.example/stra%C3%9Fe?q=%C3%BC"


async def test_a_link_before_its_valid_since_answers_404(client: Client) -> None:
    link = await client.make_link(valid_since="2126-01-01T00:00:00Z")
    assert (await client.follow(link["code"])).status == 404


async def test_a_link_after_its_valid_until_answers_410(client: Client) -> None:
    link = await client.make_link(valid_until="2020-01-01T00:00:00Z")
    response = await client.follow(link["code"])
    assert (response.status, response.document["type"]) == (410, "/problems/link-gone")


async def test_a_link_after_its_valid_until_redirects_to_expired_url_and_counts_no_click(client: Client) -> None:
    link = await client.make_link(valid_until="2020-01-01T00:00:00Z", expired_url="https://example.com/over")
    response = await client.follow(link["code"])
    assert (response.status, response.headers["Location"]) == (302, "https://example.com/over")
    other = await client.make_link()
    await client.follow(other["code"])
    await client.wait_for_clicks(other["code"], 1)  # a click of the first link would be counted by now, too
    assert await client.clicks_of(link["code"]) == 0


async def test_max_clicks_is_exact_for_many_requests_at_once(client: Client) -> None:
    link = await client.make_link(max_clicks=7)
    responses = await asyncio.gather(*(client.follow(link["code"]) for _ in range(60)))
    assert Counter(response.status for response in responses) == {302: 7, 410: 53}
    await client.wait_for_clicks(link["code"], 7)
    assert (await client.call("GET", f"/links/{link['code']}")).document["status"] == "exhausted"


async def test_a_higher_max_clicks_makes_an_exhausted_link_redirect_again(client: Client) -> None:
    link = await client.make_link(max_clicks=1)
    assert [(await client.follow(link["code"])).status for _ in range(2)] == [302, 410]
    await client.call("PATCH", f"/links/{link['code']}", json={"max_clicks": 2})
    assert [(await client.follow(link["code"])).status for _ in range(2)] == [302, 410]


async def test_an_exhausted_link_redirects_to_its_expired_url(client: Client) -> None:
    link = await client.make_link(max_clicks=1, expired_url="https://example.com/enough")
    assert (await client.follow(link["code"])).headers["Location"] == "https://example.com/"
    assert (await client.follow(link["code"])).headers["Location"] == "https://example.com/enough"


async def test_forward_query_merges_the_visitors_query_which_overrides_the_targets_own(client: Client) -> None:
    link = await client.make_link(url="https://example.com/p?a=1&b=2#f", forward_query=True)
    response = await client.request("GET", f"/{link['code']}?b=3&c=%20x")
    assert response.headers["Location"] == "https://example.com/p?a=1&b=3&c=%20x#f"


async def test_without_forward_query_the_visitors_query_is_ignored(client: Client) -> None:
    link = await client.make_link(url="https://example.com/p?a=1")
    assert (await client.request("GET", f"/{link['code']}?a=2")).headers["Location"] == "https://example.com/p?a=1"


async def test_head_gets_the_same_redirect_and_counts_no_click(client: Client) -> None:
    link = await client.make_link(max_clicks=1)
    response = await client.request("HEAD", f"/{link['code']}")
    assert (response.status, response.headers["Location"]) == (302, "https://example.com/")
    assert (await client.follow(link["code"])).status == 302
    await client.wait_for_clicks(link["code"], 1)
    assert (await client.request("HEAD", f"/{link['code']}")).status == 410


async def test_a_code_that_answered_404_redirects_as_soon_as_it_is_created(client: Client) -> None:
    for _ in range(20):
        code = new_code()
        for _ in range(3):
            assert (await client.follow(code)).status == 404
        await client.make_link(code=code)
        assert (await client.follow(code)).status == 302


async def test_every_resolver_uses_a_changed_target_at_once(client: Client) -> None:
    link = await client.make_link(url="https://example.com/0")
    for number in range(1, 20):
        url = f"https://example.com/{number}"
        await client.call("PATCH", f"/links/{link['code']}", json={"url": url})
        responses = [await client.follow(link["code"]) for _ in range(3)]
        assert {response.headers["Location"] for response in responses} == {url}


async def test_a_link_whose_code_was_a_miss_becomes_a_hit_in_redis(client: Client) -> None:
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
async def test_a_browser_gets_a_page_instead_of_a_problem(
    client: Client, fields: dict[str, object], status: int, text: str
) -> None:
    link = await client.make_link(**fields)
    response = await client.follow(link["code"], Accept=BROWSER)
    assert response.status == status
    assert response.headers["Content-Type"].startswith("text/html")
    assert text in response.body.decode()
    assert response.headers["X-Request-ID"] in response.body.decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_another_method_answers_405_and_says_which_are_allowed(client: Client, method: str) -> None:
    link = await client.make_link()
    response = await client.request(method, f"/{link['code']}")
    assert response.status == 405
    assert set(response.headers["Allow"].split(",")) == {"GET", "HEAD"}
    assert response.document["request_id"] == response.headers["X-Request-ID"]
