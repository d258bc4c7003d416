"""Prometheus scrapes every target, no query is wrong, and each alert is caused for real and reaches a webhook."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import psycopg2
import pytest
import pytest_asyncio
import yaml
from yarl import URL

from deploy.common.checkout import CHECKOUT
from deploy.compose.engine import secrets_folder
from shared.redis import click_stream
from shared.redis import keys as redis_keys
from tests.support.client import Client, connected
from tests.support.containers import PROJECT, System, docker
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MONITORING: Final = CHECKOUT / "monitoring"
DASHBOARDS: Final = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
CERTIFICATE_WATCH: Final = "test-boltlink-certificate-watch"

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


async def _ask(url: str, **query: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(URL(url).with_query(query)) as response:
        assert response.status == 200, await response.text()
        return await response.json(content_type=None)


def _read(dashboard: Path) -> Any:
    return json.loads(dashboard.read_text(encoding="utf-8"))


async def _value(system: System, expression: str) -> float:
    """The present value of an expression of one series; 0 when there is no series."""
    response = await _ask(f"{system.prometheus_url}/api/v1/query", query=expression)
    found = response["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0


async def _rules(system: System) -> list[dict[str, Any]]:
    response = await _ask(f"{system.prometheus_url}/api/v1/rules")
    return [rule for group in response["data"]["groups"] for rule in group["rules"]]


async def test_every_target_is_up(system: System) -> None:
    listed = yaml.safe_load((MONITORING / "targets" / "compose.yml").read_text(encoding="utf-8"))
    expected = {row["labels"]["instance"] for row in listed}

    async def every_target_is_up() -> bool:
        response = await _ask(f"{system.prometheus_url}/api/v1/targets")
        found = {target["labels"]["instance"]: target["health"] for target in response["data"]["activeTargets"]}
        return found == dict.fromkeys(expected, "up")

    await until(every_target_is_up, 60)


async def test_prometheus_knows_the_alertmanager(system: System) -> None:
    async def known() -> bool:
        response = await _ask(f"{system.prometheus_url}/api/v1/alertmanagers")
        return [URL(row["url"]).host for row in response["data"]["activeAlertmanagers"]] == ["boltlink-alertmanager"]

    await until(known, 30)


async def test_no_rule_has_an_error(system: System) -> None:
    async def all_are_evaluated() -> bool:
        return all(rule["health"] != "unknown" for rule in await _rules(system))

    await until(all_are_evaluated, 60)
    rules = await _rules(system)
    assert rules
    assert {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"} == {}


async def test_every_dashboard_is_provisioned(system: System) -> None:
    listed = await _ask(f"{system.grafana_url}/api/search", type="dash-db")
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
        response = await _ask(f"{system.prometheus_url}/api/v1/query", query=plain)
        assert response["status"] == "success", expression


async def test_grafana_gets_a_result_for_every_query(system: System) -> None:
    if await _is_stand_in(system):
        rows = await _ask(f"{system.grafana_url}/check")
        assert rows
        assert [row for row in rows if not isinstance(row["series"], int)] == []


async def _is_stand_in(system: System) -> bool:
    health = await _ask(f"{system.grafana_url}/api/health")
    return "stand-in" in health["version"]


async def test_every_alert_is_caused_here_or_covered_by_a_rule_test(system: System) -> None:
    known = {rule["name"] for rule in await _rules(system) if rule["type"] == "alerting"}
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
    cause = {"faults": _cause_faults, "outage": _cause_an_outage}[request.param]
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(system.base_url, system.key))
        with system.step(f"Causing the faults of alerts: {request.param}"):
            await cause(system, client, stack)
        yield


async def _cause_faults(system: System, client: Client, stack: contextlib.AsyncExitStack) -> None:
    await _end_a_certificate_soon(stack)
    await _send_dead_letters(system)
    await _redis(system, "FLUSHALL")
    link = await client.make_link()
    await client.follow(link["code"])
    await client.wait_for_clicks(link["code"], 1)
    stack.push_async_callback(_compose, system, "up", "-d", "--wait")

    database = _connection_url(system)
    _hold(
        stack, database, "LOCK TABLE clicks IN EXCLUSIVE MODE"
    )  # the table can be read, but the consumer can count nothing
    await client.follow(link["code"])
    # A resolver that cannot write its spool loses the clicks that Redis refuses.
    await asyncio.to_thread(docker, "exec", "boltlink-resolver3", "chmod", "500", "/spool")
    stack.callback(docker, "exec", "boltlink-resolver3", "chmod", "755", "/spool")
    await _compose(system, "stop", "resolver1", "stats")
    await _lose_a_target(system, stack)
    await _take_connections(system, stack, database)
    # Redis replies, and refuses every write, as with a full disk.
    await _set(system, stack, "min-replicas-to-write", "1", afterwards="0")
    used = int((await _redis(system, "INFO", "memory")).split("used_memory:")[1].split()[0])
    await _set(system, stack, "maxmemory", str(round(used * 1.04)), afterwards="512mb")
    await client.make_link()  # its record cannot be written to Redis, so its outbox message stays
    await _background(stack, lambda: _block_links_for_a_moment(database))
    for _ in range(4):
        await _background(stack, lambda: client.follow(link["code"]), pause=0.02)


async def _cause_an_outage(system: System, client: Client, stack: contextlib.AsyncExitStack) -> None:
    link = await client.make_link()
    stack.push_async_callback(_end_the_outage, system)
    resolver = await stack.enter_async_context(connected(f"http://{system.address('resolver2')}:8000", ""))
    await _compose(system, "stop", "nginx", "redis", "postgres")
    for _ in range(4):
        await _background(stack, lambda: resolver.follow(link["code"]), pause=0.05)


async def _end_the_outage(system: System) -> None:
    """Start everything again, as `make up` does."""
    await asyncio.to_thread(system.engine.heal)
    await _compose(system, "up", "-d", "--wait")


async def _compose(system: System, *words: str) -> None:
    await asyncio.to_thread(system.compose, *words)


async def _redis(system: System, *words: str) -> str:
    return await asyncio.to_thread(system.redis, *words)


async def _set(system: System, stack: contextlib.AsyncExitStack, name: str, value: str, *, afterwards: str) -> None:
    stack.callback(system.redis, "CONFIG", "SET", name, afterwards)
    assert await _redis(system, "CONFIG", "SET", name, value) == "OK"


async def _background(
    stack: contextlib.AsyncExitStack, act: Callable[[], Awaitable[object]], pause: float = 0.0
) -> None:
    """Repeat an action until the stack is closed."""
    stopping = asyncio.Event()

    async def go_on() -> None:
        while not stopping.is_set():
            await act()
            await asyncio.sleep(pause)

    task = asyncio.create_task(go_on())

    async def stop() -> None:
        stopping.set()
        await task

    stack.push_async_callback(stop)


async def _end_a_certificate_soon(stack: contextlib.AsyncExitStack) -> None:
    """Run production's certificate-watch with a certificate that ends in a week."""
    script = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 7 -subj /CN=localhost -keyout /dev/null"
        " -out /run/certificates/fullchain.pem && exec sh /etc/boltlink/certificate-watch.sh"
    )
    options = ["--init", "--network", "none", "--user", "root", "--tmpfs", "/run/certificates", "--entrypoint", "sh"]
    volumes = [
        *("-v", f"{CHECKOUT}/deploy/compose/certificate-watch.sh:/etc/boltlink/certificate-watch.sh:ro"),
        *("-v", f"{PROJECT}-node-textfile:/textfile"),
    ]

    def clean() -> None:
        docker("exec", CERTIFICATE_WATCH, "rm", "-f", "/textfile/certificate.prom")
        docker("rm", "-f", CERTIFICATE_WATCH)

    words = ("run", "-d", "--name", CERTIFICATE_WATCH, *options, *volumes, "nginx:1.26", "-c", script)
    stack.callback(clean)
    await asyncio.to_thread(docker, *words)


async def _send_dead_letters(system: System) -> None:
    """Send clicks that cannot be counted, until one is seen: a consumer that is being replaced may lose its counter."""
    before = await _value(system, 'sum(boltlink_clicks_total{result="dead_letter"})')

    async def seen() -> bool:
        await _redis(system, "XADD", redis_keys.CLICK_STREAM, "*", click_stream.FIELD.decode(), "no click")
        return await _value(system, 'sum(boltlink_clicks_total{result="dead_letter"})') > before

    await until(seen, 30)


def _connection_url(system: System) -> str:
    """The URL of the database for its owner, with the address of the container."""
    url = (secrets_folder() / "owner_database_url").read_text(encoding="utf-8").strip()
    return url.replace("boltlink-postgres", system.address("postgres"))


def _hold(stack: contextlib.AsyncExitStack, url: str, statement: str) -> None:
    """Leave a transaction open."""
    connection = psycopg2.connect(url)
    stack.callback(connection.close)
    connection.cursor().execute(statement)


async def _take_connections(system: System, stack: contextlib.AsyncExitStack, url: str) -> None:
    async def nearly_all_are_taken() -> bool:
        return await _value(system, "max(postgres:connections:ratio)") > 0.8

    for _ in range(160):  # of 200; the services share the rest
        stack.callback(psycopg2.connect(url).close)
    await until(nearly_all_are_taken, 30)


async def _block_links_for_a_moment(url: str) -> None:
    """Block every read of links in PostgreSQL for half a second."""

    def block() -> None:
        connection = psycopg2.connect(url)
        try:
            connection.cursor().execute("LOCK TABLE links IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.5)")
        finally:
            connection.close()

    await asyncio.to_thread(block)


async def _lose_a_target(system: System, stack: contextlib.AsyncExitStack) -> None:
    path = system.targets / "compose.yml"
    text = path.read_text(encoding="utf-8")
    rows = [row for row in yaml.safe_load(text) if row["labels"]["job"] != "prometheus"]
    stack.callback(path.write_text, text, encoding="utf-8")
    path.write_text(yaml.safe_dump(rows), encoding="utf-8")
