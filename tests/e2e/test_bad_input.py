# ruff: noqa: E501  # tables of invalid values are easier to read in wide rows
"""Invalid input gets the documented problem, and never a 5xx."""

import asyncio
import json
from urllib.parse import urlsplit

import pytest

from tests.support.client import Client, new_code
from tests.support.network import abort

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"url": NaN}', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b'"x"', 422),
        (b"null", 422),
        (b"{}", 422),
        (b'{"url": "https://example.com/", "max_clicks": 1' + b"0" * 5_000 + b"}", 400),
        (b'{"url": "https://example.com/", "notes": "' + b"x" * 300_000 + b'"}', 413),
        (b"x" * 2_000_000, 413),
    ],
)
async def test_a_body_that_is_not_a_link_is_refused(client: Client, body: bytes, status: int) -> None:
    response = await client.call("POST", "/links", data=body, headers=JSON)
    assert response.status == status
    assert response.document["status"] == status
    assert response.document["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_another_content_type_answers_415(client: Client, content_type: str) -> None:
    response = await client.call("POST", "/links", data=b"{}", headers={"Content-Type": content_type})
    assert response.status == 415


@pytest.mark.parametrize("method_and_path", ["POST /links", "POST /links/batch", "PATCH /links/any", "POST /keys"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "nonsense"])
async def test_a_body_with_a_content_encoding_answers_415(client: Client, method_and_path: str, encoding: str) -> None:
    method, path = method_and_path.split()
    headers = {**JSON, "Content-Encoding": encoding}
    response = await client.call(method, path, data=b"{" + b" " * 5_000 + b"}", headers=headers)
    assert response.status == 415
    assert response.document["type"] == "/problems/wrong-content-type"


@pytest.mark.parametrize(
    "url",
    [
        "", " ", "example.com", "//example.com/", "http://", "https:///path", "ftp://example.com/", "mailto:a@example.com",
        "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
        "https://user:secret@example.com/", "https://user@example.com/", "https://exa mple.com/", "https://example.com/a b",
        "https://example.com/\n", "https://example.com/\u0000", "https://example.com:99999/", "https://example.com:port/",
        "https://[::1", "https://[zz]/", "https://-.example/", "https://example..com/", "https://example.com\\@evil.example/",
        "https://example.com/<script>", f"https://example.com/{'x' * 8_200}", 5, None, True, ["https://example.com/"], {},
        "https://xn--/", "\ud83d", "https://example.com/\ud83d",
    ],
)  # fmt: skip
async def test_an_invalid_target_answers_422(client: Client, url: object) -> None:
    response = await client.call("POST", "/links", data=json.dumps({"url": url}).encode(), headers=JSON)
    assert response.status == 422, response.body
    assert list(response.faults) == ["url"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "https://example.com:8443/x?y=z#f", "https://[2001:db8::1]:8080/", "https://192.0.2.7/",
        "https://bücher.example/ü?ö=ä#ß", "https://例え.テスト/", "https://example.com/%zz?%", "https://a_b.example/",
        "HTTPS://EXAMPLE.COM/", "https://example.com/a|b^c{d}", "https://example.com./", f"https://example.com/{'x' * 8_000}", f"https://example.com/{'🙂' * 8_000}",
    ],
)  # fmt: skip
async def test_an_unusual_but_valid_target_is_stored_unchanged(client: Client, url: str) -> None:
    link = await client.make_link(url=url)
    assert link["url"] == url
    location = (await client.follow(link["code"])).headers["Location"]
    assert location.isascii()
    if url.isascii():
        assert location == url


async def test_a_short_url_of_boltlink_as_a_target_answers_422(client: Client) -> None:
    link = await client.make_link()
    port = urlsplit(client.base_url).port
    for host in ("localhost", "LOCALHOST", "127.0.0.1", "[::1]"):
        response = await client.call("POST", "/links", json={"url": f"http://{host}:{port}/{link['code']}"})
        assert (response.status, list(response.faults)) == (422, ["url"]), host


@pytest.mark.parametrize(
    "code", ["", "../etc", "a b", "ü", "🙂", "x" * 65, "x" * 10_000, "a/b", "a.b", "links", "STATS", 5, "\x00"]
)
async def test_an_invalid_code_answers_422(client: Client, code: object) -> None:
    response = await client.call("POST", "/links", json={"url": "https://example.com/", "code": code})
    assert (response.status, list(response.faults)) == (422, ["code"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "x" * 513), ("title", "a\x00b"), ("title", 5), ("notes", "x" * 4_097), ("notes", "\x00"), ("tags", "x"),
        ("tags", ["x"] * 33), ("tags", ["x" * 65]), ("tags", [""]), ("tags", [None]), ("redirect_status", 200),
        ("redirect_status", "302"), ("redirect_status", 302.5), ("redirect_status", True), ("valid_since", "2026-01-01"),
        ("valid_since", "2026-01-01T00:00:00"), ("valid_until", "0001-01-01T00:00:00+23:59"), ("valid_until", 1),
        ("max_clicks", 0), ("max_clicks", -1), ("max_clicks", 2**60), ("max_clicks", "3"), ("expired_url", "javascript:1"),
        ("forward_query", 1), ("forward_query", "true"), ("enabled", "yes"), ("external_id", ""), ("external_id", "x" * 257),
        ("password", "secret"), ("colour", "red"), ("domain", "other.example"), ("clicks", 5), ("id", 1),
    ],
)  # fmt: skip
async def test_an_invalid_field_answers_422_and_is_named(client: Client, field: str, value: object) -> None:
    response = await client.call("POST", "/links", json={"url": "https://example.com/", field: value})
    assert response.status == 422
    assert {name.partition(".")[0] for name in response.faults} == {field}


async def test_all_invalid_fields_are_reported_at_once(client: Client) -> None:
    document = {"url": "x", "code": "?", "title": 1, "valid_since": "soon", "max_clicks": 0, "other": 1}
    response = await client.call("POST", "/links", json=document)
    assert set(response.faults) == set(document)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=%00", "sort=size", "status=odd", "q=%00", "tag=",
              "limit=1&limit=2", "created_after=now", "colour=red", f"q={'x' * 300}"],
)  # fmt: skip
async def test_an_invalid_query_answers_422_and_names_the_parameter(client: Client, query: str) -> None:
    response = await client.call("GET", f"/links?{query}")
    assert response.status == 422
    assert next(iter(response.faults)).partition(".")[0] == query.partition("=")[0]


@pytest.mark.parametrize("key", ["", "x" * 256, "ü"])
async def test_an_invalid_idempotency_key_answers_422(client: Client, key: str) -> None:
    body = {"url": "https://example.com/"}
    response = await client.call("POST", "/links", json=body, headers={"Idempotency-Key": key})
    assert response.status == 422


@pytest.mark.parametrize(
    "path", ["/x..%2f..%2fetc", "/%F0%9F%99%82", "/a%20b", "/a.b", "/x/y", "//", "/.env", f"/{'x' * 65}",
             f"/{'x' * 10_000}", "/%ff%fe", "/abc/", "/abc%2f"],
)  # fmt: skip
async def test_a_path_that_is_not_a_code_answers_404(client: Client, path: str) -> None:
    response = await client.request("GET", path)
    assert response.status == 404
    assert response.headers["Content-Type"] == "application/problem+json"


async def test_an_invalid_if_match_answers_412(client: Client) -> None:
    link = await client.make_link()
    response = await client.call(
        "PATCH", f"/links/{link['code']}", json={"title": "x"}, headers={"If-Match": "nonsense"}
    )
    assert response.status == 412


async def test_a_refused_link_leaves_nothing_behind(client: Client) -> None:
    code = new_code()
    assert (await client.call("POST", "/links", json={"url": "x", "code": code})).status == 422
    assert (await client.call("GET", f"/links/{code}")).status == 404


RAW = [
    (b"GET /..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GARBAGE\r\n\r\n", 400),
    (b"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /x HTTP/1.1\r\nHost: x\r\nUser-Agent: a\x01b\r\n\r\n", 400),
    (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"GET /x HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 17_000 + b"\r\n\r\n", 400),
    (b"BREW /links HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"BREW /links HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", 405),
    (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"POST /links HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", 413),
    (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
    (b"POST /links HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /links HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: nonsense\r\n\r\n0\r\n\r\n", 400),
    (b"POST /abc HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", 413),
]


@pytest.mark.parametrize(("request_bytes", "status"), RAW)
async def test_malformed_http_gets_a_problem_too(client: Client, request_bytes: bytes, status: int) -> None:
    parts = urlsplit(client.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(request_bytes)
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode("latin-1").lower()
    finally:
        await abort(writer)
    assert head.startswith(f"http/1.1 {status} ")
    assert "content-type: application/problem+json" in head
    assert "x-request-id: " in head
    assert "x-upstream: " in head
