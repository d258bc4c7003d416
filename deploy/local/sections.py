"""The format of supervisord's configuration: its head, and one section for each program."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from deploy.common.checkout import CHECKOUT
from deploy.local.settings import LocalSettings
from deploy.local.state import secret, server_user


def head(settings: LocalSettings) -> list[str]:
    """The sections of supervisord itself and of its HTTP server."""
    return [
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
    ]


def program(
    name: str,
    settings: LocalSettings,
    command: list[str | Path],
    *,
    user: str | None = None,
    env: Mapping[str, str] | None = None,
    stop: str = "TERM",
    stop_timeout: int = 30,
) -> list[str]:
    """A program that supervisord restarts whenever it ends; its output goes to one log file of limited size."""
    return [
        "",
        f"[program:{name}]",
        f"command={_escaped(shlex.join(str(word) for word in command))}",
        "autostart=false",
        "autorestart=true",
        "startsecs=0",
        "startretries=1000000",
        f"stopsignal={stop}",
        f"stopwaitsecs={stop_timeout}",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile={_escaped(_escaped(settings.logs / f'{name}.log'))}",  # supervisor expands this one twice
        "stdout_logfile_maxbytes=10MB",
        "stdout_logfile_backups=3",
        *([f"user={user}"] if user else []),
        *([f"environment={_environment(env)}"] if env else []),
    ]


def _environment(env: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(env.items()))


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")
