"""The calls under /links."""

import asyncio

import pytest

from tests.support.client import Client, new_code


async def test_creating_a_link_returns_the_whole_link_and_its_location(client: Client) -> None:
    code = new_code()
    response = await client.call("POST", "/links", json={"url": "https://example.com/a", "code": code})
    assert response.status == 201
    assert response.headers["Location"] == f"/links/{code}"
    link = response.document
    assert link["short_url"].endswith(f"/{code}")
    assert (link["status"], link["clicks"], link["has_password"], link["version"]) == ("active", 0, False, 1)
    assert (link["redirect_status"], link["enabled"], link["forward_query"], link["tags"]) == (302, True, False, [])
    assert link["created_at"].endswith("Z")


async def test_a_link_without_a_code_gets_seven_characters_of_base_62(client: Client) -> None:
    response = await client.call("POST", "/links", json={"url": "https://example.com/"})
    assert response.status == 201
    code = response.document["code"]
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
    response = await client.call("POST", "/links", json={"url": "https://example.com/", "code": link["code"]})
    assert response.status == 409
    assert response.document["type"] == "/problems/code-taken"


async def test_codes_that_differ_in_case_are_two_codes(client: Client) -> None:
    code = new_code()
    await client.make_link(code=f"{code}x", url="https://example.com/small")
    await client.make_link(code=f"{code}X", url="https://example.com/capital")
    assert (await client.follow(f"{code}X")).headers["Location"] == "https://example.com/capital"


async def test_of_a_hundred_requests_at_once_for_one_code_one_gets_it(client: Client) -> None:
    code = new_code()
    responses = await asyncio.gather(
        *(client.call("POST", "/links", json={"url": "https://example.com/", "code": code}) for _ in range(100))
    )
    assert sorted(response.status for response in responses) == [201] + [409] * 99


async def test_a_taken_external_id_answers_409(client: Client) -> None:
    name = new_code()
    await client.make_link(external_id=name)
    response = await client.call("POST", "/links", json={"url": "https://example.com/", "external_id": name})
    assert response.status == 409
    assert response.document["type"] == "/problems/external-id-taken"


async def test_reuse_returns_the_existing_equal_link(client: Client) -> None:
    url = f"https://example.com/{new_code()}"
    first = await client.call("POST", "/links?reuse=true", json={"url": url})
    second = await client.call("POST", "/links?reuse=true", json={"url": url})
    other = await client.call("POST", "/links?reuse=true", json={"url": url, "title": "another"})
    assert (first.status, second.status, other.status) == (201, 200, 201)
    assert second.document["code"] == first.document["code"] != other.document["code"]


async def test_a_repeated_idempotency_key_gets_the_first_response(client: Client) -> None:
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
    response = await client.call("POST", "/links", json={"url": "https://example.com/two"}, headers=headers)
    assert response.status == 422
    assert response.document["type"] == "/problems/idempotency-key-reused"


async def test_ten_requests_at_once_with_one_idempotency_key_create_one_link(client: Client) -> None:
    headers = {"Idempotency-Key": new_code()}
    body = {"url": "https://example.com/at-once"}
    responses = await asyncio.gather(*(client.call("POST", "/links", json=body, headers=headers) for _ in range(10)))
    assert {response.status for response in responses} == {201}
    assert len({response.document["code"] for response in responses}) == 1


async def test_a_patch_changes_what_it_names_and_clears_what_is_null(client: Client) -> None:
    link = await client.make_link(title="old", notes="old", tags=["x"])
    response = await client.call("PATCH", f"/links/{link['code']}", json={"title": "new", "notes": None, "tags": None})
    assert response.status == 200
    changed = response.document
    assert (changed["title"], changed["notes"], changed["tags"], changed["url"]) == ("new", None, [], link["url"])
    assert changed["version"] == link["version"] + 1


async def test_a_patch_may_have_the_content_type_of_merge_patch(client: Client) -> None:
    link = await client.make_link()
    response = await client.call(
        "PATCH",
        f"/links/{link['code']}",
        data=b'{"title": "merged"}',
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert (response.status, response.document["title"]) == (200, "merged")


async def test_a_patch_that_ends_a_link_before_its_beginning_answers_422(client: Client) -> None:
    link = await client.make_link(valid_until="2026-01-01T00:00:00Z")
    response = await client.call("PATCH", f"/links/{link['code']}", json={"valid_since": "2026-02-01T00:00:00Z"})
    assert response.status == 422
    assert list(response.faults) == ["valid_until"]


async def test_the_code_of_a_link_cannot_change(client: Client) -> None:
    link = await client.make_link()
    response = await client.call("PATCH", f"/links/{link['code']}", json={"code": "other"})
    assert (response.status, list(response.faults)) == (422, ["code"])


async def test_if_match_refuses_the_second_of_two_changes_of_one_version(client: Client) -> None:
    link = await client.make_link()
    etag = (await client.call("GET", f"/links/{link['code']}")).headers["ETag"]
    first = await client.call("PATCH", f"/links/{link['code']}", json={"title": "a"}, headers={"If-Match": etag})
    second = await client.call("PATCH", f"/links/{link['code']}", json={"title": "b"}, headers={"If-Match": etag})
    assert (first.status, second.status) == (200, 412)
    third = await client.call(
        "PATCH", f"/links/{link['code']}", json={"title": "c"}, headers={"If-Match": first.headers["ETag"]}
    )
    assert third.status == 200


async def test_a_deleted_link_answers_404_and_keeps_its_code(client: Client) -> None:
    link = await client.make_link()
    assert (await client.follow(link["code"])).status == 302
    assert (await client.call("DELETE", f"/links/{link['code']}")).status == 204
    assert (await client.follow(link["code"])).status == 404
    assert (await client.call("GET", f"/links/{link['code']}")).document["status"] == "deleted"
    taken = await client.call("POST", "/links", json={"url": "https://example.com/", "code": link["code"]})
    assert taken.status == 409
    assert (await client.call("DELETE", f"/links/{link['code']}")).status == 404


async def test_a_restored_link_redirects_again(client: Client) -> None:
    link = await client.make_link()
    await client.call("DELETE", f"/links/{link['code']}")
    response = await client.call("POST", f"/links/{link['code']}/restore")
    assert (response.status, response.document["status"]) == (200, "active")
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


async def test_a_disabled_link_is_visible_in_the_api_but_does_not_redirect(client: Client) -> None:
    link = await client.make_link(enabled=False)
    assert (await client.follow(link["code"])).status == 404
    assert (await client.call("GET", f"/links/{link['code']}")).document["status"] == "disabled"
    await client.call("PATCH", f"/links/{link['code']}", json={"enabled": True})
    assert (await client.follow(link["code"])).status == 302


@pytest.mark.parametrize("path", ["/links/not-there", "/links/..%2f", "/links/%F0%9F%99%82", f"/links/{'x' * 65}"])
async def test_an_unknown_code_answers_404(client: Client, path: str) -> None:
    response = await client.call("GET", path)
    assert response.status == 404
    assert response.headers["Content-Type"].startswith("application/problem+json")


async def test_pages_return_every_link_once_in_every_order(client: Client) -> None:
    tag = new_code()
    codes = {(await client.make_link(tags=[tag], url=f"https://example.com/{n}"))["code"] for n in range(7)}
    for sort in ("created_at", "-created_at", "updated_at", "-updated_at", "code", "-code", "clicks", "-clicks"):
        seen: list[str] = []
        cursor = ""
        while True:
            response = await client.call("GET", f"/links?tag={tag}&limit=3&sort={sort}{cursor}")
            assert response.status == 200
            page = response.document
            seen += [link["code"] for link in page["links"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert len(seen) == 7
        assert set(seen) == codes


async def test_all_filters_of_the_list_can_be_combined(client: Client) -> None:
    tag = new_code()
    matching = await client.make_link(tags=[tag, "red"], title="A Needle", max_clicks=1)
    await client.make_link(tags=[tag], title="A Needle")
    await client.make_link(tags=[tag, "red"], title="Hay")
    await client.make_link(tags=[tag, "red"], title="A Needle", enabled=False)
    query = f"tag={tag}&tag=red&any_tag=blue&any_tag=red&q=needle&status=active&created_after=2020-01-01T00:00:00Z"
    response = await client.call("GET", f"/links?{query}&created_before=2120-01-01T00:00:00%2B01:00")
    assert [link["code"] for link in response.document["links"]] == [matching["code"]]


async def test_deleted_links_are_listed_only_with_status_deleted(client: Client) -> None:
    tag = new_code()
    link = await client.make_link(tags=[tag])
    await client.call("DELETE", f"/links/{link['code']}")
    assert (await client.call("GET", f"/links?tag={tag}")).document["links"] == []
    deleted = (await client.call("GET", f"/links?tag={tag}&status=deleted")).document["links"]
    assert [found["code"] for found in deleted] == [link["code"]]
