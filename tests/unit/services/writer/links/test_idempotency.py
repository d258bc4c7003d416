import pytest

from services.writer.links.idempotency import IdempotencyKey, _stored
from shared.domain.errors import IdempotencyKeyReused
from shared.postgres.tables.idempotency import StoredResponse


def test_a_repeat_gets_the_first_response_again() -> None:
    assert _stored(StoredResponse(b"hash", 201, {"code": "abc"}), b"hash") == (201, {"code": "abc"})


def test_another_request_under_the_same_key_is_refused() -> None:
    key = IdempotencyKey("key", b"another hash")
    with pytest.raises(IdempotencyKeyReused):
        _stored(StoredResponse(b"hash", 201, {}), key.request_hash)
