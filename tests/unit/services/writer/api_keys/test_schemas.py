from datetime import UTC, datetime
from typing import Any

import pytest

from services.writer.api_keys.schemas import NewKeySchema, dump_key
from shared.domain.models import ApiKey
from shared.schemas.parsing import parse
from tests.unit.invalid_input import faults_of


def new_key(**fields: Any) -> dict[str, Any]:
    return {"name": "ci", "scopes": ["links:read"]} | fields


def test_a_name_and_scopes_are_enough() -> None:
    assert parse(NewKeySchema(), new_key()) == {"name": "ci", "scopes": ["links:read"], "expires_at": None}


def test_a_key_may_expire() -> None:
    expires_at = datetime(9999, 1, 1, tzinfo=UTC)
    assert parse(NewKeySchema(), new_key(expires_at="9999-01-01T00:00:00Z"))["expires_at"] == expires_at


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("name", "", "name"),
        ("name", "x" * 129, "name"),
        ("name", None, "name"),
        ("name", "a\nb", "name"),
        ("scopes", [], "scopes"),
        ("scopes", None, "scopes"),
        ("scopes", "admin", "scopes"),
        ("scopes", ["admin"] * 5, "scopes"),
        ("scopes", ["admin", "root"], "scopes.1"),
        ("expires_at", "2020-01-01T00:00:00Z", "expires_at"),
        ("expires_at", "tomorrow", "expires_at"),
        ("id", 7, "id"),
    ],
)
def test_an_invalid_key_is_refused(field: str, value: object, where: str) -> None:
    assert set(faults_of(NewKeySchema(), new_key(**{field: value}))) == {where}


def test_a_key_in_a_response_has_no_secret() -> None:
    key = ApiKey(
        id=5,
        name="ci",
        scopes=("links:read",),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        expires_at=None,
        last_used_at=datetime(2026, 2, 1, tzinfo=UTC),
    )
    assert dump_key(key) == {
        "id": 5,
        "name": "ci",
        "scopes": ["links:read"],
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": None,
        "last_used_at": "2026-02-01T00:00:00Z",
    }
