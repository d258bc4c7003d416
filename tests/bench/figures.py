"""Figures: what is measured in rounds, what it must reach, and whether it holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

Direction = Literal["at least", "at most"]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What a figure must reach, and what we try for; None: no such thing."""

    direction: Direction
    must: float | None = None
    wanted: float | None = None

    def holds(self, value: float) -> bool | None:
        """Whether a value is what it must be; None where it is only reported."""
        return None if self.must is None else self._is_kept(value, self.must)

    def is_as_wanted(self, value: float) -> bool | None:
        return None if self.wanted is None else self._is_kept(value, self.wanted)

    def _is_kept(self, value: float, limit: float) -> bool:
        return value >= limit if self.direction == "at least" else value <= limit


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table: the value of each round, in turn. `note`: what was different from what is asked."""

    name: str
    bound: Bound
    rounds: Sequence[float]
    note: str = ""

    @property
    def value(self) -> float:
        return median(self.rounds)


@dataclass(frozen=True)
class Failed:
    """A part that could not be measured, and why."""

    part: str
    reason: str


@dataclass
class Results:
    """All that was measured: figures, and bare numbers (name, value) that explain them."""

    figures: list[Figure | Failed] = field(default_factory=list)
    numbers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something could not be measured."""
        return any(isinstance(figure, Failed) for figure in self.figures)

    def add(self, more: "Results") -> None:
        self.figures += more.figures
        self.numbers += more.numbers


def ratios(measured: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Round by round: one divided by the other."""
    return [ours / theirs for ours, theirs in zip(measured, baseline, strict=True)]
