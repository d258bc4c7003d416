"""Backups of everything that cannot be made again: PostgreSQL holds it all once the stream of clicks has run dry."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from deploy.local.console import step
from deploy.local.settings import RuntimeFault

_DRAIN_TIMEOUT: Final = 30.0


class Stores(Protocol):
    """What a backup needs of a stores."""

    def redis(self, *words: str) -> str:
        """Run one command in Redis; its bare answer."""

    def spooled(self) -> bool:
        """Whether a resolver holds clicks in its spool."""

    def dump(self, path: Path) -> None:
        """Write PostgreSQL's data into a file."""

    def check(self, path: Path) -> None:
        """Raise RuntimeFault unless a file is such a dump."""

    def load(self, path: Path) -> None:
        """Fill a database of its own from a dump, beside the one in use, and bring it up to date."""

    def switch(self) -> None:
        """Put the database that was loaded in the place of the one in use."""

    def stop_services(self) -> None:
        """Stop nginx and every service."""

    def start_services(self) -> None:
        """Start them, and wait until they are ready."""


def backup(stores: Stores, folder: Path) -> Path:
    """Write a backup that holds every click answered before now; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"boltlink-{datetime.now(UTC):%Y%m%d-%H%M%S}.dump"
    with step("Waiting until every click up to now is counted"):
        _wait_counted(stores)
    with step("Writing the backup"):
        new = path.with_suffix(".part")
        stores.dump(new)
        new.chmod(0o600)
        new.replace(path)
    return path


def check(stores: Stores, path: Path) -> None:
    """Raise RuntimeFault unless a file looks like a backup. Only `restore` reads it to its end."""
    if not path.is_file():
        raise RuntimeFault(f"There is no backup {path}.")
    stores.check(path)


def restore(stores: Stores, path: Path) -> None:
    """Replace all data by a backup's. What Redis holds of the data before it is forgotten.

    A backup that turns out to be damaged changes nothing: it is read whole before the services are stopped.
    """
    check(stores, path)
    with step("Reading the backup"):
        stores.load(path)
    with step("Stopping the services"):
        stores.stop_services()
    with step("Replacing the data"):
        stores.switch()
        stores.redis("FLUSHALL")
    with step("Starting the services"):
        stores.start_services()


def _wait_counted(stores: Stores) -> None:
    """Wait until the stream no longer holds anything that is in it, or in a spool, now."""
    deadline = time.monotonic() + _DRAIN_TIMEOUT
    while stores.spooled():
        _pause(deadline)
    last = stores.redis("--raw", "XREVRANGE", "clicks", "+", "-", "COUNT", "1").split("\n")[0]
    while last and stores.redis("--raw", "XRANGE", "clicks", "-", last, "COUNT", "1"):
        _pause(deadline)


def _pause(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise RuntimeFault(
            f"Clicks are not counted within {_DRAIN_TIMEOUT:.0f} s; is the consumer well? See make ps, make logs."
        )
    time.sleep(0.2)
