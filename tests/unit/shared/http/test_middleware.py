import json
import logging

import pytest
from aiohttp import web

from shared.domain.errors import CodeTaken, InvalidInput
from shared.http.json import json_response
from shared.http.problems import Problem
from tests.unit.conftest import Start

ID = "0123456789abcdef" * 2


async def greet(_request: web.Request) -> web.Response:
    return json_response({"greeting": "Grüß dich"})


async def refuse(_request: web.Request) -> web.Response:
    raise CodeTaken("The code abc is already in use.")


async def break_down(_request: web.Request) -> web.Response:
    raise LookupError("hush: postgresql://user:password@host")


def html(_request: web.Request, problem: Problem) -> str | None:
    return f"<p>{problem.kind.title} ({{request_id}})" if problem.kind.status == 409 else None


async def test_a_response_has_the_request_id_and_the_instance(start: Start) -> None:
    response = await (await start(greet)).get("/here", headers={"X-Request-ID": ID})
    assert (response.headers["X-Request-ID"], response.headers["X-Upstream"]) == (ID, "writer-7")


@pytest.mark.parametrize(
    "given", ["", "5", ID + "0", ID[:-1], ID.upper(), ID[:-1] + "g", f"{ID} ", "<script>", ID[:-1] + "٣"]
)
async def test_an_id_that_nginx_did_not_make_is_replaced(start: Start, given: str) -> None:
    headers = {"X-Request-ID": given.strip()} if given.strip() != ID else {"X-Request-ID": f"{ID},{ID}"}
    response = await (await start(greet)).get("/here", headers=headers)
    request_id = response.headers["X-Request-ID"]
    assert request_id != headers["X-Request-ID"]
    assert len(bytes.fromhex(request_id)) == 16


async def test_a_request_without_an_id_gets_one(start: Start) -> None:
    client = await start(greet)
    first, second = [(await client.get("/here")).headers["X-Request-ID"] for _ in range(2)]
    assert first != second


async def test_a_json_response_is_in_utf_8(start: Start) -> None:
    response = await (await start(greet)).get("/here")
    assert response.content_type == "application/json"
    assert await response.read() == '{"greeting": "Grüß dich"}'.encode()


async def test_an_expected_failure_is_a_problem(start: Start) -> None:
    response = await (await start(refuse)).get("/here", headers={"X-Request-ID": ID})
    assert (response.status, response.content_type) == (409, "application/problem+json")
    assert json.loads(await response.read()) == {
        "type": "/problems/code-taken",
        "title": "Code already in use",
        "status": 409,
        "detail": "The code abc is already in use.",
        "request_id": ID,
    }


async def test_a_problem_is_not_cached(start: Start) -> None:
    response = await (await start(refuse)).get("/here")
    assert response.headers["Cache-Control"] == "no-store"


async def test_an_unexpected_exception_reveals_nothing_to_the_client(start: Start) -> None:
    response = await (await start(break_down)).get("/here", headers={"X-Request-ID": ID})
    assert response.status == 500
    assert json.loads(await response.read()) == {
        "type": "/problems/internal-error",
        "title": "Something went wrong on our side",
        "status": 500,
        "request_id": ID,
    }


async def test_an_unexpected_exception_is_logged_with_its_traceback(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    await (await start(break_down)).get("/here")
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage() == "GET /here failed"
    assert "LookupError" in (record.exc_text or "")


async def test_an_unknown_path_is_a_problem(start: Start) -> None:
    response = await (await start(greet)).get("/elsewhere")
    assert (response.status, response.content_type) == (404, "application/problem+json")
    assert "X-Request-ID" in response.headers


async def test_a_wrong_method_is_a_problem_that_keeps_allow(start: Start) -> None:
    response = await (await start(greet, method="POST")).put("/here")
    assert (response.status, response.content_type) == (405, "application/problem+json")
    assert response.headers["Allow"] == "POST"


async def test_a_redirect_passes_untouched(start: Start) -> None:
    async def move(_request: web.Request) -> web.Response:
        raise web.HTTPFound("https://example.com/")

    response = await (await start(move)).get("/here", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (302, "https://example.com/")
    assert response.headers["X-Upstream"] == "writer-7"


async def test_a_stream_that_has_begun_is_not_changed(start: Start) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        await response.write_eof()
        return response

    response = await (await start(stream)).get("/here")
    assert (response.status, await response.read()) == (200, b"part")


async def test_a_person_gets_a_page(start: Start) -> None:
    response = await (await start(refuse, page=html)).get("/here", headers={"X-Request-ID": ID})
    assert (response.status, response.content_type) == (409, "text/html")
    assert await response.text() == f"<p>Code already in use ({ID})"


async def test_a_problem_without_a_page_is_a_document(start: Start) -> None:
    response = await (await start(greet, page=html)).get("/elsewhere")
    assert response.content_type == "application/problem+json"


async def test_a_problem_that_may_be_a_page_varies_by_accept(start: Start) -> None:
    response = await (await start(refuse, page=html)).get("/here")
    assert response.headers["Vary"] == "Accept"


async def test_a_request_is_counted_under_the_name_of_its_route(start: Start) -> None:
    client = await start(refuse)
    await client.get("/here")
    metrics = await (await client.get("/metrics")).text()
    assert 'boltlink_requests_total{route="here",status="409"} 1' in metrics


async def test_unknown_paths_are_counted_under_one_name(start: Start) -> None:
    client = await start(greet)
    await client.get("/elsewhere")
    await client.get("/nowhere")
    metrics = await (await client.get("/metrics")).text()
    assert 'boltlink_requests_total{route="unmatched",status="404"} 2' in metrics


async def test_faults_may_contain_any_characters(start: Start) -> None:
    async def blame(_request: web.Request) -> web.Response:
        raise InvalidInput({"größe": ["Zu groß."]})

    response = await (await start(blame)).get("/here")
    assert json.loads(await response.read())["errors"] == [{"field": "größe", "message": "Zu groß."}]
