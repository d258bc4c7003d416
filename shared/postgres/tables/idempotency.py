"""The table `idempotent_answers`: the responses that are repeated for an Idempotency-Key."""

import json
from dataclasses import dataclass
from typing import Any

from shared.postgres.connection import Connection
from shared.postgres.pool import Database

LIFETIME_HOURS = 24


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The first response under an idempotency key, and the hash of its request."""

    request_hash: bytes
    status: int
    body: dict[str, Any]


async def claim(conn: Connection, *, owner_id: int, key: str, request_hash: bytes) -> StoredResponse | None:
    """Claim a key for this transaction (None), or get the response that is stored under it.

    Waits while another transaction holds the key. A response that is older than `LIFETIME_HOURS` is replaced.
    """
    values = {"owner_id": owner_id, "key": key, "request_hash": request_hash}
    claimed = await conn.execute(
        f"""
        INSERT INTO idempotent_answers AS kept (owner_id, key, request_hash)
        VALUES (%(owner_id)s, %(key)s, %(request_hash)s)
        ON CONFLICT (owner_id, key) DO UPDATE
        SET request_hash = excluded.request_hash, status = 0, body = NULL, created_at = now()
        WHERE kept.created_at < now() - interval '{LIFETIME_HOURS} hours'
        """,
        values,
    )
    if claimed:
        return None
    row = await conn.fetch_one(
        "SELECT request_hash, status, body FROM idempotent_answers WHERE owner_id = %(owner_id)s AND key = %(key)s",
        values,
    )
    assert row is not None
    return StoredResponse(bytes(row["request_hash"]), row["status"], row["body"])


async def store(conn: Connection, *, owner_id: int, key: str, status: int, body: dict[str, Any]) -> None:
    """Store the response for a key that this transaction has claimed."""
    await conn.execute(
        """
        UPDATE idempotent_answers SET status = %(status)s, body = %(body)s::json
        WHERE owner_id = %(owner_id)s AND key = %(key)s
        """,
        {"owner_id": owner_id, "key": key, "status": status, "body": json.dumps(body)},
    )


async def delete_old(database: Database) -> int:
    """Delete the responses that are older than `LIFETIME_HOURS`; their number."""
    return await database.execute(
        f"DELETE FROM idempotent_answers WHERE created_at < now() - interval '{LIFETIME_HOURS} hours'"
    )
