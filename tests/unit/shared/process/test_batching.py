import asyncio
from collections.abc import Sequence

import pytest

from shared.process.batching import Batcher
from tests.unit.polling import until


class Flush:
    """Doubles each item, once the test allows it. A batch with a 13 fails."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_finish = asyncio.Event()

    async def __call__(self, items: list[int]) -> Sequence[int]:
        self.batches.append(items)
        await self.may_finish.wait()
        if 13 in items:
            raise LookupError("bad luck")
        return [item * 2 for item in items]


async def submitted(batcher: Batcher[int, int], *items: int) -> list[asyncio.Task[int]]:
    """A task for each item, all of them waiting."""
    tasks = [asyncio.create_task(batcher.submit(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def results_of(tasks: Sequence[asyncio.Task[int]]) -> list[object]:
    """The result of each task, or the type of its exception."""
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [result if isinstance(result, int) else type(result) for result in results]


async def test_simultaneous_items_share_one_batch() -> None:
    flush = Flush()
    tasks = await submitted(Batcher(flush), 1, 2, 3)
    flush.may_finish.set()
    assert await results_of(tasks) == [2, 4, 6]
    assert flush.batches == [[1, 2, 3]]


async def test_items_that_arrive_during_a_batch_form_the_next_one() -> None:
    flush = Flush()
    batcher = Batcher(flush)
    tasks = await submitted(batcher, 1)
    await until(lambda: flush.batches == [[1]])
    tasks += await submitted(batcher, 2) + await submitted(batcher, 3)
    flush.may_finish.set()
    assert await results_of(tasks) == [2, 4, 6]
    assert flush.batches == [[1], [2, 3]]


async def test_a_batch_has_a_limit() -> None:
    flush = Flush()
    tasks = await submitted(Batcher(flush, limit=2), 1, 2, 3, 4, 5)
    flush.may_finish.set()
    await results_of(tasks)
    assert flush.batches == [[1, 2], [3, 4], [5]]


async def test_a_failure_reaches_its_batch_and_no_other() -> None:
    flush = Flush()
    tasks = await submitted(Batcher(flush, limit=2), 1, 13, 3, 4)
    flush.may_finish.set()
    assert await results_of(tasks) == [LookupError, LookupError, 6, 8]


async def test_batches_continue_after_a_pause() -> None:
    flush = Flush()
    flush.may_finish.set()
    batcher = Batcher(flush)
    assert [await batcher.submit(item) for item in (1, 2)] == [2, 4]
    assert flush.batches == [[1], [2]]


async def test_a_cancelled_item_does_not_affect_the_others() -> None:
    flush = Flush()
    tasks = await submitted(Batcher(flush), 1, 2, 3)
    await until(lambda: bool(flush.batches))
    tasks[0].cancel()
    flush.may_finish.set()
    assert await results_of(tasks) == [asyncio.CancelledError, 4, 6]


async def test_a_cancelled_batch_leaves_no_item_waiting() -> None:
    flush = Flush()
    batcher = Batcher(flush, limit=2)
    tasks = await submitted(batcher, 1, 2, 3)
    await until(lambda: bool(flush.batches))
    assert batcher._draining is not None
    batcher._draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batcher._draining
    assert await results_of(tasks) == [asyncio.CancelledError] * 3
