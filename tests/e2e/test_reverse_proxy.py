"""What nginx lets through, what it keeps in, and what it adds."""

import json
from collections import Counter

import pytest
from openapi_spec_validator import validate

from deploy.local.settings import LocalSettings
from tests.support.client import Client
from tests.support.waiting import until


async def test_health_is_answered_by_the_resolvers_in_turn(client: Client) -> None:
    answers = [await client.ask("GET", "/health") for _ in range(9)]
    assert {answer.status for answer in answers} == {200}
    assert Counter(answer.document["instance"] for answer in answers) == {
        "resolver-1": 3,
        "resolver-2": 3,
        "resolver-3": 3,
    }
    assert set(answers[0].document) == {"status", "service", "instance", "version"}


@pytest.mark.parametrize("path", ["/metrics", "/stub_status", "/problems/nginx/503", "/problems/nginx/503.html"])
async def test_what_is_ours_alone_stays_inside(client: Client, path: str) -> None:
    answer = await client.ask("GET", path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/tags", "/domains", "/dashboard", "/links/batch", "/links/x/history", "/stats/live"])
async def test_what_is_not_built_is_not_there(client: Client, path: str) -> None:
    assert (await client.call("GET", path)).status == 404


async def test_a_clients_own_request_id_is_not_taken(client: Client) -> None:
    answer = await client.ask("GET", "/health", headers={"X-Request-ID": "a" * 32})
    assert answer.headers["X-Request-ID"] != "a" * 32


async def test_the_document_of_the_api_is_valid(client: Client) -> None:
    answer = await client.ask("GET", "/openapi.json")
    assert answer.document["openapi"].startswith("3.1")
    validate(answer.document)


async def test_the_page_of_the_api_and_its_files_come_from_us(client: Client) -> None:
    page = await client.ask("GET", "/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    text = page.body.decode()
    assert "http://" not in text
    assert "https://" not in text
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js"):
        assert f"/docs/{name}" in text
        assert (await client.ask("GET", f"/docs/{name}")).status == 200
    assert (await client.ask("GET", "/docs/nothing.js")).status == 404


async def test_crawlers_are_told_to_stay_away(client: Client) -> None:
    answer = await client.ask("GET", "/robots.txt")
    assert "Disallow: /" in answer.body.decode()


async def test_there_is_an_icon(client: Client) -> None:
    assert (await client.ask("GET", "/favicon.ico")).headers["Content-Type"] == "image/svg+xml"


async def test_the_access_log_is_json_without_keys_and_queries(client: Client, stack: LocalSettings) -> None:
    answer = await client.call("GET", "/links?q=a-private-word")
    log = stack.logs / "access.log"

    async def written() -> bool:
        return answer.headers["X-Request-ID"] in log.read_text(encoding="utf-8", errors="replace")

    await until(written)
    text = log.read_text(encoding="utf-8", errors="replace")
    assert all("request_id" in json.loads(line) for line in text.splitlines())
    assert "a-private-word" not in text
    assert stack.admin_key not in text
