"""Installs packages of Debian or Ubuntu when the user may do so."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deploy.common.console import run, step
from deploy.common.faults import RuntimeFault

_POLICY: Final = Path("/usr/sbin/policy-rc.d")


def install(packages: list[str]) -> None:
    """Install packages. Raises RuntimeFault with instructions when this user must not install packages."""
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
