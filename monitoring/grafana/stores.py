"""The dashboard Stores: Postgres, Redis, and the disks."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import NEUTRAL, Panel, board, good_below, lines, number

_DOWN_OR_UP = {"0": "down", "1": "up"}
_UP_IS_GOOD = ((None, "red"), (1, "green"))
_OURS = 'datname="boltlink"'


def make() -> Dashboard:
    return board(
        "stores",
        "BoltLink / Stores",
        "Postgres, Redis and the disks: whether they are available, how much of them is in use, and what they do.",
        {"Now": _now(), "Postgres": _postgres(), "Redis": _redis(), "Disk": _disk()},
    )


def _now() -> list[Panel]:
    return [
        number(
            "Postgres",
            "Whether Postgres responds to its exporter.",
            "short",
            {"": "pg_up"},
            _UP_IS_GOOD,
            words=_DOWN_OR_UP,
        ),
        number(
            "Redis",
            "Whether Redis responds to its exporter.",
            "short",
            {"": "redis_up"},
            _UP_IS_GOOD,
            words=_DOWN_OR_UP,
        ),
        number(
            "Connections",
            "Share of max_connections that is in use. PostgresConnections fires above 80 %.",
            "percentunit",
            {"used": "postgres:connections:ratio"},
            good_below(0.6, 0.8),
        ),
        number(
            "Redis memory",
            "Share of maxmemory that is in use. RedisMemory fires above 90 %.",
            "percentunit",
            {"used": "redis:memory:ratio"},
            good_below(0.75, 0.9),
        ),
        number(
            "Database",
            "Size of the database boltlink.",
            "bytes",
            {"size": f"pg_database_size_bytes{{{_OURS}}}"},
            NEUTRAL,
        ),
        number(
            "Keys",
            "Keys in Redis: the records of links, and a few others.",
            "short",
            {"keys": "sum(redis_db_keys)"},
            NEUTRAL,
        ),
    ]


def _postgres() -> list[Panel]:
    return [
        lines(
            "Connections by state",
            "Connections to Postgres by state. max_connections is the limit.",
            "short",
            {
                "{{state}}": "sum by (state) (pg_stat_activity_count) > 0",
                "limit": "max(pg_settings_max_connections)",
            },
        ),
        lines(
            "Transactions",
            "Transactions of the database boltlink that were committed or rolled back.",
            "ops",
            {
                "committed": f"rate(pg_stat_database_xact_commit{{{_OURS}}}[$__rate_interval])",
                "rolled back": f"rate(pg_stat_database_xact_rollback{{{_OURS}}}[$__rate_interval])",
            },
        ),
        lines(
            "Rows",
            "Rows of the database boltlink that were fetched, inserted, updated or deleted.",
            "ops",
            {
                name: f"rate(pg_stat_database_tup_{name}{{{_OURS}}}[$__rate_interval])"
                for name in ("fetched", "inserted", "updated", "deleted")
            },
        ),
        lines(
            "Longest transaction",
            "Duration of the longest open transaction. BoltLink's take seconds; longer ones keep locks.",
            "s",
            {"{{state}}": f"max by (state) (pg_stat_activity_max_tx_duration{{{_OURS}}})"},
        ),
        lines(
            "Locks",
            "Locks that are held or waited for, by mode. An access exclusive lock blocks its whole table.",
            "short",
            {"{{mode}}": f"pg_locks_count{{{_OURS}}}"},
        ),
        lines(
            "Deadlocks",
            "Deadlocks: transactions that waited for each other, until Postgres aborted one.",
            "ops",
            {"deadlocks": f"rate(pg_stat_database_deadlocks{{{_OURS}}}[$__rate_interval])"},
        ),
    ]


def _redis() -> list[Panel]:
    return [
        lines(
            "Memory",
            "Bytes that Redis uses, and maxmemory. At the limit Redis evicts records, but never the stream.",
            "bytes",
            {"used": "redis_memory_used_bytes", "limit": "redis_memory_max_bytes"},
        ),
        lines(
            "Commands",
            "Commands that Redis processed.",
            "ops",
            {"commands": "rate(redis_commands_processed_total[$__rate_interval])"},
        ),
        lines(
            "Expired and evicted keys",
            "expired: the lifetime of the key was over. evicted: Redis needed the memory.",
            "ops",
            {
                "expired": "rate(redis_expired_keys_total[$__rate_interval])",
                "evicted": "rate(redis_evicted_keys_total[$__rate_interval])",
            },
        ),
        lines("Clients", "Open connections to Redis.", "short", {"clients": "redis_connected_clients"}),
    ]


def _disk() -> list[Panel]:
    return [
        lines(
            "Disk in use",
            "Share of each disk that is in use. DiskSpace fires above 90 %.",
            "percentunit",
            {"{{mountpoint}}": "1 - node:disk_free:ratio"},
            steps=good_below(0.9),
            axis_max=1,
        ),
        lines(
            "Disk activity",
            "Share of the time in which a disk was busy. Near 100 % every fsync waits.",
            "percentunit",
            {"{{device}}": "rate(node_disk_io_time_seconds_total[$__rate_interval])"},
            axis_max=1,
        ),
    ]
