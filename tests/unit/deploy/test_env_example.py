"""`.env.example` has every setting that users may set, with the default of the pages and of the code."""

import re
from pathlib import Path
from typing import Final

import pytest

from deploy.common.checkout import CHECKOUT
from deploy.local.settings import read_settings
from deploy.processes import PROCESSES, Process
from tests.unit.deploy.test_processes import EVERY_PROCESS, NEEDED, load
from tests.unit.documentation import page, sections

TEXT: Final = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
EXAMPLE: Final[dict[str, str]] = dict(re.findall(r"^#([A-Z_]+)=(.*)$", TEXT, re.MULTILINE))

NOT_IN_ENV_FILE: Final = {"HOST", *(f"{role}_DATABASE_PASSWORD" for role in ("WRITER", "RESOLVER", "STATS", "MONITOR"))}
"""Settings of a process that is started without make."""


def documented_defaults() -> dict[str, str]:
    """Every setting of the pages that users may set, with its default; empty when the page names no single value."""
    described = {
        name: text
        for name, text in sections("configuration.md", 3).items()
        if "*Set by the local" not in text and name not in NOT_IN_ENV_FILE
    }
    found = {name: _default(text) for name, text in described.items()}
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", page("containers.md"), re.MULTILINE)
    return found | {name: "" if default == "required" else default.strip("`") for name, default in rows}


def _default(text: str) -> str:
    sentence = re.search(r"Default:(.*?)(?:\.\s|\.\Z|;)", re.sub(r"\s+", " ", text))
    assert sentence
    alone = re.fullmatch(r" `([^`]*)`(, .*| in the checkout)?", sentence[1])
    return alone[1] if alone and "elsewhere" not in sentence[1] and " in the consumer" not in sentence[1] else ""


def test_every_setting_is_there_and_no_other() -> None:
    assert set(EXAMPLE) == {*documented_defaults(), "BOLTLINK_PRODUCTION"}


def test_no_setting_is_there_twice() -> None:
    assert len(EXAMPLE) == len(re.findall(r"^#[A-Z_]+=", TEXT, re.MULTILINE))


@pytest.mark.parametrize("name", documented_defaults())
def test_a_default_is_the_one_of_the_pages(name: str) -> None:
    assert EXAMPLE[name] == documented_defaults()[name]


def test_every_setting_has_one_line_that_explains_it() -> None:
    lines = TEXT.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#[A-Z_]+=", line):
            assert re.match(r"# [A-Zn0-9y].*\.\Z", lines[number - 1]), line


@EVERY_PROCESS
def test_a_process_takes_the_defaults_for_what_they_are(process: Process) -> None:
    settings = load(process.settings)
    given = {name: EXAMPLE[name] for name in process.environment}
    assert settings.from_env(NEEDED | given) == settings.from_env(NEEDED)


def test_the_local_runtime_takes_the_defaults_for_what_they_are(tmp_path: Path) -> None:
    handed_on = {name for process in PROCESSES.values() for name in process.environment}
    values = {name: value for name, value in EXAMPLE.items() if name not in {*handed_on, "BOLTLINK_STATE"}}
    assert read_settings(values, tmp_path) == read_settings({}, tmp_path)
