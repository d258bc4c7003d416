"""A BoltLink of the tests' own: its state in a new folder, its ports free ones, its database named …_test."""

import contextlib
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from local import runtime
from local.packages import Servers, find_servers
from local.settings import LocalSettings, read_settings
from local.state import prepare
from local.supervision import Supervisor

_PORTS_NEEDED = 20


def test_settings(folder: Path) -> LocalSettings:
    """Settings of an installation that collides with no other, and that does not wait for disks."""
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
    """The first of `count` ports in a row that nothing listens on, below those that the kernel hands out itself."""
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
    """A new folder that every server may enter, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="boltlink-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_stores() -> Iterator[tuple[LocalSettings, Servers]]:
    """PostgreSQL and Redis, with nothing in them."""
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


def _stop(supervisor: Supervisor) -> None:
    if supervisor.runs:
        supervisor.shut_down()
