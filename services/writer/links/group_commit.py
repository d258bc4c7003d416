"""Wishes for a link that arrive group_commit share one transaction (docs/decisions/0011-group-commit.md)."""

import logging
from collections.abc import Sequence
from typing import Final

from services.writer.links.creation import CreationResult, LinkRequest, create_all
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.process.batching import Batcher

log = logging.getLogger(__name__)

_PATIENCE: Final = 0.1
"""Seconds that a group waits for a name that another transaction holds, such as a purge's. Then each goes alone."""


class GroupCommit:
    """Makes links for requests that wait at the same time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._groups: Batcher[LinkRequest, CreationResult | None] = Batcher(self._create_group)

    async def make(self, request: LinkRequest) -> Link:
        """A new link, committed with word of it in the outbox. Raises what `create_all` answers."""
        result = await self._groups.submit(request) or await self._create_alone(request)
        if isinstance(result, Link):
            return result
        raise result

    async def _create_alone(self, request: LinkRequest) -> CreationResult:
        async with self._database.transaction() as conn:
            return (await create_all(conn, [request]))[0]

    async def _create_group(self, requests: Sequence[LinkRequest]) -> Sequence[CreationResult | None]:
        """Outcomes; None for each where the group could not be made, for whatever reason lies with one of them."""
        try:
            async with self._database.transaction(lock_timeout=_PATIENCE) as conn:
                return await create_all(conn, requests)
        except StoreUnavailable as fault:
            if not fault.contended:
                raise
            return [None] * len(requests)
        except Exception:
            log.exception("a group of %d links failed; each of them is tried alone", len(requests))
            return [None] * len(requests)
