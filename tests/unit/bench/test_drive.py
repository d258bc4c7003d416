"""Loads in turn and backwards."""

from tests.bench.drive import Driven, there_and_back
from tests.bench.wrk import Answers


def driven(requests: int, cpu: float = 10.0) -> Driven:
    answers = Answers(requests=requests, seconds=1.0, refused=0, broken=0, p50_ms=1.0, p99_ms=float(requests))
    return Driven(answers, {"resolvers": cpu})


def test_each_load_comes_once_in_turn_and_once_backwards() -> None:
    order = []

    def drive_one(name: str) -> Driven:
        order.append(name)
        return driven(100)

    there_and_back(drive_one, ["product", "empty", "lua"])

    assert order == ["product", "empty", "lua", "lua", "empty", "product"]


def test_a_machine_that_gets_slower_step_by_step_is_fair_to_all() -> None:
    speeds = iter([600, 500, 400, 300, 200, 100])

    found = there_and_back(lambda _: driven(next(speeds)), ["product", "empty", "lua"])

    assert {run.answers.rate for run in found.values()} == {350}


def test_the_cpu_of_both_loads_counts_by_their_answers() -> None:
    runs = iter([driven(300, 10.0), driven(100, 50.0)])

    found = there_and_back(lambda _: next(runs), ["product"])

    assert found["product"].cpu == {"resolvers": 20.0}
