"""POST /links/batch through nginx."""

import asyncio
import json

from tests.support.client import Client, new_code


async def test_links_of_a_batch_lead_to_their_targets(client: Client) -> None:
    wanted = [{"url": f"https://example.com/{number}", "code": new_code()} for number in range(20)]
    answer = await client.call("POST", "/links/batch", json={"links": wanted})
    assert answer.status == 200
    assert [item["link"]["code"] for item in answer.document["items"]] == [link["code"] for link in wanted]
    followed = await asyncio.gather(*(client.follow(link["code"]) for link in wanted))
    assert [one.headers["Location"] for one in followed] == [link["url"] for link in wanted]


async def test_a_refused_link_of_a_batch_stops_no_other(client: Client) -> None:
    taken = (await client.make_link())["code"]
    wanted = [{"url": "https://example.com/", "code": taken}, {"url": "nothing"}, {"url": "https://example.com/"}]
    answer = await client.call("POST", "/links/batch", json={"links": wanted})
    assert (answer.status, [item["status"] for item in answer.document["items"]]) == (200, [409, 422, 201])
    problem = answer.document["items"][0]["problem"]
    assert (problem["type"], problem["request_id"]) == ("/problems/code-taken", answer.headers["X-Request-ID"])


async def test_a_thousand_links_of_three_kilobytes_pass_the_door(client: Client) -> None:
    wanted = [{"url": f"https://example.com/{number}?q={'a' * 3_000}"} for number in range(1_000)]
    answer = await client.call(
        "POST",
        "/links/batch",
        data=json.dumps({"links": wanted}).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status == 200
    assert [item["link"]["url"] for item in answer.document["items"]] == [link["url"] for link in wanted]


async def test_a_batch_larger_than_all_limits_is_413(client: Client) -> None:
    answer = await client.call(
        "POST", "/links/batch", data=b"[" + b" " * (9 * 2**20) + b"]", headers={"Content-Type": "application/json"}
    )
    assert (answer.status, answer.document["type"]) == (413, "/problems/body-too-large")


async def test_a_repeated_batch_gets_its_first_answer(client: Client) -> None:
    headers = {"Idempotency-Key": new_code()}
    body = {"links": [{"url": "https://example.com/"}, {"url": "nothing"}]}
    first = await client.call("POST", "/links/batch", json=body, headers=headers)
    assert (await client.call("POST", "/links/batch", json=body, headers=headers)).document == first.document
    other = await client.call("POST", "/links/batch", json={"links": []}, headers=headers)
    assert (other.status, other.document["type"]) == (422, "/problems/idempotency-key-reused")
