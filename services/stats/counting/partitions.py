"""The monthly partitions of the table `clicks`, created before they are needed."""

import logging
from datetime import date, timedelta

from shared.postgres.pool import Database
from shared.postgres.tables import clicks

log = logging.getLogger(__name__)


def months_ahead(today: date, count: int = 2) -> list[date]:
    """The first day of this month and of each of the next `count` months."""
    months = [today.replace(day=1)]
    for _ in range(count):
        months.append((months[-1] + timedelta(days=32)).replace(day=1))
    return months


async def make_partitions(database: Database, today: date) -> None:
    """Create the partitions of this month and the next two that do not exist yet."""
    for month in months_ahead(today):
        if await clicks.make_partition(database, month):
            log.info("the partition of %s is created", f"{month:%Y-%m}")
