import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from services.writer.links.handlers import _based_on, _idempotency_key, _name
from shared.domain.errors import InvalidInput, LinkNotFound


def request(*headers: tuple[str, str], path: str = "/links", code: str = "abc") -> web.Request:
    return make_mocked_request("POST", path, headers=CIMultiDict(headers), match_info={"code": code})


@pytest.mark.parametrize("value", ["*", " * "])
def test_if_match_with_a_star_accepts_any_version(value: str) -> None:
    assert _based_on(request(("If-Match", value))) is None


def test_without_if_match_any_version_is_accepted() -> None:
    assert _based_on(request()) is None


@pytest.mark.parametrize(
    ("values", "versions"),
    [
        (['"v3"'], {3}),
        ([' "v3" '], {3}),
        (['"v3", "v5"'], {3, 5}),
        (['"v3"', '"v5"'], {3, 5}),
        (['W/"v3"'], set()),  # a weak tag matches nothing (RFC 9110, 13.1.1)
        (['"3"'], set()),
        (["v3"], set()),
        (["nonsense"], set()),
        (['"v' + "9" * 5_000 + '"'], set()),
        (['"v-3"'], set()),
    ],
)
def test_if_match_names_the_accepted_versions(values: list[str], versions: set[int]) -> None:
    assert _based_on(request(*(("If-Match", value) for value in values))) == frozenset(versions)


def test_a_request_without_an_idempotency_key_has_none() -> None:
    assert _idempotency_key(request(), {}) is None


@pytest.mark.parametrize("key", ["a", "a" * 255, "with space", '"quoted"'])
def test_an_idempotency_key_is_read_unchanged(key: str) -> None:
    taken = _idempotency_key(request(("Idempotency-Key", key)), {})
    assert taken is not None
    assert taken.key == key


@pytest.mark.parametrize("key", ["", "a" * 256, "schlüssel", "a\tb"])
def test_an_invalid_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        _idempotency_key(request(("Idempotency-Key", key)), {})
    assert set(caught.value.faults) == {"Idempotency-Key"}


def request_hash(document: object, path: str = "/links") -> bytes:
    key = _idempotency_key(request(("Idempotency-Key", "key"), path=path), document)
    assert key is not None
    return key.request_hash


def test_the_order_of_fields_does_not_change_the_request_hash() -> None:
    assert request_hash({"url": "u", "code": "c"}) == request_hash({"code": "c", "url": "u"})


def test_another_body_changes_the_request_hash() -> None:
    assert request_hash({"url": "u"}) != request_hash({"url": "v"})


def test_another_value_of_reuse_changes_the_request_hash() -> None:
    assert request_hash({"url": "u"}) != request_hash({"url": "u"}, path="/links?reuse=true")


@pytest.mark.parametrize("code", ["a b", "", "a" * 65, "abc\n", "ä"])
def test_an_invalid_code_is_not_looked_up(code: str) -> None:
    with pytest.raises(LinkNotFound):
        _name(request(code=code))
