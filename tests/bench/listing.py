"""Whether a page of GET /links takes longer when there are many links."""

import contextlib
import http.client
import json
import time
from collections.abc import Mapping
from datetime import timedelta
from statistics import median
from typing import Any, Final
from urllib.parse import urlencode

from deploy.local.settings import RuntimeFault
from tests.bench import installations, links, workload
from tests.bench.figures import Bound, Figure, Results, ratios
from tests.bench.installations import Installation
from tests.bench.making import key_headers
from tests.bench.redirects import say_round
from tests.bench.stage import Stage

_PAGE: Final = 100
_TIMEOUT: Final = 30.0


def measure(stage: Stage) -> Results:
    """The first and the last page with few links, on a database and a writer of their own, and with many, in turn."""
    few, many = stage.plan.few_links, stage.plan.many_links
    if missing := workload.codes(many)[len(stage.codes) :]:
        with contextlib.closing(links.connect_postgres(stage.product.settings)) as postgres:
            links.insert_rows(postgres, missing, before=len(stage.codes))
    with installations.writer_alone(stage.product, "few") as small:
        with contextlib.closing(links.connect_postgres(small.settings)) as postgres:
            links.insert_rows(postgres, workload.codes(few))
        asked = {few: small, many: stage.product}
        pages = {count: _pages(stage, installation) for count, installation in asked.items()}
        took: dict[str, dict[int, list[float]]] = {"first": {few: [], many: []}, "last": {few: [], many: []}}
        for number in range(stage.plan.rounds):
            for name, times in took.items():
                for count, installation in asked.items():
                    times[count].append(_seconds(stage, installation, pages[count][name]))
            said = {f"{name} page of {count:,}": times[count][-1] for name, times in took.items() for count in asked}
            say_round(number, stage, {name: f"{seconds * 1e3:.2f} ms" for name, seconds in said.items()})
    return Results(
        figures=[
            Figure(
                name=f"the {name} page of GET /links at 1,000,000 links ÷ at 1,000",
                bound=Bound(direction="at most", must=1.5),
                rounds=ratios(times[many], times[few]),
                note=f"here {many:,} and {few:,}" if stage.plan.is_quick else "",
            )
            for name, times in took.items()
        ],
        numbers=[
            (
                f"the {name} page of {_PAGE} links",
                ", ".join(f"{median(times[count]) * 1e3:.1f} ms at {count:,}" for count in asked),
            )
            for name, times in took.items()
        ],
    )


def _pages(stage: Stage, installation: Installation) -> dict[str, str]:
    """The paths of the first page and of the last one, newest links first."""
    before_last = links.FIRST_MADE + timedelta(seconds=_PAGE + 1)
    order = {"sort": "-created_at"}
    with _connected(installation) as connection:
        query = {**order, "limit": "1", "created_before": before_last.isoformat()}
        cursor = _get(connection, f"/links?{urlencode(query)}", key_headers(stage))["next_cursor"]
        first = f"/links?{urlencode({**order, 'limit': str(_PAGE)})}"
        last = f"{first}&{urlencode({'cursor': cursor})}"
        page = _get(connection, last, key_headers(stage))
    if page["next_cursor"] is not None or len(page["links"]) != _PAGE:
        raise RuntimeFault(f"{last} is not the last page of {_PAGE} links.")
    return {"first": first, "last": last}


def _seconds(stage: Stage, installation: Installation, path: str) -> float:
    """How long an answer takes, the median of many."""
    headers, times = key_headers(stage), []
    with _connected(installation) as connection:
        for _ in range(stage.plan.pages):
            started = time.perf_counter()
            _get(connection, path, headers)
            times.append(time.perf_counter() - started)
    return median(times)


@contextlib.contextmanager
def _connected(installation: Installation) -> Any:
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", installation.settings.port, timeout=_TIMEOUT)
    ) as connection:
        yield connection


def _get(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]) -> Any:
    connection.request("GET", path, headers=dict(headers))
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeFault(f"GET {path} answers {answer.status}: {body[:300].decode(errors='replace')}")
    return json.loads(body)
