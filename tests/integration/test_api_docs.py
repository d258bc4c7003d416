"""A client that has the API's document or its page already gets 304 instead of the same content again."""

import pytest

from tests.integration.services import Client, Start
from tests.support.environments import PUBLIC_URL

every_path = pytest.mark.parametrize("path", ["/openapi.json", "/docs"])


async def get(client: Client, path: str, **headers: str) -> tuple[int, str, bytes]:
    """The status, the ETag and the body of a response. Header names have _ for -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(path, headers=sent) as response:
        return response.status, response.headers["ETag"], await response.read()


@every_path
async def test_every_request_gets_the_same_bytes_and_the_same_etag(start: Start, path: str) -> None:
    client = await start("writer")
    status, etag, body = await get(client, path)
    assert (status, bool(body)) == (200, True)
    assert etag.startswith('"')
    assert await get(client, path) == (status, etag, body)


@every_path
@pytest.mark.parametrize("known", ["{etag}", "W/{etag}", '"another", {etag}', "*"])
async def test_a_client_that_has_the_content_gets_304_without_a_body(start: Start, path: str, known: str) -> None:
    client = await start("writer")
    _, etag, _ = await get(client, path)
    assert await get(client, path, If_None_Match=known.format(etag=etag)) == (304, etag, b"")


@every_path
@pytest.mark.parametrize("known", ['"another"', '"another", W/"one more"'])
async def test_a_client_that_has_other_content_gets_the_present_one(start: Start, path: str, known: str) -> None:
    client = await start("writer")
    assert await get(client, path, If_None_Match=known) == await get(client, path)


async def test_the_document_names_the_public_url_as_its_server(start: Start) -> None:
    async with (await start("writer")).get("/openapi.json") as response:
        document = await response.json()
    assert document["servers"] == [{"url": PUBLIC_URL}]
