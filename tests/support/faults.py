"""What goes wrong with the processes of a system of the tests' own, which are found by their ids."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.settings import LocalSettings
from deploy.local.supervision import Process, Supervisor
from tests.support.network import let_go
from tests.support.waiting import until

_BACK_SECONDS = 30.0


def process_of(settings: LocalSettings, name: str) -> Process:
    """A supervised program as it is now."""
    return next(process for process in Supervisor(settings).processes() if process.name == name)


def pid_of(settings: LocalSettings, name: str) -> int:
    """The id of a supervised program; 0 while it does not run."""
    found = process_of(settings, name)
    return int(found.description.split()[1].rstrip(",")) if found.state == "RUNNING" else 0


def kill(settings: LocalSettings, name: str, how: signal.Signals = signal.SIGKILL) -> int:
    """Signal a program with all its workers, as the end of a machine would; the id it had, 0 where it did not run."""
    pid = pid_of(settings, name)
    if pid:
        for member in family_of(pid):
            _signal(member, how)
    return pid


async def is_back(settings: LocalSettings, name: str, old: int) -> None:
    """Wait until supervisord has started a program anew."""

    async def back() -> bool:
        return await asyncio.to_thread(pid_of, settings, name) not in (0, old)

    await until(back, _BACK_SECONDS)


async def answers_again(settings: LocalSettings, name: str) -> None:
    """Wait until a service answers HTTP."""

    async def answers() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", settings.http_ports[name])
        except OSError:
            return False
        await let_go(writer)
        return True

    await until(answers, _BACK_SECONDS)


@asynccontextmanager
async def away(settings: LocalSettings, name: str) -> AsyncIterator[None]:
    """A program killed with SIGKILL, and kept away while the block runs."""
    await asyncio.to_thread(_kill_for_good, settings, name)

    async def stopped() -> bool:
        return (await asyncio.to_thread(process_of, settings, name)).state == "STOPPED"

    await until(stopped, _BACK_SECONDS)
    try:
        yield
    finally:
        await asyncio.to_thread(Supervisor(settings).ensure_started, name)


def _kill_for_good(settings: LocalSettings, name: str) -> None:
    """Kill a program without supervisord starting it anew: frozen, it cannot heed the signal to stop before it dies."""
    members = family_of(pid_of(settings, name))
    for member in members:
        _signal(member, signal.SIGSTOP)
    Supervisor(settings)._call("stopProcess", name, False)
    for member in members:
        _signal(member, signal.SIGKILL)


@asynccontextmanager
async def hanging(settings: LocalSettings, name: str) -> AsyncIterator[None]:
    """A program that is there, and does nothing, while the block runs."""
    members = family_of(pid_of(settings, name))
    for member in members:
        _signal(member, signal.SIGSTOP)
    try:
        yield
    finally:
        for member in members:
            _signal(member, signal.SIGCONT)


def family_of(pid: int) -> list[int]:
    """A process and all that descend from it. Postgres gives each of its processes a group of its own."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _signal(pid: int, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        os.kill(pid, how)
