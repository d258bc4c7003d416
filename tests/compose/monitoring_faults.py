"""The faults that alerts of the monitoring report, caused for real and undone afterwards."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg2
import yaml

from deploy.common.checkout import CHECKOUT
from deploy.compose.engine import secrets_folder
from shared.redis import click_stream
from shared.redis import keys as redis_keys
from tests.compose.prometheus import value_of
from tests.support.client import Client, connected
from tests.support.containers import PROJECT, System, docker
from tests.support.waiting import until

CERTIFICATE_WATCH: Final = "test-boltlink-certificate-watch"


async def cause_faults(system: System, client: Client, stack: contextlib.AsyncExitStack) -> None:
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


async def cause_an_outage(system: System, client: Client, stack: contextlib.AsyncExitStack) -> None:
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
    before = await value_of(system, 'sum(boltlink_clicks_total{result="dead_letter"})')

    async def seen() -> bool:
        await _redis(system, "XADD", redis_keys.CLICK_STREAM, "*", click_stream.FIELD.decode(), "no click")
        return await value_of(system, 'sum(boltlink_clicks_total{result="dead_letter"})') > before

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
        return await value_of(system, "max(postgres:connections:ratio)") > 0.8

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
