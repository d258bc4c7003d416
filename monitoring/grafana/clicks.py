"""Click pipeline: redirect → stream or spool → consumer → Postgres."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import Panel, board, good_below, lines, number


def make() -> Dashboard:
    return board(
        "clicks",
        "BoltLink / Click pipeline",
        "From a redirect to a counted click: what waits in the stream and the spools, what was counted, what was lost.",
        {"Promises": _promises(), "Counting": _counting(), "Waiting": _waiting()},
    )


def _promises() -> list[Panel]:
    return [
        number(
            "Clicks lost",
            "Clicks of the last 24 hours that neither Redis nor a spool could hold. Anything but 0 breaks the promise.",
            "short",
            {"lost": "sum(increase(boltlink_clicks_lost_total[24h]))"},
            ((None, "green"), (0.001, "red")),
            width=6,
        ),
        number(
            "Broken clicks",
            "Events of the last 24 hours that could not be read; they are in the stream clicks:dead-letters.",
            "short",
            {"dead letters": 'sum(increase(boltlink_clicks_total{result="dead_letter"}[24h]))'},
            ((None, "green"), (0.001, "orange")),
            width=6,
        ),
        number(
            "In the spools",
            "Bytes of clicks that wait for Redis, in all resolvers. SpoolNotEmpty fires when any stays for a minute.",
            "bytes",
            {"spools": "sum(boltlink_spool_bytes)"},
            good_below(1),
            width=6,
        ),
        number(
            "Click lag",
            "How long the oldest entry of the stream has waited. ClickStreamLag fires above 60 s.",
            "s",
            {"oldest": "stream:age_seconds:max"},
            good_below(10, 60),
            width=6,
        ),
    ]


def _counting() -> list[Panel]:
    return [
        lines(
            "Clicks that arrived",
            "fresh: counted. known: counted before, or of a purged link. dead_letter: could not be counted.",
            "ops",
            {"{{result}}": "sum by (result) (rate(boltlink_clicks_total[$__rate_interval]))"},
            stacked=True,
        ),
        lines(
            "Redirects and clicks",
            "Redirects to a link's own target make clicks, HEAD does not; so the two differ, but move together.",
            "ops",
            {
                "redirects": 'sum(rate(boltlink_requests_total{route="follow", status=~"30."}[$__rate_interval]))',
                "clicks counted": 'sum(rate(boltlink_clicks_total{result="fresh"}[$__rate_interval]))',
            },
        ),
    ]


def _waiting() -> list[Panel]:
    return [
        lines(
            "Stream",
            "Entries that are not counted yet (an entry holds one click or some), and those that a consumer has taken.",
            "short",
            {"entries": "max(boltlink_stream_entries)", "taken": "max(boltlink_stream_pending)"},
        ),
        lines(
            "Age of the stream",
            "How long the oldest entry has waited. It stands still without Redis. ClickStreamLag fires at the line.",
            "s",
            {"oldest": "stream:age_seconds:max"},
            steps=good_below(60),
        ),
        lines(
            "Spools",
            "Bytes that wait in the spool of each resolver; SPOOL_LIMIT is where clicks are lost.",
            "bytes",
            {"{{instance}}": "boltlink_spool_bytes"},
            stacked=True,
            width=24,
        ),
    ]
