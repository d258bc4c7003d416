"""Every route of a resolver."""

from typing import Final

from services.resolver import handlers
from shared.domain import errors
from shared.domain.models import REDIRECT_STATUSES
from shared.http import probes
from shared.http.contract import Operation, Success

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/{code}",
        handler=handlers.follow,
        group="Short URLs",
        summary="Follow a short URL",
        request_headers={"X-Debug": "`true`: the response has `X-Cache` and `Server-Timing`."},
        successes={
            status: Success(
                "On to the target; HEAD gets the same response and counts no click",
                headers=("Location", "Cache-Control"),
            )
            for status in REDIRECT_STATUSES
        },
        problems=(errors.LinkNotFound, errors.LinkGone),
    ),
    Operation(
        method="GET",
        path="/",
        handler=handlers.home,
        group="About",
        summary="What this is, for people",
        successes={200: Success("A page", content_type="text/html")},
    ),
    Operation(
        method="GET",
        path="/robots.txt",
        handler=handlers.robots,
        group="About",
        summary="What crawlers may follow",
        successes={200: Success("RFC 9309", content_type="text/plain")},
    ),
    Operation(
        method="GET",
        path="/favicon.ico",
        handler=handlers.favicon,
        group="About",
        summary="The icon of this installation",
        successes={200: Success("An icon", content_type="image/svg+xml")},
    ),
)

PUBLIC_PROBES: Final = (
    Operation(
        method="GET",
        path="/health",
        handler=probes.health,
        group="About",
        summary="Whether the process that responds runs",
        successes={200: Success("It runs")},
    ),
    Operation(
        method="GET",
        path="/ready",
        handler=probes.ready,
        group="About",
        summary="Whether the process that responds can do its work",
        successes={200: Success("It can")},
    ),
)
"""nginx passes these to the resolvers. Every service has them (`shared/http/probes.py`)."""

ROUTES: Final = [operation.route for operation in OPERATIONS]
