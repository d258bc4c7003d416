"""The rules of a link: how it is made, changed, deleted and brought back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.writer.links.creation import CreationResult, LinkRequest, create_all, faults_of
from services.writer.links.group_commit import GroupCommit
from shared.domain.codes import DEFAULT_DOMAIN
from shared.domain.errors import (
    ExternalIdTaken,
    IdempotencyKeyReused,
    InvalidInput,
    LinkChanged,
    LinkNotFound,
    StoreUnavailable,
    UniqueViolation,
)
from shared.domain.models import Link
from shared.postgres.connection import Connection
from shared.postgres.pool import Database
from shared.postgres.tables import idempotency, links, outbox

Versions = frozenset[int] | None
"""The versions that a change may rest on; None: any."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key that a client gave its request, and a hash of that request."""

    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Created:
    """The answer to a request for links. `links` is empty where it is the answer of an earlier request."""

    status: int
    document: dict[str, Any]
    links: tuple[Link, ...]


async def shorten(
    database: Database,
    request: LinkRequest,
    *,
    reuse: bool,
    idempotency_key: IdempotencyKey | None,
    present: Callable[[Link], dict[str, Any]],
    group_commit: GroupCommit | None = None,
) -> Created:
    """Make a link and leave word of it in the outbox: both, or neither.

    With an idempotency key the answer (`present` makes it of the link) is kept in the same transaction, and a repeat
    gets it again. A refused request leaves nothing behind, so that it can be corrected and sent under the same key.
    A request without a key shares its transaction with others, if it may (`group_commit`).
    """
    if group_commit and not reuse and idempotency_key is None:
        link = await group_commit.make(request)
        return Created(201, present(link), (link,))

    async def answer(conn: Connection) -> Created:
        status, link = await _find_or_make(conn, request, reuse=reuse)
        return Created(status, present(link), (link,))

    return await _once(database, request.owner_id, idempotency_key, answer)


async def shorten_all(
    database: Database,
    requests: Sequence[LinkRequest | InvalidInput],
    *,
    owner_id: int,
    idempotency_key: IdempotencyKey | None,
    present: Callable[[Sequence[CreationResult]], dict[str, Any]],
) -> Created:
    """Make many links; what became of each stands in the answer, in order. With an idempotency key as `shorten`.

    What is no request at all (InvalidInput) is answered with the others.
    """

    async def answer(conn: Connection) -> Created:
        made = iter(await create_all(conn, [request for request in requests if isinstance(request, LinkRequest)]))
        results = [next(made) if isinstance(request, LinkRequest) else request for request in requests]
        return Created(200, present(results), tuple(end for end in results if isinstance(end, Link)))

    try:
        return await _once(database, owner_id, idempotency_key, answer)
    except StoreUnavailable as fault:
        if not fault.contended:
            raise
        # Two batches requested the same codes in different orders. The other one is done by now.
        return await _once(database, owner_id, idempotency_key, answer)


async def _once(
    database: Database,
    owner_id: int,
    idempotency_key: IdempotencyKey | None,
    answer: Callable[[Connection], Awaitable[Created]],
) -> Created:
    """An answer in a transaction of its own; with an idempotency key, the first one again."""
    async with database.transaction() as conn:
        if idempotency_key is None:
            return await answer(conn)
        key, request_hash = idempotency_key.key, idempotency_key.request_hash
        first = await idempotency.claim(conn, owner_id=owner_id, key=key, request_hash=request_hash)
        if first is not None:
            return _repeated(first, request_hash)
        given = await answer(conn)
        await idempotency.keep(conn, owner_id=owner_id, key=key, status=given.status, body=given.document)
        return given


async def get(database: Database, code: str) -> Link:
    """The link of a code, also a deleted one. Raises LinkNotFound."""
    return _existing(await links.get(database, domain=DEFAULT_DOMAIN, code=code))


async def change(database: Database, code: str, changes: Mapping[str, Any], *, based_on: Versions) -> Link:
    """Change some options of a link. Raises LinkNotFound, LinkChanged, InvalidInput or ExternalIdTaken."""
    async with database.transaction() as conn:
        link = await _locked(conn, code, based_on)
        if link.status == "deleted":
            raise LinkNotFound("This link is deleted; restore it first.")
        options = replace(link.options, **changes)
        if options == link.options:
            return link
        if faults := faults_of(options):
            raise InvalidInput(faults)
        try:
            link = await links.update(conn, link.id, options)
        except UniqueViolation as fault:
            raise ExternalIdTaken("Another link has this external_id.") from fault
        return await _told(conn, link)


async def delete(database: Database, code: str, *, based_on: Versions) -> Link:
    """Delete a link; its code stays its own. Raises LinkNotFound, also for a deleted one, or LinkChanged."""
    async with database.transaction() as conn:
        link = await _locked(conn, code, based_on)
        if link.status == "deleted":
            raise LinkNotFound("This link is deleted already.")
        return await _told(conn, await links.set_deleted(conn, link.id, deleted=True))


async def restore(database: Database, code: str) -> Link:
    """Bring a deleted link back; one that is not deleted stays as it is. Raises LinkNotFound."""
    async with database.transaction() as conn:
        link = await _locked(conn, code, None)
        if link.status != "deleted":
            return link
        return await _told(conn, await links.set_deleted(conn, link.id, deleted=False))


async def purge(database: Database, code: str, *, based_on: Versions) -> Link:
    """Remove a link and its clicks for good; its last version. Raises LinkNotFound or LinkChanged."""
    async with database.transaction() as conn:
        link = await _locked(conn, code, based_on)
        version = await links.purge(conn, link)
        return await _told(conn, replace(link, status="deleted", version=version))


async def _find_or_make(conn: Connection, request: LinkRequest, *, reuse: bool) -> tuple[int, Link]:
    if reuse:
        equal = await links.find_equal(
            conn,
            domain=DEFAULT_DOMAIN,
            owner_id=request.owner_id,
            options=request.requested.options,
            code=request.requested.code,
        )
        if equal is not None:
            return 200, equal
    (result,) = await create_all(conn, [request])
    if isinstance(result, Link):
        return 201, result
    raise result


async def _locked(conn: Connection, code: str, based_on: Versions) -> Link:
    link = _existing(await links.lock(conn, domain=DEFAULT_DOMAIN, code=code))
    if based_on is not None and link.version not in based_on:
        raise LinkChanged(f"The link is at version {link.version} by now.")
    return link


async def _told(conn: Connection, link: Link) -> Link:
    await outbox.append(conn, [link])
    return link


def _existing(link: Link | None) -> Link:
    if link is None:
        raise LinkNotFound("There is no link of this code.")
    return link


def _repeated(first: idempotency.Answer, request_hash: bytes) -> Created:
    if first.request_hash != request_hash:
        raise IdempotencyKeyReused("This Idempotency-Key came with another request before; use a new one.")
    return Created(first.status, first.body, ())
