from services.resolver.lookup.circuit_breaker import CircuitBreaker
from tests.unit.clock import Clock


def test_the_circuit_breaker_is_closed_at_first() -> None:
    assert not CircuitBreaker(1.0, Clock()).is_open


def test_a_failure_opens_the_circuit_breaker_for_the_pause() -> None:
    clock = Clock()
    circuit_breaker = CircuitBreaker(1.0, clock)
    circuit_breaker.record_failure()
    clock.now += 0.999
    assert circuit_breaker.is_open


def test_after_the_pause_a_single_probe_is_allowed() -> None:
    clock = Clock()
    circuit_breaker = CircuitBreaker(1.0, clock)
    circuit_breaker.record_failure()
    clock.now += 1.0
    assert [circuit_breaker.is_open for _ in range(3)] == [False, True, True]


def test_a_probe_without_a_result_is_followed_by_another() -> None:
    clock = Clock()
    circuit_breaker = CircuitBreaker(1.0, clock)
    circuit_breaker.record_failure()
    clock.now += 1.0
    assert not circuit_breaker.is_open
    clock.now += 1.0
    assert not circuit_breaker.is_open


def test_a_successful_probe_closes_the_circuit_breaker() -> None:
    clock = Clock()
    circuit_breaker = CircuitBreaker(1.0, clock)
    circuit_breaker.record_failure()
    circuit_breaker.record_success()
    assert [circuit_breaker.is_open for _ in range(3)] == [False, False, False]


def test_each_failure_restarts_the_pause() -> None:
    clock = Clock()
    circuit_breaker = CircuitBreaker(1.0, clock)
    circuit_breaker.record_failure()
    clock.now += 0.9
    circuit_breaker.record_failure()
    clock.now += 0.9
    assert circuit_breaker.is_open
