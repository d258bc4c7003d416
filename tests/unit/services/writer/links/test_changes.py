import pytest

from services.writer.links.idempotency import IdempotencyKey, _repeated
from shared.domain.errors import IdempotencyKeyReused
from shared.postgres.tables.idempotency import StoredResponse


def test_a_repeat_gets_the_first_response_again() -> None:
    again = _repeated(StoredResponse(b"hash", 201, {"code": "abc"}), b"hash")
    assert (again.status, again.document, again.links) == (201, {"code": "abc"}, ())


def test_another_request_under_the_same_key_is_refused() -> None:
    key = IdempotencyKey("key", b"another hash")
    with pytest.raises(IdempotencyKeyReused):
        _repeated(StoredResponse(b"hash", 201, {}), key.request_hash)
