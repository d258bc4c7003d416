"""Batching: items that wait at the same time are processed in one call, as in a group commit.

While one batch is being processed, new items are collected for the next one. So the batches grow with the load.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCH_LIMIT: Final = 256


class Batcher(Generic[Item, Result]):
    """Passes items to `flush` in batches, one batch at a time; `flush` returns a result for each item, in order."""

    def __init__(self, flush: Callable[[list[Item]], Awaitable[Sequence[Result]]], limit: int = BATCH_LIMIT) -> None:
        self._flush = flush
        self._limit = limit
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._draining: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """The item's result. An exception of `flush` is raised for every item of its batch.

        Batches are processed in a separate task, so that the cancellation of one request does not affect the others.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                await self._flush_batch(batch)
        finally:
            self._draining = None
            for _, future in self._waiting:  # items are left only when the event loop is closing
                future.cancel()

    async def _flush_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._flush([item for item, _ in batch])
        except BaseException as fault:
            for _, future in batch:
                if not future.done():
                    future.set_exception(fault if isinstance(fault, Exception) else asyncio.CancelledError())
            if not isinstance(fault, Exception):
                raise
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():  # the request may have been cancelled meanwhile
                future.set_result(result)
