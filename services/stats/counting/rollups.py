"""Turn click events into clicks, and clicks into counts per link and quarter of an hour. Uses no store and no clock."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from services.stats.counting.visitors import agent_of, referrer_of, visitor_of
from shared.domain.dimensions import BUCKET_SECONDS
from shared.domain.models import Click, ClickEvent
from shared.postgres.tables.clicks import BucketCount


def click_of(event: ClickEvent, secret: bytes) -> Click:
    """The click of an event. Raises ValueError for a time outside the years 1 to 9999."""
    agent = agent_of(event.user_agent)
    try:
        at = datetime.fromtimestamp(event.at_ms / 1000, UTC)
    except (OverflowError, OSError) as fault:
        raise ValueError(f"the time {event.at_ms} ms is out of range") from fault
    return Click(
        id=event.id,
        at=at,
        link_id=event.link_id,
        visitor=visitor_of(secret, event.address, event.user_agent),
        bot=agent.bot,
        referrer=referrer_of(event.referrer),
        browser=agent.browser,
        os=agent.os,
        device=agent.device,
    )


def per_bucket(clicks: Iterable[Click]) -> list[BucketCount]:
    """The number of clicks of each link in each quarter of an hour, with separate counts of people and bots."""
    counts = Counter((click.link_id, bucket_of(click.at), click.bot) for click in clicks)
    return [
        BucketCount(link_id=link_id, bucket=bucket, bot=bot, clicks=count)
        for (link_id, bucket, bot), count in counts.items()
    ]


def bucket_of(moment: datetime) -> datetime:
    """The start of the quarter of an hour that contains a moment."""
    seconds = int(moment.timestamp() // BUCKET_SECONDS) * BUCKET_SECONDS
    return datetime.fromtimestamp(seconds, UTC)
