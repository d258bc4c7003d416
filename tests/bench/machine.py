"""The machine and the software that a run used."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from deploy.common.console import run
from deploy.local.packages import find_servers
from tests.bench.setup import Setup


def describe(setup: Setup) -> list[tuple[str, str]]:
    """Name and text of each fact that a reader needs to compare two tables."""
    servers = find_servers()
    return [
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        (
            "run",
            f"{setup.sizes.name}, {setup.sizes.rounds} rounds, each load twice {setup.sizes.seconds} s; the median",
        ),
        ("machine", f"{_cpu()}, {os.cpu_count()} cores, {_memory()} GB of memory, load generator included"),
        ("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
        ("Python packages", ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "uvloop", "redis", "hiredis"))),
        ("PostgreSQL", run([servers.postgres_bin / "postgres", "--version"], what="postgres").split()[2]),
        ("Redis", _first_version(run([servers.redis_server, "--version"], what="redis-server"))),
        ("nginx", _first_version(run(["sh", "-c", f"{servers.nginx} -v 2>&1"], what="nginx"))),
    ]


def _cpu() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _first_version(text: str) -> str:
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else text.strip()
