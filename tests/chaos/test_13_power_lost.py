"""Promise: a machine that loses power takes the last second from Redis, and no click and no change from anybody."""

import os
from pathlib import Path

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.client import Client
from tests.support.faults import away

LOST_SECONDS = 1.0


async def test_what_redis_lost_with_the_power_is_told_to_it_again(
    client: Client, stack: LocalSettings, under_load: UnderLoad
) -> None:
    async with under_load(f"Redis comes back without its last {LOST_SECONDS:g} s, as after a power loss") as load:
        while load.goes_on:
            changed, deleted, purged = [(await client.make_link())["code"] for _ in range(3)]
            on_disk = sizes(stack.state / "redis" / "appendonlydir")
            await client.call("PATCH", f"/links/{changed}", json={"url": "https://example.com/changed"})
            await client.call("DELETE", f"/links/{deleted}")
            await client.call("DELETE", f"/links/{purged}?purge=true")
            await load.pause(LOST_SECONDS)
            async with away(stack, "redis"):
                lose_what_came_after(on_disk)
            await load.pause(4.0)


def sizes(folder: Path) -> dict[Path, int]:
    """How much of each file Redis has written by now."""
    return {path: path.stat().st_size for path in folder.iterdir()}


def lose_what_came_after(files: dict[Path, int]) -> None:
    """Cut each file off; one that Redis has replaced meanwhile had been written to the end."""
    for path, size in files.items():
        if path.exists():
            os.truncate(path, size)
