"""Visitors that arrive at random."""

import random
from statistics import mean, variance

import pytest

from tests.bench.open_loop import poisson


def test_the_number_of_visitors_has_the_mean_and_the_variance_of_a_poisson_process() -> None:
    chance = random.Random(1)  # noqa: S311  # no secret

    drawn = [poisson(chance, 3.5) for _ in range(20_000)]

    assert mean(drawn) == pytest.approx(3.5, rel=0.03)
    assert variance(drawn) == pytest.approx(3.5, rel=0.05)
