"""The calls under /links, as the contract promises them."""

import asyncio

import pytest

from tests.support.client import Client, new_code


async def test_a_new_link_is_answered_whole_with_its_place(client: Client) -> None:
    code = new_code()
    answer = await client.call("POST", "/links", json={"url": "https://example.com/a", "code": code})
    assert answer.status == 201
    assert answer.headers["Location"] == f"/links/{code}"
    link = answer.document
    assert link["short_url"].endswith(f"/{code}")
    assert (link["status"], link["clicks"], link["has_password"], link["version"]) == ("active", 0, False, 1)
    assert (link["redirect_status"], link["enabled"], link["forward_query"], link["tags"]) == (302, True, False, [])
    assert link["created_at"].endswith("Z")


async def test_a_link_without_a_code_gets_seven_characters_of_base_62(client: Client) -> None:
    answer = await client.call("POST", "/links", json={"url": "https://example.com/"})
    assert answer.status == 201
    code = answer.document["code"]
    assert len(code) == 7
    assert code.isalnum()
    assert code.isascii()


async def test_every_field_comes_back_as_it_was_given(client: Client) -> None:
    fields = {
        "url": "https://пример.испытание/путь?q=ä#ß",
        "title": "Größe 🙂",
        "notes": "two\nlines",
        "tags": ["a", "b c"],
        "redirect_status": 307,
        "valid_since": "2026-01-01T00:00:00Z",
        "valid_until": "2126-01-01T00:00:00Z",
        "max_clicks": 5,
        "expired_url": "https://example.com/over",
        "forward_query": True,
        "enabled": False,
        "external_id": new_code(),
    }
    link = await client.make_link(**fields)
    again = (await client.call("GET", f"/links/{link['code']}")).document
    assert {name: again[name] for name in fields} == fields


async def test_a_taken_code_answers_409(client: Client) -> None:
    link = await client.make_link()
    answer = await client.call("POST", "/links", json={"url": "https://example.com/", "code": link["code"]})
    assert answer.status == 409
    assert answer.document["type"] == "/problems/code-taken"


async def test_codes_that_differ_in_case_are_two_codes(client: Client) -> None:
    code = new_code()
    await client.make_link(code=f"{code}x", url="https://example.com/small")
    await client.make_link(code=f"{code}X", url="https://example.com/capital")
    assert (await client.follow(f"{code}X")).headers["Location"] == "https://example.com/capital"


async def test_a_hundred_who_want_one_code_make_one_link(client: Client) -> None:
    code = new_code()
    answers = await asyncio.gather(
        *(client.call("POST", "/links", json={"url": "https://example.com/", "code": code}) for _ in range(100))
    )
    assert sorted(answer.status for answer in answers) == [201] + [409] * 99


async def test_a_taken_external_id_answers_409(client: Client) -> None:
    name = new_code()
    await client.make_link(external_id=name)
    answer = await client.call("POST", "/links", json={"url": "https://example.com/", "external_id": name})
    assert answer.status == 409
    assert answer.document["type"] == "/problems/external-id-taken"


async def test_reuse_finds_the_equal_link(client: Client) -> None:
    url = f"https://example.com/{new_code()}"
    first = await client.call("POST", "/links?reuse=true", json={"url": url})
    second = await client.call("POST", "/links?reuse=true", json={"url": url})
    other = await client.call("POST", "/links?reuse=true", json={"url": url, "title": "another"})
    assert (first.status, second.status, other.status) == (201, 200, 201)
    assert second.document["code"] == first.document["code"] != other.document["code"]


async def test_a_repeated_idempotency_key_gets_the_first_answer(client: Client) -> None:
    headers = {"Idempotency-Key": new_code()}
    body = {"url": "https://example.com/once"}
    first = await client.call("POST", "/links", json=body, headers=headers)
    second = await client.call("POST", "/links", json=body, headers=headers)
    assert (first.status, second.status) == (201, 201)
    assert second.body == first.body
    assert second.headers["Location"] == first.headers["Location"]


async def test_an_idempotency_key_with_another_body_answers_422(client: Client) -> None:
    headers = {"Idempotency-Key": new_code()}
    await client.call("POST", "/links", json={"url": "https://example.com/one"}, headers=headers)
    answer = await client.call("POST", "/links", json={"url": "https://example.com/two"}, headers=headers)
    assert answer.status == 422
    assert answer.document["type"] == "/problems/idempotency-key-reused"


async def test_ten_at_once_with_one_idempotency_key_make_one_link(client: Client) -> None:
    headers = {"Idempotency-Key": new_code()}
    body = {"url": "https://example.com/at-once"}
    answers = await asyncio.gather(*(client.call("POST", "/links", json=body, headers=headers) for _ in range(10)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.document["code"] for answer in answers}) == 1


async def test_a_patch_changes_what_it_names_and_clears_what_is_null(client: Client) -> None:
    link = await client.make_link(title="old", notes="old", tags=["x"])
    answer = await client.call("PATCH", f"/links/{link['code']}", json={"title": "new", "notes": None, "tags": None})
    assert answer.status == 200
    changed = answer.document
    assert (changed["title"], changed["notes"], changed["tags"], changed["url"]) == ("new", None, [], link["url"])
    assert changed["version"] == link["version"] + 1


async def test_a_patch_as_merge_patch_is_taken(client: Client) -> None:
    link = await client.make_link()
    answer = await client.call(
        "PATCH",
        f"/links/{link['code']}",
        data=b'{"title": "merged"}',
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert (answer.status, answer.document["title"]) == (200, "merged")


async def test_a_patch_that_makes_the_dates_impossible_answers_422(client: Client) -> None:
    link = await client.make_link(valid_until="2026-01-01T00:00:00Z")
    answer = await client.call("PATCH", f"/links/{link['code']}", json={"valid_since": "2026-02-01T00:00:00Z"})
    assert answer.status == 422
    assert list(answer.faults) == ["valid_until"]


async def test_the_code_of_a_link_cannot_change(client: Client) -> None:
    link = await client.make_link()
    answer = await client.call("PATCH", f"/links/{link['code']}", json={"code": "other"})
    assert (answer.status, list(answer.faults)) == (422, ["code"])


async def test_if_match_lets_only_the_first_of_two_writers_through(client: Client) -> None:
    link = await client.make_link()
    etag = (await client.call("GET", f"/links/{link['code']}")).headers["ETag"]
    first = await client.call("PATCH", f"/links/{link['code']}", json={"title": "a"}, headers={"If-Match": etag})
    second = await client.call("PATCH", f"/links/{link['code']}", json={"title": "b"}, headers={"If-Match": etag})
    assert (first.status, second.status) == (200, 412)
    third = await client.call(
        "PATCH", f"/links/{link['code']}", json={"title": "c"}, headers={"If-Match": first.headers["ETag"]}
    )
    assert third.status == 200


async def test_a_deleted_link_leads_nowhere_and_keeps_its_code(client: Client) -> None:
    link = await client.make_link()
    assert (await client.follow(link["code"])).status == 302
    assert (await client.call("DELETE", f"/links/{link['code']}")).status == 204
    assert (await client.follow(link["code"])).status == 404
    assert (await client.call("GET", f"/links/{link['code']}")).document["status"] == "deleted"
    taken = await client.call("POST", "/links", json={"url": "https://example.com/", "code": link["code"]})
    assert taken.status == 409
    assert (await client.call("DELETE", f"/links/{link['code']}")).status == 404


async def test_a_restored_link_leads_again(client: Client) -> None:
    link = await client.make_link()
    await client.call("DELETE", f"/links/{link['code']}")
    answer = await client.call("POST", f"/links/{link['code']}/restore")
    assert (answer.status, answer.document["status"]) == (200, "active")
    assert (await client.follow(link["code"])).status == 302


async def test_a_purged_link_is_gone_with_its_clicks_and_its_code_is_free(client: Client) -> None:
    link = await client.make_link(url="https://example.com/before")
    await client.follow(link["code"])
    await client.wait_for_clicks(link["code"], 1)
    assert (await client.call("DELETE", f"/links/{link['code']}?purge=true")).status == 204
    assert (await client.follow(link["code"])).status == 404
    assert (await client.call("GET", f"/links/{link['code']}")).status == 404
    await client.make_link(code=link["code"], url="https://example.com/after")
    assert (await client.follow(link["code"])).headers["Location"] == "https://example.com/after"
    await client.wait_for_clicks(link["code"], 1)


async def test_a_disabled_link_is_found_by_its_owner_only(client: Client) -> None:
    link = await client.make_link(enabled=False)
    assert (await client.follow(link["code"])).status == 404
    assert (await client.call("GET", f"/links/{link['code']}")).document["status"] == "disabled"
    await client.call("PATCH", f"/links/{link['code']}", json={"enabled": True})
    assert (await client.follow(link["code"])).status == 302


@pytest.mark.parametrize("path", ["/links/not-there", "/links/..%2f", "/links/%F0%9F%99%82", f"/links/{'x' * 65}"])
async def test_an_unknown_code_answers_404(client: Client, path: str) -> None:
    answer = await client.call("GET", path)
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_pages_walk_over_every_link_once_in_every_order(client: Client) -> None:
    tag = new_code()
    made = {(await client.make_link(tags=[tag], url=f"https://example.com/{n}"))["code"] for n in range(7)}
    for sort in ("created_at", "-created_at", "updated_at", "-updated_at", "code", "-code", "clicks", "-clicks"):
        seen: list[str] = []
        cursor = ""
        while True:
            answer = await client.call("GET", f"/links?tag={tag}&limit=3&sort={sort}{cursor}")
            assert answer.status == 200
            page = answer.document
            seen += [link["code"] for link in page["links"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert len(seen) == 7
        assert set(seen) == made


async def test_the_list_is_filtered_by_everything_at_once(client: Client) -> None:
    tag = new_code()
    wanted = await client.make_link(tags=[tag, "red"], title="A Needle", max_clicks=1)
    await client.make_link(tags=[tag], title="A Needle")
    await client.make_link(tags=[tag, "red"], title="Hay")
    await client.make_link(tags=[tag, "red"], title="A Needle", enabled=False)
    query = f"tag={tag}&tag=red&any_tag=blue&any_tag=red&q=needle&status=active&created_after=2020-01-01T00:00:00Z"
    answer = await client.call("GET", f"/links?{query}&created_before=2120-01-01T00:00:00%2B01:00")
    assert [link["code"] for link in answer.document["links"]] == [wanted["code"]]


async def test_deleted_links_are_listed_only_where_they_are_asked_for(client: Client) -> None:
    tag = new_code()
    link = await client.make_link(tags=[tag])
    await client.call("DELETE", f"/links/{link['code']}")
    assert (await client.call("GET", f"/links?tag={tag}")).document["links"] == []
    deleted = (await client.call("GET", f"/links?tag={tag}&status=deleted")).document["links"]
    assert [found["code"] for found in deleted] == [link["code"]]
