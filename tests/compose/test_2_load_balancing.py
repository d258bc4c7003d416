"""Every resolver answers its share."""

from collections import Counter

from tests.support.client import Client

THIRD = {"resolver-1": 10, "resolver-2": 10, "resolver-3": 10}


async def test_thirty_redirects_are_shared_by_three_resolvers(client: Client) -> None:
    link = await client.make_link()
    answers = [await client.follow(link["code"], X_Debug="true") for _ in range(30)]
    assert {answer.status for answer in answers} == {302}
    assert {answer.headers["X-Cache"] for answer in answers} == {"hit"}
    assert Counter(answer.headers["X-Upstream"] for answer in answers) == THIRD


async def test_thirty_redirects_on_connections_of_their_own_are_shared_alike(client: Client) -> None:
    link = await client.make_link()
    answers = [await client.follow(link["code"], Connection="close") for _ in range(30)]
    assert Counter(answer.headers["X-Upstream"] for answer in answers) == THIRD
