"""The dashboard nginx: requests, connections and the certificate."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import NEUTRAL, Panel, board, good_above, lines, number

_DAY = 86_400


def make() -> Dashboard:
    return board(
        "nginx",
        "BoltLink / nginx",
        "Requests and connections at nginx. Responses by status are on the dashboards of the services.",
        {"Now": _now(), "Traffic": _traffic(), "Connections": _connections()},
    )


def _now() -> list[Panel]:
    return [
        number(
            "nginx",
            "Whether nginx responds to its exporter.",
            "short",
            {"": "nginx_up"},
            ((None, "red"), (1, "green")),
            width=6,
            words={"0": "down", "1": "up"},
        ),
        number(
            "Requests",
            "Requests at nginx, including those of its exporter.",
            "reqps",
            {"requests": "sum(rate(nginx_http_requests_total[$__rate_interval]))"},
            NEUTRAL,
            width=6,
        ),
        number(
            "Connections",
            "Open connections of clients, including idle ones.",
            "short",
            {"open": "sum(nginx_connections_active)"},
            NEUTRAL,
            width=6,
        ),
        number(
            "Certificate",
            "Time until the certificate expires; none without TLS. CertificateEnd fires below two weeks.",
            "s",
            {"left": "min(boltlink_certificate_end_seconds) - time()"},
            good_above(3 * _DAY, 14 * _DAY),
            width=6,
        ),
    ]


def _traffic() -> list[Panel]:
    return [
        lines(
            "Requests at nginx and at the services",
            "Requests at nginx, and at the services without probes and scrapes. nginx responds to some requests itself,"
            " and sends a request to another resolver if one fails.",
            "reqps",
            {
                "nginx": "sum(rate(nginx_http_requests_total[$__rate_interval]))",
                "services": 'sum(rate(boltlink_requests_total{route!~"health|ready|metrics"}[$__rate_interval]))'
                " or vector(0)",
            },
            width=24,
        ),
    ]


def _connections() -> list[Panel]:
    return [
        lines(
            "Open connections",
            "reading: nginx reads a request. writing: it processes one or sends the response. waiting: idle.",
            "short",
            {name: f"sum(nginx_connections_{name})" for name in ("reading", "writing", "waiting")},
            stacked=True,
        ),
        lines(
            "New connections",
            "accepted: all new connections. dropped: those closed at once, because worker_connections was reached.",
            "ops",
            {
                "accepted": "sum(rate(nginx_connections_accepted[$__rate_interval]))",
                "dropped": "sum(rate(nginx_connections_accepted[$__rate_interval]))"
                " - sum(rate(nginx_connections_handled[$__rate_interval]))",
            },
        ),
    ]
