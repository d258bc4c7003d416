import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from shared.domain.errors import StoreUnavailable
from shared.process.loops import background_loop
from tests.unit.polling import until

NEVER = 3_600.0
"""A pause in seconds that is longer than any test."""


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[None]:
    """Start an application, and stop it at the end of the block."""
    app.freeze()
    await app.startup()
    try:
        yield
    finally:
        await app.cleanup()


class Work:
    """Counts its calls. They return or raise the items of a list, and then return False."""

    def __init__(self, *responses: bool | BaseException) -> None:
        self._answers = list(responses)
        self.calls = 0

    async def __call__(self, _app: web.Application) -> bool:
        self.calls += 1
        response = self._answers.pop(0) if self._answers else False
        if isinstance(response, BaseException):
            raise response
        return response


def app_with(work: Work, *, pause: float) -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(background_loop(work, pause=pause, name="work"))
    return app


async def test_work_is_called_at_once_while_there_is_more() -> None:
    work = Work(True, True, False)
    async with running(app_with(work, pause=NEVER)):
        await until(lambda: work.calls == 3)


async def test_work_is_called_again_after_a_pause() -> None:
    work = Work(False, False)
    async with running(app_with(work, pause=0.001)):
        await until(lambda: work.calls >= 3)


@pytest.mark.parametrize("fault", [LookupError("lost"), StoreUnavailable("unavailable"), asyncio.CancelledError()])
async def test_work_is_called_again_after_a_failure(fault: BaseException) -> None:
    work = Work(fault, fault)
    async with running(app_with(work, pause=0.001)):
        await until(lambda: work.calls >= 3)


async def test_a_cancellation_that_a_driver_left_behind_does_not_end_the_loop() -> None:
    found: list[int] = []

    async def work(_app: web.Application) -> bool:
        task = asyncio.current_task()
        assert task
        found.append(task.cancelling())
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        return False

    app = web.Application()
    app.cleanup_ctx.append(background_loop(work, pause=0.001, name="work"))
    async with running(app):
        await until(lambda: len(found) >= 3)
    assert not any(found)


async def test_a_failure_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(LookupError("lost"))
    async with running(app_with(work, pause=NEVER)):
        await until(lambda: caplog.records)
    (record,) = caplog.records
    assert (record.levelno, "LookupError" in (record.exc_text or "")) == (logging.ERROR, True)


async def test_an_unavailable_store_is_a_warning_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(StoreUnavailable("unavailable"))
    async with running(app_with(work, pause=NEVER)):
        await until(lambda: caplog.records)
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert record.getMessage().startswith("work: unavailable")


async def test_an_unavailable_store_is_logged_once_and_so_is_its_recovery(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(*[StoreUnavailable("unavailable")] * 5)
    with caplog.at_level(logging.INFO):
        async with running(app_with(work, pause=0.001)):
            await until(lambda: work.calls >= 8)
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]


async def test_a_pause_ends_when_the_application_stops() -> None:
    work = Work()
    async with asyncio.timeout(10), running(app_with(work, pause=NEVER)):
        await until(lambda: work.calls == 1)


async def test_work_that_always_has_more_to_do_ends_when_the_application_stops() -> None:
    calls = 0

    async def work(_app: web.Application) -> bool:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        return True

    app = web.Application()
    app.cleanup_ctx.append(background_loop(work, pause=NEVER, name="work"))
    async with asyncio.timeout(10), running(app):
        await until(lambda: calls)
    calls_at_the_end = calls
    await asyncio.sleep(0)
    assert calls == calls_at_the_end


async def test_a_running_call_may_finish() -> None:
    begun, finish, finished = asyncio.Event(), asyncio.Event(), False

    async def work(_app: web.Application) -> bool:
        nonlocal finished
        begun.set()
        await finish.wait()
        finished = True
        return False

    app = web.Application()
    app.cleanup_ctx.append(background_loop(work, pause=NEVER, name="work"))
    async with running(app):
        await begun.wait()
        asyncio.get_running_loop().call_soon(finish.set)
    assert finished


async def test_a_call_that_does_not_end_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    begun = asyncio.Event()
    raised: BaseException | None = None

    async def work(_app: web.Application) -> bool:
        nonlocal raised
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as fault:
            raised = fault
            raise
        return False

    app = web.Application()
    app.cleanup_ctx.append(background_loop(work, pause=NEVER, name="work", stop_timeout=0.01))
    async with asyncio.timeout(10), running(app):
        await begun.wait()
    assert isinstance(raised, asyncio.CancelledError)
    assert "did not finish" in caplog.text
