"""Respond to a request for links: reuse of an equal link, group commit, and a repeat under the same Idempotency-Key."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.writer.links.creation import CreationResult, LinkRequest, create_all
from services.writer.links.group_commit import GroupCommit
from shared.domain.errors import IdempotencyKeyReused, InvalidInput, StoreUnavailable
from shared.domain.models import Link
from shared.postgres.connection import Connection
from shared.postgres.pool import Database
from shared.postgres.tables import idempotency, links

MAX_KEY_LENGTH: Final = 255


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The Idempotency-Key that a client gave its request, and a hash of that request."""

    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Created:
    """The response to a request for links. `links` is empty when it repeats the response of an earlier request."""

    status: int
    document: dict[str, Any]
    links: tuple[Link, ...]


async def create_link(
    database: Database,
    request: LinkRequest,
    *,
    reuse: bool,
    idempotency_key: IdempotencyKey | None,
    present: Callable[[Link], dict[str, Any]],
    group_commit: GroupCommit | None = None,
) -> Created:
    """Create a link and write its outbox message: both, or neither.

    `present` makes the response's document of the link. With an idempotency key the document is stored in the same
    transaction, and a repeat gets it again. A refused request stores nothing, so it can be corrected and sent again
    under the same key. A request without a key, and without `reuse`, shares its transaction with others.
    """
    if group_commit and not reuse and idempotency_key is None:
        link = await group_commit.create(request)
        return Created(201, present(link), (link,))

    async def respond(conn: Connection) -> Created:
        status, link = await _find_or_create(conn, request, reuse=reuse)
        return Created(status, present(link), (link,))

    return await _once(database, request.owner_id, idempotency_key, respond)


async def create_links(
    database: Database,
    requests: Sequence[LinkRequest | InvalidInput],
    *,
    owner_id: int,
    idempotency_key: IdempotencyKey | None,
    present: Callable[[Sequence[CreationResult]], dict[str, Any]],
) -> Created:
    """Create many links; `present` makes one document of all results, in order.

    An InvalidInput among the requests is the result of its place. The idempotency key works as in `create_link`.
    """

    async def respond(conn: Connection) -> Created:
        created = iter(await create_all(conn, [request for request in requests if isinstance(request, LinkRequest)]))
        results = [next(created) if isinstance(request, LinkRequest) else request for request in requests]
        return Created(200, present(results), tuple(result for result in results if isinstance(result, Link)))

    try:
        return await _once(database, owner_id, idempotency_key, respond)
    except StoreUnavailable as fault:
        if not fault.contended:
            raise
        # Two batches requested the same codes in different orders. Postgres aborted this one; the other is done now.
        return await _once(database, owner_id, idempotency_key, respond)


async def _once(
    database: Database,
    owner_id: int,
    idempotency_key: IdempotencyKey | None,
    respond: Callable[[Connection], Awaitable[Created]],
) -> Created:
    """Respond in a transaction; under an idempotency key that was used before, with the first response."""
    async with database.transaction() as conn:
        if idempotency_key is None:
            return await respond(conn)
        key, request_hash = idempotency_key.key, idempotency_key.request_hash
        first = await idempotency.claim(conn, owner_id=owner_id, key=key, request_hash=request_hash)
        if first is not None:
            return _repeated(first, request_hash)
        created = await respond(conn)
        await idempotency.store(conn, owner_id=owner_id, key=key, status=created.status, body=created.document)
        return created


async def _find_or_create(conn: Connection, request: LinkRequest, *, reuse: bool) -> tuple[int, Link]:
    if reuse and (equal := await links.find_equal(conn, request.requested, owner_id=request.owner_id)):
        return 200, equal
    (result,) = await create_all(conn, [request])
    if isinstance(result, Link):
        return 201, result
    raise result


def _repeated(first: idempotency.StoredResponse, request_hash: bytes) -> Created:
    if first.request_hash != request_hash:
        raise IdempotencyKeyReused("This Idempotency-Key was used for a different request before; use a new one.")
    return Created(first.status, first.body, ())
