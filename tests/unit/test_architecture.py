"""Reads every import and holds it against the tree of the house: who may stand on whom."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
FOLDERS = ("services", "shared", "local")

LEVELS = ("app", "routes", "handlers")
"""Downwards only; all other modules of a service lie below these."""

RULES_AND_REPOSITORIES = (
    r"services\.writer\.(shortening|making|together|codes|listing)"
    r"|services\.resolver\.(redirecting|lookup|asking|memory|pace)"
    r"|services\.stats\.(rollups|reports|consumer)"
    r"|shared\.repositories\.\w+"
)


def _name(path: Path) -> str:
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for folder in FOLDERS for path in sorted((CHECKOUT / folder).rglob("*.py"))}


@cache
def imports_of(module: str) -> frozenset[str]:
    """What a module imports: our own modules by their full names, others as they are written."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    return frozenset(chain.from_iterable(_imported(node) for node in ast.walk(tree)))


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        for alias in node.names:
            submodule = f"{node.module}.{alias.name}"
            yield submodule if submodule in MODULES else str(node.module)


def is_part_of(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@dataclass(frozen=True)
class Rule:
    """Something that no import may do: a module that `applies` imports one that is `forbidden` to it."""

    words: str
    applies: Callable[[str], bool]
    forbidden: Callable[[str, str], bool]


def _service(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "services" and len(parts) > 1 else ""


def _level(module: str) -> int:
    place = module.split(".")[2] if module.count(".") >= 2 else ""
    return LEVELS.index(place) if place in LEVELS else len(LEVELS)


RULES = [
    Rule(
        "A service never imports another service; what two need lives in shared/.",
        lambda module: bool(_service(module)),
        lambda module, used: _service(used) not in ("", _service(module)),
    ),
    Rule(
        "Inside a service imports go downwards only: app → routes → handlers → rules.",
        lambda module: bool(_service(module)),
        lambda module, used: _service(used) == _service(module) and _level(used) < _level(module),
    ),
    Rule(
        "A service knows nothing of the local runtime.",
        lambda module: bool(_service(module)),
        lambda _, used: is_part_of(used, "local"),
    ),
    Rule(
        "shared/ imports nothing from services, nor from the local runtime.",
        lambda module: is_part_of(module, "shared"),
        lambda _, used: is_part_of(used, "services", "local"),
    ),
    Rule(
        "local/ imports nothing from services or shared: it starts before anything is installed.",
        lambda module: is_part_of(module, "local"),
        lambda _, used: is_part_of(used, "services", "shared"),
    ),
    Rule(
        "local/ stands on the standard library alone: it starts before anything is installed.",
        lambda module: is_part_of(module, "local"),
        lambda _, used: not is_part_of(used, "local") and used.split(".")[0] not in sys.stdlib_module_names,
    ),
    Rule(
        "Only shared/database.py imports aiopg and psycopg2: the driver is replaced in one file.",
        lambda module: module != "shared.database",
        lambda _, used: is_part_of(used, "aiopg", "psycopg2"),
    ),
    Rule(
        "Rules and repositories know no aiohttp.",
        lambda module: bool(re.fullmatch(RULES_AND_REPOSITORIES, module)),
        lambda _, used: is_part_of(used, "aiohttp"),
    ),
    Rule(
        "Repositories know no marshmallow, and no schemas.",
        lambda module: is_part_of(module, "shared.repositories"),
        lambda _, used: is_part_of(used, "marshmallow", "shared.schemas"),
    ),
    Rule(
        "Repositories stand on the database and on models, not on stores of another kind.",
        lambda module: is_part_of(module, "shared.repositories"),
        lambda _, used: is_part_of(used, "redis", "shared.resources", "shared.redis_keys"),
    ),
    Rule(
        "Schemas know no SQL: they do not import the database.",
        lambda module: is_part_of(module, "shared.schemas"),
        lambda _, used: is_part_of(used, "shared.database", "aiohttp", "redis"),
    ),
    Rule(
        "Errors, models and keys are words of the domain: they stand on the standard library, keys on models too.",
        lambda module: module in ("shared.errors", "shared.models", "shared.redis_keys"),
        lambda module, used: (
            used.split(".")[0] not in sys.stdlib_module_names
            and (module, used) != ("shared.redis_keys", "shared.models")
        ),
    ),
    Rule(
        "Nothing that runs imports its tests.",
        lambda _: True,
        lambda _, used: is_part_of(used, "tests", "pytest", "hypothesis"),
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.words)
def test_the_house_keeps_its_rules(rule: Rule) -> None:
    broken = [
        f"{MODULES[module].relative_to(CHECKOUT)} imports {used}"
        for module in MODULES
        if rule.applies(module)
        for used in sorted(imports_of(module))
        if rule.forbidden(module, used)
    ]
    assert not broken, f"{rule.words}\n" + "\n".join(broken)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.words)
def test_a_rule_has_somebody_to_keep_it(rule: Rule) -> None:
    assert any(rule.applies(module) and imports_of(module) for module in MODULES)


@pytest.mark.parametrize(
    ("module", "used"),
    [
        ("services.writer.relay", "services.stats.rollups"),
        ("services.writer.shortening", "services.writer.handlers"),
        ("services.writer.handlers", "services.writer.routes"),
        ("services.resolver.lookup", "aiohttp.web"),
        ("shared.web", "services.writer.codes"),
        ("shared.migrate", "psycopg2"),
        ("shared.schemas.links", "shared.database"),
        ("local.runtime", "shared.settings"),
        ("local.runtime", "aiohttp"),
    ],
)
def test_who_breaks_a_rule_is_seen(module: str, used: str) -> None:
    assert any(rule.applies(module) and rule.forbidden(module, used) for rule in RULES)


def test_every_named_rule_and_repository_is_there() -> None:
    named = {module for module in MODULES if re.fullmatch(RULES_AND_REPOSITORIES, module)}
    assert {"services.writer.shortening", "services.resolver.lookup", "services.stats.reports"} <= named
    assert {"shared.repositories.links", "shared.repositories.clicks"} <= named


@pytest.mark.parametrize("module", [name for name in MODULES if is_part_of(name, "shared.schemas")])
def test_a_schema_spells_no_sql(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert [text for text in texts if re.search(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE)\b", text)] == []


@pytest.mark.parametrize("path", [path for path in MODULES.values() if path.name == "__init__.py"], ids=str)
def test_an_init_is_empty(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == ""
