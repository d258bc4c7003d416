"""Redirect path: how `GET /{code}` is answered, and how changes of links reach Redis."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import Panel, board, good_below, lines

_FOLLOW_SECONDS = 'rate(boltlink_request_seconds_bucket{route="follow"}[$__rate_interval])'


def make() -> Dashboard:
    return board(
        "redirects",
        "BoltLink / Redirect path",
        "How short URLs are answered, where the resolvers know the links from, and how changes reach Redis.",
        {"Redirects": _redirects(), "Lookups": _lookups(), "Changes of links": _changes()},
    )


def _redirects() -> list[Panel]:
    return [
        lines(
            "By instance",
            "Requests for short URLs that each resolver answered. nginx shares them evenly.",
            "reqps",
            {"{{instance}}": 'sum by (instance) (rate(boltlink_requests_total{route="follow"}[$__rate_interval]))'},
            stacked=True,
        ),
        lines(
            "By status",
            "302, 301: sent on. 404, 410: no link there, or no more. 5xx: a store was away. 499: the visitor had left.",
            "reqps",
            {"{{status}}": 'sum by (status) (rate(boltlink_requests_total{route="follow"}[$__rate_interval]))'},
            stacked=True,
        ),
        lines(
            "Latency",
            "How fast half, 95 and 99 of 100 redirects were, over all resolvers. The line is where RedirectSlow fires.",
            "s",
            {
                name: f"histogram_quantile({share}, sum by (le) ({_FOLLOW_SECONDS}))"
                for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            },
            steps=good_below(0.25),
        ),
        lines(
            "p99 by instance",
            "One resolver that is slower than the others has a fault of its own; all together, a store has.",
            "s",
            {"{{instance}}": f"histogram_quantile(0.99, sum by (instance, le) ({_FOLLOW_SECONDS}))"},
            steps=good_below(0.25),
        ),
    ]


def _lookups() -> list[Panel]:
    return [
        lines(
            "By source",
            "hit: Redis knew. miss: Redis did not know, so Postgres was asked. fallback: the same, for Redis was away.",
            "ops",
            {"{{source}}": "sum by (source) (rate(boltlink_lookups_total[$__rate_interval]))"},
            stacked=True,
        ),
        lines(
            "Hit ratio",
            "Share of the lookups that Redis answered. CacheHitRatioLow fires below 80 %.",
            "percentunit",
            {"hits": "lookups:hits:ratio1m"},
            steps=((None, "red"), (0.8, "green")),
            most=1,
        ),
        lines(
            "Connections to Postgres",
            "Connections that each resolver uses; DATABASE_POOL_SIZE is the limit.",
            "short",
            {
                "{{instance}}": 'boltlink_pool_connections{service="resolver", state="used"}',
                "limit": 'max(boltlink_pool_connections{service="resolver", state="limit"})',
            },
            width=24,
        ),
    ]


def _changes() -> list[Panel]:
    return [
        lines(
            "Requests of the API",
            "Requests that the writer answered, by the names in services/writer/routes.py; probes and scrapes too.",
            "reqps",
            {"{{route}}": 'sum by (route) (rate(boltlink_requests_total{service="writer"}[$__rate_interval]))'},
            stacked=True,
        ),
        lines(
            "Changes relayed",
            "Changes of links that the relay took from the outbox to Redis.",
            "ops",
            {"{{instance}}": "rate(boltlink_relayed_total[$__rate_interval])"},
        ),
        lines(
            "Outbox",
            "Messages that wait for the relay; with several relays each tells the same number.",
            "short",
            {"messages": "max(boltlink_outbox_messages)"},
        ),
        lines(
            "Outbox age",
            "How long the oldest message has waited. It stands still without Postgres. OutboxAge fires at the line.",
            "s",
            {"oldest": "outbox:age_seconds:max"},
            steps=good_below(30),
        ),
    ]
