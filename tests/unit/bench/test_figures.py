"""Rounds, medians and limits of figures."""

import pytest

from tests.bench.figures import Bound, Figure, NotMeasured, Results, ratios


def test_a_figure_is_the_median_of_its_rounds() -> None:
    figure = Figure(name="redirects", bound=Bound(direction="at least"), rounds=[0.9, 0.1, 0.8])

    assert figure.value == 0.8


def test_ratios_divide_the_values_of_the_same_round() -> None:
    assert ratios([100, 50], [200, 100]) == [0.5, 0.5]


def test_ratios_need_equally_many_rounds_on_both_sides() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([100, 50], [200])


@pytest.mark.parametrize(
    ("direction", "value", "holds"),
    [("at least", 0.75, True), ("at least", 0.74, False), ("at most", 1.5, True), ("at most", 1.51, False)],
)
def test_a_value_at_the_limit_keeps_it(direction: str, value: float, holds: bool) -> None:  # noqa: FBT001  # a parameter of a test
    limit = 0.75 if direction == "at least" else 1.5
    bound = Bound(direction="at least" if direction == "at least" else "at most", must=limit, goal=limit)

    assert bound.holds(value) is holds
    assert bound.meets_goal(value) is holds


def test_a_figure_without_a_limit_neither_holds_nor_fails() -> None:
    assert Bound(direction="at most").holds(1_000) is None


def test_results_have_failed_when_a_part_was_not_measured() -> None:
    results = Results()
    results.add(Results(figures=[Figure(name="kept", bound=Bound(direction="at least"), rounds=[1])]))
    assert not results.failed

    results.add(Results(figures=[NotMeasured("memory", "/proc has no PSS")]))
    assert results.failed
