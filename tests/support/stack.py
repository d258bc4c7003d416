"""A BoltLink for the tests: its state is in a new folder, its ports are free, its database is named …_test."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.common.checkout import CHECKOUT
from deploy.local import configuration, runtime
from deploy.local.packages import Servers, find_servers
from deploy.local.settings import LocalSettings, read_settings
from deploy.local.state import prepare
from deploy.local.supervision import Supervisor

_PORTS_NEEDED = 20


def test_settings(folder: Path) -> LocalSettings:
    """Settings of an installation that collides with no other and does not wait for the disk."""
    port = free_ports(_PORTS_NEEDED)
    environ = {
        "BOLTLINK_STATE": str(folder),
        "BOLTLINK_PORT": str(port),
        "BOLTLINK_POSTGRES_PORT": str(port + 1),
        "BOLTLINK_REDIS_PORT": str(port + 2),
        "BOLTLINK_INNER_PORT": str(port + 3),
        "BOLTLINK_DATABASE": "boltlink_test",
        "BOLTLINK_ADMIN_KEY": "bl_the-admin-key-of-the-tests",
        "BOLTLINK_DURABLE": "no",
        "KEY_RATE_LIMIT": "1000000",
        "ADDRESS_RATE_LIMIT": "1000000",
    }
    return read_settings(environ, checkout=folder)


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row, below those that the kernel assigns itself."""
    while True:
        first = random.randrange(20_000, 30_000)  # noqa: S311  # no secret
        if all(_is_free(first + place) for place in range(count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def state_folder() -> Iterator[Path]:
    """A new folder that every server may enter; it is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="boltlink-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_stores() -> Iterator[tuple[LocalSettings, Servers]]:
    """Empty PostgreSQL and Redis."""
    servers = find_servers()
    with state_folder() as folder:
        settings = test_settings(folder)
        prepare(settings)
        supervisor = Supervisor(settings)
        try:
            runtime.start_stores(settings, servers, supervisor, start=True)
            yield settings, servers
        finally:
            _stop(supervisor)


@contextlib.contextmanager
def running_stack() -> Iterator[LocalSettings]:
    """The whole system."""
    with state_folder() as folder:
        settings = test_settings(folder)
        try:
            runtime.up(settings)
            yield settings
        finally:
            _stop(Supervisor(settings))


class Service:
    """An instance beside those of the installation, which restarts when it is killed."""

    def __init__(self, settings: LocalSettings, name: str, like: str) -> None:
        port = free_ports(1)
        self._command, env = configuration.service(settings, like, port)
        self._env = {**os.environ, **env, "INSTANCE_ID": name}
        self._log = settings.logs / f"{name}.log"
        self.start()

    def start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command, cwd=CHECKOUT, env=self._env, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """Kill the instance with its worker, and start it again."""
        self.end(signal.SIGKILL)
        self.start()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        os.killpg(self._process.pid, how)
        self._process.wait(30)


@contextlib.contextmanager
def second_consumer(settings: LocalSettings) -> Iterator[Service]:
    """A second consumer beside the one that runs."""
    service = Service(settings, "consumer-2", like="consumer-1")
    try:
        yield service
    finally:
        service.end()


def _stop(supervisor: Supervisor) -> None:
    if supervisor.runs:
        supervisor.shut_down()
