"""Faults of the processes of a system of the tests' own: killed, kept stopped, frozen. Processes are found by id."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from deploy.local.settings import LocalSettings
from deploy.local.supervision import Process, Supervisor
from tests.support.network import abort
from tests.support.waiting import until

_RESTART_TIMEOUT: Final = 30.0


def process_of(settings: LocalSettings, name: str) -> Process:
    """A supervised program in its present state."""
    return next(process for process in Supervisor(settings).processes() if process.name == name)


def pid_of(settings: LocalSettings, name: str) -> int:
    """The process id of a supervised program; 0 while it is not running."""
    found = process_of(settings, name)
    return int(found.description.split()[1].rstrip(",")) if found.state == "RUNNING" else 0


def kill(settings: LocalSettings, name: str) -> int:
    """Kill a program and all its workers with SIGKILL. Return the id that it had; 0 if it was not running."""
    pid = pid_of(settings, name)
    if pid:
        _signal_all(with_descendants(pid), signal.SIGKILL)
    return pid


async def wait_until_restarted(settings: LocalSettings, name: str, old_pid: int) -> None:
    """Wait until supervisord has started a program again, so that it has another process id than before."""

    async def restarted() -> bool:
        return await asyncio.to_thread(pid_of, settings, name) not in (0, old_pid)

    await until(restarted, _RESTART_TIMEOUT)


async def wait_until_listening(settings: LocalSettings, name: str) -> None:
    """Wait until a service accepts connections at its HTTP port."""

    async def listening() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", settings.http_ports[name])
        except OSError:
            return False
        await abort(writer)
        return True

    await until(listening, _RESTART_TIMEOUT)


@asynccontextmanager
async def unavailable(settings: LocalSettings, name: str) -> AsyncIterator[None]:
    """Kill a program with SIGKILL, and start it again only after the block."""
    await asyncio.to_thread(_kill_without_restart, settings, name)

    async def stopped() -> bool:
        return (await asyncio.to_thread(process_of, settings, name)).state == "STOPPED"

    await until(stopped, _RESTART_TIMEOUT)
    try:
        yield
    finally:
        await asyncio.to_thread(Supervisor(settings).ensure_started, name)


def _kill_without_restart(settings: LocalSettings, name: str) -> None:
    """Kill a program that supervisord must not start again.

    supervisord is told to stop the program, which sends SIGTERM. The processes are frozen before, so that they cannot
    shut down in order before SIGKILL ends them.
    """
    pids = with_descendants(pid_of(settings, name))
    _signal_all(pids, signal.SIGSTOP)
    Supervisor(settings)._call("stopProcess", name, False)
    _signal_all(pids, signal.SIGKILL)


@asynccontextmanager
async def hanging(settings: LocalSettings, name: str) -> AsyncIterator[None]:
    """Freeze a program while the block runs: its connections stay open and nothing responds."""
    pids = with_descendants(pid_of(settings, name))
    _signal_all(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal_all(pids, signal.SIGCONT)


def with_descendants(pid: int) -> list[int]:
    """A process and all its descendants. (Process groups do not help: each process of Postgres has its own.)"""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # the process has just ended
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # the process has just ended
            os.kill(pid, number)
