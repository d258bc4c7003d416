"""The configuration files of every program, rendered from the settings."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.common.checkout import CHECKOUT
from deploy.common.names import DATABASE_ROLES, NGINX
from deploy.common.venv import VENV
from deploy.local import monitoring, nginx
from deploy.local.packages import Servers, find_programs
from deploy.local.sections import head, program
from deploy.local.settings import LocalSettings
from deploy.local.state import own_folder, secret, server_user, write_secret
from deploy.processes import COMMANDS_ENVIRONMENT, FACTORIES, PROCESSES, ROLES


def database_url(settings: LocalSettings, role: str, password: str) -> str:
    return f"postgresql://{role}:{password}@127.0.0.1:{settings.postgres_port}/{settings.database}"


def owner_env(settings: LocalSettings) -> dict[str, str]:
    """The environment of commands that act as the database's owner."""
    url = database_url(settings, "boltlink", secret(settings, "postgres"))
    return {**_handed_on(settings, COMMANDS_ENVIRONMENT), "DATABASE_URL": url}


def role_passwords(settings: LocalSettings) -> dict[str, str]:
    """The passwords that the migrations give to the roles, so that each role can log in."""
    return {f"{role.upper()}_DATABASE_PASSWORD": secret(settings, role) for role in DATABASE_ROLES}


def write_all(settings: LocalSettings, servers: Servers, factories: Mapping[str, str] = FACTORIES) -> None:
    """Render every file; `factories`: the application of each process."""
    write_store_urls(settings)
    _write_redis(settings)
    (settings.state / "etc" / "nginx.conf").write_text(nginx.configuration(settings), encoding="utf-8")
    write_secret(supervisor_conf(settings), _supervisor(settings, servers, factories))


def write_store_urls(settings: LocalSettings) -> None:
    """Write the URLs of the stores, with their passwords, into files that the processes read."""
    write_secret(
        settings.secrets / "redis_url",
        f"redis://:{secret(settings, 'redis')}@127.0.0.1:{settings.redis_port}/0",
    )
    for role in ROLES:
        write_secret(
            settings.secrets / f"{role}_database_url",
            database_url(settings, f"boltlink_{role}", secret(settings, role)),
        )


def supervisor_conf(settings: LocalSettings) -> Path:
    return settings.state / "etc" / "supervisord.conf"


def source_hash() -> str:
    """A hash of the services' code: when it changes, the processes have to be restarted."""
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
    lines = [*head(settings), *_servers(settings, servers)]
    for instance in settings.instances:
        command, env = service(settings, instance.name, settings.http_ports[instance.name], factories)
        lines += program(instance.name, settings, command, env=env, stop_timeout=instance.process.stop_timeout)
    if monitoring.is_on(settings):
        lines += _monitoring(settings)
    return "\n".join(lines)


def _servers(settings: LocalSettings, servers: Servers) -> Iterator[str]:
    """The sections of PostgreSQL, Redis and nginx; `CONFIGURATION` changes when the program has to be restarted."""
    postgres = _postgres_command(settings, servers)
    yield from program("postgres", settings, postgres, user=server_user("postgres"), stop="INT")
    redis: list[str | Path] = [servers.redis_server, settings.state / "redis" / "redis.conf"]
    redis_env = {"CONFIGURATION": _hash(_redis(settings))}
    yield from program("redis", settings, redis, user=server_user("redis"), env=redis_env)
    conf = settings.state / "etc" / "nginx.conf"
    command: list[str | Path] = [servers.nginx, "-p", settings.state / "nginx", "-e", "stderr", "-c", conf]
    nginx_env = {"CONFIGURATION": _hash(nginx.configuration(settings), *nginx.includes())}
    yield from program(NGINX, settings, command, env=nginx_env, stop="QUIT")


def _postgres_command(settings: LocalSettings, servers: Servers) -> list[str | Path]:
    options = {
        "port": settings.postgres_port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",  # the path of a socket has a maximum length, and nothing here needs one
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
    process = PROCESSES[name.rpartition("-")[0]]
    env = {
        **_handed_on(settings, process.environment),
        **{variable: str(settings.secrets / file) for variable, file in process.secret_variables.items()},
        **({"SPOOL_FOLDER": str(settings.state / "spool" / name)} if process.spool else {}),
        "INSTANCE_ID": name,
        "PORT": str(port),
        "PUBLIC_URL": settings.public_url,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "CONFIGURATION": _hash(source_hash(), str(settings.postgres_port), str(settings.redis_port), settings.database),
    }
    command: list[str | Path] = [
        VENV / "bin" / "gunicorn",
        "-c",
        CHECKOUT / "shared" / "process" / "gunicorn_conf.py",
        factories[process.name],
    ]
    return command, env


def _handed_on(settings: LocalSettings, names: tuple[str, ...]) -> dict[str, str]:
    return {name: settings.handed_on[name] for name in names if name in settings.handed_on}


def _monitoring(settings: LocalSettings) -> list[str]:
    monitoring.write_all(settings)
    lines = []
    for name, (command, env) in monitoring.programs(settings, find_programs(monitoring.PACKAGES)).items():
        lines += program(name, settings, command, env=env)
    return lines


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
