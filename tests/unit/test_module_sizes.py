"""Modules and functions are short, and an `__init__.py` is empty."""

import ast
from pathlib import Path
from typing import Final

import pytest

CHECKOUT: Final = Path(__file__).parents[2]
SOURCE: Final = tuple(
    path for root in ("services", "shared", "deploy") for path in sorted((CHECKOUT / root).rglob("*.py"))
)
MAX_LINES: Final = 250


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@pytest.mark.parametrize("path", SOURCE, ids=name)
def test_a_module_is_one_thought(path: Path) -> None:
    assert lines_of(path) <= MAX_LINES


def test_functions_are_short() -> None:
    lengths = sorted(
        node.end_lineno - node.body[0].lineno + 1
        for path in SOURCE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    )
    assert lengths[len(lengths) // 2] <= 6, "the median, of bodies in lines"


@pytest.mark.parametrize("path", [path for path in SOURCE if path.name == "__init__.py"], ids=name)
def test_an_init_is_empty(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == ""
