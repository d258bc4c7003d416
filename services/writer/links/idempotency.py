"""Respond to a request once: a repeat under the same Idempotency-Key gets the first response again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from shared.domain.errors import IdempotencyKeyReused
from shared.postgres.connection import Connection
from shared.postgres.pool import Database
from shared.postgres.tables import idempotency

MAX_KEY_LENGTH: Final = 255


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The Idempotency-Key that a client gave its request, and a hash of that request."""

    key: str
    request_hash: bytes


class Response(Protocol):
    """The part of a response that is stored under an idempotency key."""

    @property
    def status(self) -> int: ...

    @property
    def document(self) -> dict[str, Any]: ...


AnyResponse = TypeVar("AnyResponse", bound=Response)


async def respond_once(
    database: Database,
    owner_id: int,
    idempotency_key: IdempotencyKey | None,
    respond: Callable[[Connection], Awaitable[AnyResponse]],
    repeat: Callable[[int, dict[str, Any]], AnyResponse],
) -> AnyResponse:
    """Respond in a transaction; under an idempotency key that was used before, repeat the first response.

    `repeat` makes the response of the stored status and document. Raises IdempotencyKeyReused.
    """
    async with database.transaction() as conn:
        if idempotency_key is None:
            return await respond(conn)
        key, request_hash = idempotency_key.key, idempotency_key.request_hash
        first = await idempotency.claim(conn, owner_id=owner_id, key=key, request_hash=request_hash)
        if first is not None:
            return repeat(*_stored(first, request_hash))
        response = await respond(conn)
        await idempotency.store(conn, owner_id=owner_id, key=key, status=response.status, body=response.document)
        return response


def _stored(first: idempotency.StoredResponse, request_hash: bytes) -> tuple[int, dict[str, Any]]:
    if first.request_hash != request_hash:
        raise IdempotencyKeyReused("This Idempotency-Key was used for a different request before; use a new one.")
    return first.status, first.body
