"""Locks in PostgreSQL."""

from shared.postgres.pool import Database


async def waits_for_a_lock(database: Database) -> bool:
    """Whether a statement in the test's database waits for a lock."""
    row = await database.fetch_one(
        "SELECT 1 AS one FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return row is not None
