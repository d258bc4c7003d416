"""API keys: new ones, the first one, and their end."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared.domain.errors import KeyNotFound
from shared.domain.models import ApiKey, Scope
from shared.postgres.pool import Database
from shared.postgres.tables import api_keys

PREFIX: Final = "bl_"
"""Tells a key from other secrets, for those who look for lost ones in code."""


def new_secret() -> str:
    """A new key: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


async def make_key(
    database: Database, *, name: str, scopes: Sequence[Scope], expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key, and the secret that nobody will see again."""
    secret = new_secret()
    async with database.transaction() as conn:
        key = await api_keys.insert(
            conn,
            name=name,
            key_hash=api_keys.hash_of(secret),
            scopes=list(dict.fromkeys(scopes)),
            expires_at=expires_at,
        )
    assert key is not None  # 256 random bits do not meet
    return key, secret


async def make_first_key(database: Database, given: str) -> str | None:
    """See to it that there is an admin key: the given one, or a new one where there has never been any.

    Returns the secret to show, or None when there is nothing to show.
    """
    if given:
        async with database.transaction() as conn:
            await api_keys.insert(
                conn, name="BOLTLINK_ADMIN_KEY", key_hash=api_keys.hash_of(given), scopes=["admin"], expires_at=None
            )
        return None
    if await api_keys.any_ever(database):
        return None
    _, secret = await make_key(database, name="first admin key", scopes=["admin"])
    return secret


async def revoke(database: Database, key_id: int) -> None:
    """End a key. Raises KeyNotFound."""
    if not await api_keys.revoke(database, key_id):
        raise KeyNotFound("There is no such key.")
