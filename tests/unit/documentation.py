"""The pages for people, their sections, and the settings that the code reads."""

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from deploy.common.checkout import CHECKOUT
from deploy.processes import REPLICAS_SETTINGS
from services.resolver.settings import ResolverSettings
from services.stats.settings import ConsumerSettings, StatsSettings
from services.writer.api_keys.command import KeysSettings
from services.writer.settings import RelaySettings, WriterSettings
from shared.domain.errors import SettingsError
from shared.postgres.migrate import MigrateSettings

DOCS: Final = CHECKOUT / "docs"
TOP_PAGES: Final = tuple(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))
PAGES: Final = sorted([*TOP_PAGES, *DOCS.rglob("*.md")])
"""Without CHANGELOG.md, which also names what is gone."""

SERVICES: Final = (WriterSettings, RelaySettings, ResolverSettings, StatsSettings, ConsumerSettings)
COMMANDS: Final = (MigrateSettings, KeysSettings)


class Recorder(Mapping[str, str]):
    """An environment with nothing in it that remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("who reads all of it reads what no page describes")

    def __len__(self) -> int:
        return 0


def read_by(*settings: Any) -> set[str]:
    """Every variable that these settings read."""
    recorder = Recorder()
    for kind in settings:
        with suppress(SettingsError):
            kind.from_env(recorder)
    return recorder.names


def read_by_source(path: str, mapping: str) -> set[str]:
    """Every name that a module asks a mapping for: `m.get(NAME)`, `m[NAME]`, `m` and NAME handed to a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == mapping:
            names |= _texts([node.slice])
        elif isinstance(node, ast.Call):
            if ast.unparse(node.func) == f"{mapping}.get":
                names |= _texts(node.args[:1])
            elif any(ast.unparse(argument) == mapping for argument in node.args):
                names |= (found := _texts(node.args))
                if ast.unparse(node.func) == "_secret":
                    names |= {f"{name}_FILE" for name in found}
    return names


def _texts(nodes: list[ast.expr]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def all_variables() -> set[str]:
    return (
        read_by(*SERVICES, *COMMANDS)
        | set(REPLICAS_SETTINGS)
        | read_by_source("deploy/local/settings.py", "values")
        | read_by_source("shared/process/gunicorn_conf.py", "os.environ")
    )


def without_variants(names: set[str]) -> set[str]:
    return {name for name in names if name.removesuffix("_FILE") not in names - {name}}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def sections(name: str, level: int) -> dict[str, str]:
    """The headings of a level, and what stands under each."""
    pieces = re.split(rf"^{'#' * level} (.+)\n", page(name), flags=re.MULTILINE)[1:]
    headings, texts = pieces[::2], [re.split(r"^#{1,3} ", text, flags=re.MULTILINE)[0] for text in pieces[1::2]]
    assert len(headings) == len(set(headings))
    return dict(zip(headings, texts, strict=True))


CODE: Final = re.compile(r"^```.*?^```|(?P<ticks>`+)(?P<inline>.+?)(?P=ticks)", re.MULTILINE | re.DOTALL)
"""Fenced blocks of code, and inline code."""


def inline_code(text: str) -> list[str]:
    """What a page has in backticks, outside of fenced blocks."""
    return [match["inline"] for match in CODE.finditer(text) if match["inline"]]
