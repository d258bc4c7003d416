"""How much a run measures: everything, or what fits into three minutes."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of a run. `seconds` is the length of each load, `warm_up` that of a load that is not measured."""

    name: str
    rounds: int
    seconds: int
    warm_up: int
    links: int
    few_links: int
    many_links: int
    redirects: tuple[int, int]
    batches: int
    pages: int

    @property
    def is_quick(self) -> bool:
        return self.name == "quick"


FULL: Final = Sizes(
    name="full",
    rounds=3,
    seconds=5,
    warm_up=2,
    links=100_000,
    few_links=1_000,
    many_links=1_000_000,
    redirects=(1_000_000, 3_000_000),
    batches=100,
    pages=300,
)
QUICK: Final = Sizes(
    name="quick",
    rounds=3,
    seconds=1,
    warm_up=1,
    links=100_000,
    few_links=1_000,
    many_links=100_000,
    redirects=(60_000, 180_000),
    batches=10,
    pages=30,
)
