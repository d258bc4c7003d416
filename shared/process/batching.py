"""What waits together travels together (group commit).

One batch is under way; what arrives meanwhile gathers for the next. So batches grow with the load by themselves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCH_LIMIT: Final = 256


class Batcher(Generic[Item, Result]):
    """Hands items to `flush` in batches, one batch at a time; `flush` returns a result for each item, in order."""

    def __init__(self, flush: Callable[[list[Item]], Awaitable[Sequence[Result]]], limit: int = BATCH_LIMIT) -> None:
        self._flush = flush
        self._limit = limit
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._draining: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """The item's result. What `flush` raises, every item of its batch raises.

        A batch goes in a task of its own, so that an item whose request has gone takes no other one with it.
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
            for _, future in self._waiting:  # left over only when the loop itself ends
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
            if not future.done():  # its request may have been cancelled meanwhile
                future.set_result(result)
