"""Making links: one a call beside pgbench, a thousand a call beside COPY."""

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

from deploy.local.console import run
from deploy.local.packages import find_servers
from deploy.local.postgres import client_env
from deploy.local.settings import RuntimeFault
from tests.bench import links, workload, wrk
from tests.bench.drive import CONNECTIONS
from tests.bench.figures import Bound, Figure, Results, ratios
from tests.bench.redirects import say_round
from tests.bench.stage import Stage

BATCH: Final = 1_000
_CALLS_AT_ONCE: Final = 4
_INSERTS: Final = Path(__file__).with_name("inserts.sql")


def measure_calls(stage: Stage) -> Results:
    """POST /links through nginx, and pgbench doing the same INSERTs with as many clients."""
    urls = [f"{links.TARGET[:-8]}{number:08d}" for number in range(workload.DRAWS)]
    bodies = (f"/links\t{json.dumps({'url': url})}" for url in urls)
    path = workload.write_requests(stage.folder / "new-links", bodies)
    rates: dict[str, list[float]] = {"POST /links": [], "pgbench": []}
    for number in range(stage.plan.rounds):
        rates["POST /links"].append(_post(stage, path))
        rates["pgbench"].append(_insert(stage))
        say_round(number, stage, {name: f"{found[-1]:,.0f}/s" for name, found in rates.items()})
    return Results(
        figures=[
            Figure(
                name="POST /links a second through nginx ÷ pgbench doing the same INSERTs with as many clients",
                bound=Bound(direction="at least", must=0.3, wanted=0.6),
                rounds=ratios(rates["POST /links"], rates["pgbench"]),
            )
        ],
        numbers=[(f"new links a second, {name}", _in_turn(found)) for name, found in rates.items()],
    )


def measure_batches(stage: Stage) -> Results:
    """Links by POST /links/batch, and as many by COPY into the same tables."""
    count = stage.plan.batches * BATCH
    rates: dict[str, list[float]] = {"POST /links/batch": [], "COPY": []}
    for number in range(stage.plan.rounds):
        codes = workload.codes(count, kind=f"batch {number}")
        rates["POST /links/batch"].append(count / _post_batches(stage, codes))
        rates["COPY"].append(count / _copy(stage, workload.codes(count, kind=f"copy {number}")))
        say_round(number, stage, {name: f"{found[-1]:,.0f}/s" for name, found in rates.items()})
    return Results(
        figures=[
            Figure(
                name="100,000 links through POST /links/batch (1,000 a call) ÷ one COPY of the same rows",
                bound=Bound(direction="at least", must=0.15),
                rounds=ratios(rates["POST /links/batch"], rates["COPY"]),
                note=f"here {count:,} links" if stage.plan.is_quick else "",
            )
        ],
        numbers=[(f"new links a second, {name}", _in_turn(found)) for name, found in rates.items()],
    )


def key_headers(stage: Stage) -> dict[str, str]:
    """What a client of the API sends."""
    return {"Authorization": f"Bearer {stage.product.settings.admin_key}", "Content-Type": "application/json"}


def _post(stage: Stage, path: Path) -> float:
    """Links a second; every one that was answered must be in the database."""
    with _outbox_emptied(stage) as postgres:
        before = _count(postgres)
        done = wrk.load(stage.product.nginx, path, 2 * stage.plan.seconds, headers=key_headers(stage))
        made = _count(postgres) - before
    if done.refused or not done.requests <= made <= done.requests + CONNECTIONS:
        raise RuntimeFault(f"{done.requests} links were answered, {done.refused} with an error; {made} are there.")
    return done.rate


def _insert(stage: Stage) -> float:
    """Transactions a second of pgbench, on the core where wrk is."""
    settings = stage.product.settings
    program = find_servers().postgres_bin / "pgbench"
    last_core = str(max(os.sched_getaffinity(0)))
    command: list[str | Path] = ["taskset", "-c", last_core, program, "-n", "-c", str(CONNECTIONS), "-j", "1"]
    command += ["-T", str(2 * stage.plan.seconds), "-f", _INSERTS]
    with _outbox_emptied(stage):
        return read_tps(run(command, what="pgbench failed", env=client_env(settings)))


def read_tps(printed: str) -> float:
    """What pgbench reached. Raises RuntimeFault where it does not say so."""
    found = re.search(r"^tps = ([0-9.]+) ", printed, re.MULTILINE)
    if found is None:
        raise RuntimeFault(f"pgbench ended without a result:\n{printed}")
    return float(found[1])


def _post_batches(stage: Stage, codes: Sequence[str]) -> float:
    """Seconds until every batch was answered; every link must have been made."""
    bodies = [
        json.dumps({"links": [{"url": links.TARGET, "code": code} for code in codes[start : start + BATCH]]}).encode()
        for start in range(0, len(codes), BATCH)
    ]
    with _outbox_emptied(stage):
        started = time.perf_counter()
        answers = asyncio.run(_send(f"{stage.product.nginx}/links/batch", bodies, key_headers(stage)))
        seconds = time.perf_counter() - started
    for status, body in answers:
        if status != 200:
            raise RuntimeFault(f"POST /links/batch answers {status}: {body[:300].decode(errors='replace')}")
        items = json.loads(body)["items"]
        if len(items) != BATCH or any(item["status"] != 201 for item in items):
            raise RuntimeFault(f"POST /links/batch did not make every link: {body[:300].decode(errors='replace')}")
    return seconds


async def _send(url: str, bodies: Sequence[bytes], headers: dict[str, str]) -> list[tuple[int, bytes]]:
    """Post every body, a few at once; status and body of each answer."""
    left = iter(bodies)
    answers: list[tuple[int, bytes]] = []

    async def client(session: aiohttp.ClientSession) -> None:
        for body in left:
            async with session.post(url, data=io.BytesIO(body), headers=headers) as answer:
                answers.append((answer.status, await answer.read()))

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        await asyncio.gather(*(client(session) for _ in range(_CALLS_AT_ONCE)))
    return answers


def _copy(stage: Stage, codes: Sequence[str]) -> float:
    """Seconds that COPY needs for the same rows in the same tables, in one transaction."""
    with _outbox_emptied(stage) as postgres:
        started = time.perf_counter()
        links.copy_links(postgres, codes, before=links.LATER, with_outbox=True)
        return time.perf_counter() - started


@contextlib.contextmanager
def _outbox_emptied(stage: Stage) -> Any:
    """A connection of the owner's. At the end the relay is spared what it has not done yet: the next run is not its."""
    with contextlib.closing(links.connect_postgres(stage.product.settings)) as postgres:
        yield postgres
        with postgres.cursor() as cursor:
            cursor.execute("TRUNCATE outbox")
            cursor.execute("CHECKPOINT")


def _count(postgres: Any) -> int:
    with postgres.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM links")
        return int(cursor.fetchall()[0][0])


def _in_turn(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:,.0f}" for rate in rates)
