"""Show the dead letters, the events that could not be counted, or have them counted again."""

import argparse
import asyncio
import os
import sys

from services.stats.counting import dead_letters
from services.stats.settings import ConsumerSettings
from shared.domain.errors import SettingsError, StoreUnavailable
from shared.process import logging as logs
from shared.redis.client import redis_client


async def _run(settings: ConsumerSettings, options: argparse.Namespace) -> None:
    async with redis_client(settings.redis) as redis:
        await dead_letters.move_former(redis)
        if options.replay:
            moved = await dead_letters.replay(redis)
            again = f"{moved:,} events are in the stream again. An event that fails again becomes a dead letter again."
            print(again if moved else "There are no dead letters.")
            return
        newest = await dead_letters.newest(redis, options.show)
        print(f"{await dead_letters.count(redis):,} dead letters wait." + " The newest:" * bool(newest))
        for stored_at, dead_letter in newest:
            print(f"  {stored_at:%Y-%m-%d %H:%M:%S}Z  {dead_letter.reason}\n    {dead_letter.event[:300]!r}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m services.stats.counting.command", description=__doc__)
    parser.add_argument("--replay", action="store_true", help="put all dead letters back into the click stream")
    parser.add_argument("--show", type=int, default=20, help="the number of dead letters to show")
    options = parser.parse_args()
    logs.configure("dead_letters", "WARNING")
    try:
        asyncio.run(_run(ConsumerSettings.from_env(os.environ), options))
    except (SettingsError, StoreUnavailable) as fault:
        print(f"dead_letters: {fault}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
