import json
import logging
from typing import Any

import pytest
from aiohttp import web
from marshmallow import Schema

from shared.domain.errors import CodeTaken, InvalidInput, MalformedJson
from shared.http.json import json_response, parse_json, read_json
from shared.http.problems import Problem
from shared.schemas.parsing import parse
from tests.unit.conftest import Start

ID = "0123456789abcdef" * 2


async def greet(_request: web.Request) -> web.Response:
    return json_response({"greeting": "Grüß dich"})


async def refuse(_request: web.Request) -> web.Response:
    raise CodeTaken("The code abc is already in use.")


async def break_down(_request: web.Request) -> web.Response:
    raise LookupError("hush: postgresql://user:password@host")


async def echo(request: web.Request) -> web.Response:
    return json_response(await read_json(request))


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


async def test_a_body_is_read(start: Start) -> None:
    response = await (await start(echo)).post("/here", json={"a": ["ü", 1.5, None, True]})
    assert json.loads(await response.read()) == {"a": ["ü", 1.5, None, True]}


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_may_be_declared_in_any_way(start: Start, content_type: str) -> None:
    response = await (await start(echo)).post("/here", data=b"{}", headers={"Content-Type": content_type})
    assert response.status == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "nonsense", ""]
)
async def test_another_content_type_is_415(start: Start, content_type: str) -> None:
    response = await (await start(echo)).post("/here", data=b"{}", headers={"Content-Type": content_type})
    assert response.status == 415


async def test_a_handler_may_accept_another_content_type(start: Start) -> None:
    async def merge(request: web.Request) -> web.Response:
        return json_response(await read_json(request, "application/merge-patch+json"))

    response = await (await start(merge)).patch(
        "/here", data=b"{}", headers={"Content-Type": "application/merge-patch+json"}
    )
    assert response.status == 200


async def test_a_body_of_the_maximum_size_is_read(start: Start) -> None:
    body = b'"' + b"x" * 1_022 + b'"'
    response = await (await start(echo, body_limit=1_024)).post(
        "/here", data=body, headers={"Content-Type": "application/json"}
    )
    assert response.status == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_larger_body_is_413(start: Start, chunked: bool) -> None:  # noqa: FBT001  # it is what is tested
    async def chunks() -> Any:
        yield b'"' + b"x" * 2_000 + b'"'

    data = chunks() if chunked else b'"' + b"x" * 2_000 + b'"'
    response = await (await start(echo)).post("/here", data=data, headers={"Content-Type": "application/json"})
    assert response.status == 413
    assert json.loads(await response.read())["type"] == "/problems/body-too-large"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half"),
        pytest.param(b"{'a': 1}", id="Python"),
        pytest.param(b"{} {}", id="two documents"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b'{"a": NaN}', id="NaN inside"),
        pytest.param(b"[Infinity, -Infinity]", id="infinity"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="too deep but whole"),
        pytest.param(b"9" * 5_000, id="too many digits"),
        pytest.param(b'"caf\xe9"', id="Latin 1"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        pytest.param('"ü"'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'"a\nb"', id="a bare line break"),
        pytest.param(b"\x00", id="NUL"),
    ],
)
def test_malformed_json_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        parse_json(body)


async def test_broken_json_is_400(start: Start) -> None:
    response = await (await start(echo)).post("/here", data=b"{", headers={"Content-Type": "application/json"})
    assert (response.status, json.loads(await response.read())["type"]) == (400, "/problems/malformed-json")


async def test_half_a_surrogate_pair_in_a_name_is_422_and_not_500(start: Start) -> None:
    async def read(request: web.Request) -> web.Response:
        return json_response(parse(Schema(), await read_json(request)))

    response = await (await start(read)).post(
        "/here", data=rb'{"\ud800": 1}', headers={"Content-Type": "application/json"}
    )
    assert response.status == 422
    assert len(json.loads(await response.read())["errors"]) == 1


async def test_faults_may_contain_any_characters(start: Start) -> None:
    async def blame(_request: web.Request) -> web.Response:
        raise InvalidInput({"größe": ["Zu groß."]})

    response = await (await start(blame)).get("/here")
    assert json.loads(await response.read())["errors"] == [{"field": "größe", "message": "Zu groß."}]
