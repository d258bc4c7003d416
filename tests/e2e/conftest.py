"""The whole system on ports of its own, tested through nginx.

With BOLTLINK_URL and BOLTLINK_KEY the tests use that installation instead, except for those that stop and start parts.
"""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.settings import LocalSettings
from tests.support.client import Client, connected
from tests.support.stack import running_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalSettings]:
    """A running system that belongs to these tests alone."""
    with running_stack() as settings:
        yield settings


@pytest.fixture(scope="session")
def base_url_and_key(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The base URL of nginx and an admin key of the system under test."""
    if url := os.environ.get("BOLTLINK_URL"):
        return url.rstrip("/"), os.environ["BOLTLINK_KEY"]
    settings: LocalSettings = request.getfixturevalue("stack")
    return settings.base_url, settings.admin_key


@pytest.fixture
async def client(base_url_and_key: tuple[str, str]) -> AsyncIterator[Client]:
    """A client with an admin key."""
    async with connected(*base_url_and_key) as found:
        yield found
