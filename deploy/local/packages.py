"""Finds the servers and other programs, and installs those that are missing when the user may do so."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.common import apt, venv
from deploy.common.faults import RuntimeFault

POSTGRES_MAJOR: Final = 15

_DEBIAN_PACKAGES: Final = {
    "postgres": "postgresql",  # version 15 on Debian 12
    "redis-server": "redis-server",
    "nginx": "nginx-light",
    "venv": venv.DEBIAN_PACKAGE,
    "curl": "curl",  # for the command that make up prints, and for the README
}


@dataclass(frozen=True, slots=True)
class Servers:
    """The paths of the programs; `postgres_bin` is the folder of PostgreSQL's programs."""

    postgres_bin: Path
    redis_server: Path
    redis_cli: Path
    nginx: Path


def find_servers() -> Servers:
    """Find the servers, and install those that are missing. Raises RuntimeFault when it cannot."""
    missing = _missing()
    if missing:
        apt.install([_DEBIAN_PACKAGES[name] for name in missing])
        if still := _missing():
            raise RuntimeFault(f"Installed, but still not found: {', '.join(still)}.")
    postgres, redis_server, redis_cli, nginx = (
        _postgres_bin(),
        _which("redis-server"),
        _which("redis-cli"),
        _which("nginx"),
    )
    assert postgres is not None
    assert redis_server is not None
    assert redis_cli is not None
    assert nginx is not None
    return Servers(postgres, redis_server, redis_cli, nginx)


def find_programs(packages: Mapping[str, str]) -> dict[str, Path]:
    """Find programs by their names, and install the packages of those that are missing."""
    if missing := [package for program, package in packages.items() if _which(program) is None]:
        apt.install(missing)
    found = {program: _which(program) for program in packages}
    if absent := [program for program, path in found.items() if path is None]:
        raise RuntimeFault(f"Installed, but still not found: {', '.join(absent)}.")
    return {program: path for program, path in found.items() if path is not None}


def _missing() -> list[str]:
    found = {
        "postgres": _postgres_bin(),
        "redis-server": _which("redis-server"),
        "nginx": _which("nginx"),
        "curl": _which("curl"),
        "venv": venv.is_available(),
    }
    return [name for name, there in found.items() if not there]


def _which(program: str) -> Path | None:
    found = shutil.which(
        program, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin"
    )
    return Path(found) if found else None


def _postgres_bin() -> Path | None:
    """The folder of PostgreSQL's programs, of the oldest version that is new enough."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    usable = [path.parent for path in folders if int(path.parts[-3]) >= POSTGRES_MAJOR]
    if usable:
        return usable[0]
    initdb = _which("initdb")
    return initdb.resolve().parent if initdb else None
