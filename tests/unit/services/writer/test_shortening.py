from datetime import UTC, datetime
from typing import Any

import pytest

from services.writer.shortening import IdempotencyKey, _check, _repeated
from shared.errors import IdempotencyKeyReused, InvalidInput
from shared.models import LinkOptions
from shared.repositories.idempotency import Answer


def moment(day: int) -> datetime:
    return datetime(2026, 3, day, tzinfo=UTC)


def faults_of(code: str | None = None, **options: Any) -> set[str]:
    with pytest.raises(InvalidInput) as caught:
        _check(LinkOptions(url="https://example.com/", **options), code)
    return set(caught.value.faults)


def test_a_reserved_word_is_refused() -> None:
    assert faults_of("Stats") == {"code"}


@pytest.mark.parametrize("end", [1, 2])
def test_a_link_cannot_end_before_it_begins(end: int) -> None:
    assert faults_of(valid_since=moment(2), valid_until=moment(end)) == {"valid_until"}


def test_what_several_fields_tell_is_told_at_once() -> None:
    assert faults_of("stats", valid_since=moment(2), valid_until=moment(1)) == {"code", "valid_until"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"valid_since": moment(1)},
        {"valid_until": moment(1)},
        {"valid_since": moment(1), "valid_until": moment(2)},
    ],
)
def test_a_good_link_passes(options: dict[str, Any]) -> None:
    _check(LinkOptions(url="https://example.com/", **options), "abc")


def test_a_repeat_gets_the_first_answer_again() -> None:
    again = _repeated(Answer(b"hash", 201, {"code": "abc"}), b"hash")
    assert (again.status, again.document, again.link) == (201, {"code": "abc"}, None)


def test_another_request_under_the_same_key_is_refused() -> None:
    key = IdempotencyKey("key", b"another hash")
    with pytest.raises(IdempotencyKeyReused):
        _repeated(Answer(b"hash", 201, {}), key.request_hash)
