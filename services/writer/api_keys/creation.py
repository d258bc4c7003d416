"""Create and revoke API keys."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared.domain.errors import KeyNotFound
from shared.domain.models import ApiKey, Scope
from shared.postgres.pool import Database
from shared.postgres.tables import api_keys

PREFIX: Final = "bl_"
"""The beginning of every key, by which secret scanners recognize a key that was published by mistake."""


def new_secret() -> str:
    """A new secret with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


async def make_key(
    database: Database, *, name: str, scopes: Sequence[Scope], expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Create a key; the key and its secret. Only a hash is stored, so the secret cannot be shown again."""
    secret = new_secret()
    async with database.transaction() as conn:
        key = await api_keys.insert(
            conn,
            name=name,
            key_hash=api_keys.hash_of(secret),
            scopes=list(dict.fromkeys(scopes)),
            expires_at=expires_at,
        )
    assert key is not None  # two secrets with 256 random bits are never equal
    return key, secret


async def make_first_key(database: Database, given: str) -> str | None:
    """Ensure that there is an admin key: store the given one, or create one if there has never been any key.

    Returns the secret of a created key, else None.
    """
    if given:
        async with database.transaction() as conn:
            await api_keys.insert(
                conn, name="BOLTLINK_ADMIN_KEY", key_hash=api_keys.hash_of(given), scopes=["admin"], expires_at=None
            )
        return None
    if await api_keys.any_exists(database):
        return None
    _, secret = await make_key(database, name="first admin key", scopes=["admin"])
    return secret


async def revoke(database: Database, key_id: int) -> None:
    """Revoke a key. Raises KeyNotFound."""
    if not await api_keys.revoke(database, key_id):
        raise KeyNotFound("There is no such key.")
