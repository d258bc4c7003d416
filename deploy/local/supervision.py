"""A client of supervisord, which restarts every process that ends."""

import http.client
import os
import xmlrpc.client
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.common.checkout import CHECKOUT
from deploy.common.console import run
from deploy.common.faults import RuntimeFault
from deploy.common.venv import VENV
from deploy.common.waiting import wait_until
from deploy.local.configuration import supervisor_conf
from deploy.local.settings import LocalSettings
from deploy.local.state import secret

_STOP_TIMEOUT: Final = 45.0
"""Longer than supervisord waits before it kills a process (`stopwaitsecs`)."""


@dataclass(frozen=True, slots=True)
class Process:
    """The present state of one process."""

    name: str
    state: str
    description: str


class Supervisor:
    """The supervisord of one installation."""

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings

    @property
    def runs(self) -> bool:
        """Whether the supervisord of this installation responds; its password is the installation's own."""
        if not (self._settings.secrets / "supervisor").exists():
            return False
        try:
            self._call("getState")
        except RuntimeFault:
            return False
        return True

    @property
    def port(self) -> int:
        """The port that supervisord listens on: that of its start, even if the settings have changed since."""
        path = self._settings.state / "supervisord.port"
        return int(path.read_text()) if path.exists() else self._settings.supervisor_port

    def start(self) -> None:
        """Start supervisord, with none of its programs."""
        (self._settings.state / "supervisord.port").write_text(str(self._settings.supervisor_port))
        env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        run(
            [VENV / "bin" / "supervisord", "-c", supervisor_conf(self._settings)],
            what="supervisord did not start",
            env=env,
            cwd=CHECKOUT,
        )
        wait_until(lambda: self.runs, "supervisord does not respond")

    def update(self) -> None:
        """Load the present configuration, and stop the programs that it changes or removes."""
        added, changed, removed = self._call("reloadConfig")[0]
        for name in [*changed, *removed]:
            self._call("stopProcessGroup", name)
            self._call("removeProcessGroup", name)
        for name in [*added, *changed]:
            self._call("addProcessGroup", name)

    def ensure_started(self, name: str) -> None:
        """Start a program unless it runs."""
        if self._call("getProcessInfo", name)["statename"] not in ("RUNNING", "STARTING"):
            self._call("startProcess", name)

    def stop(self, *names: str) -> None:
        """Stop those of some programs that run, at the same time; each may finish the requests that it has begun."""
        running = [process.name for process in self.processes() if process.state in ("RUNNING", "STARTING", "BACKOFF")]
        for name in running:
            if name in names:
                self._call("stopProcess", name, False)
        wait_until(lambda: self._all_ended(names), f"{', '.join(names)} do not stop", seconds=_STOP_TIMEOUT)

    def _all_ended(self, names: Sequence[str]) -> bool:
        ended = ("STOPPED", "EXITED", "FATAL", "UNKNOWN")
        return all(process.state in ended for process in self.processes() if process.name in names)

    def signal(self, name: str, signal: str) -> None:
        self._call("signalProcess", name, signal)

    def processes(self) -> list[Process]:
        return [
            Process(info["name"], info["statename"], info["description"]) for info in self._call("getAllProcessInfo")
        ]

    def shut_down(self) -> None:
        """Stop every program, then supervisord itself."""
        pid = int(self._call("getPID"))
        self._call("shutdown")
        wait_until(lambda: not _alive(pid), "supervisord does not stop", seconds=90)

    def _call(self, method: str, *arguments: object) -> Any:
        url = f"http://boltlink:{secret(self._settings, 'supervisor')}@127.0.0.1:{self.port}/RPC2"
        try:
            with xmlrpc.client.ServerProxy(url) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, xmlrpc.client.Error, http.client.HTTPException) as fault:
            text = fault.faultString if isinstance(fault, xmlrpc.client.Fault) else type(fault).__name__
            raise RuntimeFault(f"supervisord, {method} {' '.join(map(str, arguments))}: {text}") from fault


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
