import asyncio

import pytest

from services.resolver.lookup.throttle import Throttle
from tests.unit.clock import Clock


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each sleep, which is skipped."""
    sleeps: list[float] = []

    async def record_sleep(seconds: float) -> None:
        sleeps.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", record_sleep)
    return sleeps


async def look_up(throttle: Throttle, times: int) -> None:
    for _ in range(times):
        await throttle.wait()
        throttle.record()


async def test_a_burst_does_not_wait(waits: list[float]) -> None:
    await look_up(Throttle(3, 2.0, Clock()), 3)
    assert waits == []


async def test_after_a_burst_each_lookup_waits_for_its_turn(waits: list[float]) -> None:
    await look_up(Throttle(3, 2.0, Clock()), 6)
    assert waits == pytest.approx([0.5, 1.0, 1.5])


async def test_after_a_pause_a_burst_is_allowed_again(waits: list[float]) -> None:
    clock = Clock()
    throttle = Throttle(3, 2.0, clock)
    await look_up(throttle, 4)
    clock.now += 60
    waits.clear()
    await look_up(throttle, 4)
    assert waits == pytest.approx([0.5])


async def test_a_cancelled_wait_delays_no_other(waits: list[float]) -> None:
    throttle = Throttle(1, 2.0, Clock())
    for _ in range(5):
        await throttle.wait()
    assert waits == []
