"""The whole system in containers, started once for all tests. It does not change any other installation."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.common import console
from tests.support.client import Client, connected
from tests.support.containers import Occupied, Step, System, running_system


@pytest.fixture(scope="session")
def step(request: pytest.FixtureRequest) -> Step:
    """Print steps that take long, although pytest captures the output of tests."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    @contextlib.contextmanager
    def shown(title: str) -> Iterator[None]:
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext(), console.step(title):
            yield

    return shown


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, step: Step) -> Iterator[System]:
    """A running system for the tests."""
    folder: Path = tmp_path_factory.mktemp("system")
    try:
        with running_system(folder, step) as found:
            yield found
    except Occupied as fault:
        pytest.exit(str(fault), returncode=1)


@pytest.fixture
async def client(system: System) -> AsyncIterator[Client]:
    """A client with an admin key."""
    async with connected(system.base_url, system.key) as found:
        yield found
