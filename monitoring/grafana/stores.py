"""Stores: Postgres, Redis, and the disk that both are on."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import NEUTRAL, Panel, board, good_below, lines, number

_AWAY_OR_UP = {"0": "away", "1": "up"}
_UP_IS_GOOD = ((None, "red"), (1, "green"))
_OURS = 'datname="boltlink"'


def make() -> Dashboard:
    return board(
        "stores",
        "BoltLink / Stores",
        "Postgres and Redis: whether they answer, how much of them is taken, what they do; and the disk.",
        {"Now": _now(), "Postgres": _postgres(), "Redis": _redis(), "Disk": _disk()},
    )


def _now() -> list[Panel]:
    return [
        number("Postgres", "Whether Postgres answers.", "short", {"": "pg_up"}, _UP_IS_GOOD, words=_AWAY_OR_UP),
        number("Redis", "Whether Redis answers.", "short", {"": "redis_up"}, _UP_IS_GOOD, words=_AWAY_OR_UP),
        number(
            "Connections",
            "Share of max_connections of Postgres that is taken. PostgresConnections fires above 80 %.",
            "percentunit",
            {"taken": "postgres:connections:ratio"},
            good_below(0.6, 0.8),
        ),
        number(
            "Redis memory",
            "Share of maxmemory that is used. RedisMemory fires above 90 %.",
            "percentunit",
            {"used": "redis:memory:ratio"},
            good_below(0.75, 0.9),
        ),
        number("Database", "Size of our database.", "bytes", {"size": f"pg_database_size_bytes{{{_OURS}}}"}, NEUTRAL),
        number(
            "Keys", "Keys in Redis: records, and a few of our own.", "short", {"keys": "sum(redis_db_keys)"}, NEUTRAL
        ),
    ]


def _postgres() -> list[Panel]:
    return [
        lines(
            "Connections by state",
            "Connections to Postgres by what they do; max_connections is the limit.",
            "short",
            {
                "{{state}}": "sum by (state) (pg_stat_activity_count) > 0",
                "limit": "max(pg_settings_max_connections)",
            },
        ),
        lines(
            "Transactions",
            "Transactions of our database that were committed, and that were undone.",
            "ops",
            {
                "committed": f"rate(pg_stat_database_xact_commit{{{_OURS}}}[$__rate_interval])",
                "undone": f"rate(pg_stat_database_xact_rollback{{{_OURS}}}[$__rate_interval])",
            },
        ),
        lines(
            "Rows",
            "Rows of our database that were fetched, inserted, updated, deleted.",
            "ops",
            {
                name: f"rate(pg_stat_database_tup_{name}{{{_OURS}}}[$__rate_interval])"
                for name in ("fetched", "inserted", "updated", "deleted")
            },
        ),
        lines(
            "Longest transaction",
            "How long the oldest open transaction has run. Ours end in seconds; a long one holds locks and dead rows.",
            "s",
            {"{{state}}": f"max by (state) (pg_stat_activity_max_tx_duration{{{_OURS}}})"},
        ),
        lines(
            "Locks",
            "Locks that are held or waited for, by mode. An access exclusive lock stops everybody at that table.",
            "short",
            {"{{mode}}": f"pg_locks_count{{{_OURS}}}"},
        ),
        lines(
            "Deadlocks",
            "Transactions that Postgres ended because each waited for the other.",
            "ops",
            {"deadlocks": f"rate(pg_stat_database_deadlocks{{{_OURS}}}[$__rate_interval])"},
        ),
    ]


def _redis() -> list[Panel]:
    return [
        lines(
            "Memory",
            "Bytes that Redis uses, and maxmemory. Near the limit it lets go of records; the stream always stays.",
            "bytes",
            {"used": "redis_memory_used_bytes", "limit": "redis_memory_max_bytes"},
        ),
        lines(
            "Commands",
            "Commands that Redis ran.",
            "ops",
            {"commands": "rate(redis_commands_processed_total[$__rate_interval])"},
        ),
        lines(
            "Keys that went",
            "expired: their lifetime was over. evicted: there was no room for them, so memory is short.",
            "ops",
            {
                "expired": "rate(redis_expired_keys_total[$__rate_interval])",
                "evicted": "rate(redis_evicted_keys_total[$__rate_interval])",
            },
        ),
        lines("Clients", "Connections to Redis.", "short", {"clients": "redis_connected_clients"}),
    ]


def _disk() -> list[Panel]:
    return [
        lines(
            "Disk in use",
            "Share of each disk that is used. DiskSpace fires above 90 %.",
            "percentunit",
            {"{{mountpoint}}": "1 - node:disk_free:ratio"},
            steps=good_below(0.9),
            most=1,
        ),
        lines(
            "Time that disks are busy",
            "Share of the time in which a disk had something to do. Near 100 % every fsync waits.",
            "percentunit",
            {"{{device}}": "rate(node_disk_io_time_seconds_total[$__rate_interval])"},
            most=1,
        ),
    ]
