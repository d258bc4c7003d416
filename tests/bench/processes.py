"""The CPU time and the memory of processes, from /proc."""

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_TICK_SECONDS: Final = 1 / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all its descendants. A process that has ended has no descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return [pid]
    return [pid, *(below for child in children for below in tree(int(child)))]


def cpu_seconds(pids: Sequence[int]) -> dict[int, float]:
    """The CPU time so far, user and system, of each process that still runs. (Redis forks short-lived processes.)"""
    found = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found[pid] = _ticks(pid) * _TICK_SECONDS
    return found


def cpu_between(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """The CPU time between two readings, of the processes that are in both."""
    return sum(after[pid] - before[pid] for pid in before.keys() & after.keys())


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def memory_bytes(pids: Sequence[int]) -> int:
    """The memory of some processes; memory that they share counts once (PSS)."""
    return sum(_pss(pid) for pid in pids)


def _pss(pid: int) -> int:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"), re.MULTILINE)
    assert found, f"/proc has no PSS of process {pid}"
    return int(found[1]) * 1_024
