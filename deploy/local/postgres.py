"""The PostgreSQL server of the local runtime: its cluster, its database, its commands."""

import os
import shutil
from pathlib import Path

from deploy.common.console import run
from deploy.local.packages import Servers
from deploy.local.settings import LocalSettings
from deploy.local.state import own_folder, secret, server_user, write_secret

OWNER = "boltlink"


def make_cluster(settings: LocalSettings, servers: Servers) -> bool:
    """Create the cluster unless it exists; return whether it was created. An incomplete one is created again."""
    data = settings.state / "postgres"
    if (data / "PG_VERSION").exists():
        return False
    user = server_user("postgres")
    new = settings.state / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    own_folder(new, user)
    password = new.with_name("postgres.password")
    write_secret(password, secret(settings, "postgres"), user)
    command: list[str | Path] = [
        servers.postgres_bin / "initdb", "--pgdata", new, "--username", OWNER, "--pwfile", password,
        "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums",
        *([] if settings.durable else ["--no-sync"]),
    ]  # fmt: skip
    try:
        run(as_user(user, command), what="The PostgreSQL cluster could not be created", cwd=Path("/"))
    finally:
        password.unlink()
    new.rename(data)
    return True


def accepts_connections(settings: LocalSettings, servers: Servers) -> bool:
    """Whether the server accepts connections."""
    command = [servers.postgres_bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(settings.postgres_port)]
    return os.spawnv(os.P_WAIT, str(command[0]), [str(word) for word in command]) == 0


def make_database(settings: LocalSettings, servers: Servers) -> None:
    """Create the database unless it exists."""
    exists = psql(
        settings, servers, f"SELECT 1 FROM pg_database WHERE datname = '{settings.database}'", database="postgres"
    )
    if not exists.strip():
        psql(settings, servers, f'CREATE DATABASE "{settings.database}"', database="postgres")


def psql(settings: LocalSettings, servers: Servers, statement: str, *, database: str | None = None) -> str:
    """Run one statement as the owner, and return its plain output."""
    command: list[str | Path] = [servers.postgres_bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement]
    return run(command, what="psql", env=client_env(settings, database=database))


def client_env(settings: LocalSettings, *, database: str | None = None) -> dict[str, str]:
    """The environment with which PostgreSQL's programs connect to the database as its owner."""
    return {
        **os.environ,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(settings.postgres_port),
        "PGUSER": OWNER,
        "PGPASSWORD": secret(settings, "postgres"),
        "PGDATABASE": database or settings.database,
    }


def as_user(user: str | None, command: list[str | Path]) -> list[str | Path]:
    """A command that runs as another user, when make runs as root; `user` is None otherwise."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *command] if user else command
