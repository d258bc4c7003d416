"""The API contract: each route is defined once, with its handler and everything that clients may know about it.

`services/*/routes.py` list the operations of a service. `services/api_contract/` generates the OpenAPI document from
them; a test compares `nginx/routes.conf` with them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.typedefs import Handler

from shared.domain.errors import BodyTooLarge, BoltLinkError, InvalidInput, MalformedJson, WrongContentType
from shared.domain.models import Scope

if TYPE_CHECKING:
    from marshmallow import Schema  # not imported at run time, because resolvers do not need it

BODY_PROBLEMS: Final = (MalformedJson, BodyTooLarge, WrongContentType, InvalidInput)
"""The problems of every operation with a JSON body."""


@dataclass(frozen=True, slots=True)
class Success:
    """A successful response of an operation."""

    description: str
    body: "type[Schema] | None" = None
    content_type: str = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One route: its handler, its parameters and body, and its responses. `successes` by HTTP status."""

    method: str
    path: str
    handler: Handler
    group: str
    summary: str
    successes: Mapping[int, Success]
    scope: Scope | None = None
    query: "type[Schema] | None" = None
    body: "type[Schema] | None" = None
    body_types: tuple[str, ...] = ("application/json",)
    request_headers: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[type[BoltLinkError], ...] = ()

    @property
    def name(self) -> str:
        """The name of the operation in metrics, in the OpenAPI document, and in `scopes`."""
        return self.handler.__name__  # type: ignore[attr-defined,unused-ignore]  # a handler is a function

    @property
    def route(self) -> web.RouteDef:
        """The route for aiohttp. A GET route also handles HEAD."""
        if self.method == "GET":
            return web.get(self.path, self.handler, name=self.name)
        return web.route(self.method, self.path, self.handler, name=self.name)


def scopes(operations: Iterable[Operation]) -> dict[str, Scope | None]:
    """The required scope of each operation, by its name; None where no API key is required."""
    return {operation.name: operation.scope for operation in operations}
