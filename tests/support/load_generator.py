"""The one load generator of the tests: visitors that follow links through nginx while a test does something else.

The visitors (`tests/support/visitors.py`) are a process of their own, so that nothing a test does slows them down.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from deploy.common.checkout import CHECKOUT
from tests.support.visitors import Received
from tests.support.waiting import until


class Load:
    """A load under way, as the test sees it. `received` is complete once the load has ended."""

    def __init__(self) -> None:
        self.received = Received()
        self.seconds = 0.0
        """How long the load lasted, once it has ended."""

    @property
    def redirects(self) -> int:
        """How many redirects to the right target were received so far."""
        return self.received.redirects.total()

    async def wait_for_redirects(self, count: int, seconds: float = 30.0) -> Counter[str]:
        """Wait until `count` more redirects were received. Return the instances that responded meanwhile."""
        before = await self._next_report()

        async def enough_redirects() -> bool:
            return self.redirects >= before.redirects.total() + count

        await until(enough_redirects, seconds)
        return self.received.instances - before.instances

    async def _next_report(self) -> Received:
        """Wait for a report that the visitors made after this call: the one that is here may be out of date."""
        called_at = time.monotonic()

        async def report_is_new() -> bool:
            return self.received.reported_at >= called_at

        await until(report_is_new)
        return self.received


@asynccontextmanager
async def generate_load(
    base_url: str, targets: Mapping[str, str], *, rate: float, visitors: int = 64, keep_alive: bool = True
) -> AsyncIterator[Load]:
    """Follow links (code: target) about `rate` times a second, all visitors together, while the block runs.

    Without `keep_alive` each request has a connection of its own.
    """
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
    load = Load()
    started = time.monotonic()
    reading = asyncio.create_task(_read_reports(process.stdout, load))
    task = {
        "base_url": base_url,
        "targets": dict(targets),
        "rate": rate,
        "visitors": visitors,
        "keep_alive": keep_alive,
    }
    try:
        process.stdin.write(json.dumps(task).encode() + b"\n")
        await process.stdin.drain()
        await load.wait_for_redirects(1)
        yield load
    finally:
        process.stdin.close()
        load.seconds = time.monotonic() - started
        await reading
        status = await process.wait()
    assert status == 0, "the process of the visitors failed"


async def _read_reports(lines: asyncio.StreamReader, load: Load) -> None:
    async for line in lines:
        values = json.loads(line)
        for name in ("redirects", "failures", "unanswered", "instances"):
            values[name] = Counter(values[name])
        load.received = Received(**values)
