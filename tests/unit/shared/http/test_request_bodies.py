"""A body is JSON of a limited size; any other is refused with a problem."""

import json
from typing import Any

import pytest
from aiohttp import web
from marshmallow import Schema

from shared.domain.errors import MalformedJson
from shared.http.json import json_response, parse_json, read_json
from shared.schemas.parsing import parse
from tests.unit.conftest import Start


async def echo(request: web.Request) -> web.Response:
    return json_response(await read_json(request))


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
