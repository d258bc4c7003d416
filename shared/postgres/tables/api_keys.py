"""The table `api_keys`."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared.domain.models import ApiKey, Scope
from shared.postgres.connection import Connection, Row
from shared.postgres.pool import Database

_COLUMNS: Final = "id, name, scopes, created_at, expires_at, last_used_at"


def _key(row: Row) -> ApiKey:
    return ApiKey(**{**row, "scopes": tuple(row["scopes"])})


def hash_of(secret: str) -> bytes:
    """The hash under which the table stores a key."""
    return hashlib.sha256(secret.encode()).digest()


async def insert(
    conn: Connection, *, name: str, key_hash: bytes, scopes: Sequence[Scope], expires_at: datetime | None
) -> ApiKey | None:
    """Add a key; None when the hash exists already."""
    row = await conn.fetch_one(
        f"""
        INSERT INTO api_keys (name, key_hash, scopes, expires_at)
        VALUES (%(name)s, %(key_hash)s, %(scopes)s, %(expires_at)s)
        ON CONFLICT (key_hash) DO NOTHING
        RETURNING {_COLUMNS}
        """,
        {"name": name, "key_hash": key_hash, "scopes": list(scopes), "expires_at": expires_at},
    )
    return _key(row) if row else None


async def find(database: Database, key_hash: bytes) -> ApiKey | None:
    """The key of a hash; None when it is unknown, revoked or expired."""
    row = await database.fetch_one(
        f"""
        SELECT {_COLUMNS} FROM api_keys
        WHERE key_hash = %s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        """,
        [key_hash],
    )
    return _key(row) if row else None


async def record_use(database: Database, key_id: int) -> None:
    """Record the time of a key's last use, to the minute."""
    await database.execute(
        """
        UPDATE api_keys SET last_used_at = now()
        WHERE id = %s AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
        """,
        [key_id],
    )


async def all_unrevoked(database: Database) -> list[ApiKey]:
    """Every key that is not revoked, expired ones included, oldest first."""
    rows = await database.fetch_all(f"SELECT {_COLUMNS} FROM api_keys WHERE revoked_at IS NULL ORDER BY id")
    return [_key(row) for row in rows]


async def revoke(database: Database, key_id: int) -> bool:
    """Revoke a key; False when no key has the id, or when it is revoked already."""
    return (
        await database.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL", [key_id])
        == 1
    )


async def any_exists(database: Database) -> bool:
    """Whether this installation has ever had a key, revoked ones included."""
    return await database.fetch_one("SELECT 1 AS one FROM api_keys LIMIT 1") is not None
