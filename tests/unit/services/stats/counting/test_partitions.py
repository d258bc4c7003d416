from datetime import date

import pytest

from services.stats.counting.partitions import months_ahead


@pytest.mark.parametrize(
    ("today", "months"),
    [
        (date(2026, 1, 1), [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]),
        (date(2026, 1, 31), [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]),
        (date(2026, 11, 30), [date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)]),
        (date(2024, 2, 29), [date(2024, 2, 1), date(2024, 3, 1), date(2024, 4, 1)]),
    ],
)
def test_there_are_partitions_for_this_month_and_the_next_two(today: date, months: list[date]) -> None:
    assert months_ahead(today) == months


def test_no_month_is_missing_over_years() -> None:
    months = months_ahead(date(2026, 1, 31), 36)
    assert [(month.year, month.month, month.day) for month in months] == [
        (2026 + number // 12, number % 12 + 1, 1) for number in range(37)
    ]
