"""`python -m services.writer.redis_sync.command`: compare Redis with Postgres, and repair what differs by choice."""

import argparse
import asyncio
import os
import sys
import time

from services.writer.redis_sync.consistency_check import Difference, Verdict, verify
from services.writer.settings import RelaySettings
from shared.domain.errors import SettingsError, StoreUnavailable
from shared.postgres.pool import connect
from shared.postgres.tables import links
from shared.process import logging as logs
from shared.redis.client import redis_client
from shared.redis.route_records import RouteRecords

_SAY_EVERY = 2.0


class Progress:
    """Says every few seconds how far it is."""

    def __init__(self, about: int) -> None:
        self._about = about
        self._next = time.monotonic() + _SAY_EVERY

    def __call__(self, verdict: Verdict) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SAY_EVERY
        print(f"  {verdict.links:,} of about {self._about:,} links, {verdict.records:,} records …", flush=True)


async def _run(settings: RelaySettings, *, repair: bool) -> Verdict:
    async with connect(settings.database) as database, redis_client(settings.redis) as redis:
        progress = Progress(await links.about_how_many(database))
        return await verify(database, RouteRecords(redis), repair=repair, progress=progress)


def _show(verdict: Verdict, *, repair: bool) -> None:
    print(f"Compared {verdict.links:,} links and {verdict.records:,} records.")
    print(f"{verdict.absent:,} links have no record in Redis, which is fine: PostgreSQL is asked for them.")
    if not verdict.different:
        print("Every record in Redis says what PostgreSQL says.")
        return
    print(f"{verdict.different:,} records differ:")
    for difference in verdict.differences:
        print(f"  {_line(difference)}")
    if verdict.different > len(verdict.differences):
        print(f"  … and {verdict.different - len(verdict.differences):,} more")
    if repair:
        print(
            f"{verdict.repaired:,} of them are removed, so that PostgreSQL is asked; "
            "the others have changed meanwhile: verify again."
        )
    else:
        print("Put them right with: make verify REPAIR=yes")


def _line(difference: Difference) -> str:
    version = difference.right.version if difference.right else "no link"
    in_redis = difference.seen[:20].decode(errors="replace").partition(" ")[0]
    return f"{difference.code}: {difference.fault} (version in Redis {in_redis}, in PostgreSQL {version})"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m services.writer.redis_sync.command", description=__doc__)
    parser.add_argument("--repair", action="store_true", help="remove what differs, so that PostgreSQL is asked")
    repair = parser.parse_args().repair
    logs.configure("verify", "WARNING")
    try:
        verdict = asyncio.run(_run(RelaySettings.from_env(os.environ), repair=repair))
    except (SettingsError, StoreUnavailable) as fault:
        print(f"verify: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    _show(verdict, repair=repair)
    return int(verdict.different > verdict.repaired)


if __name__ == "__main__":
    sys.exit(main())
