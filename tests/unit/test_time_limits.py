"""The tables of time limits in docs/architecture.md say what the code and the configuration say, of every one."""

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from deploy.common.checkout import CHECKOUT
from deploy.processes import PROCESSES
from services.resolver import app as resolver_app
from services.resolver.lookup.circuit_breaker import RESET_TIMEOUT
from services.resolver.lookup.postgres_lookup import RESET_TIMEOUT as REST
from services.resolver.settings import ResolverSettings
from services.stats.settings import ConsumerSettings
from services.writer.settings import RelaySettings, WriterSettings
from shared.http import server
from shared.postgres.pool import CLIENT_GRACE
from shared.process.loops import JITTER, jittered

PAGE: Final = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
ENOUGH: Final = {
    "DATABASE_URL": "postgresql://role@127.0.0.1/name",
    "REDIS_URL": "redis://127.0.0.1",
    "SPOOL_FOLDER": "/nowhere",
    "VISITOR_SECRET": "secret",
}


def table(head: str) -> list[list[str]]:
    """The rows of the table whose head begins so."""
    lines = PAGE[PAGE.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


LIMITS: Final = {(row[0], row[1]): row[2:] for row in table("who waits")}


def test_the_limits_of_redis_are_those_of_the_settings() -> None:
    resolver = ResolverSettings.from_env(ENOUGH).redis.timeout
    assert LIMITS["resolver", "Redis"][0] == f"`REDIS_TIMEOUT` {resolver:g} s"
    assert LIMITS["resolver, where no visitor waits", "Redis"][0] == f"{resolver_app.BACKGROUND_TIMEOUT:g} s"
    writers = {kind.from_env(ENOUGH).redis.timeout for kind in (WriterSettings, RelaySettings)}
    assert {LIMITS["writer, relay", "Redis"][0]} == {f"`REDIS_TIMEOUT` {timeout:g} s" for timeout in writers}
    consumer = ConsumerSettings.from_env(ENOUGH).redis.timeout
    assert LIMITS["consumer", "Redis"][0] == f"`REDIS_TIMEOUT` {consumer:g} s"
    assert f"left alone for {RESET_TIMEOUT:g} s" in LIMITS["resolver", "Redis"][2]


def test_the_time_that_a_service_takes_to_leave_is_told() -> None:
    told = LIMITS["every service, at its end", "requests on the connections that it has"][0]
    assert told == f"{server.DRAIN_TIMEOUT:g} s"


def test_the_limits_of_postgres_are_those_of_the_settings() -> None:
    settings = RelaySettings.from_env(ENOUGH).database
    limits = {waited_for: cells[0] for (who, waited_for), cells in LIMITS.items() if who == "every service"}
    assert limits == {
        "a connection of its pool": f"`DATABASE_ACQUIRE_TIMEOUT` {settings.acquire_timeout:g} s",
        "a new connection to PostgreSQL": f"`DATABASE_CONNECT_TIMEOUT` {settings.connect_timeout:g} s",
    }
    for who, kind in (("resolver", ResolverSettings), ("every other service", RelaySettings)):
        timeout = kind.from_env(ENOUGH).database.statement_timeout
        told = f"`DATABASE_STATEMENT_TIMEOUT` {timeout:g} s; {CLIENT_GRACE:g} s more for PostgreSQL to say so"
        assert LIMITS[who, "a statement"][0] == told
    assert f"left alone for {REST:g} s" in LIMITS["resolver", "a statement"][2]


def directives(text: str) -> set[str]:
    """Every time limit and number of tries that nginx is given, as the page writes it."""
    found = re.findall(r"\b(\w+_timeout|proxy_next_upstream_tries)\s+(\w+);", text)
    return {f"`{name}` {value}" for name, value in found}


def test_every_limit_of_nginx_is_told_and_no_other() -> None:
    files = ("nginx.conf.template", "upstream.conf.template", "routes.conf", "problems.conf")
    set_there = set.union(*(directives((CHECKOUT / "nginx" / name).read_text(encoding="utf-8")) for name in files))
    told = {limit for (who, _), cells in LIMITS.items() if who == "nginx" for limit in _limits(" ".join(cells))}
    assert told == set_there


def _limits(text: str) -> set[str]:
    return set(re.findall(r"`[a-z_]+` \d\w*", text))


def test_the_limits_of_those_who_stop_processes_are_told() -> None:
    source = (CHECKOUT / "shared" / "process" / "gunicorn_conf.py").read_text(encoding="utf-8")
    for name, waited_for in (
        ("graceful_timeout", "requests under way, at the end"),
        ("timeout", "a sign of life of its worker"),
    ):
        (seconds,) = re.findall(rf"^{name} = (\d+)", source, re.MULTILINE)
        assert LIMITS["gunicorn", waited_for][0] == f"`{name}` {seconds} s"
    (seconds,) = {process.stop_timeout for process in PROCESSES.values()}
    assert LIMITS["supervisord", "a process to stop"][0] == f"`stopwaitsecs` {seconds} s"


def test_every_loop_is_told_with_its_pause() -> None:
    told = {row[0].strip("`"): row[2] for row in table("loop")}
    assert told == {
        name: f"{pause:g} s" for path in (CHECKOUT / "services").rglob("app.py") for name, pause in loops(path)
    }


def loops(path: Path) -> list[tuple[str, float]]:
    """The name and the pause of every loop that an app.py starts."""
    module = import_module(".".join(path.relative_to(CHECKOUT).with_suffix("").parts))
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "background_loop":
            words = {word.arg: word.value for word in node.keywords}
            found.append((ast.literal_eval(words["name"]), _seconds(module, words["pause"])))
    return found


def _seconds(module: Any, node: ast.expr) -> float:
    if ast.unparse(node) == "settings.interval":
        return RelaySettings.from_env(ENOUGH).interval
    seconds: float = getattr(module, ast.unparse(node))
    return seconds


def test_pauses_differ_by_chance_and_stay_within_their_bounds() -> None:
    pauses = [jittered(2.0) for _ in range(1_000)]
    assert len(set(pauses)) > 900
    assert 2.0 * (1 - JITTER) <= min(pauses) < 2.0 < max(pauses) <= 2.0 * (1 + JITTER)
