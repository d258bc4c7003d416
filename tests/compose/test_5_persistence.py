"""The data that stays when containers are removed, and that a backup restores when the volumes are removed too."""

from dataclasses import dataclass
from pathlib import Path

from deploy.common import backups
from shared.domain.codes import in_default_domain
from shared.redis import keys as redis_keys
from tests.support.client import Client, Json, Response
from tests.support.containers import Step, System
from tests.support.waiting import until


@dataclass(frozen=True)
class Kept:
    """The data that must be the same afterwards."""

    link: Json
    clicks: int
    key: str


async def _make(system: System, client: Client) -> Kept:
    link = await client.make_link(url="https://example.com/kept", title="Kept", tags=["a", "b"])
    for _ in range(7):
        assert (await client.follow(link["code"])).status == 302
    await client.wait_for_clicks(link["code"], 7)
    return Kept(await _link(client, link["code"]), 7, system.keys("make", "--name", "kept", "--scope", "links:read"))


async def _link(client: Client, code: str) -> Json:
    response = await client.call("GET", f"/links/{code}")
    assert response.status == 200, response.body
    found: Json = response.document
    return found


async def _with_key(client: Client, key: str) -> Response:
    return await client.request("GET", "/links?limit=1", headers={"Authorization": f"Bearer {key}"})


async def _expect_everything(client: Client, kept: Kept) -> None:
    code = kept.link["code"]
    assert await _link(client, code) == kept.link
    assert await client.clicks_of(code) == kept.clicks
    assert (await _with_key(client, kept.key)).status == 200
    response = await client.follow(code)
    assert (response.status, response.headers["Location"]) == (302, "https://example.com/kept")
    await client.wait_for_clicks(code, kept.clicks + 1, seconds=30)


async def _short_lived_keys_have_expired(system: System) -> None:
    """Wait until the records of unknown codes have expired, which Redis keeps for half a minute."""
    script = "for _, key in ipairs(redis.call('KEYS', '*')) do local t = redis.call('TTL', key)"
    script += " if t >= 0 and t < 3600 then return 1 end end return 0"

    async def forgotten() -> bool:
        return system.redis("--raw", "EVAL", script, "0") == "0"

    await until(forgotten, 60)


async def test_containers_that_are_removed_and_created_again_have_lost_nothing(system: System, client: Client) -> None:
    kept = await _make(system, client)
    await _short_lived_keys_have_expired(system)
    questions = (("DBSIZE",), ("GET", redis_keys.route(in_default_domain(kept.link["code"]))))
    before = [system.redis("--raw", *question) for question in questions]
    assert all(before)
    system.down()
    system.up()
    assert [system.redis("--raw", *question) for question in questions] == before
    await _expect_everything(client, kept)


async def test_a_backup_restores_everything_when_the_volumes_are_destroyed(
    system: System, client: Client, step: Step, tmp_path: Path
) -> None:
    kept = await _make(system, client)
    with step("Writing a backup"):
        path = backups.backup(system.stores, tmp_path)
    system.down("--volumes")
    system.up()
    assert (await client.follow(kept.link["code"])).status == 404
    assert (await _with_key(client, kept.key)).status == 401
    with step("Restoring the backup"):
        backups.restore(system.stores, path)
    await _expect_everything(client, kept)
