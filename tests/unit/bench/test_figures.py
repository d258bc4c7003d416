"""Rounds, medians and bounds."""

import pytest

from tests.bench.figures import Bound, Failed, Figure, Results, ratios


def test_a_figure_is_the_median_of_its_rounds() -> None:
    figure = Figure(name="redirects", bound=Bound(direction="at least"), rounds=[0.9, 0.1, 0.8])

    assert figure.value == 0.8


def test_a_ratio_is_made_within_a_round_so_that_a_slow_minute_hits_both_sides() -> None:
    assert ratios([100, 50], [200, 100]) == [0.5, 0.5]


def test_rounds_of_different_numbers_are_no_ratios() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([100, 50], [200])


@pytest.mark.parametrize(
    ("direction", "value", "holds"),
    [("at least", 0.75, True), ("at least", 0.74, False), ("at most", 1.5, True), ("at most", 1.51, False)],
)
def test_a_bound_holds_up_to_its_limit(direction: str, value: float, holds: bool) -> None:  # noqa: FBT001  # a parameter of a test
    limit = 0.75 if direction == "at least" else 1.5
    bound = Bound(direction="at least" if direction == "at least" else "at most", must=limit, wanted=limit)

    assert bound.holds(value) is holds
    assert bound.is_as_wanted(value) is holds


def test_what_is_only_reported_neither_holds_nor_fails() -> None:
    assert Bound(direction="at most").holds(1_000) is None


def test_results_say_that_a_part_is_missing() -> None:
    results = Results()
    results.add(Results(figures=[Figure(name="kept", bound=Bound(direction="at least"), rounds=[1])]))
    assert not results.failed

    results.add(Results(figures=[Failed("memory", "the kernel tells none")]))
    assert results.failed
