"""The stores in containers (see deploy.common.backups.BackupTarget)."""

import subprocess
from pathlib import Path
from typing import Final

from deploy.common.checkout import CHECKOUT
from deploy.common.faults import RuntimeFault
from deploy.common.names import NGINX
from deploy.compose.engine import Engine, secrets_folder

_DATABASE: Final = "boltlink"
_RESTORED: Final = f"{_DATABASE}_restored"
"""The database that a backup is loaded into, before it replaces the one in use."""

REDIS_CLI: Final = 'REDISCLI_AUTH=$(cat /run/secrets/redis) exec redis-cli "$@"'


class ComposeStores:
    """The stores of the running containers. Raises RuntimeFault when none runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        engine.require_running()

    def redis(self, *words: str) -> str:
        return self._engine.compose("exec", "-T", "redis", "sh", "-c", REDIS_CLI, "redis-cli", *words).strip()

    def spooled(self) -> bool:
        look = "ls /spool/*.spool 2>/dev/null || true"
        names = [instance.compose_name for instance in self._engine.instances if instance.process.spool]
        return any(self._engine.compose("exec", "-T", name, "sh", "-c", look).strip() for name in names)

    def dump(self, path: Path) -> None:
        with path.open("wb") as file:
            self._postgres("pg_dump", "--format=custom", "--no-owner", output=file.fileno())

    def check(self, path: Path) -> None:
        with path.open("rb") as file:
            self._postgres("pg_restore", "--list", text=file.fileno(), what=f"{path} is no backup of BoltLink")

    def load(self, path: Path) -> None:
        self._statements(f"DROP DATABASE IF EXISTS {_RESTORED} WITH (FORCE)", f"CREATE DATABASE {_RESTORED}")
        with path.open("rb") as file:
            self._postgres(
                *("pg_restore", "--no-owner", "--exit-on-error", "-d", _RESTORED),
                text=file.fileno(),
                what=f"{path} is damaged",
            )
        url = (secrets_folder() / "owner_database_url").read_text(encoding="utf-8").strip()
        restored = f"{url.removesuffix(_DATABASE)}{_RESTORED}"
        self._engine.run_once(
            "python", "-m", "shared.postgres.migrate", env={"DATABASE_URL": restored, "DATABASE_URL_FILE": ""}
        )

    def switch(self) -> None:
        self._statements(f"DROP DATABASE {_DATABASE} WITH (FORCE)", f"ALTER DATABASE {_RESTORED} RENAME TO {_DATABASE}")

    def stop_services(self) -> None:
        self._engine.compose("stop", NGINX)
        self._engine.compose("stop", *self._engine.services)

    def start_services(self) -> None:
        self._engine.compose("up", "-d", "--wait", "--no-recreate", *self._engine.services, NGINX)

    def _statements(self, *statements: str) -> None:
        for statement in statements:
            self._postgres("psql", "-v", "ON_ERROR_STOP=1", "-qc", statement, database="postgres")

    def _postgres(
        self,
        program: str,
        *words: str,
        database: str = _DATABASE,
        text: int = subprocess.DEVNULL,
        output: int = subprocess.DEVNULL,
        what: str = "",
    ) -> None:
        names = ["-d", database] if program in ("psql", "pg_dump") else []
        command = [
            *self._engine.command,
            "exec",
            "-T",
            "postgres",
            program,
            *(["-U", "boltlink"] if "--list" not in words else []),
            *names,
            *words,
        ]
        done = subprocess.run(command, cwd=CHECKOUT, stdin=text, stdout=output, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise RuntimeFault(f"{what or program}: {done.stderr.decode(errors='replace').strip()[-1000:]}")
