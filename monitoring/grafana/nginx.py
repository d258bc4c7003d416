"""nginx, nginx: requests, connections, and its certificate."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import NEUTRAL, Panel, board, good_above, lines, number

_DAY = 86_400


def make() -> Dashboard:
    return board(
        "nginx",
        "BoltLink / nginx",
        "nginx: what comes in, and the connections that it comes by. Statuses are counted by the services.",
        {"Now": _now(), "Traffic": _traffic(), "Connections": _connections()},
    )


def _now() -> list[Panel]:
    return [
        number(
            "nginx",
            "Whether nginx answers.",
            "short",
            {"": "nginx_up"},
            ((None, "red"), (1, "green")),
            width=6,
            words={"0": "away", "1": "up"},
        ),
        number(
            "Requests",
            "Requests that nginx answered, the exporter's own included.",
            "reqps",
            {"requests": "sum(rate(nginx_http_requests_total[$__rate_interval]))"},
            NEUTRAL,
            width=6,
        ),
        number(
            "Connections",
            "Connections of clients that are open, idle ones included.",
            "short",
            {"open": "sum(nginx_connections_active)"},
            NEUTRAL,
            width=6,
        ),
        number(
            "Certificate",
            "How long the certificate is still good; none where TLS is off. CertificateEnd fires below two weeks.",
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
            "Requests that nginx took, and those that the services answered without probes and scrapes. nginx answers"
            " some itself, and asks another resolver when one fails.",
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
            "reading: a request comes in. writing: it is worked on, or its answer goes out. waiting: idle, kept alive.",
            "short",
            {name: f"sum(nginx_connections_{name})" for name in ("reading", "writing", "waiting")},
            stacked=True,
        ),
        lines(
            "New connections",
            "accepted: taken from the system. dropped: closed at once, because worker_connections ran out.",
            "ops",
            {
                "accepted": "sum(rate(nginx_connections_accepted[$__rate_interval]))",
                "dropped": "sum(rate(nginx_connections_accepted[$__rate_interval]))"
                " - sum(rate(nginx_connections_handled[$__rate_interval]))",
            },
        ),
    ]
