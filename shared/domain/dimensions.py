"""What statistics can be asked: dimensions, intervals, and the filter of the clicks that a report is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

Bots = Literal["exclude", "include", "only"]
BOTS: Final[tuple[Bots, ...]] = ("exclude", "include", "only")

DIMENSIONS: Final = ("referrer", "browser", "os", "device")
"""What clicks can be broken down by and filtered with: each is a column of the table `clicks`."""

INTERVALS: Final = ("minute", "hour", "day", "week", "month")

BUCKET_SECONDS: Final = 15 * 60
"""Clicks are counted in quarters of an hour: the coarsest bucket whose edges are edges of every day on Earth."""


@dataclass(frozen=True, slots=True)
class ValueFilter:
    """Values of a dimension to keep (all when empty) and to leave out."""

    keep: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ClickFilter:
    """Which clicks a report is about: `start` ≤ time < `end`."""

    link_id: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    bots: Bots = "exclude"
    dimensions: Mapping[str, ValueFilter] = field(default_factory=dict)
