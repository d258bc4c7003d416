"""Every operation of `/keys`."""

from typing import Final

from services.writer.api_keys import handlers, schemas
from shared.domain import errors
from shared.http.contract import BODY_PROBLEMS, Operation, Success

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/keys",
        handler=handlers.list_keys,
        group="API keys",
        summary="List API keys",
        scope="admin",
        successes={200: Success("All keys that are not revoked", schemas.KeysSchema)},
    ),
    Operation(
        method="POST",
        path="/keys",
        handler=handlers.create_key,
        group="API keys",
        summary="Create an API key",
        scope="admin",
        body=schemas.NewKeySchema,
        successes={
            201: Success(
                "The new key with its secret, which is not shown again", schemas.CreatedKeySchema, headers=("Location",)
            )
        },
        problems=BODY_PROBLEMS,
    ),
    Operation(
        method="DELETE",
        path="/keys/{id}",
        handler=handlers.revoke_key,
        group="API keys",
        summary="Revoke an API key",
        scope="admin",
        successes={204: Success("The key is no longer valid")},
        problems=(errors.KeyNotFound,),
    ),
)
