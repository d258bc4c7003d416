"""`python -m services.writer.redis_sync.command`: compare Redis with Postgres; `--repair` repairs the differences."""

import argparse
import asyncio
import os
import sys
import time

from services.writer.redis_sync.consistency_check import Difference, Report, check
from services.writer.settings import RelaySettings
from shared.domain.errors import SettingsError, StoreUnavailable
from shared.postgres.pool import connect
from shared.postgres.tables import links
from shared.process import logging as logs
from shared.redis.client import redis_client
from shared.redis.route_records import RouteRecords

_PROGRESS_INTERVAL = 2.0


class Progress:
    """Prints the progress of a check, at most every two seconds."""

    def __init__(self, estimated_links: int) -> None:
        self._estimated_links = estimated_links
        self._next = time.monotonic() + _PROGRESS_INTERVAL

    def __call__(self, report: Report) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PROGRESS_INTERVAL
        print(f"  {report.links:,} of about {self._estimated_links:,} links, {report.records:,} records …", flush=True)


async def _run(settings: RelaySettings, *, repair: bool) -> Report:
    async with connect(settings.database) as database, redis_client(settings.redis) as redis:
        progress = Progress(await links.estimated_count(database))
        return await check(database, RouteRecords(redis), repair=repair, progress=progress)


def _show(report: Report, *, repair: bool) -> None:
    print(f"Compared {report.links:,} links and {report.records:,} records.")
    print(f"{report.absent:,} links have no record in Redis, which is fine: resolvers read them from PostgreSQL.")
    if not report.different:
        print("Every record in Redis says what PostgreSQL says.")
        return
    print(f"{report.different:,} records differ:")
    for difference in report.differences:
        print(f"  {_line(difference)}")
    if report.different > len(report.differences):
        print(f"  … and {report.different - len(report.differences):,} more")
    if repair:
        print(
            f"{report.repaired:,} of them are removed, so that resolvers read these links from PostgreSQL; "
            "the others changed meanwhile: check again."
        )
    else:
        print("Repair them with: make verify REPAIR=yes")


def _line(difference: Difference) -> str:
    version = difference.expected.version if difference.expected else "no link"
    in_redis = difference.seen[:20].decode(errors="replace").partition(" ")[0]
    return f"{difference.name.code}: {difference.fault} (version in Redis {in_redis}, in PostgreSQL {version})"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m services.writer.redis_sync.command", description=__doc__)
    parser.add_argument(
        "--repair", action="store_true", help="remove the records that differ, so that resolvers read from PostgreSQL"
    )
    repair = parser.parse_args().repair
    logs.configure("check", "WARNING")
    try:
        report = asyncio.run(_run(RelaySettings.from_env(os.environ), repair=repair))
    except (SettingsError, StoreUnavailable) as fault:
        print(f"check: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    _show(report, repair=repair)
    return int(report.different > report.repaired)


if __name__ == "__main__":
    sys.exit(main())
