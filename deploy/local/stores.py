"""The stores of the local runtime (see deploy.common.backups.BackupTarget)."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deploy.common.console import run
from deploy.common.names import NGINX
from deploy.local import postgres
from deploy.local.packages import Servers
from deploy.local.runtime import migrate, require_running, wait_ready
from deploy.local.settings import LocalSettings
from deploy.local.state import secret
from deploy.local.supervision import Supervisor


class LocalStores:
    """The stores of a running installation. Raises RuntimeFault when it does not run."""

    def __init__(self, settings: LocalSettings, servers: Servers) -> None:
        self._settings = settings
        self._servers = servers
        self._supervisor = Supervisor(settings)
        require_running(self._supervisor)

    def redis(self, *words: str) -> str:
        env = {**os.environ, "REDISCLI_AUTH": secret(self._settings, "redis")}
        command: list[str | Path] = [
            self._servers.redis_cli,
            "-h",
            "127.0.0.1",
            "-p",
            str(self._settings.redis_port),
            *words,
        ]
        return run(command, what="redis-cli", env=env).strip()

    def spooled(self) -> bool:
        return any((self._settings.state / "spool").rglob("*.spool"))

    def dump(self, path: Path) -> None:
        self._postgres("pg_dump", "--format=custom", "--no-owner", f"--file={path}")

    def check(self, path: Path) -> None:
        self._postgres("pg_restore", "--list", path, what=f"{path} is no backup of BoltLink")

    def load(self, path: Path) -> None:
        restored = self._restored()
        self._statement(f'DROP DATABASE IF EXISTS "{restored.database}" WITH (FORCE)')
        postgres.make_database(restored, self._servers)
        self._postgres(
            "pg_restore",
            "--no-owner",
            "--exit-on-error",
            f"--dbname={restored.database}",
            path,
            what=f"{path} is damaged",
        )
        migrate(restored)

    def switch(self) -> None:
        database = self._settings.database
        self._statement(f'DROP DATABASE "{database}" WITH (FORCE)')
        self._statement(f'ALTER DATABASE "{self._restored().database}" RENAME TO "{database}"')

    def stop_services(self) -> None:
        self._supervisor.stop(NGINX)
        self._supervisor.stop(*self._settings.http_ports)

    def start_services(self) -> None:
        for name in [*self._settings.http_ports, NGINX]:
            self._supervisor.ensure_started(name)
        wait_ready(self._settings)

    def _restored(self) -> LocalSettings:
        """The same installation with the database that a backup is loaded into."""
        return replace(self._settings, database=f"{self._settings.database}_restored")

    def _statement(self, statement: str) -> None:
        postgres.psql(self._settings, self._servers, statement, database="postgres")

    def _postgres(self, program: str, *words: str | Path, what: str | None = None) -> None:
        command: Sequence[str | Path] = [self._servers.postgres_bin / program, *words]
        run(command, what=what or f"{program} failed", env=postgres.client_env(self._settings))
