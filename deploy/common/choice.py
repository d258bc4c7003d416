"""Remembers which runtime was started last in this checkout, so that `make down`, `make ps` and others act on it."""

from pathlib import Path
from typing import Final

from deploy.common.checkout import CHECKOUT

_MARK: Final[Path] = CHECKOUT / ".runtime"


def remember(runtime: str) -> None:
    """Remember that a runtime (`local` or `compose`) is started."""
    _MARK.write_text(f"{runtime}\n", encoding="utf-8")


def forget() -> None:
    """Remember that no runtime is started."""
    _MARK.unlink(missing_ok=True)


def other_runs(runtime: str) -> bool:
    """Whether the other runtime was started and not stopped."""
    return _MARK.exists() and _MARK.read_text(encoding="utf-8").strip() != runtime
