"""Creating links: one in each call, beside pgbench, and a thousand in each call, beside COPY."""

import asyncio
import contextlib
import io
import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from deploy.common.console import run
from deploy.common.faults import RuntimeFault
from deploy.local.packages import find_servers
from deploy.local.postgres import client_env
from tests.bench import links, workload, wrk
from tests.bench.figures import Bound, Figure, Results, ratios
from tests.bench.measurement import CONNECTIONS
from tests.bench.redirects import print_round
from tests.bench.setup import Setup

BATCH: Final = 1_000
_CALLS_AT_ONCE: Final = 4
_INSERTS: Final = Path(__file__).with_name("inserts.sql")


def measure_calls(setup: Setup) -> Results:
    """POST /links through nginx, beside pgbench doing the same INSERTs with as many clients."""
    urls = [f"{links.TARGET[:-8]}{number:08d}" for number in range(workload.DRAWS)]
    bodies = (f"/links\t{json.dumps({'url': url})}" for url in urls)
    path = workload.write_requests(setup.folder / "new-links", bodies)
    rates: dict[str, list[float]] = {"POST /links": [], "pgbench": []}
    for number in range(setup.sizes.rounds):
        rates["POST /links"].append(_post(setup, path))
        rates["pgbench"].append(_insert(setup))
        print_round(number, setup, {name: f"{found[-1]:,.0f}/s" for name, found in rates.items()})
    return Results(
        figures=[
            Figure(
                name="POST /links a second through nginx ÷ pgbench doing the same INSERTs with as many clients",
                bound=Bound(direction="at least", must=0.3, goal=0.6),
                rounds=ratios(rates["POST /links"], rates["pgbench"]),
            )
        ],
        numbers=[(f"new links a second, {name}", _by_round(found)) for name, found in rates.items()],
    )


def measure_batches(setup: Setup) -> Results:
    """POST /links/batch, beside a COPY of as many links into the same tables."""
    count = setup.sizes.batches * BATCH
    rates: dict[str, list[float]] = {"POST /links/batch": [], "COPY": []}
    for number in range(setup.sizes.rounds):
        codes = workload.codes(count, kind=f"batch {number}")
        rates["POST /links/batch"].append(count / _post_batches(setup, codes))
        rates["COPY"].append(count / _copy(setup, workload.codes(count, kind=f"copy {number}")))
        print_round(number, setup, {name: f"{found[-1]:,.0f}/s" for name, found in rates.items()})
    return Results(
        figures=[
            Figure(
                name="100,000 links through POST /links/batch (1,000 a call) ÷ one COPY of the same rows",
                bound=Bound(direction="at least", must=0.15),
                rounds=ratios(rates["POST /links/batch"], rates["COPY"]),
                note=f"here {count:,} links" if setup.sizes.is_quick else "",
            )
        ],
        numbers=[(f"new links a second, {name}", _by_round(found)) for name, found in rates.items()],
    )


def api_headers(setup: Setup) -> dict[str, str]:
    """The headers of a client of the API."""
    return {"Authorization": f"Bearer {setup.product.settings.admin_key}", "Content-Type": "application/json"}


def _post(setup: Setup, path: Path) -> float:
    """The rate of POST /links. Raises RuntimeFault unless every link that was answered is in the database."""
    with _emptying_outbox(setup) as postgres:
        before = _count(postgres)
        responses = wrk.load(setup.product.nginx, path, 2 * setup.sizes.seconds, headers=api_headers(setup))
        created = _count(postgres) - before
    errors, expected = responses.error_responses, responses.requests
    if errors or not expected <= created <= expected + CONNECTIONS:
        raise RuntimeFault(f"{expected} requests were answered, {errors} with an error; {created} links were created.")
    return responses.rate


def _insert(setup: Setup) -> float:
    """The transactions a second of pgbench, which runs on the core that wrk otherwise uses."""
    settings = setup.product.settings
    program = find_servers().postgres_bin / "pgbench"
    last_core = str(max(os.sched_getaffinity(0)))
    command: list[str | Path] = ["taskset", "-c", last_core, program, "-n", "-c", str(CONNECTIONS), "-j", "1"]
    command += ["-T", str(2 * setup.sizes.seconds), "-f", _INSERTS]
    with _emptying_outbox(setup):
        return read_tps(run(command, what="pgbench failed", env=client_env(settings)))


def read_tps(printed: str) -> float:
    """Read the transactions a second from the output of pgbench. Raises RuntimeFault if they are missing."""
    found = re.search(r"^tps = ([0-9.]+) ", printed, re.MULTILINE)
    if found is None:
        raise RuntimeFault(f"pgbench ended without a result:\n{printed}")
    return float(found[1])


def _post_batches(setup: Setup, codes: Sequence[str]) -> float:
    """The seconds until every batch was answered. Raises RuntimeFault unless every link was created."""
    bodies = [
        json.dumps({"links": [{"url": links.TARGET, "code": code} for code in codes[start : start + BATCH]]}).encode()
        for start in range(0, len(codes), BATCH)
    ]
    with _emptying_outbox(setup):
        started = time.perf_counter()
        responses = asyncio.run(_send(f"{setup.product.nginx}/links/batch", bodies, api_headers(setup)))
        seconds = time.perf_counter() - started
    for status, body in responses:
        if status != 200:
            raise RuntimeFault(f"POST /links/batch responds {status}: {body[:300].decode(errors='replace')}")
        items = json.loads(body)["items"]
        if len(items) != BATCH or any(item["status"] != 201 for item in items):
            raise RuntimeFault(f"POST /links/batch did not create every link: {body[:300].decode(errors='replace')}")
    return seconds


async def _send(url: str, bodies: Sequence[bytes], headers: dict[str, str]) -> list[tuple[int, bytes]]:
    """Send every body, four at once. Return the status and the body of each response."""
    remaining = iter(bodies)
    responses: list[tuple[int, bytes]] = []

    async def client(session: aiohttp.ClientSession) -> None:
        for body in remaining:
            async with session.post(url, data=io.BytesIO(body), headers=headers) as response:
                responses.append((response.status, await response.read()))

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        await asyncio.gather(*(client(session) for _ in range(_CALLS_AT_ONCE)))
    return responses


def _copy(setup: Setup, codes: Sequence[str]) -> float:
    """The seconds that COPY needs for the same rows in the same tables, in one transaction."""
    with _emptying_outbox(setup) as postgres:
        started = time.perf_counter()
        links.copy_links(postgres, codes, offset=links.AFTER_ALL_LISTED, with_outbox=True)
        return time.perf_counter() - started


@contextlib.contextmanager
def _emptying_outbox(setup: Setup) -> Any:
    """A connection of the database's owner. At its end the outbox is emptied, so that the relay is idle later."""
    with contextlib.closing(links.connect_postgres(setup.product.settings)) as postgres:
        yield postgres
        with postgres.cursor() as cursor:
            cursor.execute("TRUNCATE outbox")
            cursor.execute("CHECKPOINT")


def _count(postgres: Any) -> int:
    with postgres.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM links")
        return int(cursor.fetchall()[0][0])


def _by_round(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:,.0f}" for rate in rates)
