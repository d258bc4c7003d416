"""All containers are there and well, and nginx answers."""

from typing import Final

import pytest

from tests.support.client import Client
from tests.support.containers import System, containers, inspect

ONCE: Final = "boltlink-migrate"
LASTING: Final = (
    "boltlink-nginx",
    "boltlink-writer",
    "boltlink-relay",
    "boltlink-resolver1",
    "boltlink-resolver2",
    "boltlink-resolver3",
    "boltlink-stats",
    "boltlink-consumer",
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


def test_the_containers_are_those_that_we_know(system: System) -> None:
    assert system.engine.runs()
    assert set(containers()) == {*LASTING, ONCE}


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("name", LASTING)
def test_a_container_is_healthy(name: str) -> None:
    state = inspect(name)["State"]
    assert state["Health"]["Status"] == "healthy", state


@pytest.mark.usefixtures("system")
def test_the_migration_has_ended_well() -> None:
    state = inspect(ONCE)["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)


async def test_the_door_says_ten_times_that_it_is_well(client: Client) -> None:
    answers = [await client.request("GET", "/health") for _ in range(10)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.document["status"] for answer in answers} == {"ok"}


async def test_the_door_is_ready(client: Client) -> None:
    answer = await client.request("GET", "/ready")
    assert (answer.status, answer.document["status"]) == (200, "ready")
