"""The operations of the contract, compared with the routes of the services and the locations of nginx."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from services.api_contract.document import OPERATIONS
from services.resolver import routes as resolver
from services.stats import routes as stats
from services.writer import routes as writer
from services.writer.links.codes import RESERVED
from shared.domain.codes import CODE_PATTERN
from shared.http.contract import Operation
from shared.http.probes import PROBES

ROUTES_CONF = Path(__file__).parents[2] / "nginx" / "routes.conf"

RouteKey = tuple[str, str, str]

FILES_OF_A_PAGE = {("GET", "/docs/{name}", "docs_asset")}
"""Public routes that are not operations, because only a browser requests them."""

INTERNAL = {("GET", "/metrics", "metrics")}
"""Routes that nginx never makes public."""

OPEN = {"openapi", "docs", "follow", "home", "robots", "favicon", "health", "ready"}
"""Operations that need no key."""

EXAMPLES = {"code": "abc", "id": "5", "dimension": "browser", "name": "start.js"}


def served(routes: list[web.RouteDef]) -> set[RouteKey]:
    """The method, path and name of each route. (HEAD, which aiohttp adds to every GET, is not among them.)"""
    return {(route.method, route.path, route.kwargs["name"]) for route in routes}


def described(operations: tuple[Operation, ...]) -> set[RouteKey]:
    return {(operation.method, operation.path, operation.name) for operation in operations}


def test_the_other_routes_of_a_service_are_probes_and_files_of_a_page() -> None:
    assert served(writer.ROUTES) - described(writer.OPERATIONS) == FILES_OF_A_PAGE
    assert served(stats.ROUTES) == described(stats.OPERATIONS)
    assert served(resolver.ROUTES) == described(resolver.OPERATIONS)
    assert served(PROBES) - described(resolver.PUBLIC_PROBES) == INTERNAL


def test_metrics_are_not_part_of_the_contract() -> None:
    assert not INTERNAL & described(OPERATIONS)


def test_no_path_of_a_service_hides_its_probes() -> None:
    probes = {(method, path) for method, path, _ in served(PROBES)}
    others = {(method, path) for method, path, _ in served([*writer.ROUTES, *stats.ROUTES, *resolver.ROUTES])}
    assert not probes & others


def test_the_name_of_a_route_is_unique_in_all_services() -> None:
    routes = [*writer.ROUTES, *stats.ROUTES, *resolver.ROUTES, *PROBES]
    names = [route.kwargs["name"] for route in routes]
    assert sorted(names) == sorted(set(names))


def test_every_operation_needs_a_key_unless_it_is_open() -> None:
    assert {operation.name for operation in OPERATIONS if operation.scope is None} == OPEN


@dataclass(frozen=True)
class Location:
    """A location of nginx."""

    modifier: str
    path: str
    block: str

    @property
    def pool(self) -> str:
        """The upstream to which the location passes requests; empty if there is none."""
        found = re.search(r"proxy_pass http://(\w+);", self.block)
        return found[1] if found else ""


def locations() -> list[Location]:
    pattern = re.compile(r"^location +(=|\^~|)\s*(/\S*) +\{(.*)\}$", re.MULTILINE)
    return [Location(*match.groups()) for match in pattern.finditer(ROUTES_CONF.read_text(encoding="utf-8"))]


def location_of(path: str) -> Location:
    """The location that nginx chooses: the exact one, else the one with the longest prefix."""
    for location in locations():
        if location.modifier == "=" and location.path == path:
            return location
    prefixes = [one for one in locations() if one.modifier != "=" and path.startswith(one.path)]
    return max(prefixes, key=lambda location: len(location.path))


def example(path: str) -> str:
    """The path of a request."""
    return path.format(**EXAMPLES)


def test_every_location_of_nginx_is_parsed() -> None:
    assert len(locations()) == ROUTES_CONF.read_text(encoding="utf-8").count("\nlocation ")


@pytest.mark.parametrize(
    ("pool", "path"),
    [
        *(("writer", operation.path) for operation in writer.OPERATIONS),
        *(("writer", path) for _, path, _ in FILES_OF_A_PAGE),
        *(("stats", operation.path) for operation in stats.OPERATIONS),
        *(("resolver", operation.path) for operation in (*resolver.OPERATIONS, *resolver.PUBLIC_PROBES)),
    ],
)
def test_nginx_passes_a_path_to_the_service_of_its_operation(pool: str, path: str) -> None:
    assert location_of(example(path)).pool == pool


@pytest.mark.parametrize(
    ("path", "pool"),
    [
        ("/links/batch", "writer"),
        ("/links/abc/history", "writer"),
        ("/stats/links/abc/clicks", "stats"),
        ("/linksabc", "resolver"),
        ("/statsabc", "resolver"),
        ("/abc/qr.svg", "resolver"),
        ("/stub_status", "resolver"),
    ],
)
def test_nginx_passes_a_path_by_its_first_segment(path: str, pool: str) -> None:
    assert location_of(path).pool == pool


def test_nginx_responds_404_to_metrics() -> None:
    assert location_of("/metrics").block.strip() == "return 404;"


def test_the_first_segment_of_every_path_is_a_reserved_word() -> None:
    paths = [*(operation.path for operation in OPERATIONS), *(location.path for location in locations())]
    segments = {path.split("/")[1] for path in paths} - {"", "{code}"}
    assert {segment.partition(".")[0] for segment in segments} <= RESERVED


def test_a_path_with_a_dot_cannot_be_a_code() -> None:
    assert not re.match(CODE_PATTERN, "robots.txt")


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if operation.body], ids=lambda one: one.name
)
def test_nginx_accepts_a_larger_body_for_operations_with_a_body(operation: Operation) -> None:
    assert "client_max_body_size" in location_of(example(operation.path)).block
