"""Prometheus scrapes every target, no query is wrong, and each alert is caused for real and reaches a webhook."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import yaml
from yarl import URL

from deploy.common.checkout import CHECKOUT
from tests.compose.monitoring_faults import cause_an_outage, cause_faults
from tests.compose.prometheus import alert_and_recording_rules, ask
from tests.support.client import connected
from tests.support.containers import System
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MONITORING: Final = CHECKOUT / "monitoring"
DASHBOARDS: Final = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))

ALERTS_OF_FAULTS: Final[dict[str, dict[str, str]]] = {
    "InstanceDown": {"instance": "resolver-1"},
    "ServiceDown": {"service": "stats"},
    "TargetMissing": {"job": "prometheus"},
    "RedirectSlow": {},
    "CacheHitRatioLow": {},
    "ClickStreamLag": {},
    "SpoolNotEmpty": {"instance": "resolver-2"},
    "ClicksLost": {"instance": "resolver-3"},
    "StreamLost": {},
    "DeadLetters": {},
    "OutboxAge": {},
    "PostgresConnections": {},
    "RedisMemory": {},
    "CertificateEnd": {},
}
ALERTS_OF_AN_OUTAGE: Final = ("NginxDown", "PostgresDown", "RedisDown", "RedirectErrors")
COVERED_BY_RULE_TESTS: Final = {"DiskSpace"}
"""No test fills the disk of its machine."""


def _read(dashboard: Path) -> Any:
    return json.loads(dashboard.read_text(encoding="utf-8"))


async def test_every_target_is_up(system: System) -> None:
    listed = yaml.safe_load((MONITORING / "targets" / "compose.yml").read_text(encoding="utf-8"))
    expected = {row["labels"]["instance"] for row in listed}

    async def every_target_is_up() -> bool:
        response = await ask(f"{system.prometheus_url}/api/v1/targets")
        found = {target["labels"]["instance"]: target["health"] for target in response["data"]["activeTargets"]}
        return found == dict.fromkeys(expected, "up")

    await until(every_target_is_up, 60)


async def test_prometheus_knows_the_alertmanager(system: System) -> None:
    async def known() -> bool:
        response = await ask(f"{system.prometheus_url}/api/v1/alertmanagers")
        return [URL(row["url"]).host for row in response["data"]["activeAlertmanagers"]] == ["boltlink-alertmanager"]

    await until(known, 30)


async def test_no_rule_has_an_error(system: System) -> None:
    async def all_are_evaluated() -> bool:
        return all(rule["health"] != "unknown" for rule in await alert_and_recording_rules(system))

    await until(all_are_evaluated, 60)
    rules = await alert_and_recording_rules(system)
    assert rules
    assert {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"} == {}


async def test_every_dashboard_is_provisioned(system: System) -> None:
    listed = await ask(f"{system.grafana_url}/api/search", type="dash-db")
    titles = {_read(path)["title"] for path in DASHBOARDS}
    assert len(titles) >= 5
    assert {row["title"] for row in listed} == titles


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
async def test_prometheus_accepts_every_query_of_a_dashboard(system: System, path: Path) -> None:
    dashboard = _read(path)
    expressions = [
        target["expr"]
        for panel in dashboard["panels"]
        for one in (panel, *panel.get("panels", []))
        for target in one.get("targets", [])
    ]
    assert expressions
    for expression in expressions:
        plain = expression.replace("$__rate_interval", "1m").replace("$__interval", "1m").replace("$__range", "1m")
        response = await ask(f"{system.prometheus_url}/api/v1/query", query=plain)
        assert response["status"] == "success", expression


async def test_grafana_gets_a_result_for_every_query(system: System) -> None:
    if await _is_stand_in(system):
        rows = await ask(f"{system.grafana_url}/check")
        assert rows
        assert [row for row in rows if not isinstance(row["series"], int)] == []


async def _is_stand_in(system: System) -> bool:
    health = await ask(f"{system.grafana_url}/api/health")
    return "stand-in" in health["version"]


async def test_every_alert_is_caused_here_or_covered_by_a_rule_test(system: System) -> None:
    known = {rule["name"] for rule in await alert_and_recording_rules(system) if rule["type"] == "alerting"}
    assert known == {*ALERTS_OF_FAULTS, *ALERTS_OF_AN_OUTAGE, *COVERED_BY_RULE_TESTS}
    tested = (MONITORING / "rules_test.yml").read_text(encoding="utf-8")
    assert all(f"alertname: {name}" in tested for name in COVERED_BY_RULE_TESTS)


@pytest.mark.parametrize("fault", ["faults"], indirect=True)
@pytest.mark.parametrize(("alert", "labels"), ALERTS_OF_FAULTS.items())
@pytest.mark.usefixtures("fault")
async def test_an_alert_is_sent_when_its_fault_is_caused(system: System, alert: str, labels: dict[str, str]) -> None:
    await _sent(system, alert, labels)


@pytest.mark.parametrize("fault", ["outage"], indirect=True)
@pytest.mark.parametrize("alert", ALERTS_OF_AN_OUTAGE)
@pytest.mark.usefixtures("fault")
async def test_an_alert_is_sent_when_the_stores_and_nginx_are_unavailable(system: System, alert: str) -> None:
    await _sent(system, alert, {})


async def _sent(system: System, alert: str, labels: dict[str, str]) -> None:
    async def sent() -> bool:
        return system.webhook.has_heard_of(alert, **labels)

    with system.step(f"Waiting until {alert} is sent") if not await sent() else contextlib.nullcontext():
        await until(sent, 300)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fault(request: pytest.FixtureRequest, system: System) -> AsyncIterator[None]:
    """Cause many faults at once, because each alert takes a minute or two; undo them after the last test."""
    cause = {"faults": cause_faults, "outage": cause_an_outage}[request.param]
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(system.base_url, system.key))
        with system.step(f"Causing the faults of alerts: {request.param}"):
            await cause(system, client, stack)
        yield
