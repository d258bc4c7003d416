"""A clock that a test sets."""

from dataclasses import dataclass


@dataclass
class Clock:
    """A clock in seconds; `now` is what it shows."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now
