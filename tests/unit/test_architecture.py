"""Reads every import and holds it against the layout: which folder may know of which, also by way of others."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.unit.import_graph import CHECKOUT, MODULES, ROOTS, imports_of, is_part_of, name_of, reach_of

CONTRACT: Final = "services.api_contract"
"""Makes the API's document of all services' routes; it runs in no process."""

LEVELS: Final = ("app", "routes", "handlers")
"""Inside a service, downwards only; everything else lies below these."""

MAX_LINES: Final = 250
TESTS: Final = {name_of(path): path for path in sorted((CHECKOUT / "tests").rglob("*.py"))}

LAYERS: Final = ("domain", "process", "schemas", "postgres", "redis", "http")
"""The folders of shared/, each of which may know those before it. Of those after it, it knows nothing."""

FORBIDDEN: Final = {
    "domain": {"aiohttp", "marshmallow", "aiopg", "psycopg2", "redis", "hiredis"},
    "schemas": {"aiohttp", "aiopg", "psycopg2", "redis", "hiredis", "shared.postgres", "shared.redis"},
    "postgres": {"marshmallow", "redis", "hiredis", "shared.schemas", "shared.redis"},
    "redis": {"marshmallow", "aiopg", "psycopg2", "shared.schemas", "shared.postgres"},
    "http": {"services"},
}
"""What nothing in a folder of shared/ may reach, by itself or by way of what it imports."""


def service_of(module: str) -> str:
    """The service that a module belongs to; empty for any other."""
    parts = module.split(".")
    return parts[1] if parts[0] == "services" and len(parts) > 1 and not is_part_of(module, CONTRACT) else ""


def layer_of(module: str) -> int:
    parts = module.split(".")
    return LAYERS.index(parts[1]) if parts[0] == "shared" and len(parts) > 1 else -1


def level_of(module: str) -> int:
    place = module.rpartition(".")[2]
    return LEVELS.index(place) if place in LEVELS else len(LEVELS)


def said(module: str, used: str) -> str:
    return f"{MODULES[module].relative_to(CHECKOUT)} imports {used}"


def imports() -> Iterator[tuple[str, str]]:
    for module in MODULES:
        yield from ((module, used) for used in sorted(imports_of(module)))


def test_the_folders_of_shared_are_its_layers() -> None:
    folders = {path.name for path in (CHECKOUT / "shared").iterdir() if path.is_dir() and path.name[0] != "_"}
    assert folders == set(LAYERS)
    assert {path.name for path in (CHECKOUT / "shared").glob("*.py")} == {"__init__.py"}


def test_a_service_never_imports_another_service() -> None:
    wrong = [
        said(module, used)
        for module, used in imports()
        if service_of(module) and is_part_of(used, "services") and service_of(used) != service_of(module)
    ]
    assert wrong == [], "what two services need lives in shared/"


def test_imports_inside_a_service_go_downwards_only() -> None:
    wrong = [
        said(module, used)
        for module, used in imports()
        if service_of(module)
        and service_of(used) == service_of(module)
        and level_of(used) < level_of(module)
        and not module.endswith((".command", ".settings"))
    ]
    assert wrong == [], "app → routes → handlers → everything else"


def test_shared_imports_no_service_and_a_lower_layer_no_higher_one() -> None:
    wrong = [
        said(module, used)
        for module, used in imports()
        if is_part_of(module, "shared")
        and (is_part_of(used, "services", "deploy") or layer_of(used) > layer_of(module))
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_a_folder_of_shared_does_not_reach_what_it_may_not_know(folder: str) -> None:
    wrong = [
        f"{module} reaches {used}"
        for module in MODULES
        if is_part_of(module, f"shared.{folder}")
        for used in sorted(reach_of(module))
        if is_part_of(used, *FORBIDDEN[folder])
    ]
    assert wrong == []


def test_schemas_know_no_sql() -> None:
    """Those of a service, too."""
    schemas = [module for module in MODULES if module.endswith(".schemas") or is_part_of(module, "shared.schemas")]
    assert len(schemas) > 5
    wrong = [
        f"{module} reaches {used}"
        for module in schemas
        for used in sorted(reach_of(module))
        if is_part_of(used, "shared.postgres", "shared.redis", "aiopg", "psycopg2", "redis", "aiohttp")
    ]
    assert wrong == []


@pytest.mark.parametrize("root", ROOTS)
def test_nothing_goes_round_in_a_circle(root: str) -> None:
    circles = [module for module in MODULES if is_part_of(module, root) and module in reach_of(module)]
    assert circles == []


def test_only_the_postgres_folder_knows_the_driver() -> None:
    wrong = [
        said(module, used)
        for module, used in imports()
        if is_part_of(used, "aiopg", "psycopg2") and not is_part_of(module, "shared.postgres")
    ]
    assert wrong == []


def test_tables_and_rules_know_no_http() -> None:
    """Only the edges of a service do: its application, routes, handlers, metrics, and what stands before aiohttp."""
    wrong = [
        said(module, used)
        for module, used in imports()
        if is_part_of(used, "aiohttp", "shared.http") and _is_rule(module)
    ]
    assert wrong == []


def _is_rule(module: str) -> bool:
    edges = r"app|app_keys|routes|handlers|metrics|settings|fast_path"
    if is_part_of(module, "shared.postgres.tables"):
        return True
    return bool(service_of(module)) and not re.search(rf"\.({edges})(\.|\Z)", module)


def test_deploy_stands_on_the_standard_library_alone() -> None:
    """It runs before anything is installed."""
    wrong = [
        said(module, used)
        for module, used in imports()
        if is_part_of(module, "deploy.common", "deploy.local", "deploy.compose", "deploy.processes")
        and not is_part_of(used, "deploy")
        and used.split(".")[0] not in sys.stdlib_module_names
    ]
    assert wrong == []


def test_common_deploy_code_imports_no_runtime() -> None:
    wrong = [
        said(module, used)
        for module, used in imports()
        if is_part_of(module, "deploy.common", "deploy.processes")
        and is_part_of(used, "deploy.local", "deploy.compose")
    ]
    assert wrong == []


@pytest.mark.parametrize(("runtime", "other"), [("deploy.local", "deploy.compose"), ("deploy.compose", "deploy.local")])
def test_a_runtime_never_imports_the_other(runtime: str, other: str) -> None:
    wrong = [
        f"{module} reaches {used}"
        for module in MODULES
        if is_part_of(module, runtime)
        for used in sorted(reach_of(module))
        if is_part_of(used, other)
    ]
    assert wrong == [], "what both runtimes need lives in deploy/common/"


def test_nothing_that_runs_imports_its_tests() -> None:
    wrong = [said(module, used) for module, used in imports() if is_part_of(used, "tests", "pytest", "hypothesis")]
    assert wrong == []


@cache
def _users_of(module: str) -> frozenset[str]:
    """The services that reach a module of shared/."""
    services = {service for user in MODULES if (service := service_of(user)) and module in reach_of(user)}
    of_contract = any(is_part_of(user, CONTRACT) and module in imports_of(user) for user in MODULES)
    return frozenset(services | ({"the API's contract"} if of_contract else set()))


def test_what_one_service_alone_uses_lives_in_that_service() -> None:
    """But for tables, which are what services meet in, and what tables stand on."""
    tables = [module for module in MODULES if is_part_of(module, "shared.postgres.tables")]
    for_tables = set(tables).union(*(reach_of(table) for table in tables))
    alone = {
        module: sorted(_users_of(module))
        for module, path in MODULES.items()
        if is_part_of(module, "shared") and path.name != "__init__.py" and module not in for_tables
        if len(_users_of(module)) == 1
    }
    assert alone == {}


@pytest.mark.parametrize("module", MODULES | TESTS)
def test_a_module_is_one_thought(module: str) -> None:
    path = (MODULES | TESTS)[module]
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_functions_are_short() -> None:
    lengths = sorted(
        node.end_lineno - node.body[0].lineno + 1
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    )
    assert lengths[len(lengths) // 2] <= 6, "the median, of bodies in lines"


@pytest.mark.parametrize("path", [path for path in MODULES.values() if path.name == "__init__.py"], ids=str)
def test_an_init_is_empty(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == ""
