import asyncio
from collections.abc import Sequence

import pytest

from shared.process.batching import Batcher
from tests.unit.polling import until


class Journey:
    """Doubles each item, once it may go on. A batch with a 13 fails."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = asyncio.Event()

    async def __call__(self, items: list[int]) -> Sequence[int]:
        self.batches.append(items)
        await self.free.wait()
        if 13 in items:
            raise LookupError("bad luck")
        return [item * 2 for item in items]


async def submitted(batcher: Batcher[int, int], *items: int) -> list[asyncio.Task[int]]:
    """A task for each item, all of them waiting."""
    tasks = [asyncio.create_task(batcher.submit(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def ends(tasks: Sequence[asyncio.Task[int]]) -> list[object]:
    """Results, and the types of failures."""
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [result if isinstance(result, int) else type(result) for result in results]


async def test_simultaneous_items_share_one_batch() -> None:
    journey = Journey()
    tasks = await submitted(Batcher(journey), 1, 2, 3)
    journey.free.set()
    assert await ends(tasks) == [2, 4, 6]
    assert journey.batches == [[1, 2, 3]]


async def test_items_that_arrive_during_a_batch_form_the_next_one() -> None:
    journey = Journey()
    batcher = Batcher(journey)
    tasks = await submitted(batcher, 1)
    await until(lambda: journey.batches == [[1]])
    tasks += await submitted(batcher, 2) + await submitted(batcher, 3)
    journey.free.set()
    assert await ends(tasks) == [2, 4, 6]
    assert journey.batches == [[1], [2, 3]]


async def test_a_batch_has_a_limit() -> None:
    journey = Journey()
    tasks = await submitted(Batcher(journey, limit=2), 1, 2, 3, 4, 5)
    journey.free.set()
    await ends(tasks)
    assert journey.batches == [[1, 2], [3, 4], [5]]


async def test_a_failure_reaches_its_batch_and_no_other() -> None:
    journey = Journey()
    tasks = await submitted(Batcher(journey, limit=2), 1, 13, 3, 4)
    journey.free.set()
    assert await ends(tasks) == [LookupError, LookupError, 6, 8]


async def test_batches_continue_after_a_pause() -> None:
    journey = Journey()
    journey.free.set()
    batcher = Batcher(journey)
    assert [await batcher.submit(item) for item in (1, 2)] == [2, 4]
    assert journey.batches == [[1], [2]]


async def test_a_cancelled_item_does_not_affect_the_others() -> None:
    journey = Journey()
    tasks = await submitted(Batcher(journey), 1, 2, 3)
    await until(lambda: bool(journey.batches))
    tasks[0].cancel()
    journey.free.set()
    assert await ends(tasks) == [asyncio.CancelledError, 4, 6]


async def test_a_cancelled_batch_leaves_no_item_waiting() -> None:
    journey = Journey()
    batcher = Batcher(journey, limit=2)
    tasks = await submitted(batcher, 1, 2, 3)
    await until(lambda: bool(journey.batches))
    assert batcher._draining is not None
    batcher._draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batcher._draining
    assert await ends(tasks) == [asyncio.CancelledError] * 3
