"""Every operation of `/links`."""

from typing import Final

from services.writer.links import handlers, schemas
from shared.domain import errors
from shared.http.contract import Operation, Success

_BODY_PROBLEMS: Final = (errors.MalformedJson, errors.BodyTooLarge, errors.WrongContentType, errors.InvalidInput)
_IF_MATCH: Final = {"If-Match": "The `ETag` that the change rests on: 412 when somebody was faster."}
_IDEMPOTENCY_KEY: Final = {
    "Idempotency-Key": "A repeat within 24 hours gets the first answer again (1 to 255 characters)."
}

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/links",
        handler=handlers.create_link,
        group="Links",
        summary="Shorten a URL",
        scope="links:write",
        query=schemas.ReuseQuery,
        body=schemas.NewLinkSchema,
        request_headers=_IDEMPOTENCY_KEY,
        successes={
            201: Success("The new link", schemas.LinkSchema, headers=("Location", "ETag")),
            200: Success(
                "An equal link that was there already (`reuse=true`)", schemas.LinkSchema, headers=("Location", "ETag")
            ),
        },
        problems=(*_BODY_PROBLEMS, errors.CodeTaken, errors.ExternalIdTaken, errors.IdempotencyKeyReused),
    ),
    Operation(
        method="POST",
        path="/links/batch",
        handler=handlers.create_links,
        group="Links",
        summary="Shorten up to 1,000 URLs: an answer for each, in order; one that is refused stops no other",
        scope="links:write",
        body=schemas.BatchSchema,
        request_headers=_IDEMPOTENCY_KEY,
        successes={200: Success("What became of each link", schemas.BatchAnswerSchema)},
        problems=(*_BODY_PROBLEMS, errors.IdempotencyKeyReused),
    ),
    Operation(
        method="GET",
        path="/links",
        handler=handlers.list_links,
        group="Links",
        summary="List links",
        scope="links:read",
        query=schemas.ListQuery,
        successes={200: Success("A page of links", schemas.LinkPageSchema)},
        problems=(errors.InvalidInput,),
    ),
    Operation(
        method="GET",
        path="/links/{code}",
        handler=handlers.get_link,
        group="Links",
        summary="Look at a link",
        scope="links:read",
        successes={200: Success("The link, also a deleted one", schemas.LinkSchema, headers=("ETag",))},
        problems=(errors.LinkNotFound,),
    ),
    Operation(
        method="PATCH",
        path="/links/{code}",
        handler=handlers.change_link,
        group="Links",
        summary="Change a link",
        scope="links:write",
        body=schemas.LinkPatchSchema,
        body_types=("application/merge-patch+json", "application/json"),
        request_headers=_IF_MATCH,
        successes={200: Success("The changed link", schemas.LinkSchema, headers=("ETag",))},
        problems=(*_BODY_PROBLEMS, errors.LinkNotFound, errors.LinkChanged, errors.ExternalIdTaken),
    ),
    Operation(
        method="DELETE",
        path="/links/{code}",
        handler=handlers.delete_link,
        group="Links",
        summary="Delete a link; its code is not given to anyone else",
        scope="links:write",
        query=schemas.PurgeQuery,
        request_headers=_IF_MATCH,
        successes={204: Success("The link leads nowhere any more")},
        problems=(errors.InvalidInput, errors.LinkNotFound, errors.LinkChanged),
    ),
    Operation(
        method="POST",
        path="/links/{code}/restore",
        handler=handlers.restore_link,
        group="Links",
        summary="Undo a deletion",
        scope="links:write",
        successes={200: Success("The link, which leads again", schemas.LinkSchema, headers=("ETag",))},
        problems=(errors.LinkNotFound,),
    ),
)
