"""Deploy may not import shared, so these tests hold what both must know against each other."""

import yaml
from aiohttp import web
from aioprometheus.renderer import render

from deploy.common.checkout import CHECKOUT
from deploy.common.names import CLICK_STREAM, DATABASE_ROLES, UNUSED_ADDRESS
from deploy.common.start_time import read_start_time
from shared.postgres import migrate
from shared.process.metrics import create_registry
from shared.redis import keys


def test_the_click_stream_is_that_of_shared() -> None:
    assert CLICK_STREAM == keys.CLICK_STREAM


def test_the_exporter_of_the_containers_watches_the_click_stream() -> None:
    document = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
    environment = document["services"]["redis-exporter"]["environment"]
    assert environment["REDIS_EXPORTER_CHECK_SINGLE_STREAMS"] == CLICK_STREAM


def test_the_database_roles_are_those_of_the_migrations() -> None:
    assert set(DATABASE_ROLES) == set(migrate.ROLES)


def test_an_empty_pool_of_nginx_leads_to_the_unused_address() -> None:
    script = (CHECKOUT / "deploy" / "compose" / "nginx.sh").read_text(encoding="utf-8")
    assert f"server {UNUSED_ADDRESS};" in script


def test_the_start_time_is_read_from_the_metrics_of_a_service() -> None:
    registry = create_registry(web.Application(), "writer", "writer-1", "0")
    content, _ = render(registry, [])
    start_time = read_start_time(content.decode())
    assert start_time is not None
    assert float(start_time) > 0
    assert read_start_time("") is None
