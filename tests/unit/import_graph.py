"""The modules of the source, and what each imports, by itself and by way of others."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[2]
ROOTS: Final = ("services", "shared", "deploy")


def name_of(path: Path) -> str:
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES: Final = {name_of(path): path for root in ROOTS for path in sorted((CHECKOUT / root).rglob("*.py"))}


@cache
def imports_of(module: str) -> frozenset[str]:
    """What a module imports when it runs: our own modules by their full names, others as they are written."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    return frozenset(chain.from_iterable(_imported(node) for node in _run(tree)))


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _run(child)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        for alias in node.names:
            submodule = f"{node.module}.{alias.name}"
            yield submodule if submodule in MODULES else str(node.module)


@cache
def reach_of(module: str) -> frozenset[str]:
    """What a module imports, and what that imports, and so on."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for used in imports_of(waiting.pop()):
            if used not in seen:
                seen.add(used)
                if used in MODULES:
                    waiting.append(used)
    return frozenset(seen)


def is_part_of(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
