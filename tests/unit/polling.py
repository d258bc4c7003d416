"""Waiting for what will be true soon."""

import asyncio
import time
from collections.abc import Callable

_SECONDS = 10.0


async def until(condition: Callable[[], object]) -> None:
    """Give way to others until a condition holds. Raises AssertionError when it does not come true in time."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        await asyncio.sleep(0.001)
