"""Promise: when a power loss takes the last second of data from Redis, no click and no change of a link is lost."""

import os
from pathlib import Path

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.client import Client
from tests.support.faults import unavailable

LOST_SECONDS = 1.0


async def test_clicks_and_changes_that_redis_lost_in_a_power_loss_are_written_again(
    client: Client, stack: LocalSettings, under_load: UnderLoad
) -> None:
    async with under_load(f"Redis comes back without its last {LOST_SECONDS:g} s, as after a power loss") as row:
        while row.has_time_left:
            changed, deleted, purged = [(await client.make_link())["code"] for _ in range(3)]
            on_disk = file_sizes(stack.state / "redis" / "appendonlydir")
            await client.call("PATCH", f"/links/{changed}", json={"url": "https://example.com/changed"})
            await client.call("DELETE", f"/links/{deleted}")
            await client.call("DELETE", f"/links/{purged}?purge=true")
            await row.run_for(LOST_SECONDS)
            async with unavailable(stack, "redis"):
                truncate_files(on_disk)
            await row.run_for(4.0)


def file_sizes(folder: Path) -> dict[Path, int]:
    """The present sizes of the files that Redis writes."""
    return {path: path.stat().st_size for path in folder.iterdir()}


def truncate_files(files: dict[Path, int]) -> None:
    """Truncate each file to a former size. A file that is gone was complete: Redis has replaced it by a newer one."""
    for path, size in files.items():
        if path.exists():
            os.truncate(path, size)
