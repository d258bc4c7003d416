"""Figures: values measured in rounds, the limits that they must keep, and whether they do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

Direction = Literal["at least", "at most"]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The limit that a figure must keep, and the goal that we try for; None: there is none."""

    direction: Direction
    must: float | None = None
    goal: float | None = None

    def holds(self, value: float) -> bool | None:
        """Whether a value keeps the limit; None if the figure is only reported."""
        return None if self.must is None else self._is_kept(value, self.must)

    def meets_goal(self, value: float) -> bool | None:
        """Whether a value reaches the goal; None if there is no goal."""
        return None if self.goal is None else self._is_kept(value, self.goal)

    def _is_kept(self, value: float, limit: float) -> bool:
        return value >= limit if self.direction == "at least" else value <= limit


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table, with the value of each round. `note`: how this run differs from the figure's name."""

    name: str
    bound: Bound
    rounds: Sequence[float]
    note: str = ""

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return median(self.rounds)


@dataclass(frozen=True)
class NotMeasured:
    """A part that could not be measured, and the reason."""

    part: str
    reason: str


@dataclass
class Results:
    """The results of a run: figures, and bare numbers (name, value) that explain them."""

    figures: list[Figure | NotMeasured] = field(default_factory=list)
    numbers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether a part could not be measured."""
        return any(isinstance(figure, NotMeasured) for figure in self.figures)

    def add(self, others: "Results") -> None:
        self.figures += others.figures
        self.numbers += others.numbers


def ratios(measured: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """The ratio of each round: the measured value divided by the baseline's value."""
    return [value / baseline_value for value, baseline_value in zip(measured, baseline, strict=True)]
