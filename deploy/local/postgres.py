"""The PostgreSQL server of the local runtime: its cluster, its database, its commands."""

import os
import shutil
from pathlib import Path

from deploy.local.console import run
from deploy.local.packages import Servers
from deploy.local.settings import LocalSettings
from deploy.local.state import own_folder, secret, server_user, write_secret

OWNER = "boltlink"


def make_cluster(settings: LocalSettings, servers: Servers) -> bool:
    """Make the cluster unless it is there; whether it had to be. One that was left half-made is made anew."""
    data = settings.state / "postgres"
    if (data / "PG_VERSION").exists():
        return False
    user = server_user("postgres")
    making = settings.state / "postgres.new"
    shutil.rmtree(making, ignore_errors=True)
    own_folder(making, user)
    password = making.with_name("postgres.password")
    write_secret(password, secret(settings, "postgres"), user)
    command: list[str | Path] = [
        servers.postgres_bin / "initdb", "--pgdata", making, "--username", OWNER, "--pwfile", password,
        "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums",
        *([] if settings.durable else ["--no-sync"]),
    ]  # fmt: skip
    try:
        run(as_user(user, command), what="The PostgreSQL cluster could not be made", cwd=Path("/"))
    finally:
        password.unlink()
    making.rename(data)
    return True


def answers(settings: LocalSettings, servers: Servers) -> bool:
    """Whether the server takes connections."""
    command = [servers.postgres_bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(settings.postgres_port)]
    return os.spawnv(os.P_WAIT, str(command[0]), [str(word) for word in command]) == 0


def make_database(settings: LocalSettings, servers: Servers) -> None:
    """Make the database unless it is there."""
    there = psql(
        settings, servers, f"SELECT 1 FROM pg_database WHERE datname = '{settings.database}'", database="postgres"
    )
    if not there.strip():
        psql(settings, servers, f'CREATE DATABASE "{settings.database}"', database="postgres")


def psql(settings: LocalSettings, servers: Servers, statement: str, *, database: str | None = None) -> str:
    """Run one statement as the owner; what it printed, bare."""
    command: list[str | Path] = [servers.postgres_bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement]
    return run(command, what="psql", env=client_env(settings, database=database))


def client_env(settings: LocalSettings, *, database: str | None = None) -> dict[str, str]:
    """What PostgreSQL's own programs need to reach the database as its owner."""
    return {
        **os.environ,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(settings.postgres_port),
        "PGUSER": OWNER,
        "PGPASSWORD": secret(settings, "postgres"),
        "PGDATABASE": database or settings.database,
    }


def as_user(user: str | None, command: list[str | Path]) -> list[str | Path]:
    """A command as another user, where we are root and may not run it as such."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *command] if user else command
