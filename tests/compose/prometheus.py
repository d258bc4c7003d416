"""Queries of the HTTP APIs of Prometheus and Grafana."""

from typing import Any

import aiohttp
from yarl import URL

from tests.support.containers import System


async def ask(url: str, **query: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(URL(url).with_query(query)) as response:
        assert response.status == 200, await response.text()
        return await response.json(content_type=None)


async def value_of(system: System, expression: str) -> float:
    """The present value of an expression of one series; 0 when there is no series."""
    response = await ask(f"{system.prometheus_url}/api/v1/query", query=expression)
    found = response["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0


async def alert_and_recording_rules(system: System) -> list[dict[str, Any]]:
    response = await ask(f"{system.prometheus_url}/api/v1/rules")
    return [rule for group in response["data"]["groups"] for rule in group["rules"]]
