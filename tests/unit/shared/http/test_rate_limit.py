import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import TooManyRequests
from shared.http.rate_limit import Limiter
from tests.unit.clock import Clock


def allowed(limiter: Limiter, client: str = "a") -> bool:
    """Whether a request is accepted."""
    try:
        limiter.acquire(client)
    except TooManyRequests:
        return False
    return True


def test_a_client_may_make_all_its_requests_at_once() -> None:
    limiter = Limiter(3, Clock())
    assert [allowed(limiter) for _ in range(4)] == [True, True, True, False]


def test_the_bucket_of_a_client_refills_with_time() -> None:
    clock = Clock()
    limiter = Limiter(60, clock)
    while allowed(limiter):
        pass
    clock.now += 2
    assert [allowed(limiter) for _ in range(3)] == [True, True, False]


def test_an_idle_client_collects_no_more_than_its_limit() -> None:
    clock = Clock()
    limiter = Limiter(2, clock)
    limiter.acquire("a")
    clock.now += 3_600
    assert [allowed(limiter) for _ in range(3)] == [True, True, False]


def test_each_client_has_its_own_limit() -> None:
    limiter = Limiter(1, Clock())
    assert [allowed(limiter, client) for client in "aba"] == [True, True, False]


def test_a_count_is_as_many_requests() -> None:
    limiter = Limiter(10, Clock())
    assert limiter.acquire("a", 4)["RateLimit-Remaining"] == "6"
    with pytest.raises(TooManyRequests) as caught:
        limiter.acquire("a", 7)
    assert caught.value.retry_after == 6  # one request comes back in 6 seconds
    assert limiter.acquire("a", 6)["RateLimit-Remaining"] == "0"


def test_a_count_above_the_limit_uses_up_the_limit() -> None:
    clock = Clock()
    limiter = Limiter(10, clock)
    assert limiter.acquire("a", 1_000)["RateLimit-Remaining"] == "0"
    clock.now += 60
    assert limiter.acquire("a", 1_000)["RateLimit-Remaining"] == "0"


def test_a_count_without_a_limit_is_always_accepted() -> None:
    assert Limiter(0, Clock()).acquire("a", 1_000) == {}


def test_a_limit_of_zero_is_no_limit() -> None:
    limiter = Limiter(0, Clock())
    assert limiter.acquire("a") == {}


def test_check_counts_no_request() -> None:
    limiter = Limiter(1, Clock())
    limiter.check("a")
    limiter.check("a")
    assert allowed(limiter)


def test_check_raises_when_no_request_is_left() -> None:
    limiter = Limiter(1, Clock())
    limiter.acquire("a")
    with pytest.raises(TooManyRequests):
        limiter.check("a")


def test_the_headers_state_the_remaining_requests() -> None:
    limiter = Limiter(60, Clock())
    assert limiter.acquire("a") == {"RateLimit-Limit": "60", "RateLimit-Remaining": "59", "RateLimit-Reset": "1"}


def test_a_client_that_waits_for_retry_after_is_accepted() -> None:
    clock = Clock()
    limiter = Limiter(7, clock)
    while allowed(limiter):
        pass
    with pytest.raises(TooManyRequests) as caught:
        limiter.acquire("a")
    clock.now += caught.value.retry_after
    assert allowed(limiter)


@given(limit=st.integers(1, 100), steps=st.lists(st.floats(0, 30), max_size=200))
def test_no_client_gets_more_than_a_burst_and_the_limit_over_time(limit: int, steps: list[float]) -> None:
    clock = Clock()
    limiter = Limiter(limit, clock)
    count = 0
    for step in steps:
        clock.now += step
        count += allowed(limiter)
    assert count <= limit + sum(steps) * limit / 60 + 0.001
