import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.writer.api_keys.creation import make_first_key, make_key, revoke
from shared.domain.errors import KeyNotFound
from shared.domain.models import ApiKey
from shared.postgres.pool import Database
from shared.postgres.tables import api_keys as keys
from tests.integration.stores import Stores

CHECKOUT = Path(__file__).parents[2]
GIVEN = "bl_a-key-that-was-given-by-hand"


async def found(database: Database, secret: str) -> ApiKey | None:
    return await keys.find(database, keys.hash_of(secret))


async def last_used_at(database: Database, secret: str) -> datetime | None:
    key = await found(database, secret)
    assert key is not None
    return key.last_used_at


async def test_a_new_key_is_found_by_its_secret(writer_database: Database) -> None:
    key, secret = await make_key(writer_database, name="ci", scopes=["links:read", "stats:read"])
    assert await found(writer_database, secret) == key
    assert (key.name, key.scopes, key.expires_at, key.last_used_at) == ("ci", ("links:read", "stats:read"), None, None)


async def test_the_stats_role_finds_a_key_as_well(writer_database: Database, stats_database: Database) -> None:
    key, secret = await make_key(writer_database, name="ci", scopes=["stats:read"])
    assert await found(stats_database, secret) == key


async def test_a_repeated_scope_is_stored_once(writer_database: Database) -> None:
    key, _ = await make_key(writer_database, name="ci", scopes=["admin", "links:read", "admin"])
    assert key.scopes == ("admin", "links:read")


async def test_an_unknown_secret_finds_nothing(writer_database: Database) -> None:
    await make_key(writer_database, name="ci", scopes=["admin"])
    assert await found(writer_database, GIVEN) is None


async def test_no_secret_is_stored(writer_database: Database) -> None:
    _, secret = await make_key(writer_database, name="ci", scopes=["admin"])
    row = await writer_database.fetch_one("SELECT api_keys::text AS row FROM api_keys")
    assert row is not None
    assert secret not in row["row"]
    assert secret.encode().hex() not in row["row"]


async def test_a_revoked_key_is_not_found(writer_database: Database) -> None:
    key, secret = await make_key(writer_database, name="ci", scopes=["admin"])
    await revoke(writer_database, key.id)
    assert await found(writer_database, secret) is None
    assert await keys.all_unrevoked(writer_database) == []


async def test_an_expired_key_is_not_found_but_listed(writer_database: Database) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    key, secret = await make_key(writer_database, name="ci", scopes=["admin"], expires_at=past)
    assert await found(writer_database, secret) is None
    assert await keys.all_unrevoked(writer_database) == [key]


async def test_a_key_that_has_not_expired_is_found(writer_database: Database) -> None:
    future = datetime.now(UTC) + timedelta(hours=1)
    key, secret = await make_key(writer_database, name="ci", scopes=["admin"], expires_at=future)
    assert await found(writer_database, secret) == key


async def test_keys_are_listed_oldest_first(writer_database: Database) -> None:
    made = [(await make_key(writer_database, name=name, scopes=["admin"]))[0] for name in ("b", "a", "c")]
    assert await keys.all_unrevoked(writer_database) == made


async def test_a_revoked_key_cannot_be_revoked_again(writer_database: Database) -> None:
    key, _ = await make_key(writer_database, name="ci", scopes=["admin"])
    await revoke(writer_database, key.id)
    with pytest.raises(KeyNotFound):
        await revoke(writer_database, key.id)


async def test_an_unknown_key_cannot_be_revoked(writer_database: Database) -> None:
    with pytest.raises(KeyNotFound):
        await revoke(writer_database, 10**18)


async def test_the_use_of_a_key_is_recorded(writer_database: Database, stats_database: Database) -> None:
    key, secret = await make_key(writer_database, name="ci", scopes=["admin"])
    await keys.record_use(stats_database, key.id)
    assert await last_used_at(writer_database, secret) is not None


async def test_the_use_of_a_key_is_recorded_once_a_minute(writer_database: Database) -> None:
    key, secret = await make_key(writer_database, name="ci", scopes=["admin"])
    await keys.record_use(writer_database, key.id)
    first = await last_used_at(writer_database, secret)
    await keys.record_use(writer_database, key.id)
    assert await last_used_at(writer_database, secret) == first


async def test_the_use_of_a_key_is_recorded_again_after_a_minute(writer_database: Database) -> None:
    key, secret = await make_key(writer_database, name="ci", scopes=["admin"])
    await writer_database.execute("UPDATE api_keys SET last_used_at = now() - interval '61 s'")
    first = await last_used_at(writer_database, secret)
    await keys.record_use(writer_database, key.id)
    assert await last_used_at(writer_database, secret) != first


async def test_the_first_key_is_created_if_there_has_never_been_one(writer_database: Database) -> None:
    secret = await make_first_key(writer_database, "")
    key = await found(writer_database, secret or "")
    assert key is not None
    assert key.scopes == ("admin",)


async def test_the_first_key_is_created_only_once(writer_database: Database) -> None:
    await make_first_key(writer_database, "")
    assert await make_first_key(writer_database, "") is None


async def test_no_first_key_is_created_if_all_keys_are_revoked(writer_database: Database) -> None:
    key, _ = await make_key(writer_database, name="ci", scopes=["admin"])
    await revoke(writer_database, key.id)
    assert await make_first_key(writer_database, "") is None


async def test_a_given_key_is_stored_and_not_shown(writer_database: Database) -> None:
    assert await make_first_key(writer_database, GIVEN) is None
    key = await found(writer_database, GIVEN)
    assert key is not None
    assert key.scopes == ("admin",)


async def test_a_given_key_is_stored_once_also_by_simultaneous_calls(writer_database: Database) -> None:
    await asyncio.gather(*(make_first_key(writer_database, GIVEN) for _ in range(5)))
    assert len(await keys.all_unrevoked(writer_database)) == 1


async def test_a_given_key_that_was_revoked_stays_revoked(writer_database: Database) -> None:
    await make_first_key(writer_database, GIVEN)
    key = await found(writer_database, GIVEN)
    assert key is not None
    await revoke(writer_database, key.id)
    await make_first_key(writer_database, GIVEN)
    assert await found(writer_database, GIVEN) is None


async def test_the_command_creates_a_key_and_prints_only_the_key(
    stores: Stores, database_name: str, writer_database: Database
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "services.writer.api_keys.command",
            "make",
            "--name",
            "by hand",
            "--scope",
            "links:read",
        ),
        cwd=CHECKOUT,
        env={
            "DATABASE_URL": stores.database_settings(database_name, "boltlink_writer").url,
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    key = await found(writer_database, out.decode().strip())
    assert key is not None
    assert (key.name, key.scopes) == ("by hand", ("links:read",))
