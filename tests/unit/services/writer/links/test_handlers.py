import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from services.writer.links.handlers import _based_on, _idempotency_key, _name
from shared.domain.errors import InvalidInput, LinkNotFound


def request(*headers: tuple[str, str], path: str = "/links", code: str = "abc") -> web.Request:
    return make_mocked_request("POST", path, headers=CIMultiDict(headers), match_info={"code": code})


@pytest.mark.parametrize("value", ["*", " * "])
def test_any_version_will_do_for_a_star(value: str) -> None:
    assert _based_on(request(("If-Match", value))) is None


def test_any_version_will_do_for_who_says_nothing() -> None:
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
def test_a_change_rests_on_the_versions_that_it_names(values: list[str], versions: set[int]) -> None:
    assert _based_on(request(*(("If-Match", value) for value in values))) == frozenset(versions)


def test_without_a_key_a_request_is_not_remembered() -> None:
    assert _idempotency_key(request(), {}) is None


@pytest.mark.parametrize("key", ["a", "a" * 255, "with space", '"quoted"'])
def test_a_key_is_taken_as_it_is(key: str) -> None:
    taken = _idempotency_key(request(("Idempotency-Key", key)), {})
    assert taken is not None
    assert taken.key == key


@pytest.mark.parametrize("key", ["", "a" * 256, "schlüssel", "a\tb"])
def test_a_key_that_cannot_be_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        _idempotency_key(request(("Idempotency-Key", key)), {})
    assert set(caught.value.faults) == {"Idempotency-Key"}


def request_hash(document: object, path: str = "/links") -> bytes:
    key = _idempotency_key(request(("Idempotency-Key", "key"), path=path), document)
    assert key is not None
    return key.request_hash


def test_the_order_of_fields_makes_no_other_request() -> None:
    assert request_hash({"url": "u", "code": "c"}) == request_hash({"code": "c", "url": "u"})


def test_another_body_is_another_request() -> None:
    assert request_hash({"url": "u"}) != request_hash({"url": "v"})


def test_another_wish_for_reuse_is_another_request() -> None:
    assert request_hash({"url": "u"}) != request_hash({"url": "u"}, path="/links?reuse=true")


@pytest.mark.parametrize("code", ["a b", "", "a" * 65, "abc\n", "ä"])
def test_what_is_no_code_is_not_looked_up(code: str) -> None:
    with pytest.raises(LinkNotFound):
        _name(request(code=code))
