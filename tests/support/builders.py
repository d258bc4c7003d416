"""Builders of test data. A test states only the values that matter to it; the rest has defaults."""

from datetime import UTC, datetime
from typing import Any

from services.stats.counting.rollups import click_of, per_bucket
from services.writer.api_keys.creation import make_key
from services.writer.links.creation import create_link
from services.writer.links.insertion import LinkRequest
from services.writer.links.schemas import dump_link
from shared.domain.models import Click, ClickEvent, Link, LinkOptions, NewLink, Scope
from shared.postgres.pool import Database
from shared.postgres.tables import clicks
from shared.redis import click_events

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
VISITOR_SECRET = b"the visitor secret of the tests"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


async def make_owner(database: Database, *scopes: Scope) -> int:
    """Create an API key and return its id. Without scopes it is an admin key."""
    key, _ = await make_key(database, name="owner", scopes=scopes or ("admin",))
    return key.id


async def make_link(database: Database, *, owner_id: int, code: str | None = None, **options: Any) -> Link:
    """Create a link by the writer's own code."""
    options.setdefault("url", "https://example.com/")
    created = await create_link(
        database,
        LinkRequest(NewLink(code=code, options=LinkOptions(**options)), owner_id),
        reuse=False,
        idempotency_key=None,
        present=lambda link: dump_link(link, "http://short.test"),
    )
    return created.links[0]


def click_event(link_id: int, number: int = 1, **fields: Any) -> ClickEvent:
    """A click event. Events with different numbers are different clicks."""
    values: dict[str, Any] = {
        "id": f"{number:032x}",
        "at_ms": int(NOON.timestamp() * 1000) + number,
        "link_id": link_id,
        "address": "192.0.2.1",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "referrer": "",
    }
    return ClickEvent(**(values | fields))


def encoded(event: ClickEvent) -> bytes:
    """A click event in the form in which resolvers put it into the stream."""
    return click_events.encode(
        event_id=event.id,
        at_ms=event.at_ms,
        link_id=event.link_id,
        address=event.address,
        user_agent=event.user_agent,
        referrer=event.referrer,
    )


def milliseconds(moment: datetime) -> int:
    """A time in the unit of click events: milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


async def count_clicks(database: Database, *events: ClickEvent) -> list[Click]:
    """Count clicks like the consumer, but without a stream. Return the clicks that were not counted before."""
    async with database.transaction() as conn:
        fresh = await clicks.insert_new(conn, [click_of(event, VISITOR_SECRET) for event in events])
        await clicks.add_counts(conn, per_bucket(fresh))
    return fresh
