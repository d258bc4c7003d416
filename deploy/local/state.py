"""The folder of all state: its layout, its secrets, and the owner of each part."""

import os
import pwd
import secrets
import shutil
from pathlib import Path
from typing import Final

from deploy.common.checkout import CHECKOUT
from deploy.common.faults import RuntimeFault
from deploy.common.names import DATABASE_ROLES, STORES
from deploy.local.settings import LocalSettings, enterable_by_others
from deploy.processes import OWN_SECRETS

SECRETS: Final = (*STORES, "supervisor", *DATABASE_ROLES, *OWN_SECRETS)


def server_user(name: str) -> str | None:
    """The user that a server runs as: its own user when make runs as root, else the current user (None)."""
    if os.geteuid() != 0:
        return None
    for user in (name, "nobody"):
        try:
            return pwd.getpwnam(user).pw_name
        except KeyError:
            continue
    raise RuntimeFault(f"There is no user {name}; create it, or run make as an ordinary user.")


def prepare(settings: LocalSettings) -> None:
    """Create the folders and secrets that do not exist yet."""
    try:
        settings.state.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise RuntimeFault(f"The folder of the state cannot be created (BOLTLINK_STATE): {fault}") from fault
    if os.geteuid() == 0:
        settings.state.chmod(0o711)
        if not enterable_by_others(settings.state):
            raise RuntimeFault(
                f"PostgreSQL refuses to run as root, and its own user may not enter {settings.state}.\n"
                "Choose another folder for the state, such as BOLTLINK_STATE=/var/lib/boltlink."
            )
    usual = CHECKOUT / ".boltlink"
    if not usual.exists() and settings.state.parent == Path("/var/lib/boltlink"):
        usual.symlink_to(settings.state)
    for folder in (
        settings.secrets,
        settings.logs,
        settings.state / "etc",
        settings.state / "nginx",
        settings.state / "spool",
    ):
        folder.mkdir(exist_ok=True)
    settings.secrets.chmod(0o700)
    for instance in settings.instances:
        if instance.process.spool:
            (settings.state / "spool" / instance.name).mkdir(exist_ok=True)
    for name in SECRETS:
        path = settings.secrets / name
        if not path.exists():
            write_secret(path, secrets.token_urlsafe(24))


def abandoned_spools(settings: LocalSettings) -> list[str]:
    """The instances that run no more, and whose spools still contain clicks."""
    running = {instance.name for instance in settings.instances}
    spools = {path.parent.name for path in (settings.state / "spool").glob("*/*.spool")}
    return sorted(spools - running)


def own_folder(path: Path, user: str | None) -> None:
    """Create a folder that only one server may read."""
    path.mkdir(exist_ok=True)
    path.chmod(0o700)
    if user:
        shutil.chown(path, user, pwd.getpwnam(user).pw_gid)


def secret(settings: LocalSettings, name: str) -> str:
    return (settings.secrets / name).read_text(encoding="utf-8").strip()


def write_secret(path: Path, text: str, user: str | None = None) -> None:
    """Write a file that only its owner may read, at every moment."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    if user:
        shutil.chown(new, user)
    new.replace(path)
