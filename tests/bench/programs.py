"""The programs of the distribution that the measurements need besides those of the product."""

from typing import Final

from deploy.local.packages import ensure_files, find_programs
from tests.bench.baselines import lua

_PROGRAMS: Final = {"wrk": "wrk", "taskset": "util-linux"}


def install() -> None:
    """Install what is missing. Raises RuntimeFault with instructions if this user must not install packages."""
    find_programs(_PROGRAMS)
    ensure_files(lua.FILES)
