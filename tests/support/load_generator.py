"""A load of visitors (`tests/support/visitors.py`) as a test sees it: started, watched, and asked at the end."""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from deploy.local.settings import CHECKOUT
from tests.support.visitors import Received
from tests.support.waiting import until


class LoadGenerator:
    """What was received so far; complete once the load has gone."""

    def __init__(self) -> None:
        self.received = Received()
        self.seconds = 0.0
        self.ending = 0.0
        """Until when faults go on, on the monotonic clock."""
        self.note = ""
        """What else the table shall say of the row."""
        self.told_losses = False
        """Whether clicks may be lost as long as the system itself tells of each."""

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.ending

    @property
    def answered(self) -> int:
        return self.received.answered.total()

    @property
    def refused(self) -> int:
        return self.received.refused.total()

    async def more(self, count: int, seconds: float = 30.0) -> None:
        """Wait for so many more right answers."""
        wanted = self.answered + count

        async def so_many_more_answers() -> bool:
            return self.answered >= wanted

        await until(so_many_more_answers, seconds)

    async def pause(self, seconds: float) -> None:
        """Let the load go on for a while: the fault's own length, which is what a row is about."""
        await asyncio.sleep(seconds)


@asynccontextmanager
async def visiting(
    nginx: str, targets: Mapping[str, str], *, rate: float, visitors: int = 64
) -> AsyncIterator[LoadGenerator]:
    """A load that follows links (code: where it leads) about `rate` times a second while the block runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.visitors",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=CHECKOUT,
    )
    assert process.stdin
    assert process.stdout
    load = LoadGenerator()
    started = time.monotonic()
    listening = asyncio.create_task(_listen(process.stdout, load))
    task = {"nginx": nginx, "targets": dict(targets), "rate": rate, "visitors": visitors}
    try:
        process.stdin.write(json.dumps(task).encode() + b"\n")
        await process.stdin.drain()
        await load.more(1)
        yield load
    finally:
        process.stdin.close()
        load.seconds = time.monotonic() - started
        await listening
        status = await process.wait()
    assert status == 0


async def _listen(lines: asyncio.StreamReader, load: LoadGenerator) -> None:
    async for line in lines:
        values = json.loads(line)
        for name in ("answered", "refused", "unanswered"):
            values[name] = Counter(values[name])
        load.received = Received(**values)
