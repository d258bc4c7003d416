"""docs/metrics.md has every metric of each process, and no other."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web

from deploy.common.names import DATABASE_ROLES
from services.resolver.app import create_api as create_resolver
from services.resolver.settings import ResolverSettings
from services.stats.app import create_api as create_stats
from services.stats.app import create_consumer
from services.stats.settings import ConsumerSettings, StatsSettings
from services.writer.app import create_api as create_writer
from services.writer.app import create_relay
from services.writer.settings import RelaySettings, WriterSettings
from shared.process.metrics import REGISTRY
from tests.unit.documentation import PAGES, sections

ENOUGH: Final = {
    "DATABASE_URL": "postgresql://role@127.0.0.1/name",
    "REDIS_URL": "redis://127.0.0.1",
    "SPOOL_FOLDER": "/nowhere",
    "VISITOR_SECRET": "secret",
}
"""What a process cannot do without; nothing is opened with it here."""

PROCESSES: Final[Mapping[str, Callable[[], web.Application]]] = {
    "Writer": lambda: create_writer(WriterSettings.from_env(ENOUGH)),
    "Relay": lambda: create_relay(RelaySettings.from_env(ENOUGH)),
    "Resolver": lambda: create_resolver(ResolverSettings.from_env(ENOUGH)),
    "Stats": lambda: create_stats(StatsSettings.from_env(ENOUGH)),
    "Consumer": lambda: create_consumer(ConsumerSettings.from_env(ENOUGH)),
}


def _registered() -> dict[str, dict[str, str]]:
    """Name and type of every metric of each process."""
    return {
        process: {collector.name: collector.kind.name for collector in create()[REGISTRY].get_all()}
        for process, create in PROCESSES.items()
    }


def _documented_metrics() -> dict[str, dict[str, str]]:
    return {
        heading: dict(re.findall(r"^\| `(boltlink_\w+)` \| (\w+) \|", text, flags=re.MULTILINE))
        for heading, text in sections("metrics.md", 2).items()
    }


def test_every_metric_is_documented_where_it_is_and_no_documented_one_is_missing() -> None:
    registered = _registered()
    common = dict(set.intersection(*(set(metrics.items()) for metrics in registered.values())))
    expected = {"Every process": common} | {
        process: {name: kind for name, kind in metrics.items() if name not in common}
        for process, metrics in registered.items()
    }
    documented = _documented_metrics()
    assert {heading: found for heading, found in documented.items() if found} == {
        heading: metrics for heading, metrics in expected.items() if metrics
    }


def test_every_metric_that_a_page_names_is_in_the_code() -> None:
    registered = {name for metrics in _registered().values() for name in metrics}
    for path in PAGES:
        for name in re.findall(r"`(boltlink_\w+)`", path.read_text(encoding="utf-8")):
            assert name in registered | _database_names() | {CERTIFICATE_END}, f"{path.name}: {name}"


CERTIFICATE_END: Final = "boltlink_certificate_end_seconds"
"""No service has it: deploy/compose/certificate-watch.sh writes it for the node exporter."""


def _database_names() -> set[str]:
    return {f"boltlink_{role}" for role in DATABASE_ROLES}
