"""The API contract: a route stands once in the code, with its handler and all that clients may know of it.

`services/*/routes.py` list the operations of a service. `services/api_contract/` makes the OpenAPI document of
them; a test holds `nginx/routes.conf` against them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Handler

from shared.domain.errors import BoltLinkError
from shared.domain.models import Scope

if TYPE_CHECKING:
    from marshmallow import Schema  # resolvers do without it


@dataclass(frozen=True, slots=True)
class Success:
    """One way in which an operation succeeds."""

    description: str
    body: "type[Schema] | None" = None
    content_type: str = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One route: who handles it, what it takes, what it gives. `successes` by HTTP status."""

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
        """The operation in metrics, in the OpenAPI document, and in `scopes`."""
        return self.handler.__name__  # type: ignore[attr-defined,unused-ignore]  # a function, by convention

    @property
    def route(self) -> web.RouteDef:
        """The route as aiohttp takes it. A GET is answered to HEAD too."""
        if self.method == "GET":
            return web.get(self.path, self.handler, name=self.name)
        return web.route(self.method, self.path, self.handler, name=self.name)


def scopes(operations: Iterable[Operation]) -> dict[str, Scope | None]:
    """The scope that an API key needs for each operation, by the operation's name; None where no key is needed."""
    return {operation.name: operation.scope for operation in operations}
