"""The rules of a link: how it is made, changed, deleted and brought back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.writer.codes import candidates, is_reserved
from shared.database import Connection, Database
from shared.errors import (
    CodeTaken,
    ExternalIdTaken,
    IdempotencyKeyReused,
    InvalidInput,
    LinkChanged,
    LinkNotFound,
    UniqueViolation,
)
from shared.models import DEFAULT_DOMAIN, Link, LinkOptions, NewLink
from shared.repositories import idempotency, links, outbox

Versions = frozenset[int] | None
"""The versions that a change may rest on; None: any."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key that a client gave its request, and a hash of that request."""

    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Shortened:
    """The answer to a wish for a link. `link` is None where it is the answer of an earlier request."""

    status: int
    document: dict[str, Any]
    link: Link | None


async def shorten(
    database: Database,
    wanted: NewLink,
    *,
    owner_id: int,
    reuse: bool,
    idempotency_key: IdempotencyKey | None,
    present: Callable[[Link], dict[str, Any]],
) -> Shortened:
    """Make a link and leave word of it in the outbox: both, or neither.

    With an idempotency key the answer (`present` makes it of the link) is kept in the same transaction, and a repeat
    gets it again. A refused wish leaves nothing behind, so that it can be corrected and sent under the same key.
    """
    _check(wanted.options, wanted.code)
    async with database.transaction() as conn:
        if idempotency_key:
            first = await idempotency.claim(
                conn, owner_id=owner_id, key=idempotency_key.key, request_hash=idempotency_key.request_hash
            )
            if first is not None:
                return _repeated(first, idempotency_key.request_hash)
        status, link = await _find_or_make(conn, wanted, owner_id=owner_id, reuse=reuse)
        document = present(link)
        if idempotency_key:
            await idempotency.keep(conn, owner_id=owner_id, key=idempotency_key.key, status=status, body=document)
        return Shortened(status, document, link)


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
        _check(options)
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


async def _find_or_make(conn: Connection, wanted: NewLink, *, owner_id: int, reuse: bool) -> tuple[int, Link]:
    if reuse:
        equal = await links.find_equal(
            conn, domain=DEFAULT_DOMAIN, owner_id=owner_id, options=wanted.options, code=wanted.code
        )
        if equal is not None:
            return 200, equal
    try:
        for code in candidates(wanted.code):
            link = await links.insert(conn, domain=DEFAULT_DOMAIN, code=code, owner_id=owner_id, options=wanted.options)
            if link is not None:
                return 201, await _told(conn, await links.outlive_purge(conn, link) if wanted.code else link)
    except UniqueViolation as fault:
        raise ExternalIdTaken("Another link has this external_id.") from fault
    raise CodeTaken(
        f"The code {wanted.code} is already in use." if wanted.code else "No free code was found; try again."
    )


async def _locked(conn: Connection, code: str, based_on: Versions) -> Link:
    link = _existing(await links.lock(conn, domain=DEFAULT_DOMAIN, code=code))
    if based_on is not None and link.version not in based_on:
        raise LinkChanged(f"The link is at version {link.version} by now.")
    return link


async def _told(conn: Connection, link: Link) -> Link:
    await outbox.append(conn, domain=link.domain, code=link.code, version=link.version)
    return link


def _existing(link: Link | None) -> Link:
    if link is None:
        raise LinkNotFound("There is no link of this code.")
    return link


def _check(options: LinkOptions, code: str | None = None) -> None:
    """Raise InvalidInput for what no single field can tell."""
    faults: dict[str, list[str]] = {}
    if code is not None and is_reserved(code):
        faults["code"] = ["Is a reserved word."]
    if options.valid_since and options.valid_until and options.valid_until <= options.valid_since:
        faults["valid_until"] = ["Must be later than valid_since."]
    if faults:
        raise InvalidInput(faults)


def _repeated(first: idempotency.Answer, request_hash: bytes) -> Shortened:
    if first.request_hash != request_hash:
        raise IdempotencyKeyReused("This Idempotency-Key came with another request before; use a new one.")
    return Shortened(first.status, first.body, None)
