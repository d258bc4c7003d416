"""Every call of the API: what clients are promised, and the only list of scopes.

`services/*/routes.py` give each operation its handler, `nginx/routes.conf` its pool; a test holds the three together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from marshmallow import Schema

from shared import errors
from shared.models import REDIRECT_STATUSES, Scope
from shared.schemas import keys, links, stats


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a call succeeds."""

    description: str
    body: type[Schema] | None = None
    content_type: str = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One call: its route's name, how it is asked, how it answers."""

    name: str
    method: str
    path: str
    group: str
    summary: str
    answers: Mapping[int, Answer]
    scope: Scope | None = None
    query: type[Schema] | None = None
    body: type[Schema] | None = None
    body_types: tuple[str, ...] = ("application/json",)
    request_headers: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[type[errors.BoltLinkError], ...] = ()


_READ_BODY: Final = (errors.MalformedJson, errors.BodyTooLarge, errors.WrongContentType, errors.InvalidInput)
_IF_MATCH: Final = {"If-Match": "The `ETag` that the change rests on: 412 when somebody was faster."}

_IDEMPOTENCY_KEY: Final = {
    "Idempotency-Key": "A repeat within 24 hours gets the first answer again (1 to 255 characters)."
}

WRITER: Final = (
    Operation(
        name="create_link",
        method="POST",
        path="/links",
        group="Links",
        summary="Shorten a URL",
        scope="links:write",
        query=links.ReuseQuery,
        body=links.NewLinkSchema,
        request_headers=_IDEMPOTENCY_KEY,
        answers={
            201: Answer("The new link", links.LinkSchema, headers=("Location", "ETag")),
            200: Answer(
                "An equal link that was there already (`reuse=true`)", links.LinkSchema, headers=("Location", "ETag")
            ),
        },
        problems=(*_READ_BODY, errors.CodeTaken, errors.ExternalIdTaken, errors.IdempotencyKeyReused),
    ),
    Operation(
        name="create_links",
        method="POST",
        path="/links/batch",
        group="Links",
        summary="Shorten up to 1,000 URLs: an answer for each, in order; one that is refused stops no other",
        scope="links:write",
        body=links.BatchSchema,
        request_headers=_IDEMPOTENCY_KEY,
        answers={200: Answer("What became of each link", links.BatchAnswerSchema)},
        problems=(*_READ_BODY, errors.IdempotencyKeyReused),
    ),
    Operation(
        name="list_links",
        method="GET",
        path="/links",
        group="Links",
        summary="List links",
        scope="links:read",
        query=links.ListQuery,
        answers={200: Answer("A page of links", links.LinkPageSchema)},
        problems=(errors.InvalidInput,),
    ),
    Operation(
        name="get_link",
        method="GET",
        path="/links/{code}",
        group="Links",
        summary="Look at a link",
        scope="links:read",
        answers={200: Answer("The link, also a deleted one", links.LinkSchema, headers=("ETag",))},
        problems=(errors.LinkNotFound,),
    ),
    Operation(
        name="change_link",
        method="PATCH",
        path="/links/{code}",
        group="Links",
        summary="Change a link",
        scope="links:write",
        body=links.LinkPatchSchema,
        body_types=("application/merge-patch+json", "application/json"),
        request_headers=_IF_MATCH,
        answers={200: Answer("The changed link", links.LinkSchema, headers=("ETag",))},
        problems=(*_READ_BODY, errors.LinkNotFound, errors.LinkChanged, errors.ExternalIdTaken),
    ),
    Operation(
        name="delete_link",
        method="DELETE",
        path="/links/{code}",
        group="Links",
        summary="Delete a link; its code is not given to anyone else",
        scope="links:write",
        query=links.PurgeQuery,
        request_headers=_IF_MATCH,
        answers={204: Answer("The link leads nowhere any more")},
        problems=(errors.InvalidInput, errors.LinkNotFound, errors.LinkChanged),
    ),
    Operation(
        name="restore_link",
        method="POST",
        path="/links/{code}/restore",
        group="Links",
        summary="Undo a deletion",
        scope="links:write",
        answers={200: Answer("The link, which leads again", links.LinkSchema, headers=("ETag",))},
        problems=(errors.LinkNotFound,),
    ),
    Operation(
        name="list_keys",
        method="GET",
        path="/keys",
        group="API keys",
        summary="List API keys",
        scope="admin",
        answers={200: Answer("All keys that are not revoked", keys.KeysSchema)},
    ),
    Operation(
        name="create_key",
        method="POST",
        path="/keys",
        group="API keys",
        summary="Make an API key",
        scope="admin",
        body=keys.NewKeySchema,
        answers={201: Answer("The new key, shown this once", keys.MadeKeySchema, headers=("Location",))},
        problems=_READ_BODY,
    ),
    Operation(
        name="revoke_key",
        method="DELETE",
        path="/keys/{id}",
        group="API keys",
        summary="Revoke an API key",
        scope="admin",
        answers={204: Answer("The key is no longer valid")},
        problems=(errors.KeyNotFound,),
    ),
    Operation(
        name="openapi",
        method="GET",
        path="/openapi.json",
        group="About",
        summary="This document",
        answers={200: Answer("OpenAPI 3.1")},
    ),
    Operation(
        name="docs",
        method="GET",
        path="/docs",
        group="About",
        summary="This document as a page to read",
        answers={200: Answer("A page", content_type="text/html")},
    ),
)

RESOLVER: Final = (
    Operation(
        name="follow",
        method="GET",
        path="/{code}",
        group="Short URLs",
        summary="Follow a short URL",
        request_headers={"X-Debug": "`true`: the answer says `X-Cache` and `Server-Timing`."},
        answers={
            status: Answer(
                "On to the target; HEAD answers the same and counts no click", headers=("Location", "Cache-Control")
            )
            for status in REDIRECT_STATUSES
        },
        problems=(errors.LinkNotFound, errors.LinkGone),
    ),
    Operation(
        name="home",
        method="GET",
        path="/",
        group="About",
        summary="What this is, for people",
        answers={200: Answer("A page", content_type="text/html")},
    ),
    Operation(
        name="robots",
        method="GET",
        path="/robots.txt",
        group="About",
        summary="What crawlers may follow",
        answers={200: Answer("RFC 9309", content_type="text/plain")},
    ),
    Operation(
        name="favicon",
        method="GET",
        path="/favicon.ico",
        group="About",
        summary="The icon of this installation",
        answers={200: Answer("An icon", content_type="image/svg+xml")},
    ),
    Operation(
        name="health",
        method="GET",
        path="/health",
        group="About",
        summary="Whether the process that answers lives",
        answers={200: Answer("It does")},
    ),
    Operation(
        name="ready",
        method="GET",
        path="/ready",
        group="About",
        summary="Whether the process that answers can do its work",
        answers={200: Answer("It can")},
    ),
)

STATS: Final = (
    Operation(
        name="overview",
        method="GET",
        path="/stats/overview",
        group="Statistics",
        summary="Totals of all links",
        scope="stats:read",
        query=stats.FilterQuery,
        answers={200: Answer("Totals", stats.TotalsSchema)},
        problems=(errors.InvalidInput,),
    ),
    Operation(
        name="top",
        method="GET",
        path="/stats/top",
        group="Statistics",
        summary="The links with the most clicks",
        scope="stats:read",
        query=stats.LimitedQuery,
        answers={200: Answer("Links, most clicks first", stats.TopSchema)},
        problems=(errors.InvalidInput,),
    ),
    Operation(
        name="timeseries",
        method="GET",
        path="/stats/timeseries",
        group="Statistics",
        summary="Clicks of all links by time",
        scope="stats:read",
        query=stats.TimeseriesQuery,
        answers={200: Answer("Clicks by time", stats.TimeseriesSchema)},
        problems=(errors.InvalidInput,),
    ),
    Operation(
        name="breakdown",
        method="GET",
        path="/stats/breakdown/{dimension}",
        group="Statistics",
        summary="Clicks of all links by a dimension",
        scope="stats:read",
        query=stats.LimitedQuery,
        answers={200: Answer("Clicks by value", stats.BreakdownSchema)},
        problems=(errors.InvalidInput,),
    ),
    Operation(
        name="link_summary",
        method="GET",
        path="/stats/links/{code}",
        group="Statistics",
        summary="Totals of a link",
        scope="stats:read",
        query=stats.FilterQuery,
        answers={200: Answer("Totals", stats.LinkSummarySchema)},
        problems=(errors.InvalidInput, errors.LinkNotFound),
    ),
    Operation(
        name="link_timeseries",
        method="GET",
        path="/stats/links/{code}/timeseries",
        group="Statistics",
        summary="Clicks of a link by time",
        scope="stats:read",
        query=stats.TimeseriesQuery,
        answers={200: Answer("Clicks by time", stats.TimeseriesSchema)},
        problems=(errors.InvalidInput, errors.LinkNotFound),
    ),
    Operation(
        name="link_breakdown",
        method="GET",
        path="/stats/links/{code}/breakdown/{dimension}",
        group="Statistics",
        summary="Clicks of a link by a dimension",
        scope="stats:read",
        query=stats.LimitedQuery,
        answers={200: Answer("Clicks by value", stats.BreakdownSchema)},
        problems=(errors.InvalidInput, errors.LinkNotFound),
    ),
)

ALL: Final = (*WRITER, *RESOLVER, *STATS)


def scopes(operations: tuple[Operation, ...]) -> dict[str, Scope | None]:
    """What a key needs for each route, by the route's name."""
    return {operation.name: operation.scope for operation in operations}
