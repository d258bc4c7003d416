"""POST /links/batch through nginx."""

import asyncio
import json

from tests.support.client import Client, new_code


async def test_links_of_a_batch_redirect_to_their_targets(client: Client) -> None:
    requested = [{"url": f"https://example.com/{number}", "code": new_code()} for number in range(20)]
    response = await client.call("POST", "/links/batch", json={"links": requested})
    assert response.status == 200
    assert [item["link"]["code"] for item in response.document["items"]] == [link["code"] for link in requested]
    redirects = await asyncio.gather(*(client.follow(link["code"]) for link in requested))
    assert [redirect.headers["Location"] for redirect in redirects] == [link["url"] for link in requested]


async def test_a_refused_link_of_a_batch_does_not_prevent_the_others(client: Client) -> None:
    taken = (await client.make_link())["code"]
    requested = [{"url": "https://example.com/", "code": taken}, {"url": "nothing"}, {"url": "https://example.com/"}]
    response = await client.call("POST", "/links/batch", json={"links": requested})
    assert (response.status, [item["status"] for item in response.document["items"]]) == (200, [409, 422, 201])
    problem = response.document["items"][0]["problem"]
    assert (problem["type"], problem["request_id"]) == ("/problems/code-taken", response.headers["X-Request-ID"])


async def test_nginx_lets_a_batch_of_a_thousand_links_of_three_kilobytes_through(client: Client) -> None:
    requested = [{"url": f"https://example.com/{number}?q={'a' * 3_000}"} for number in range(1_000)]
    response = await client.call(
        "POST",
        "/links/batch",
        data=json.dumps({"links": requested}).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert response.status == 200
    assert [item["link"]["url"] for item in response.document["items"]] == [link["url"] for link in requested]


async def test_a_batch_above_every_size_limit_answers_413(client: Client) -> None:
    response = await client.call(
        "POST", "/links/batch", data=b"[" + b" " * (9 * 2**20) + b"]", headers={"Content-Type": "application/json"}
    )
    assert (response.status, response.document["type"]) == (413, "/problems/body-too-large")


async def test_a_batch_repeated_with_its_idempotency_key_gets_the_first_response(client: Client) -> None:
    headers = {"Idempotency-Key": new_code()}
    body = {"links": [{"url": "https://example.com/"}, {"url": "nothing"}]}
    first = await client.call("POST", "/links/batch", json=body, headers=headers)
    assert (await client.call("POST", "/links/batch", json=body, headers=headers)).document == first.document
    other = await client.call("POST", "/links/batch", json={"links": []}, headers=headers)
    assert (other.status, other.document["type"]) == (422, "/problems/idempotency-key-reused")
