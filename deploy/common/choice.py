"""Remembers which runtime was started last in this checkout, so that every later `make` command acts on it.

Stopping a runtime does not forget it, because its data stays: only `make clean` does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from deploy.common.checkout import CHECKOUT

_MARK: Final[Path] = CHECKOUT / ".runtime"


def remember(runtime: str, mark: Path = _MARK) -> None:
    """Remember a runtime (`local` or `compose`) as the one that was started last."""
    mark.write_text(f"{runtime}\n", encoding="utf-8")


def forget(mark: Path = _MARK) -> None:
    """Remember no runtime."""
    mark.unlink(missing_ok=True)


def other_runs(runtime: str, is_running: Callable[[], bool], mark: Path = _MARK) -> bool:
    """Whether the other runtime was started last and runs now; `is_running` finds out whether the other one runs."""
    return mark.exists() and mark.read_text(encoding="utf-8").strip() != runtime and is_running()
