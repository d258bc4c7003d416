"""nginx spreads requests evenly over the resolvers."""

from collections import Counter

from tests.support.client import Client

TEN_EACH = {"resolver-1": 10, "resolver-2": 10, "resolver-3": 10}


async def test_three_resolvers_answer_ten_of_thirty_redirects_each(client: Client) -> None:
    link = await client.make_link()
    responses = [await client.follow(link["code"], X_Debug="true") for _ in range(30)]
    assert {response.status for response in responses} == {302}
    assert {response.headers["X-Cache"] for response in responses} == {"hit"}
    assert Counter(response.headers["X-Upstream"] for response in responses) == TEN_EACH


async def test_redirects_on_separate_connections_are_spread_evenly_too(client: Client) -> None:
    link = await client.make_link()
    responses = [await client.follow(link["code"], Connection="close") for _ in range(30)]
    assert Counter(response.headers["X-Upstream"] for response in responses) == TEN_EACH
