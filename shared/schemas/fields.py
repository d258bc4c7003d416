"""Fields that are stricter than those of marshmallow."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from marshmallow import ValidationError, fields

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:[0-5]\d)\Z", re.ASCII)


class StrictBoolean(fields.Boolean):
    """JSON's true and false; numbers and strings are refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Must be true or false.")
        return value


class QueryBoolean(fields.Boolean):
    """`true` or `false` in a query string."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(truthy={"true"}, falsy={"false"}, **kwargs)


class Text(fields.String):
    """Text that UTF-8 can encode, without control characters; `multiline` allows line breaks and tabs."""

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._allowed = "\n\r\t" if multiline else ""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if any(unicodedata.category(char) in ("Cc", "Cs") and char not in self._allowed for char in text):
            raise ValidationError("Must not contain control characters.")
        return text


class Moment(fields.DateTime):
    """A point in time: RFC 3339 with an offset on input, UTC on output."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        moment = parse_moment(value)
        if moment is None:
            raise ValidationError("Must be a time as in 2026-01-31T12:00:00Z, with an offset.")
        return moment

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else format_moment(value)


class UnparsedNested(fields.Nested):
    """An object that the OpenAPI document describes by its schema, but that is loaded without being parsed.

    The handler parses each object itself, so that a fault of one does not refuse the others.
    """

    def deserialize(
        self, value: Any, attr: str | None = None, data: Mapping[str, Any] | None = None, **_kwargs: Any
    ) -> Any:
        return value


def parse_moment(text: object) -> datetime | None:
    """Parse an RFC 3339 time, converted to UTC; None for anything else."""
    if not isinstance(text, str) or not _RFC3339.match(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_moment(moment: datetime) -> str:
    """Format a time as RFC 3339 in UTC, as in every response."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
