"""Backups. PostgreSQL contains everything that has to be kept, once every click of the stream is counted."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from deploy.common.console import step
from deploy.common.faults import RuntimeFault
from deploy.common.names import CLICK_STREAM

_DRAIN_TIMEOUT: Final = 30.0


class BackupTarget(Protocol):
    """The operations on the stores and services that backup and restore need."""

    def redis(self, *words: str) -> str:
        """Run one command in Redis and return its raw reply."""

    def spooled(self) -> bool:
        """Whether the spool of any resolver contains clicks."""

    def dump(self, path: Path) -> None:
        """Write PostgreSQL's data into a file."""

    def check(self, path: Path) -> None:
        """Raise RuntimeFault when a file is not such a dump."""

    def load(self, path: Path) -> None:
        """Load a dump into a separate database, beside the one in use, and migrate it."""

    def switch(self) -> None:
        """Replace the database in use by the one that was loaded."""

    def stop_services(self) -> None:
        """Stop nginx and every service."""

    def start_services(self) -> None:
        """Start nginx and every service, and wait until they are ready."""


def backup(target: BackupTarget, folder: Path) -> Path:
    """Write a backup that contains every click up to now, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"boltlink-{datetime.now(UTC):%Y%m%d-%H%M%S}.dump"
    with step("Waiting until every click up to now is counted"):
        _wait_counted(target)
    with step("Writing the backup"):
        new = path.with_suffix(".part")
        target.dump(new)
        new.chmod(0o600)
        new.replace(path)
    return path


def check(target: BackupTarget, path: Path) -> None:
    """Raise RuntimeFault when a file does not look like a backup. Only `restore` reads the whole file."""
    if not path.is_file():
        raise RuntimeFault(f"There is no backup {path}.")
    target.check(path)


def restore(target: BackupTarget, path: Path) -> None:
    """Replace all data by that of a backup, and empty Redis, which holds the former data.

    A damaged backup changes nothing, because it is loaded completely before the services are stopped.
    """
    check(target, path)
    with step("Reading the backup"):
        target.load(path)
    with step("Stopping the services"):
        target.stop_services()
    with step("Replacing the data"):
        target.switch()
        target.redis("FLUSHALL")
    with step("Starting the services"):
        target.start_services()


def _wait_counted(target: BackupTarget) -> None:
    """Wait until every click that is in the stream or in a spool now has been counted."""
    deadline = time.monotonic() + _DRAIN_TIMEOUT
    while target.spooled():
        _pause(deadline)
    last = target.redis("--raw", "XREVRANGE", CLICK_STREAM, "+", "-", "COUNT", "1").split("\n")[0]
    while last and target.redis("--raw", "XRANGE", CLICK_STREAM, "-", last, "COUNT", "1"):
        _pause(deadline)


def _pause(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise RuntimeFault(
            f"Clicks are not counted within {_DRAIN_TIMEOUT:.0f} s; is the consumer running? See make ps, make logs."
        )
    time.sleep(0.2)
