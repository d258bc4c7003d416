"""The dashboard Overview: firing alerts, and the four golden signals: traffic, latency, errors, saturation."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import NEUTRAL, Panel, board, good_below, lines, number


def make() -> Dashboard:
    return board(
        "overview",
        "BoltLink / Overview",
        "Firing alerts and instances that are down; traffic, latency, errors and saturation.",
        {"Now": _now(), "Traffic and latency": _traffic(), "Errors": _errors(), "Saturation": _saturation()},
    )


def _now() -> list[Panel]:
    return [
        number(
            "Alerts",
            "Alerts that fire now. docs/runbook.md has a section for each.",
            "short",
            {"firing": 'count(ALERTS{alertstate="firing"}) or vector(0)'},
            good_below(1),
        ),
        number(
            "Instances down",
            "Targets of Prometheus that do not respond.",
            "short",
            {"down": "count(up == 0) or vector(0)"},
            good_below(1, 3),
        ),
        number("Redirects", "Requests for short URLs.", "reqps", {"redirects": "follow:requests:rate1m"}, NEUTRAL),
        number(
            "Redirect errors",
            "Share of the requests for short URLs with a 5xx response. RedirectErrors fires above 1 %.",
            "percentunit",
            {"errors": "follow:errors:ratio1m"},
            good_below(0.001, 0.01),
        ),
        number(
            "Redirect p99",
            "99 % of the redirects were faster. RedirectSlow fires above 250 ms.",
            "s",
            {"p99": "follow:seconds:p99_1m"},
            good_below(0.1, 0.25),
        ),
        number(
            "Click lag",
            "Age of the oldest entry of the stream. ClickStreamLag fires above 60 s.",
            "s",
            {"oldest": "stream:age_seconds:max"},
            good_below(10, 60),
        ),
        number(
            "Instances",
            "Every target of Prometheus.",
            "short",
            {"{{instance}}": "up"},
            ((None, "red"), (1, "green")),
            width=24,
            words={"0": "down", "1": "up"},
        ),
    ]


def _traffic() -> list[Panel]:
    return [
        lines(
            "Requests by service",
            "Requests to each service, including probes and scrapes.",
            "reqps",
            {"{{service}}": "service:requests:rate1m"},
            stacked=True,
        ),
        lines(
            "Redirect latency",
            "50 % of the redirects were faster than p50, 99 % faster than p99. Measured in the resolver.",
            "s",
            {"p50": "follow:seconds:p50_1m", "p99": "follow:seconds:p99_1m"},
            steps=good_below(0.25),
        ),
    ]


def _errors() -> list[Panel]:
    return [
        lines(
            "Redirect errors over time",
            "Share of the requests for short URLs with a 5xx response. RedirectErrors fires above the line.",
            "percentunit",
            {"errors": "follow:errors:ratio1m"},
            steps=good_below(0.01),
        ),
        lines(
            "Errors by service",
            "Responses with 5xx, or 0. Includes probes of a process whose stores are unavailable.",
            "reqps",
            {
                "{{service}}": 'sum by (service) (rate(boltlink_requests_total{status=~"5.."}[$__rate_interval]))'
                ' or sum by (service) (up{job="boltlink"} * 0)'
            },
        ),
    ]


def _saturation() -> list[Panel]:
    return [
        lines(
            "Shares in use",
            "Usage of limited resources. Alerts fire above 80 % (Postgres connections) and 90 % (Redis memory, disk).",
            "percentunit",
            {
                "Postgres connections": "postgres:connections:ratio",
                "Redis memory": "redis:memory:ratio",
                "disk {{mountpoint}}": "1 - node:disk_free:ratio",
                "memory": "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
                "CPU": '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))',
            },
            steps=good_below(0.8, 0.9),
            axis_max=1,
        ),
        lines(
            "Connection pools",
            "Connections to Postgres in use, as a share of DATABASE_POOL_SIZE. At 100 % requests wait.",
            "percentunit",
            {
                "{{instance}}": 'sum by (instance) (boltlink_pool_connections{state="used"})'
                ' / sum by (instance) (boltlink_pool_connections{state="limit"})'
            },
            steps=good_below(0.9),
            axis_max=1,
        ),
    ]
