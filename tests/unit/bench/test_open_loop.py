"""Visitors who come by chance."""

import random
from statistics import mean, variance

import pytest

from tests.bench.open_loop import poisson


def test_as_many_visitors_come_as_the_rate_says_and_not_in_step() -> None:
    chance = random.Random(1)  # noqa: S311  # no secret

    drawn = [poisson(chance, 3.5) for _ in range(20_000)]

    assert mean(drawn) == pytest.approx(3.5, rel=0.03)
    assert variance(drawn) == pytest.approx(3.5, rel=0.05)
