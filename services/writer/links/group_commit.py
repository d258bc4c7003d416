"""Wishes for a link that arrive together share one transaction (docs/decisions/0011-group-commit.md)."""

import logging
from collections.abc import Sequence
from typing import Final

from services.writer.links.creation import Outcome, Wish, make_all
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.process.batching import Batcher

log = logging.getLogger(__name__)

_PATIENCE: Final = 0.1
"""Seconds that a group waits for a name that another transaction holds, such as a purge's. Then each goes alone."""


class Together:
    """Makes links for requests that wait at the same time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._groups: Batcher[Wish, Outcome | None] = Batcher(self._make_group)

    async def make(self, wish: Wish) -> Link:
        """A new link, committed with word of it in the outbox. Raises what `make_all` answers."""
        outcome = await self._groups.submit(wish) or await self._make_alone(wish)
        if isinstance(outcome, Link):
            return outcome
        raise outcome

    async def _make_alone(self, wish: Wish) -> Outcome:
        async with self._database.transaction() as conn:
            return (await make_all(conn, [wish]))[0]

    async def _make_group(self, wishes: Sequence[Wish]) -> Sequence[Outcome | None]:
        """Outcomes; None for each where the group could not be made, for whatever reason lies with one of them."""
        try:
            async with self._database.transaction(lock_timeout=_PATIENCE) as conn:
                return await make_all(conn, wishes)
        except StoreUnavailable as fault:
            if not fault.contended:
                raise
            return [None] * len(wishes)
        except Exception:
            log.exception("a group of %d links failed; each of them is tried alone", len(wishes))
            return [None] * len(wishes)
