"""All containers are there and well, and the door answers."""

from typing import Final

import pytest

from tests.support.client import Client
from tests.support.containers import System, containers, inspect

WITHOUT_CHECK: Final = {"boltlink-migrate", "boltlink-nginx-exporter", "boltlink-redis-exporter"}
"""One ends; the images of the others have nothing that could check. Prometheus does."""

WITH_CHECK: Final = (
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
    "boltlink-postgres-exporter",
    "boltlink-node-exporter",
)


def test_the_containers_are_those_that_we_know(system: System) -> None:
    assert system.engine.runs()
    assert set(containers()) == {*WITH_CHECK, *WITHOUT_CHECK}


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("name", WITH_CHECK)
def test_a_container_is_healthy(name: str) -> None:
    state = inspect(name)["State"]
    assert state["Health"]["Status"] == "healthy", state


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("name", ["boltlink-nginx-exporter", "boltlink-redis-exporter"])
def test_an_exporter_without_a_check_runs(name: str) -> None:
    state = inspect(name)["State"]
    assert (state["Status"], state["Restarting"]) == ("running", False)


@pytest.mark.usefixtures("system")
def test_the_migration_has_ended_well() -> None:
    state = inspect("boltlink-migrate")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)


async def test_the_door_says_ten_times_that_it_is_well(client: Client) -> None:
    answers = [await client.ask("GET", "/health") for _ in range(10)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.document["status"] for answer in answers} == {"ok"}


async def test_the_door_is_ready(client: Client) -> None:
    answer = await client.ask("GET", "/ready")
    assert (answer.status, answer.document["status"]) == (200, "ready")
