"""Percentiles."""

import pytest

from tests.bench.latency import percentile


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100), (1, 1)])
def test_a_percentile_is_one_of_the_measured_values(percent: int, value: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], percent) == value


def test_every_percentile_of_a_single_value_is_that_value() -> None:
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0
