"""Finds the servers and the Python packages, and installs those that are missing when the user may do so."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.console import run, step
from deploy.local.settings import CHECKOUT, RuntimeFault

VENV: Final = CHECKOUT / ".venv"
POSTGRES_MAJOR: Final = 15

_DEBIAN_PACKAGES: Final = {
    "postgres": "postgresql",  # version 15 on Debian 12
    "redis-server": "redis-server",
    "nginx": "nginx-light",
    "venv": "python3-venv",
    "curl": "curl",  # for the command that make up prints, and for the README
}
_POLICY: Final = Path("/usr/sbin/policy-rc.d")


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
        _install([_DEBIAN_PACKAGES[name] for name in missing])
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
        _install(missing)
    found = {program: _which(program) for program in packages}
    if absent := [program for program, path in found.items() if path is None]:
        raise RuntimeFault(f"Installed, but still not found: {', '.join(absent)}.")
    return {program: path for program, path in found.items() if path is not None}


def ensure_files(packages: Mapping[Path, str]) -> None:
    """Ensure that files exist: install the packages of those that are missing."""
    if missing := [package for path, package in packages.items() if not path.exists()]:
        _install(missing)
    if absent := [str(path) for path in packages if not path.exists()]:
        raise RuntimeFault(f"Installed, but still not found: {', '.join(absent)}.")


def ensure_venv(requirements: str) -> Path:
    """Install `requirements/NAME.txt` unless it is installed, and return the Python of the virtual environment."""
    file = CHECKOUT / "requirements" / f"{requirements}.txt"
    mark = VENV / f".{requirements}"
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    python = VENV / "bin" / "python"
    if python.exists() and mark.exists() and mark.read_text() == checksum:
        return python
    if not _is_whole(VENV):
        if not _can_make_venv():
            _install([_DEBIAN_PACKAGES["venv"]])
        with step("Creating a virtual environment in .venv"):
            run([sys.executable, "-m", "venv", "--clear", VENV], what="The virtual environment could not be created")
    with step("Installing the Python packages, with their hashes checked"):
        run(
            [python, "-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "-r", file],
            what="The Python packages could not be installed",
        )
    mark.write_text(checksum)
    return python


def _missing() -> list[str]:
    found = {
        "postgres": _postgres_bin(),
        "redis-server": _which("redis-server"),
        "nginx": _which("nginx"),
        "curl": _which("curl"),
        "venv": _is_whole(VENV) or _can_make_venv(),
    }
    return [name for name, there in found.items() if not there]


def _is_whole(venv: Path) -> bool:
    """Whether an environment is complete: it gets pip at the end."""
    return (venv / "bin" / "pip").exists()


def _can_make_venv() -> bool:
    return (
        subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode
        == 0
    )


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


def _install(packages: list[str]) -> None:
    apt = shutil.which("apt-get")
    prefix = _root_prefix()
    if apt is None or prefix is None:
        raise RuntimeFault(
            f"Missing: {', '.join(packages)}. Install them as root, then run make again. On Debian or Ubuntu:\n"
            f"    apt-get install --no-install-recommends {' '.join(packages)}"
        )
    env = ["env", "DEBIAN_FRONTEND=noninteractive"]
    with step(f"Installing {', '.join(packages)}"), _servers_stay_off(prefix):
        run([*prefix, apt, "-q", "update"], what="The package lists could not be read")
        run(
            [*prefix, *env, apt, "-q", "install", "-y", "--no-install-recommends", *packages],
            what=f"{', '.join(packages)} could not be installed",
        )


def _root_prefix() -> list[str] | None:
    """The prefix that makes a command run as root: empty, or sudo without a password; None when neither works."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    return None


@contextlib.contextmanager
def _servers_stay_off(prefix: list[str]) -> Iterator[None]:
    """Keep Debian from starting the servers that it installs: ours have ports and folders of their own."""
    if _POLICY.exists():
        yield
        return
    run(
        [*prefix, "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' > {_POLICY} && chmod 755 {_POLICY}"],
        what="policy-rc.d",
    )
    try:
        yield
    finally:
        run([*prefix, "rm", "-f", str(_POLICY)], what="policy-rc.d")
