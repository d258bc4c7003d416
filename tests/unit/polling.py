"""Wait for a condition without a fixed sleep."""

import asyncio
import time
from collections.abc import Callable

_SECONDS = 10.0


async def until(condition: Callable[[], object]) -> None:
    """Run other tasks until a condition holds. Raises AssertionError when it does not hold in time."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        await asyncio.sleep(0.001)
