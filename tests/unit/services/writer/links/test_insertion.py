from datetime import UTC, datetime
from typing import Any

import pytest

from services.writer.links.insertion import faults_of
from shared.domain.models import LinkOptions


def moment(day: int) -> datetime:
    return datetime(2026, 3, day, tzinfo=UTC)


def fields_of(code: str | None = None, **options: Any) -> set[str]:
    return set(faults_of(LinkOptions(url="https://example.com/", **options), code))


def test_a_reserved_word_is_refused() -> None:
    assert fields_of("Stats") == {"code"}


@pytest.mark.parametrize("end", [1, 2])
def test_a_link_cannot_end_before_it_begins(end: int) -> None:
    assert fields_of(valid_since=moment(2), valid_until=moment(end)) == {"valid_until"}


def test_faults_of_several_fields_are_reported_at_once() -> None:
    assert fields_of("stats", valid_since=moment(2), valid_until=moment(1)) == {"code", "valid_until"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"valid_since": moment(1)},
        {"valid_until": moment(1)},
        {"valid_since": moment(1), "valid_until": moment(2)},
    ],
)
def test_a_valid_link_has_no_faults(options: dict[str, Any]) -> None:
    assert fields_of("abc", **options) == set()
