"""What the measuring needs besides the product, from the distribution."""

from typing import Final

from deploy.local.packages import ensure_files, find_programs
from tests.bench.baselines import lua

_PROGRAMS: Final = {"wrk": "wrk", "taskset": "util-linux"}


def install() -> None:
    """Install what is missing. Raises RuntimeFault with what to do where that is not allowed."""
    find_programs(_PROGRAMS)
    ensure_files(lua.FILES)
