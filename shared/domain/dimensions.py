"""The dimensions, the intervals and the click filter of statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, get_args

Bots = Literal["exclude", "include", "only"]
BOTS: Final[tuple[Bots, ...]] = get_args(Bots)

DIMENSIONS: Final = ("referrer", "browser", "os", "device")
"""Clicks can be broken down and filtered by these; each is a column of the table `clicks`."""

INTERVALS: Final = ("minute", "hour", "day", "week", "month")

BUCKET_SECONDS: Final = 15 * 60
"""Clicks are counted in quarters of an hour, because in every time zone a day begins at the start of one."""


@dataclass(frozen=True, slots=True)
class ValueFilter:
    """The values of a dimension to keep (all when `keep` is empty) and to leave out."""

    keep: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ClickFilter:
    """The clicks that a report covers: `start` ≤ time < `end`; None is no limit."""

    link_id: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    bots: Bots = "exclude"
    dimensions: Mapping[str, ValueFilter] = field(default_factory=dict)
