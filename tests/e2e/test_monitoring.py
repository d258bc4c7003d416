"""Prometheus, Alertmanager and the exporters beside the system, without Docker."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.common.faults import RuntimeFault
from deploy.local import monitoring, runtime
from deploy.local.settings import LocalSettings
from tests.support.client import Client
from tests.support.waiting import until


async def _query(client: Client, stack: LocalSettings, path: str) -> Any:
    prometheus = Client(client._session, f"http://127.0.0.1:{monitoring.ports(stack)['prometheus']}", "")
    return (await prometheus.request("GET", path)).document["data"]


async def test_prometheus_scrapes_every_process_and_every_rule_is_valid(client: Client, stack: LocalSettings) -> None:
    await asyncio.to_thread(runtime.switch_monitoring, stack, on=True)
    try:

        async def all_up() -> bool:
            targets = (await _query(client, stack, "/api/v1/targets"))["activeTargets"]
            instances = {target["labels"]["instance"] for target in targets if target["health"] == "up"}
            return instances >= {*stack.http_ports, "nginx", "redis", "postgres", "node", "prometheus", "alertmanager"}

        await until(all_up, 60)
        groups = (await _query(client, stack, "/api/v1/rules"))["groups"]
        assert groups
        assert [rule["name"] for group in groups for rule in group["rules"] if rule.get("lastError")] == []
    finally:
        await asyncio.to_thread(runtime.switch_monitoring, stack, on=False)


def test_monitoring_that_cannot_be_installed_stays_off(stack: LocalSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_packages: Mapping[str, str]) -> dict[str, Path]:
        raise RuntimeFault("Missing: prometheus.")

    monkeypatch.setattr(runtime, "find_programs", refuse)
    with pytest.raises(RuntimeFault, match="Missing"):
        runtime.switch_monitoring(stack, on=True)
    assert not monitoring.is_on(stack)
