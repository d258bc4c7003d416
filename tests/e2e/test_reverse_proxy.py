"""What nginx lets through, what it hides, and what it adds."""

import json
from collections import Counter

import pytest
from openapi_spec_validator import validate

from deploy.local.settings import LocalSettings
from tests.support.client import Client
from tests.support.waiting import until


async def test_the_resolvers_take_turns_in_answering_health(client: Client) -> None:
    responses = [await client.request("GET", "/health") for _ in range(9)]
    assert {response.status for response in responses} == {200}
    assert Counter(response.document["instance"] for response in responses) == {
        "resolver-1": 3,
        "resolver-2": 3,
        "resolver-3": 3,
    }
    assert set(responses[0].document) == {"status", "service", "instance", "version"}


@pytest.mark.parametrize("path", ["/metrics", "/stub_status", "/problems/nginx/503", "/problems/nginx/503.html"])
async def test_internal_paths_answer_404(client: Client, path: str) -> None:
    response = await client.request("GET", path)
    assert response.status == 404
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/tags", "/domains", "/dashboard", "/links/batch", "/links/x/history", "/stats/live"])
async def test_paths_that_are_not_implemented_answer_404(client: Client, path: str) -> None:
    assert (await client.call("GET", path)).status == 404


async def test_a_request_id_from_a_client_is_replaced(client: Client) -> None:
    response = await client.request("GET", "/health", headers={"X-Request-ID": "a" * 32})
    assert response.headers["X-Request-ID"] != "a" * 32


async def test_the_openapi_document_is_valid(client: Client) -> None:
    response = await client.request("GET", "/openapi.json")
    assert response.document["openapi"].startswith("3.1")
    validate(response.document)


async def test_the_api_page_loads_only_files_of_the_installation_itself(client: Client) -> None:
    page = await client.request("GET", "/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    text = page.body.decode()
    assert "http://" not in text
    assert "https://" not in text
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js"):
        assert f"/docs/{name}" in text
        assert (await client.request("GET", f"/docs/{name}")).status == 200
    assert (await client.request("GET", "/docs/nothing.js")).status == 404


async def test_robots_txt_disallows_every_path(client: Client) -> None:
    response = await client.request("GET", "/robots.txt")
    assert "Disallow: /" in response.body.decode()


async def test_the_favicon_is_an_svg_image(client: Client) -> None:
    assert (await client.request("GET", "/favicon.ico")).headers["Content-Type"] == "image/svg+xml"


async def test_the_access_log_is_json_and_contains_no_keys_and_no_queries(client: Client, stack: LocalSettings) -> None:
    response = await client.call("GET", "/links?q=a-private-word")
    log = stack.logs / "access.log"

    async def written() -> bool:
        return response.headers["X-Request-ID"] in log.read_text(encoding="utf-8", errors="replace")

    await until(written)
    refused = await client.request("GET", "/metrics?q=a-private-word")

    async def refusal_is_written() -> bool:
        return refused.headers["X-Request-ID"] in log.read_text(encoding="utf-8", errors="replace")

    await until(refusal_is_written)
    text = log.read_text(encoding="utf-8", errors="replace")
    (line,) = (line for line in text.splitlines() if refused.headers["X-Request-ID"] in line)
    assert json.loads(line)["path"] == "/metrics"
    assert all("request_id" in json.loads(line) for line in text.splitlines())
    assert "a-private-word" not in text
    assert stack.admin_key not in text
