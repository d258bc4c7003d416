"""What the pages and the comments quote is there: names, log lines, processes, paths."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploy.common.checkout import CHECKOUT
from deploy.processes import PROCESSES as ALL_PROCESSES
from tests.unit.documentation import CODE, PAGES, inline_code, page

# Words


@pytest.mark.parametrize(("pattern", "use"), [(r"\bPostgres\b", "PostgreSQL"), (r"stream of clicks", "click stream")])
def test_the_pages_use_one_name(pattern: str, use: str) -> None:
    for path in PAGES:
        text = CODE.sub("", path.read_text(encoding="utf-8"))
        assert not re.search(pattern, text), f"{path.name}: {use}"


# Processes


def test_the_table_of_processes_is_that_of_the_runtimes() -> None:
    counts = {name: process.replicas for name, process in ALL_PROCESSES.items()}
    told = re.findall(r"^\| `([a-z]+)-1(?:…(\d+))?` \|", page("architecture.md"), re.MULTILINE)
    assert {name: int(last or 1) for name, last in told} == counts


# Log lines of the runbook

OTHER_PROGRAMS_LOG: Final = {
    "Can't open the append-only file",  # Redis
    "No space left on device",
    "database system is starting up",
    "password authentication failed",
}
"""What the runbook quotes from the logs of PostgreSQL and Redis."""

_COMMAND = re.compile(r"(make|docker|curl|df|du|ss|git|[A-Z]+) ")
"""How what is entered begins: a program of the shell, or a word of SQL or of Redis in capital letters."""


def _quoted_log_lines() -> set[str]:
    """What the **Look** parts of the runbook quote: every phrase in backticks that is no command."""
    looks = re.findall(r"^\*\*Look\*\*.*?(?=^\*\*Do\*\*)", page("runbook.md"), re.MULTILINE | re.DOTALL)
    phrases = {re.sub(r"\s+", " ", text) for look in looks for text in inline_code(look)}
    return {phrase for phrase in phrases if " " in phrase and not _COMMAND.match(phrase)}


def test_every_log_line_that_the_runbook_quotes_is_in_the_code() -> None:
    texts = [
        node.value
        for folder in ("services", "shared")
        for path in (CHECKOUT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    quoted = _quoted_log_lines()
    assert quoted >= OTHER_PROGRAMS_LOG
    ours = {phrase.removesuffix("…") for phrase in quoted - OTHER_PROGRAMS_LOG}
    assert "Redis refused a write: " in ours
    assert {phrase for phrase in ours if not any(phrase in text for text in texts)} == set()


_COMMENTED_PATH = re.compile(
    r"(?<![\w./$~{<*-])(?:services|shared|deploy|docs|tests|monitoring|nginx|requirements)/[\w.*/-]*[\w*/]"
)
"""A path that begins with a folder of the checkout, as comments name them."""

_COMMENT = re.compile(r"(?:^|\s)(?:#|--)\s.*")


def _comments(path: Path) -> Iterator[str]:
    """The comments of a file, and the docstrings if it is Python."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from (match[0] for match in map(_COMMENT.search, text.splitlines()) if match)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def _commented_files() -> Iterator[Path]:
    yield from (CHECKOUT / name for name in ("Makefile", ".env.example", ".ci/run", "pyproject.toml"))
    yield from CHECKOUT.glob("docker-compose*.yml")
    suffixes = {".py", ".yml", ".sh", ".toml", ".conf", ".template", ".lua", ".in"}
    for folder in ("services", "shared", "deploy", "monitoring", "nginx", "requirements", "tests"):
        yield from (path for path in (CHECKOUT / folder).rglob("*") if path.suffix in suffixes)
        yield from (CHECKOUT / folder).rglob("Dockerfile*")


def test_every_path_that_a_comment_names_exists() -> None:
    """A path with a word in capital letters, such as requirements/NAME.txt, stands for several."""
    named = {
        (str(path.relative_to(CHECKOUT)), name)
        for path in _commented_files()
        for comment in _comments(path)
        for name in _COMMENTED_PATH.findall(comment)
        if not re.search(r"\b[A-Z]{4,}\b", name.replace("README", ""))
    }
    assert ("deploy/processes.toml", "deploy/processes.py") in named
    assert {(file, name) for file, name in named if not any(CHECKOUT.glob(name.rstrip("/")))} == set()
