"""Create links and respond: reuse of an equal link, group commit, and a repeat under the same Idempotency-Key."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.writer.links.group_commit import GroupCommit
from services.writer.links.idempotency import IdempotencyKey, respond_once
from services.writer.links.insertion import CreationResult, LinkRequest, create_all
from shared.domain.errors import InvalidInput, StoreUnavailable
from shared.domain.models import Link
from shared.postgres.connection import Connection
from shared.postgres.pool import Database
from shared.postgres.tables import links

_ATTEMPTS: Final = 5
_MAX_PAUSE: Final = 0.2
"""Seconds before the second attempt at a contended batch, at most; more before later ones."""


@dataclass(frozen=True, slots=True)
class Created:
    """The response to a request for links. `links` is empty when it repeats the response of an earlier request."""

    status: int
    document: dict[str, Any]
    links: tuple[Link, ...] = ()


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

    return await respond_once(database, request.owner_id, idempotency_key, respond, Created)


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

    for attempt in range(1, _ATTEMPTS):
        try:
            return await respond_once(database, owner_id, idempotency_key, respond, Created)
        except StoreUnavailable as fault:
            if not fault.contended:
                raise
        # Batches that share external ids may deadlock. Postgres has aborted this one, so that another could go on.
        await asyncio.sleep(attempt * random.uniform(0, _MAX_PAUSE))  # noqa: S311  # no secret
    return await respond_once(database, owner_id, idempotency_key, respond, Created)


async def _find_or_create(conn: Connection, request: LinkRequest, *, reuse: bool) -> tuple[int, Link]:
    if reuse and (equal := await links.find_equal(conn, request.requested, owner_id=request.owner_id)):
        return 200, equal
    (result,) = await create_all(conn, [request])
    if isinstance(result, Link):
        return 201, result
    raise result
