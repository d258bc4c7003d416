"""Waiting for a condition by polling, up to a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 15.0) -> None:
    """Poll a condition until it is true. The test fails if that takes more than `seconds`."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, (
            f"{getattr(condition, '__qualname__', condition)} did not come true within {seconds:g} s"
        )
        await asyncio.sleep(0.05)


async def equals(value: Awaitable[object], expected: object) -> bool:
    """Whether an awaited value is the expected one; a condition of `until`."""
    return await value == expected
