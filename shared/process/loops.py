"""Loops that run beside an application, for as long as it lives."""

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


def background_loop(work: Work, *, pause: float, name: str, patience: float = 10.0) -> CleanupContext:
    """A cleanup context that calls `work` again and again until the application stops.

    `work` says whether there is more to do at once; otherwise the next call comes after about `pause` seconds, and
    after a failure, which is logged, too: a quarter more or less by chance, so that instances which failed together do
    not come back together. At the end a call that is under way gets `patience` seconds to finish.
    """

    async def context(app: web.Application) -> AsyncIterator[None]:
        stopping = asyncio.Event()
        task = asyncio.create_task(_repeat(work, app, stopping, pause, name), name=name)
        yield
        stopping.set()
        done, _ = await asyncio.wait([task], timeout=patience)
        if not done:
            log.warning("%s did not finish in %g s", name, patience)
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    return context


def jittered(pause: float) -> float:
    """A pause that is a quarter longer or shorter, by chance."""
    return pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret


async def _repeat(
    work: Work,
    app: web.Application,
    stopping: asyncio.Event,
    pause: float,
    name: str,
) -> None:
    is_away = False
    while not stopping.is_set():
        more = False
        try:
            more = await _once(work, app)
            if is_away:
                log.info("%s goes on", name)
            is_away = False
        except StoreUnavailable as fault:
            if not is_away:  # it is tried several times a second, for as long as a store is away
                log.warning("%s: %s It is tried again and again.", name, fault.detail)
            is_away = True
        except Exception:
            log.exception("%s failed; it goes on after a pause", name)
        if not more:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), jittered(pause))


async def _once(work: Work, app: web.Application) -> bool:
    """One call, in a task of its own: what a driver gave up and raised as a cancellation must not end the loop.

    A driver that cancels a wait for a time limit may leave that cancellation with the task, too, where the next one
    would be taken for the application's end; with the task of the call it is gone. Raises StoreUnavailable then.
    """
    try:
        return await asyncio.create_task(work(app))
    except asyncio.CancelledError as fault:
        loop_task = asyncio.current_task()
        if loop_task is None or loop_task.cancelling():
            raise
        raise StoreUnavailable("A store's driver gave up.") from fault
