"""Background loops that run for as long as their application."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

from aiohttp import web

from shared.domain.errors import StoreUnavailable

JITTER: Final = 0.25

CleanupContext = Callable[[web.Application], AsyncIterator[None]]
Work = Callable[[web.Application], Coroutine[Any, Any, bool]]

log = logging.getLogger(__name__)


def background_loop(work: Work, *, pause: float, name: str, stop_timeout: float = 10.0) -> CleanupContext:
    """A cleanup context that calls `work` repeatedly until the application stops.

    `work` returns whether there is more to do at once. Otherwise, and after a failure, which is logged, the next call
    follows after `pause` seconds. The pause varies at random by a quarter, so that instances that failed at the same
    time do not retry at the same time. When the application stops, a running call gets `stop_timeout` seconds to end.
    """

    async def context(app: web.Application) -> AsyncIterator[None]:
        stopping = asyncio.Event()
        task = asyncio.create_task(_repeat(work, app, stopping, pause, name), name=name)
        yield
        stopping.set()
        done, _ = await asyncio.wait([task], timeout=stop_timeout)
        if not done:
            log.warning("%s did not finish within %g s and is cancelled", name, stop_timeout)
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    return context


def jittered(pause: float) -> float:
    """A pause that is up to a quarter longer or shorter, at random."""
    return pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret


async def _repeat(
    work: Work,
    app: web.Application,
    stopping: asyncio.Event,
    pause: float,
    name: str,
) -> None:
    is_unavailable = False
    while not stopping.is_set():
        more = False
        try:
            more = await _once(work, app)
            if is_unavailable:
                log.info("%s works again", name)
            is_unavailable = False
        except StoreUnavailable as fault:
            if not is_unavailable:  # logged once, because the loop may retry several times a second
                log.warning("%s: %s It will be retried until it succeeds.", name, fault.detail)
            is_unavailable = True
        except Exception:
            log.exception("%s failed and will be retried after a pause", name)
        if not more:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), jittered(pause))


async def _once(work: Work, app: web.Application) -> bool:
    """Call `work` once in a separate task, so that a CancelledError raised by a driver does not end the loop.

    A driver that cancels a wait because of a time limit may also leave the cancellation pending in the current task,
    where it would look like the end of the application. A separate task ends with it. Raises StoreUnavailable then.
    """
    try:
        return await asyncio.create_task(work(app))
    except asyncio.CancelledError as fault:
        loop_task = asyncio.current_task()
        if loop_task is None or loop_task.cancelling():
            raise
        raise StoreUnavailable("The driver of a store cancelled the call.") from fault
