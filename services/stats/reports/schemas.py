"""Schemas of the queries and responses of the stats API."""

import re
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates

from shared.domain.dimensions import BOTS, DIMENSIONS, INTERVALS, ClickFilter, ValueFilter
from shared.schemas.fields import Moment, Text, parse_moment

_ZONES: Final = frozenset(zoneinfo.available_timezones()) | {"UTC"}
_YEARS: Final = range(1970, 9_000)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MAX_VALUES: Final = 100


class MomentOrDate(fields.String):
    """An RFC 3339 time, or a date, which is a day in the time zone of the query."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        found = parse_moment(value) or _parse_date(value)
        if found is None or found.year not in _YEARS:
            raise ValidationError("Must be a date, or a time as in 2026-01-31T12:00:00Z, with an offset.")
        return found


def _parse_date(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) and _DATE.fullmatch(text) else None
    except ValueError:
        return None


class Values(Text):
    """Values of a dimension, separated by commas. A value with a leading - is excluded."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        values = [value.strip() for value in text.split(",")]
        if len(text) > 1_024 or len(values) > _MAX_VALUES or not all(value.removeprefix("-") for value in values):
            raise ValidationError(f"Must be 1 to {_MAX_VALUES} values with commas between them.")
        return ValueFilter(
            keep=tuple(value for value in values if not value.startswith("-")),
            leave_out=tuple(value[1:] for value in values if value.startswith("-")),
        )


class FilterQuery(Schema):
    """What every stats call takes. `from` and `to` are RFC 3339 times, or dates in `tz`."""

    from_ = MomentOrDate(
        data_key="from", metadata={"description": "Only clicks from then on: RFC 3339, or a date in `tz`."}
    )
    to = MomentOrDate(
        metadata={"description": "Only clicks before then: RFC 3339, or a date in `tz`, which is then included."}
    )
    tz = Text(
        load_default="UTC",
        validate=validate.Length(max=64),
        metadata={"description": "A name of the IANA time zone database."},
    )
    bots = fields.String(load_default="exclude", validate=validate.OneOf(BOTS))

    class Meta:
        include: Final = {
            name: Values(metadata={"description": "Values by comma; -VALUE leaves one out."}) for name in DIMENSIONS
        }

    @validates("tz")
    def _check_zone(self, value: str, data_key: str) -> None:
        if value not in _ZONES:
            raise ValidationError("Must be a name of the IANA time zone database, such as Europe/Berlin.")

    @post_load
    def _make_filter(self, loaded: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        zone = zoneinfo.ZoneInfo(loaded["tz"])
        start = _boundary(loaded.pop("from_", None), zone, days_later=0)
        end = _boundary(loaded.pop("to", None), zone, days_later=1)
        if start and end and start >= end:
            raise ValidationError("Must lie before `to`.", "from")
        loaded["filter"] = ClickFilter(
            start=start,
            end=end,
            bots=loaded.pop("bots"),
            dimensions={name: loaded.pop(name) for name in DIMENSIONS if name in loaded},
        )
        return loaded


def _boundary(given: datetime | date | None, zone: zoneinfo.ZoneInfo, *, days_later: int) -> datetime | None:
    if given is None or isinstance(given, datetime):
        return given
    return datetime.combine(given + timedelta(days=days_later), time(), zone).astimezone(UTC)


class TimeseriesQuery(FilterQuery):
    interval = fields.String(load_default="day", validate=validate.OneOf(INTERVALS))


class LimitedQuery(FilterQuery):
    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=1_000))


class TotalsSchema(Schema):
    """What the clicks of a filter add up to."""

    clicks = fields.Integer(required=True)
    unique_visitors = fields.Integer(required=True)
    bots = fields.Integer(required=True, metadata={"description": "Clicks by declared bots, whatever `bots` says."})
    first_click = Moment(required=True, allow_none=True)
    last_click = Moment(required=True, allow_none=True)


class LinkSummarySchema(TotalsSchema):
    code = fields.String(required=True)


class BucketSchema(Schema):
    start = Moment(required=True)
    clicks = fields.Integer(required=True)


class TimeseriesSchema(Schema):
    """Clicks by time. Every bucket of the period is there, also an empty one."""

    interval = fields.String(required=True, validate=validate.OneOf(INTERVALS))
    tz = fields.String(required=True)
    buckets = fields.List(fields.Nested(BucketSchema), required=True)


class ShareSchema(Schema):
    value = fields.String(required=True)
    clicks = fields.Integer(required=True)
    share = fields.Float(required=True, metadata={"description": "Of all clicks of the filter, 0 to 1."})


class BreakdownSchema(Schema):
    """Clicks by the values of a dimension, most first."""

    dimension = fields.String(required=True, validate=validate.OneOf(DIMENSIONS))
    total = fields.Integer(required=True)
    values = fields.List(fields.Nested(ShareSchema), required=True)


class TopLinkSchema(Schema):
    code = fields.String(required=True)
    short_url = fields.String(required=True)
    url = fields.String(required=True)
    title = fields.String(required=True, allow_none=True)
    clicks = fields.Integer(required=True)


class TopSchema(Schema):
    """The links with the most clicks, most first."""

    links = fields.List(fields.Nested(TopLinkSchema), required=True)
