"""The files that the programs start from, rendered from the settings."""

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.local import monitoring, nginx
from deploy.local.packages import VENV, Servers, find_programs
from deploy.local.settings import CHECKOUT, LocalSettings
from deploy.local.state import own_folder, secret, server_user, write_secret

DATABASE_ROLES: Final = ("writer", "resolver", "stats", "monitor")
STORES: Final = ("postgres", "redis")
NGINX: Final = "nginx"
FACTORIES: Final[Mapping[str, str]] = {
    "writer": "services.writer.app:serve_api",
    "relay": "services.writer.app:serve_relay",
    "resolver": "services.resolver.app:serve_api",
    "stats": "services.stats.app:serve_api",
    "consumer": "services.stats.app:serve_consumer",
}
SETTINGS: Final[Mapping[str, str]] = {
    "writer": "services.writer.settings:WriterSettings",
    "relay": "services.writer.settings:RelaySettings",
    "resolver": "services.resolver.settings:ResolverSettings",
    "stats": "services.stats.settings:StatsSettings",
    "consumer": "services.stats.settings:ConsumerSettings",
}
"""What each kind of process reads its environment with."""

ROLES: Final[Mapping[str, str]] = {
    "writer": "writer",
    "relay": "writer",
    "resolver": "resolver",
    "stats": "stats",
    "consumer": "stats",
}
"""The role in Postgres of each kind of process."""


def database_url(settings: LocalSettings, role: str, password: str) -> str:
    return f"postgresql://{role}:{password}@127.0.0.1:{settings.postgres_port}/{settings.database}"


def owner_env(settings: LocalSettings) -> dict[str, str]:
    """The environment of commands that act as the database's owner."""
    return {"DATABASE_URL": database_url(settings, "boltlink", secret(settings, "postgres"))}


def role_passwords(settings: LocalSettings) -> dict[str, str]:
    """What the migrations are told, so that each role can log in."""
    return {f"{role.upper()}_DATABASE_PASSWORD": secret(settings, role) for role in DATABASE_ROLES}


def write_all(settings: LocalSettings, servers: Servers, factories: Mapping[str, str] = FACTORIES) -> None:
    """Render every file; `factories`: what the processes of each kind run."""
    write_store_urls(settings)
    _write_redis(settings)
    (settings.state / "etc" / "nginx.conf").write_text(nginx.configuration(settings), encoding="utf-8")
    write_secret(supervisor_conf(settings), _supervisor(settings, servers, factories))


def write_store_urls(settings: LocalSettings) -> None:
    """Write where the stores are, and with which password, for those who read their settings from files."""
    write_secret(
        settings.secrets / "redis_url",
        f"redis://:{secret(settings, 'redis')}@127.0.0.1:{settings.redis_port}/0",
    )
    for role in ("writer", "resolver", "stats"):
        write_secret(
            settings.secrets / f"{role}_database_url",
            database_url(settings, f"boltlink_{role}", secret(settings, role)),
        )


def supervisor_conf(settings: LocalSettings) -> Path:
    return settings.state / "etc" / "supervisord.conf"


def source_hash() -> str:
    """A mark of the services' code: another one means that they have to start anew."""
    digest = hashlib.sha256()
    for folder in ("services", "shared", "requirements"):
        for path in sorted((CHECKOUT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(CHECKOUT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _write_redis(settings: LocalSettings) -> None:
    user = server_user("redis")
    folder = settings.state / "redis"
    own_folder(folder, user)
    write_secret(folder / "redis.conf", _redis(settings), user)


def _redis(settings: LocalSettings) -> str:
    lines = [
        (CHECKOUT / "deploy" / "redis.conf").read_text(encoding="utf-8"),
        f"port {settings.redis_port}",
        "bind 127.0.0.1",
        f"requirepass {secret(settings, 'redis')}",
        f'dir "{settings.state / "redis"}"',
        f"maxmemory {settings.redis_memory}",
    ]
    return "\n".join(lines)


def _supervisor(settings: LocalSettings, servers: Servers, factories: Mapping[str, str]) -> str:
    sections = [
        "[supervisord]",
        f"logfile={_escaped(settings.logs / 'supervisord.log')}",
        "logfile_maxbytes=10MB",
        "logfile_backups=3",
        f"pidfile={_escaped(settings.state / 'supervisord.pid')}",
        f"childlogdir={_escaped(settings.logs)}",
        f"directory={_escaped(CHECKOUT)}",
        *(["user=root"] if server_user("root") else []),
        "",
        "[inet_http_server]",
        f"port=127.0.0.1:{settings.supervisor_port}",
        "username=boltlink",
        f"password={_escaped(secret(settings, 'supervisor'))}",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        *_program("postgres", settings, _postgres_command(settings, servers), user=server_user("postgres"), stop="INT"),
        *_program(
            "redis",
            settings,
            [servers.redis_server, settings.state / "redis" / "redis.conf"],
            user=server_user("redis"),
            env={"CONFIGURATION": _hash(_redis(settings))},
        ),
        *_program(
            NGINX,
            settings,
            [
                servers.nginx,
                "-p",
                settings.state / "nginx",
                "-e",
                "stderr",
                "-c",
                settings.state / "etc" / "nginx.conf",
            ],
            env={"CONFIGURATION": _hash(nginx.configuration(settings), *nginx.includes())},
            stop="QUIT",
        ),
    ]
    for name, port in settings.http_ports.items():
        command, env = service(settings, name, port, factories)
        sections += _program(name, settings, command, env=env)
    if monitoring.is_on(settings):
        sections += _monitoring(settings)
    return "\n".join(sections)


def _postgres_command(settings: LocalSettings, servers: Servers) -> list[str | Path]:
    options = {
        "port": settings.postgres_port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",  # a path may be too long for one, and nobody needs it
        "max_connections": 200,
        "fsync": "on" if settings.durable else "off",
        "full_page_writes": "on" if settings.durable else "off",
    }
    words: list[str | Path] = [servers.postgres_bin / "postgres", "-D", settings.state / "postgres"]
    for name, value in options.items():
        words += ["-c", f"{name}={value}"]
    return words


def service(
    settings: LocalSettings, name: str, port: int, factories: Mapping[str, str] = FACTORIES
) -> tuple[list[str | Path], dict[str, str]]:
    """The command of an instance, and its environment."""
    kind = name.rpartition("-")[0]
    env = {
        **settings.passed_on,
        "INSTANCE_ID": name,
        "PORT": str(port),
        "PUBLIC_URL": settings.public_url,
        "DATABASE_URL_FILE": str(settings.secrets / f"{ROLES[kind]}_database_url"),
        "REDIS_URL_FILE": str(settings.secrets / "redis_url"),
        "VISITOR_SECRET_FILE": str(settings.secrets / "visitor"),
        "SPOOL_FOLDER": str(settings.state / "spool" / name),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "CONFIGURATION": _hash(source_hash(), str(settings.postgres_port), str(settings.redis_port), settings.database),
    }
    command: list[str | Path] = [
        VENV / "bin" / "gunicorn",
        "-c",
        CHECKOUT / "shared" / "process" / "gunicorn_conf.py",
        factories[kind],
    ]
    return command, env


def _monitoring(settings: LocalSettings) -> list[str]:
    monitoring.write_all(settings)
    sections = []
    for name, (command, env) in monitoring.programs(settings, find_programs(monitoring.PACKAGES)).items():
        sections += _program(name, settings, command, env=env)
    return sections


def _program(
    name: str,
    settings: LocalSettings,
    command: list[str | Path],
    *,
    user: str | None = None,
    env: Mapping[str, str] | None = None,
    stop: str = "TERM",
) -> list[str]:
    """A program that comes back whenever it dies, its output in one file that is kept short."""
    return [
        "",
        f"[program:{name}]",
        f"command={_escaped(shlex.join(str(word) for word in command))}",
        "autostart=false",
        "autorestart=true",
        "startsecs=0",
        "startretries=1000000",
        f"stopsignal={stop}",
        "stopwaitsecs=30",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile={_escaped(_escaped(settings.logs / f'{name}.log'))}",  # supervisor reads this one twice
        "stdout_logfile_maxbytes=10MB",
        "stdout_logfile_backups=3",
        *([f"user={user}"] if user else []),
        *([f"environment={_environment(env)}"] if env else []),
    ]


def _environment(env: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(env.items()))


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
