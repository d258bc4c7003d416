"""Waits by polling, with a deadline."""

import time
from collections.abc import Callable
from typing import Final

from deploy.common.faults import RuntimeFault

_WAIT_TIMEOUT: Final = 30.0


def wait_until(condition: Callable[[], bool], otherwise: str, seconds: float = _WAIT_TIMEOUT) -> None:
    """Wait until a condition is true. Raises RuntimeFault when it is not true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeFault(f"{otherwise} (waited {seconds:.0f} s).")
        time.sleep(0.1)
