"""The commands of the Makefile, on the tests' own system."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

from deploy.common import backups
from deploy.common.checkout import CHECKOUT
from deploy.local import runtime
from deploy.local.packages import find_servers
from deploy.local.settings import LocalSettings
from deploy.local.stores import LocalStores
from deploy.local.supervision import Supervisor
from shared.domain.codes import in_default_domain
from shared.redis import keys as redis_keys
from tests.support.client import Client
from tests.support.waiting import until


def _local(stack: LocalSettings, *words: str, text: str = "", **others: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `deploy.local` on the tests' own system, like the Makefile does."""
    env = {
        **os.environ,
        "BOLTLINK_STATE": str(stack.state),
        "BOLTLINK_PORT": str(stack.port),
        "BOLTLINK_POSTGRES_PORT": str(stack.postgres_port),
        "BOLTLINK_REDIS_PORT": str(stack.redis_port),
        "BOLTLINK_INNER_PORT": str(stack.inner_port),
        "BOLTLINK_DATABASE": stack.database,
        **others,
    }
    command = [sys.executable, "-m", "deploy.local", *words]
    return subprocess.run(
        command, cwd=CHECKOUT, env=env, input=text, capture_output=True, text=True, timeout=120, check=False
    )


def _pids(stack: LocalSettings) -> list[str]:
    return [process.description.split(",")[0] for process in Supervisor(stack).processes()]


def test_a_second_up_changes_nothing(stack: LocalSettings) -> None:
    before = _pids(stack)
    runtime.up(stack)
    assert _pids(stack) == before


def test_ps_names_every_process_with_its_port(stack: LocalSettings) -> None:
    shown = _local(stack, "ps").stdout
    assert all(name in shown for name in ("nginx", "postgres", "redis", "relay-1", "consumer-1", *stack.http_ports))
    assert shown.count("RUNNING") == 3 + len(stack.http_ports)
    assert str(stack.port) in shown


async def test_a_key_made_by_the_command_works_within_its_scopes(client: Client, stack: LocalSettings) -> None:
    key = _local(stack, "key", "--name", "by hand", "--scopes", "links:read, stats:read").stdout.strip()
    headers = {"Authorization": f"Bearer {key}"}
    assert (await client.request("GET", "/links?limit=1", headers=headers)).status == 200
    assert (await client.request("GET", "/keys", headers=headers)).status == 403


def test_psql_and_redis_cli_connect_to_the_servers_of_the_installation(stack: LocalSettings) -> None:
    assert _local(stack, "psql", "--", "-Atc", "SELECT current_database()").stdout.strip() == stack.database
    assert _local(stack, "redis-cli", "--", "PING").stdout.strip() == "PONG"


async def test_verify_finds_a_differing_record_and_repairs_it(client: Client, stack: LocalSettings) -> None:
    link = await client.make_link(url="https://example.com/right")

    async def relayed() -> bool:
        return _local(stack, "psql", "--", "-Atc", "SELECT count(*) FROM outbox").stdout.strip() == "0"

    await until(relayed)
    stores = LocalStores(stack, find_servers())
    stores.redis("SET", redis_keys.route(in_default_domain(link["code"])), "1 1 302 https://example.com/wrong")
    assert (await client.follow(link["code"])).headers["Location"] == "https://example.com/wrong"
    found = _local(stack, "verify")
    assert found.returncode == 1
    assert link["code"] in found.stdout
    assert _local(stack, "verify", "--repair").returncode == 0
    assert (await client.follow(link["code"])).headers["Location"] == "https://example.com/right"
    assert _local(stack, "verify").returncode == 0


async def test_dead_letters_are_listed_and_replayed(stack: LocalSettings) -> None:
    stores = LocalStores(stack, find_servers())
    assert _local(stack, "dead-letters").stdout.startswith("0 ")
    stores.redis("XADD", "clicks", "*", "e", "no click at all")

    async def dead_letter_is_listed() -> bool:
        shown = _local(stack, "dead-letters").stdout
        return shown.startswith("1 ") and "no click at all" in shown

    await until(dead_letter_is_listed)
    assert _local(stack, "dead-letters", "--replay").stdout.startswith("1 ")
    await until(dead_letter_is_listed)
    stores.redis("DEL", "clicks:dead-letters")


def test_clean_deletes_nothing_without_a_yes(stack: LocalSettings) -> None:
    done = _local(stack, "clean", text="no\n")
    assert done.returncode == 1
    assert "Nothing was deleted" in done.stderr
    assert Supervisor(stack).runs


def test_invalid_settings_are_all_reported_and_change_nothing_that_runs(stack: LocalSettings) -> None:
    before = _pids(stack)
    done = _local(stack, "up", BOLTLINK_PUBLIC_URL="no address", CLICK_BATCH_SIZE="x", MISS_LIFETIME="-1")
    assert done.returncode == 1
    assert "PUBLIC_URL must be a URL" in done.stderr
    assert "CLICK_BATCH_SIZE must be" in done.stderr
    assert "MISS_LIFETIME must be" in done.stderr
    assert _pids(stack) == before


def test_a_state_folder_that_cannot_be_created_is_named_with_its_setting(stack: LocalSettings) -> None:
    done = _local(stack, "up", BOLTLINK_STATE="/proc/boltlink")
    assert done.returncode == 1
    assert "BOLTLINK_STATE" in done.stderr
    assert "/proc/boltlink" in done.stderr


def test_a_port_in_use_is_named_with_its_setting(stack: LocalSettings) -> None:
    env = {**os.environ, "BOLTLINK_STATE": f"{stack.state}-other", "BOLTLINK_PORT": str(stack.port)}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "up"], cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{stack.port} (BOLTLINK_PORT)" in done.stderr
    subprocess.run(["rm", "-rf", f"{stack.state}-other"], check=True)  # noqa: S607


async def test_a_file_that_is_not_a_backup_is_refused_before_the_question(stack: LocalSettings, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.dump"
    garbage.write_bytes(b"PGDMP no more than that")
    for path in (garbage, tmp_path / "missing.dump"):
        done = _local(stack, "restore", str(path), text="yes\n")
        assert done.returncode == 1
        assert str(path) in done.stderr
        assert "Type yes" not in done.stdout


async def test_a_damaged_backup_changes_nothing_and_stops_nothing(
    client: Client, stack: LocalSettings, tmp_path: Path
) -> None:
    for _ in range(
        50
    ):  # so that the cut removes data: the table of contents stays whole, and only reading the data finds it
        kept = await client.make_link(notes=secrets.token_hex(1000))
    whole = backups.backup(LocalStores(stack, find_servers()), tmp_path).read_bytes()
    damaged = tmp_path / "damaged.dump"
    damaged.write_bytes(whole[: len(whole) * 3 // 4])
    before = _pids(stack)
    done = _local(stack, "restore", "--yes", str(damaged))
    assert done.returncode == 1
    assert f"{damaged} is damaged" in done.stderr
    assert _pids(stack) == before
    assert (await client.call("GET", f"/links/{kept['code']}")).document["notes"] == kept["notes"]


async def test_a_restored_backup_brings_back_links_and_clicks(client: Client, stack: LocalSettings) -> None:
    kept = await client.make_link(url="https://example.com/kept")
    for _ in range(5):
        await client.follow(kept["code"])
    stores = LocalStores(stack, find_servers())
    path = backups.backup(stores, stack.state / "backups")
    lost = await client.make_link()
    await client.call("PATCH", f"/links/{kept['code']}", json={"url": "https://example.com/changed"})
    backups.restore(stores, path)
    assert (await client.follow(kept["code"])).headers["Location"] == "https://example.com/kept"
    assert (await client.follow(lost["code"])).status == 404
    await client.wait_for_clicks(kept["code"], 6)
