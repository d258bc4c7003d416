"""The dashboard Redirect path: responses to `GET /{code}`, lookups, and how changes of links reach Redis."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import Panel, board, good_below, lines

_FOLLOW_SECONDS = 'rate(boltlink_request_seconds_bucket{route="follow"}[$__rate_interval])'


def make() -> Dashboard:
    return board(
        "redirects",
        "BoltLink / Redirect path",
        "Responses to requests for short URLs, lookups of links, and how changes of links reach Redis.",
        {"Redirects": _redirects(), "Lookups": _lookups(), "Changes of links": _changes()},
    )


def _redirects() -> list[Panel]:
    return [
        lines(
            "By instance",
            "Requests for short URLs at each resolver. nginx distributes them evenly.",
            "reqps",
            {"{{instance}}": 'sum by (instance) (rate(boltlink_requests_total{route="follow"}[$__rate_interval]))'},
            stacked=True,
        ),
        lines(
            "By status",
            "301, 302: redirects. 404, 410: no such link, or it has ended. 5xx: a store was unavailable."
            " 499: the client left.",
            "reqps",
            {"{{status}}": 'sum by (status) (rate(boltlink_requests_total{route="follow"}[$__rate_interval]))'},
            stacked=True,
        ),
        lines(
            "Latency",
            "50, 95 and 99 % of all redirects were faster. RedirectSlow fires if p99 is above the line.",
            "s",
            {
                name: f"histogram_quantile({share}, sum by (le) ({_FOLLOW_SECONDS}))"
                for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            },
            steps=good_below(0.25),
        ),
        lines(
            "p99 by instance",
            "A single slow resolver has a fault of its own. If all are slow, the cause is a store.",
            "s",
            {"{{instance}}": f"histogram_quantile(0.99, sum by (instance, le) ({_FOLLOW_SECONDS}))"},
            steps=good_below(0.25),
        ),
    ]


def _lookups() -> list[Panel]:
    return [
        lines(
            "By source",
            "hit: answered by Redis. miss: Redis had no record, so Postgres answered. fallback: Redis was unavailable,"
            " so Postgres answered.",
            "ops",
            {"{{source}}": "sum by (source) (rate(boltlink_lookups_total[$__rate_interval]))"},
            stacked=True,
        ),
        lines(
            "Hit ratio",
            "Share of the lookups that are hits. CacheHitRatioLow fires below 80 %.",
            "percentunit",
            {"hits": "lookups:hits:ratio1m"},
            steps=((None, "red"), (0.8, "green")),
            axis_max=1,
        ),
        lines(
            "Connections to Postgres",
            "Connections to Postgres that each resolver uses. DATABASE_POOL_SIZE is the limit.",
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
            "Requests to the writer by route (services/writer/routes.py), including probes and scrapes.",
            "reqps",
            {"{{route}}": 'sum by (route) (rate(boltlink_requests_total{service="writer"}[$__rate_interval]))'},
            stacked=True,
        ),
        lines(
            "Changes relayed",
            "Changes of links that the relay published from the outbox to Redis.",
            "ops",
            {"{{instance}}": "rate(boltlink_relayed_total[$__rate_interval])"},
        ),
        lines(
            "Outbox",
            "Messages that the relay has not published yet. Several relays all report the same number.",
            "short",
            {"messages": "max(boltlink_outbox_messages)"},
        ),
        lines(
            "Outbox age",
            "Age of the oldest message; keeps its value while Postgres is unavailable. OutboxAge fires above the line.",
            "s",
            {"oldest": "outbox:age_seconds:max"},
            steps=good_below(30),
        ),
    ]
