"""The response time of a page of GET /links with few links and with many."""

import contextlib
import http.client
import json
import time
from collections.abc import Mapping
from datetime import timedelta
from statistics import median
from typing import Any, Final
from urllib.parse import urlencode

from deploy.common.faults import RuntimeFault
from tests.bench import installations, links, workload
from tests.bench.figures import Bound, Figure, Results, ratios
from tests.bench.installations import Installation
from tests.bench.new_links import api_headers
from tests.bench.redirects import print_round
from tests.bench.setup import Setup

_PAGE: Final = 100
_TIMEOUT: Final = 30.0


def measure(setup: Setup) -> Results:
    """The first and the last page with few links, on a writer and a database of their own, and with many, in turn."""
    few, many = setup.sizes.few_links, setup.sizes.many_links
    if missing := workload.codes(many)[len(setup.codes) :]:
        with contextlib.closing(links.connect_postgres(setup.product.settings)) as postgres:
            links.insert_links(postgres, missing, offset=len(setup.codes))
    with installations.writer_alone(setup.product, "few") as small:
        with contextlib.closing(links.connect_postgres(small.settings)) as postgres:
            links.insert_links(postgres, workload.codes(few))
        installations_by_count = {few: small, many: setup.product}
        paths = {count: _paths(setup, installation) for count, installation in installations_by_count.items()}
        measured: dict[str, dict[int, list[float]]] = {"first": {few: [], many: []}, "last": {few: [], many: []}}
        for number in range(setup.sizes.rounds):
            for name, times in measured.items():
                for count, installation in installations_by_count.items():
                    times[count].append(_response_time(setup, installation, paths[count][name]))
            newest = {
                f"{name} page of {count:,}": times[count][-1]
                for name, times in measured.items()
                for count in installations_by_count
            }
            print_round(number, setup, {name: f"{seconds * 1e3:.2f} ms" for name, seconds in newest.items()})
    return Results(
        figures=[
            Figure(
                name=f"the {name} page of GET /links at 1,000,000 links ÷ at 1,000",
                bound=Bound(direction="at most", must=1.5),
                rounds=ratios(times[many], times[few]),
                note=f"here {many:,} and {few:,}" if setup.sizes.is_quick else "",
            )
            for name, times in measured.items()
        ],
        numbers=[
            (
                f"the {name} page of {_PAGE} links",
                ", ".join(f"{median(times[count]) * 1e3:.1f} ms at {count:,}" for count in installations_by_count),
            )
            for name, times in measured.items()
        ],
    )


def _paths(setup: Setup, installation: Installation) -> dict[str, str]:
    """The paths of the first page and of the last page, newest links first."""
    before_last = links.FIRST_MADE + timedelta(seconds=_PAGE + 1)
    order = {"sort": "-created_at"}
    with _connected(installation) as connection:
        query = {**order, "limit": "1", "created_before": before_last.isoformat()}
        cursor = _get(connection, f"/links?{urlencode(query)}", api_headers(setup))["next_cursor"]
        first = f"/links?{urlencode({**order, 'limit': str(_PAGE)})}"
        last = f"{first}&{urlencode({'cursor': cursor})}"
        page = _get(connection, last, api_headers(setup))
    if page["next_cursor"] is not None or len(page["links"]) != _PAGE:
        raise RuntimeFault(f"{last} is not the last page of {_PAGE} links.")
    return {"first": first, "last": last}


def _response_time(setup: Setup, installation: Installation, path: str) -> float:
    """The median response time of a path, in seconds."""
    headers, times = api_headers(setup), []
    with _connected(installation) as connection:
        for _ in range(setup.sizes.pages):
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
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeFault(f"GET {path} responds {response.status}: {body[:300].decode(errors='replace')}")
    return json.loads(body)
