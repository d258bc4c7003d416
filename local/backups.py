"""Backups of everything that cannot be made again: PostgreSQL holds it all once the stream of clicks has run dry."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from local import postgres
from local.configuration import DOOR
from local.console import run, step
from local.packages import Servers
from local.runtime import require_running, run_python, wait_ready
from local.settings import LocalSettings, RuntimeFault
from local.state import secret
from local.supervision import Supervisor

_DRY_SECONDS: Final = 30.0


def backup(settings: LocalSettings, servers: Servers, folder: Path) -> Path:
    """Write a backup that holds every click answered before now; its path."""
    require_running(Supervisor(settings))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"boltlink-{datetime.now(UTC):%Y%m%d-%H%M%S}.dump"
    with step("Waiting until every click up to now is counted"):
        _wait_counted(settings, servers)
    with step("Writing the backup"):
        new = path.with_suffix(".part")
        command: list[str | Path] = [servers.postgres_bin / "pg_dump", "--format=custom", "--no-owner", f"--file={new}"]
        run(command, what="The backup failed", env=postgres.client_env(settings))
        new.chmod(0o600)
        new.replace(path)
    return path


def restore(settings: LocalSettings, servers: Servers, path: Path) -> None:
    """Replace all data by a backup's. What Redis holds of the data before it is forgotten."""
    if not path.is_file():
        raise RuntimeFault(f"There is no backup {path}.")
    run([servers.postgres_bin / "pg_restore", "--list", path], what=f"{path} is no backup of BoltLink")
    supervisor = Supervisor(settings)
    require_running(supervisor)
    with step("Stopping the services"):
        supervisor.stop(DOOR)
        supervisor.stop(*settings.http_ports)
    with step("Restoring"):
        database = settings.database
        postgres.psql(settings, servers, f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)', database="postgres")
        postgres.make_database(settings, servers)
        dump: list[str | Path] = [
            servers.postgres_bin / "pg_restore",
            "--no-owner",
            "--exit-on-error",
            f"--dbname={database}",
            path,
        ]
        run(dump, what="The backup could not be restored", env=postgres.client_env(settings))
        redis(settings, servers, "FLUSHALL")
        run_python(settings, "shared.migrate", what="The migrations failed")
    with step("Starting the services"):
        for name in [*settings.http_ports, DOOR]:
            supervisor.ensure_started(name)
        wait_ready(settings)


def redis(settings: LocalSettings, servers: Servers, *words: str) -> str:
    """Run one command in Redis; its answer."""
    env = {**os.environ, "REDISCLI_AUTH": secret(settings, "redis")}
    command: list[str | Path] = [servers.redis_cli, "-h", "127.0.0.1", "-p", str(settings.redis_port), *words]
    return run(command, what="redis-cli", env=env).strip()


def _wait_counted(settings: LocalSettings, servers: Servers) -> None:
    """Wait until the stream no longer holds anything that is in it, or in a spool, now."""
    deadline = time.monotonic() + _DRY_SECONDS
    while any((settings.state / "spool").rglob("*.spool")):
        _pause(deadline)
    last = redis(settings, servers, "--raw", "XREVRANGE", "clicks", "+", "-", "COUNT", "1").split("\n")[0]
    while last and redis(settings, servers, "--raw", "XRANGE", "clicks", "-", last, "COUNT", "1"):
        _pause(deadline)


def _pause(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise RuntimeFault(
            f"Clicks are not counted within {_DRY_SECONDS:.0f} s; is the consumer well? See make ps, make logs."
        )
    time.sleep(0.2)
