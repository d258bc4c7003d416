"""List links page by page, with cursors."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.domain.codes import DEFAULT_DOMAIN
from shared.domain.errors import InvalidInput
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.postgres.tables import link_pages


async def list_links(database: Database, query: Mapping[str, Any]) -> tuple[list[Link], str | None]:
    """The page of links for a parsed `ListQuery`, and the cursor of the next page (None: this is the last page)."""
    order: str = query["sort"]
    sort = order.removeprefix("-")
    limit: int = query["limit"]
    found = await link_pages.page(
        database,
        domain=DEFAULT_DOMAIN,
        q=query.get("q"),
        tags=query["tag"],
        any_tags=query["any_tag"],
        status=query.get("status"),
        created_after=query.get("created_after"),
        created_before=query.get("created_before"),
        sort=sort,
        descending=order.startswith("-"),
        after=_read_cursor(query["cursor"], order) if "cursor" in query else None,
        limit=limit + 1,
    )
    if len(found) <= limit:
        return found, None
    return found[:limit], _make_cursor(found[limit - 1], order)


def _make_cursor(last: Link, order: str) -> str:
    sort = order.removeprefix("-")
    value = getattr(last, sort)
    text = json.dumps([order, value.isoformat() if isinstance(value, datetime) else value, last.id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, order: str) -> tuple[Any, int]:
    """The (value, id) in a cursor. Raises InvalidInput for one that was not made by `_make_cursor` for this order."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        cursor_order, value, link_id = json.loads(text)
        _check_cursor(cursor_order, value, link_id, order)
    except (ValueError, TypeError, binascii.Error, RecursionError) as fault:
        raise InvalidInput({"cursor": ["Must be the next_cursor of a page with the same sort."]}) from fault
    return value, link_id


def _check_cursor(cursor_order: object, value: Any, link_id: object, order: str) -> None:
    if cursor_order != order or type(link_id) is not int or not 0 < link_id < 2**63:
        raise ValueError("another order, or not an id")
    sort = order.removeprefix("-")
    if sort in ("created_at", "updated_at"):
        moment = datetime.fromisoformat(value)
        if moment.utcoffset() != timedelta(0) or moment.isoformat() != value:
            raise ValueError("not a time as a cursor has it")
    elif sort == "clicks":
        if type(value) is not int or not 0 <= value < 2**63:
            raise ValueError("not a number of clicks")
    elif not isinstance(value, str) or not value.isprintable():
        raise ValueError("not a code")
