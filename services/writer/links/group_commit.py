"""Group commit: requests for a link that wait at the same time share one transaction.

Why, and what it gains: docs/decisions/0011-group-commit.md.
"""

import logging
from collections.abc import Sequence
from typing import Final

from services.writer.links.insertion import CreationResult, LinkRequest, create_all
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.process.batching import Batcher

log = logging.getLogger(__name__)

MAX_GROUP: Final = 256
"""Links in one transaction."""

LOCK_TIMEOUT: Final = 0.1
"""Seconds that a group waits for a lock of another transaction, such as a purge. Then each link is created alone."""


class GroupCommit:
    """Creates links for requests that wait at the same time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._groups: Batcher[LinkRequest, CreationResult | None] = Batcher(self._create_group, limit=MAX_GROUP)

    async def create(self, request: LinkRequest) -> Link:
        """A new link, committed with its outbox message. Raises the error that `create_all` gives as the result."""
        result = await self._groups.submit(request) or await self._create_alone(request)
        if isinstance(result, Link):
            return result
        raise result

    async def _create_alone(self, request: LinkRequest) -> CreationResult:
        async with self._database.transaction() as conn:
            return (await create_all(conn, [request]))[0]

    async def _create_group(self, requests: Sequence[LinkRequest]) -> Sequence[CreationResult | None]:
        """The results; None for every request when the transaction failed because of one of them."""
        try:
            async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as conn:
                return await create_all(conn, requests)
        except StoreUnavailable as fault:
            if not fault.contended:
                raise
            return [None] * len(requests)
        except Exception:
            log.exception("a group of %d links failed; each of them is tried alone", len(requests))
            return [None] * len(requests)
