"""The filter for the clicks of one link."""

from dataclasses import replace

from shared.domain.codes import NO_SUCH_LINK, link_name
from shared.domain.dimensions import ClickFilter
from shared.domain.errors import LinkNotFound
from shared.postgres.pool import Database
from shared.postgres.tables import links


async def for_link(database: Database, code: str, click_filter: ClickFilter) -> ClickFilter:
    """The given filter, restricted to the clicks of one link. Raises LinkNotFound."""
    link = await links.get(database, link_name(code))
    if link is None:
        raise LinkNotFound(NO_SUCH_LINK)
    return replace(click_filter, link_id=link.id)
