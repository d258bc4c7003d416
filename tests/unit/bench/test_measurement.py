"""Measurements forwards and backwards, and their combination."""

from tests.bench.measurement import Measurement, forwards_and_backwards
from tests.bench.wrk import Responses


def measurement(requests: int, cpu: float = 10.0) -> Measurement:
    responses = Responses(
        requests=requests, seconds=1.0, error_responses=0, failures=0, p50_ms=1.0, p99_ms=float(requests)
    )
    return Measurement(responses, {"resolvers": cpu})


def test_each_load_is_measured_once_forwards_and_once_backwards() -> None:
    order = []

    def measure_one(name: str) -> Measurement:
        order.append(name)
        return measurement(100)

    forwards_and_backwards(measure_one, ["product", "empty", "lua"])

    assert order == ["product", "empty", "lua", "lua", "empty", "product"]


def test_a_machine_that_gets_steadily_slower_affects_all_loads_alike() -> None:
    speeds = iter([600, 500, 400, 300, 200, 100])

    found = forwards_and_backwards(lambda _: measurement(next(speeds)), ["product", "empty", "lua"])

    assert {run.responses.rate for run in found.values()} == {350}


def test_the_cpu_of_two_measurements_is_weighted_by_their_responses() -> None:
    runs = iter([measurement(300, 10.0), measurement(100, 50.0)])

    found = forwards_and_backwards(lambda _: next(runs), ["product"])

    assert found["product"].cpu == {"resolvers": 20.0}
