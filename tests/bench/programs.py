"""The programs of the distribution that the measurements need besides those of the product."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.common import apt
from deploy.common.faults import RuntimeFault
from deploy.local.packages import find_programs
from tests.bench.baselines import lua

_PROGRAMS: Final = {"wrk": "wrk", "taskset": "util-linux"}


def install() -> None:
    """Install what is missing. Raises RuntimeFault with instructions if this user must not install packages."""
    find_programs(_PROGRAMS)
    _ensure_files(lua.FILES)


def _ensure_files(packages: Mapping[Path, str]) -> None:
    """Ensure that files exist: install the packages of those that are missing."""
    if missing := [package for path, package in packages.items() if not path.exists()]:
        apt.install(missing)
    if absent := [str(path) for path in packages if not path.exists()]:
        raise RuntimeFault(f"Installed, but still not found: {', '.join(absent)}.")
