"""All containers run and are healthy, and nginx responds."""

from typing import Final

import pytest

from deploy.processes import read_instances
from tests.support.client import Client
from tests.support.containers import System, containers, inspect

ONCE: Final = "boltlink-migrate"
LASTING: Final = (
    *(instance.container for instance in read_instances({})),
    "boltlink-nginx",
    "boltlink-postgres",
    "boltlink-redis",
    "boltlink-prometheus",
    "boltlink-alertmanager",
    "boltlink-grafana",
    "boltlink-nginx-exporter",
    "boltlink-redis-exporter",
    "boltlink-postgres-exporter",
    "boltlink-node-exporter",
)


def test_every_expected_container_exists_and_no_other(system: System) -> None:
    assert system.engine.runs()
    assert set(containers()) == {*LASTING, ONCE}


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("name", LASTING)
def test_a_container_is_healthy(name: str) -> None:
    state = inspect(name)["State"]
    assert state["Health"]["Status"] == "healthy", state


@pytest.mark.usefixtures("system")
def test_the_migration_has_succeeded() -> None:
    state = inspect(ONCE)["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)


async def test_nginx_responds_ten_times_that_a_resolver_is_healthy(client: Client) -> None:
    responses = [await client.request("GET", "/health") for _ in range(10)]
    assert {response.status for response in responses} == {200}
    assert {response.document["status"] for response in responses} == {"ok"}


async def test_nginx_responds_that_a_resolver_is_ready(client: Client) -> None:
    response = await client.request("GET", "/ready")
    assert (response.status, response.document["status"]) == (200, "ready")
