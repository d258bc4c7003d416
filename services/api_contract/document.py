"""Generate the OpenAPI 3.1 document of all services from their operations and schemas."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from services.resolver import routes as resolver
from services.stats import routes as stats
from services.writer import routes as writer
from shared.domain import errors
from shared.domain.codes import CODE_PATTERN
from shared.domain.dimensions import DIMENSIONS
from shared.domain.models import REDIRECT_STATUSES
from shared.http.contract import Operation
from shared.http.problems import CATALOGUE, CONTENT_TYPE
from shared.process.version import VERSION
from shared.schemas.problems import ProblemSchema

OPERATIONS: Final = (*writer.OPERATIONS, *resolver.OPERATIONS, *resolver.PUBLIC_PROBES, *stats.OPERATIONS)
"""Every operation of the public API."""

_SECURITY: Final = "api_key"
_PATH_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "code": {"type": "string", "pattern": CODE_PATTERN},
    "id": {"type": "integer", "minimum": 1},
    "dimension": {"type": "string", "enum": list(DIMENSIONS)},
}
_HEADERS: Final = {
    "Location": "The path of the link, or the target of the redirect.",
    "ETag": "The link's version, for `If-Match`.",
    "Cache-Control": "How long the redirect may be cached.",
}
_COMMON_PROBLEMS: Final = (errors.TooManyRequests, errors.StoreUnavailable)
"""The problems of every operation."""


def document() -> dict[str, Any]:
    """The whole document except `servers`, because the address differs between installations."""
    plugin = MarshmallowPlugin(schema_name_resolver=_schema_name)
    spec = APISpec(
        title="BoltLink",
        version=VERSION,
        openapi_version="3.1.0",
        info={"description": "Shorten URLs, redirect visitors and count clicks."},
        plugins=[plugin],
    )
    spec.components.security_scheme(_SECURITY, {"type": "http", "scheme": "bearer"})
    spec.components.schema("Problem", schema=ProblemSchema)
    for operation in OPERATIONS:
        spec.path(path=operation.path, operations={operation.method.lower(): _operation_object(operation)})
    result: dict[str, Any] = spec.to_dict()
    return result


def _schema_name(schema: Any) -> str:
    name = schema.__name__ if isinstance(schema, type) else type(schema).__name__
    return name.removesuffix("Schema")


def _operation_object(operation: Operation) -> dict[str, Any]:
    result: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_header_parameters(operation)],
        "responses": {**_successes(operation), **_problems(operation)},
    }
    if operation.query is not None:
        result["parameters"].append({"in": "query", "schema": operation.query})
    if operation.body is not None:
        content = {content_type: {"schema": operation.body} for content_type in operation.body_types}
        result["requestBody"] = {"required": True, "content": content}
    if operation.scope is not None:
        result["security"] = [{_SECURITY: []}]
        result["description"] = f"Requires an API key with the scope `{operation.scope}`."
    return result


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"in": "path", "name": name, "required": True, "schema": dict(_PATH_PARAMETERS[name])}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _header_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"in": "header", "name": name, "description": description, "schema": {"type": "string"}}
        for name, description in operation.request_headers.items()
    ]


def _successes(operation: Operation) -> dict[str, Any]:
    return {
        str(status): {
            "description": success.description,
            "headers": {
                name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in success.headers
            },
        }
        | (
            {"content": {success.content_type: {"schema": success.body or {}}}}
            if status not in (204, *REDIRECT_STATUSES)
            else {}
        )
        for status, success in operation.successes.items()
    }


def _problems(operation: Operation) -> dict[str, Any]:
    kinds = [*operation.problems, *_COMMON_PROBLEMS]
    if operation.scope is not None:
        kinds += [errors.Unauthenticated, errors.Forbidden]
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(CATALOGUE[kind].status, []).append(CATALOGUE[kind].title)
    # Every service responds with 400 to a request that is not valid HTTP.
    titles.setdefault(400, [HTTPStatus.BAD_REQUEST.phrase])
    return {
        str(status): {
            "description": "; ".join(texts),
            "content": {CONTENT_TYPE: {"schema": "Problem"}},
        }
        for status, texts in sorted(titles.items())
    }
