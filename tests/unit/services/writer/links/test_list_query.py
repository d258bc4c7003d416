"""The query of a list of links."""

import pytest

from services.writer.links.schemas import ListQuery
from shared.schemas.parsing import parse
from tests.unit.invalid_input import query_faults_of


def test_a_list_has_its_defaults() -> None:
    assert parse(ListQuery(), {}) == {"limit": 100, "tag": [], "any_tag": [], "sort": "-created_at"}


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "updated_at", "clicks", "-clicks", "code", "-code"])
def test_a_list_has_an_order(sort: str) -> None:
    assert parse(ListQuery(), {"sort": sort})["sort"] == sort


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "-1"),
        ("limit", "many"),
        ("limit", "1.5"),
        ("limit", "9" * 5_000),
        ("cursor", ""),
        ("cursor", "x" * 1_025),
        ("q", ""),
        ("q", "x" * 257),
        ("q", "a\x00b"),
        ("status", "gone"),
        ("created_after", "2026-01-31"),
        ("created_before", "yesterday"),
        ("sort", "id"),
        ("sort", "--code"),
        ("sort", "code; DROP TABLE links"),
        ("colour", "blue"),
    ],
)
def test_an_invalid_query_of_a_list_is_refused(name: str, value: str) -> None:
    assert set(query_faults_of(ListQuery(), (name, value))) == {name}
