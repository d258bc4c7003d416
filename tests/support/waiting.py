"""Waiting for something to become true: by looking again and again, up to a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 15.0) -> None:
    """Wait for a condition. Fails the test when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, (
            f"{getattr(condition, '__qualname__', condition)} did not come true within {seconds:g} s"
        )
        await asyncio.sleep(0.05)
