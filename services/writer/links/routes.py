"""Every operation of `/links`."""

from typing import Final

from services.writer.links import handlers, schemas
from services.writer.links.idempotency import MAX_KEY_LENGTH
from shared.domain import errors
from shared.http.contract import BODY_PROBLEMS, Operation, Success
from shared.postgres.tables.idempotency import LIFETIME_HOURS

_IF_MATCH: Final = {"If-Match": "The `ETag` that the change is based on; 412 when the link was changed since."}
_IDEMPOTENCY_KEY: Final = {
    "Idempotency-Key": f"A repeat with the same key within {LIFETIME_HOURS} hours gets the first response again "
    f"(1 to {MAX_KEY_LENGTH} characters)."
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
                "An equal link that existed already (`reuse=true`)", schemas.LinkSchema, headers=("Location", "ETag")
            ),
        },
        problems=(*BODY_PROBLEMS, errors.CodeTaken, errors.ExternalIdTaken, errors.IdempotencyKeyReused),
    ),
    Operation(
        method="POST",
        path="/links/batch",
        handler=handlers.create_links,
        group="Links",
        summary=f"Shorten up to {schemas.MAX_BATCH:,} URLs; a refused link does not affect the others",
        scope="links:write",
        body=schemas.BatchSchema,
        request_headers=_IDEMPOTENCY_KEY,
        successes={200: Success("The result of each link, in order", schemas.BatchResponseSchema)},
        problems=(*BODY_PROBLEMS, errors.IdempotencyKeyReused),
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
        summary="Get a link",
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
        problems=(*BODY_PROBLEMS, errors.LinkNotFound, errors.LinkChanged, errors.ExternalIdTaken),
    ),
    Operation(
        method="DELETE",
        path="/links/{code}",
        handler=handlers.delete_link,
        group="Links",
        summary="Delete a link; its code stays taken",
        scope="links:write",
        query=schemas.PurgeQuery,
        request_headers=_IF_MATCH,
        successes={204: Success("The link is deleted and no longer redirects")},
        problems=(errors.InvalidInput, errors.LinkNotFound, errors.LinkChanged),
    ),
    Operation(
        method="POST",
        path="/links/{code}/restore",
        handler=handlers.restore_link,
        group="Links",
        summary="Restore a deleted link",
        scope="links:write",
        successes={200: Success("The link, which redirects again", schemas.LinkSchema, headers=("ETag",))},
        problems=(errors.LinkNotFound,),
    ),
)
