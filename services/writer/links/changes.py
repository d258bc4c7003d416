"""Change, delete, restore and purge a link. Each change commits with its outbox message."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.writer.links.insertion import faults_of
from shared.domain.codes import NO_SUCH_LINK, LinkName
from shared.domain.errors import ExternalIdTaken, InvalidInput, LinkChanged, LinkNotFound, UniqueViolation
from shared.domain.models import Link
from shared.postgres.connection import Connection
from shared.postgres.pool import Database
from shared.postgres.tables import links, outbox

Versions = frozenset[int] | None
"""The versions that a change may be based on (`If-Match`); None: any version."""


async def get(database: Database, name: LinkName) -> Link:
    """The link with a name, also a deleted one. Raises LinkNotFound."""
    return _existing(await links.get(database, name))


async def change(database: Database, name: LinkName, changes: Mapping[str, Any], *, based_on: Versions) -> Link:
    """Change some options of a link. Raises LinkNotFound, LinkChanged, InvalidInput or ExternalIdTaken."""
    async with database.transaction() as conn:
        link = await _locked(conn, name, based_on)
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
        return await _with_message(conn, link)


async def delete(database: Database, name: LinkName, *, based_on: Versions) -> Link:
    """Delete a link, which keeps its code. Raises LinkNotFound, also for a deleted link, or LinkChanged."""
    async with database.transaction() as conn:
        link = await _locked(conn, name, based_on)
        if link.status == "deleted":
            raise LinkNotFound("This link has already been deleted.")
        return await _with_message(conn, await links.set_deleted(conn, link.id, deleted=True))


async def restore(database: Database, name: LinkName) -> Link:
    """Undo a deletion; a link that is not deleted stays as it is. Raises LinkNotFound."""
    async with database.transaction() as conn:
        link = await _locked(conn, name, None)
        if link.status != "deleted":
            return link
        return await _with_message(conn, await links.set_deleted(conn, link.id, deleted=False))


async def purge(database: Database, name: LinkName, *, based_on: Versions) -> Link:
    """Remove a link and its clicks permanently; the link as it was, with the version of the removal.

    Raises LinkNotFound or LinkChanged.
    """
    async with database.transaction() as conn:
        link = await _locked(conn, name, based_on)
        version = await links.purge(conn, link)
        return await _with_message(conn, replace(link, status="deleted", version=version))


async def _locked(conn: Connection, name: LinkName, based_on: Versions) -> Link:
    link = _existing(await links.lock(conn, name))
    if based_on is not None and link.version not in based_on:
        raise LinkChanged(f"The link is now at version {link.version}.")
    return link


async def _with_message(conn: Connection, link: Link) -> Link:
    await outbox.append(conn, [link])
    return link


def _existing(link: Link | None) -> Link:
    if link is None:
        raise LinkNotFound(NO_SUCH_LINK)
    return link
