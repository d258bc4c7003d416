import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.resolver.batching import Batcher
from tests.unit.polling import until


class Journey:
    """Doubles each item. While it is held up, a batch waits; a batch with a 13 fails."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.under_way = 0
        self.most_under_way = 0
        self._free = asyncio.Event()
        self._free.set()

    def hold_up(self) -> None:
        self._free.clear()

    def go_on(self) -> None:
        self._free.set()

    async def __call__(self, items: list[int]) -> Sequence[int]:
        self.batches.append(items)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self._free.wait()
            if 13 in items:
                raise LookupError("bad luck")
            return [item * 2 for item in items]
        finally:
            self.under_way -= 1


async def submit_all(batcher: Batcher[int, int], items: Sequence[int]) -> list[asyncio.Task[int]]:
    """A task for each item, all of them waiting."""
    tasks = [asyncio.create_task(batcher.submit(item)) for item in items]
    await asyncio.sleep(0)  # each task runs as far as it can
    return tasks


async def test_a_lone_item_goes_at_once() -> None:
    submission = Batcher(Journey()).submit(5)
    with pytest.raises(StopIteration) as finished:
        submission.send(None)  # its first step is its last: it never gives way
    assert finished.value.value == 10


async def test_items_one_after_another_go_alone() -> None:
    journey = Journey()
    batcher = Batcher(journey)
    assert [await batcher.submit(item) for item in (1, 2, 3)] == [2, 4, 6]
    assert journey.batches == [[1], [2], [3]]


async def test_items_that_wait_travel_in_one_batch() -> None:
    journey = Journey()
    journey.hold_up()
    tasks = await submit_all(Batcher(journey), [1, 2, 3, 4])
    journey.go_on()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8]
    assert journey.batches == [[1], [2, 3, 4]]


async def test_a_batch_has_a_limit() -> None:
    journey = Journey()
    journey.hold_up()
    tasks = await submit_all(Batcher(journey, limit=2), [1, 2, 3, 4, 5, 6])
    journey.go_on()
    await asyncio.gather(*tasks)
    assert journey.batches == [[1], [2, 3], [4, 5], [6]]


async def test_what_arrives_during_a_batch_waits_for_the_next() -> None:
    journey = Journey()
    journey.hold_up()
    batcher = Batcher(journey)
    first = await submit_all(batcher, [1])
    second = await submit_all(batcher, [2])
    journey.go_on()
    await asyncio.gather(*first)
    journey.hold_up()
    await until(lambda: journey.batches == [[1], [2]])
    third = await submit_all(batcher, [3])
    journey.go_on()
    await asyncio.gather(*second, *third)
    assert journey.batches == [[1], [2], [3]]


async def test_a_failure_reaches_every_item_of_its_batch() -> None:
    journey = Journey()
    journey.hold_up()
    tasks = await submit_all(Batcher(journey), [1, 2, 13, 3])
    journey.go_on()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [int, LookupError, LookupError, LookupError]


async def test_a_failure_reaches_no_other_batch() -> None:
    journey = Journey()
    journey.hold_up()
    tasks = await submit_all(Batcher(journey, limit=1), [1, 13, 3])
    journey.go_on()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [int, LookupError, int]


async def test_a_lone_item_that_fails_leaves_those_that_wait_alone() -> None:
    journey = Journey()
    journey.hold_up()
    tasks = await submit_all(Batcher(journey), [13, 2, 3])
    journey.go_on()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError, int, int]


async def test_after_a_failure_it_goes_on() -> None:
    batcher = Batcher(Journey())
    with pytest.raises(LookupError):
        await batcher.submit(13)
    assert await batcher.submit(5) == 10


@pytest.mark.parametrize("place", [0, 1, 2], ids=["who travels", "who waits first", "who waits last"])
async def test_who_gives_up_harms_nobody(place: int) -> None:
    journey = Journey()
    journey.hold_up()
    tasks = await submit_all(Batcher(journey), [1, 2, 3])
    tasks[place].cancel()
    await asyncio.sleep(0)  # the cancellation arrives
    journey.go_on()
    others = [task for task in tasks if task is not tasks[place]]
    assert await asyncio.gather(*others) == [item * 2 for item in (1, 2, 3) if item != place + 1]


async def test_after_somebody_gave_up_it_goes_on() -> None:
    journey = Journey()
    journey.hold_up()
    batcher = Batcher(journey)
    (task,) = await submit_all(batcher, [1])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    journey.go_on()
    assert await batcher.submit(5) == 10


@given(
    items=st.lists(st.integers(0, 20), max_size=40),
    limit=st.integers(1, 6),
    quitters=st.sets(st.integers(0, 39)),
)
async def test_everybody_gets_what_is_theirs(items: list[int], limit: int, quitters: set[int]) -> None:
    journey = Journey()
    journey.hold_up()
    tasks = await submit_all(Batcher(journey, limit), items)
    for place in quitters & set(range(len(tasks))):
        tasks[place].cancel()
    await asyncio.sleep(0)  # the cancellations arrive
    journey.go_on()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for place, (item, result) in enumerate(zip(items, results, strict=True)):
        if place in quitters:
            assert isinstance(result, asyncio.CancelledError)
        else:
            assert result == item * 2 or isinstance(result, LookupError)
    assert all(len(batch) <= limit for batch in journey.batches)
    assert journey.most_under_way <= 1
