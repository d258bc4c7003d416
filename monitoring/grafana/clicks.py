"""The dashboard Click pipeline: from a redirect through stream or spool and consumer to PostgreSQL."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import Panel, board, good_below, lines, number


def make() -> Dashboard:
    return board(
        "clicks",
        "BoltLink / Click pipeline",
        "Clicks from the redirect to the count: those in the stream and the spools, those counted, and those lost.",
        {"No click is lost": _losses(), "Counting": _counting(), "Queues": _queues()},
    )


def _losses() -> list[Panel]:
    return [
        number(
            "Clicks lost",
            "Clicks lost in the last 24 hours: no store could take them, or Redis lost them. Should be 0.",
            "short",
            {"lost": "sum(increase(boltlink_clicks_lost_total[24h]))"},
            ((None, "green"), (0.001, "red")),
            width=6,
        ),
        number(
            "Dead letters",
            "Events of the last 24 hours that could not be counted. They are in the stream clicks:dead-letters.",
            "short",
            {"dead letters": 'sum(increase(boltlink_clicks_total{result="dead_letter"}[24h]))'},
            ((None, "green"), (0.001, "orange")),
            width=6,
        ),
        number(
            "In the spools",
            "Bytes of clicks in the spools of all resolvers. SpoolNotEmpty fires if a spool is not empty for a minute.",
            "bytes",
            {"spools": "sum(boltlink_spool_bytes)"},
            good_below(1),
            width=6,
        ),
        number(
            "Click lag",
            "Age of the oldest entry of the stream. ClickStreamLag fires above 60 s.",
            "s",
            {"oldest": "stream:age_seconds:max"},
            good_below(10, 60),
            width=6,
        ),
    ]


def _counting() -> list[Panel]:
    return [
        lines(
            "Clicks by result",
            "counted: now. skipped: counted before, or of a purged link. dead_letter: could not be counted.",
            "ops",
            {"{{result}}": "sum by (result) (rate(boltlink_clicks_total[$__rate_interval]))"},
            stacked=True,
        ),
        lines(
            "Redirects and clicks",
            "HEAD and redirects to expired_url are no clicks, so the two differ, but they move together.",
            "ops",
            {
                "redirects": 'sum(rate(boltlink_requests_total{route="follow", status=~"30."}[$__rate_interval]))',
                "clicks counted": 'sum(rate(boltlink_clicks_total{result="counted"}[$__rate_interval]))',
            },
        ),
    ]


def _queues() -> list[Panel]:
    return [
        lines(
            "Stream",
            "Entries that are not counted yet (one or more clicks each), and those that a consumer has read.",
            "short",
            {"entries": "max(boltlink_stream_entries)", "pending": "max(boltlink_stream_pending)"},
        ),
        lines(
            "Age of the stream",
            "Age of the oldest entry; keeps its value while Redis is unavailable. ClickStreamLag fires above the line.",
            "s",
            {"oldest": "stream:age_seconds:max"},
            steps=good_below(60),
        ),
        lines(
            "Spools",
            "Bytes of clicks in the spool of each resolver. At SPOOL_LIMIT clicks are lost.",
            "bytes",
            {"{{instance}}": "boltlink_spool_bytes"},
            stacked=True,
            width=24,
        ),
    ]
