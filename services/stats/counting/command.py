"""`python -m services.stats.counting.command`: look at the dead letters, and have them counted again."""

import argparse
import asyncio
import os
import sys

from services.stats.counting.dead_letters import newest, replay, waiting
from services.stats.settings import ConsumerSettings
from shared.domain.errors import SettingsError, StoreUnavailable
from shared.process import logging as logs
from shared.redis.client import redis_client


async def _run(settings: ConsumerSettings, options: argparse.Namespace) -> None:
    async with redis_client(settings.redis) as redis:
        if options.replay:
            print(f"{await replay(redis):,} events are in the stream again; what still fails will come back here.")
            return
        shown = await newest(redis, options.show)
        print(f"{await waiting(redis):,} events are set aside." + " The newest:" * bool(shown))
        for moment, dead_letters in shown:
            print(f"  {moment:%Y-%m-%d %H:%M:%S}Z  {dead_letters.reason}\n    {dead_letters.event[:300]!r}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m services.stats.counting.command", description=__doc__)
    parser.add_argument("--replay", action="store_true", help="have them counted again")
    parser.add_argument("--show", type=int, default=20, help="how many to show")
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
