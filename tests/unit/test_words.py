"""Words that were replaced do not come back: one thing has one word, and docs/glossary.md has it."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Final

import pytest

CHECKOUT: Final = Path(__file__).parents[2]

UNCHECKED: Final = (
    "CHANGELOG.md",  # tells users what was renamed
    "requirements/*",
    "shared/postgres/migrations/*",  # a migration that has run is never changed
    "services/writer/api_docs/openapi.json",  # made from the code, which is checked
    "monitoring/grafana/dashboards/*",  # made from the code, too
    "tests/unit/test_words.py",
)


@dataclass(frozen=True, slots=True)
class Replaced:
    """A word that is gone, as a regular expression; what to use; the files that still have to name it."""

    pattern: str
    use: str
    but_in: tuple[str, ...] = ()
    flags: re.RegexFlag = re.IGNORECASE


EXACT: Final = re.RegexFlag(0)
"""For names whose letters are common words in another case."""

REPLACED: Final = (
    Replaced(r"(?<![a-z])doors?(?![a-z])", "nginx or reverse proxy; base_url for its address"),
    Replaced(r"short[ _-]?ways?(?![a-z])", "fast path"),
    Replaced(r"ordinary[ _-]ways?(?![a-z])", "application path"),
    Replaced(r"redis_?pipe(?![a-z])", "raw connection"),
    Replaced(r"(?<![a-z])receipts?(?![a-z])", "replay buffer"),
    Replaced(r"broken[ _-]?clicks?(?![a-z])", "dead letter"),
    Replaced(r"(?<![a-z])set(s|ting)?[ _]aside(?![a-z])", "dead letter"),
    Replaced(
        r"clicks:broken",
        "clicks:dead-letters",
        but_in=(
            "shared/redis/keys.py",
            "services/stats/counting/dead_letters.py",
            "tests/integration/test_dead_letters.py",
        ),
    ),
    Replaced(r"feed_spool", "drain_spool"),
    Replaced(r"keep_doing", "background_loop"),
    Replaced(r"patient_redis", "BACKGROUND_REDIS"),
    Replaced(r"yardsticks?", "baseline"),
    Replaced(r"nuisances?", "abusive clients"),
    Replaced(r"(?<![a-z])crowds?(?![a-z])", "load generator"),
    Replaced(r"\bPassage\b", "TcpProxy", flags=EXACT),
    Replaced(r"\bFuse\b", "fault injector", flags=EXACT),
    Replaced(r"hand_over(?![a-z])", "export, or the verb of what happens"),
    Replaced(r"create_edge", "error_middleware"),
    Replaced(r"create_gate", "auth_middleware"),
    Replaced(r"\bREADINGS\b", "COLLECTORS", flags=EXACT),
    Replaced(r"\bPortion\b", "AdaptiveBatchSize", flags=EXACT),
    Replaced(r"\bWish(es)?\b", "LinkRequest", flags=EXACT),
    Replaced(r"verdicts?", "report"),
    Replaced(r"(?<![a-z])(wish(es)?|outcomes?)(?![a-z])", "request for a link, LinkRequest; result, CreationResult"),
    Replaced(
        r"shortening|page_texts|(?<![a-z])(redirecting|verifying)(?![a-z])",
        "the name of the module that took its place",
    ),
    Replaced(r"republish", "recovery, or publish again"),
    Replaced(r"(_|\b)MOST\b", "MAX_…", flags=EXACT),
    Replaced(r"PATIENCE", "…_TIMEOUT", flags=EXACT),
    Replaced(r"_LEAVING_", "DRAIN_TIMEOUT", flags=EXACT),
    Replaced(
        r"(?<![a-z])(is|are|was|were|be|been|redis|postgres|postgresql|stores?)[ _]away(?![a-z])",
        "unavailable; afterwards: available again",
    ),
    Replaced(r"(?<![a-z])(leaves?|left|leaving)[ _]word(?![a-z])", "write an outbox message"),
    Replaced(r"(?<![a-z])twins?(?![a-z])", "variant"),
)


@cache
def texts() -> dict[str, str]:
    """Every text file that is, or could be, under version control, by its path in the checkout."""
    found = {}
    for path in _files():
        name = path.relative_to(CHECKOUT).as_posix()
        if any(fnmatch(name, pattern) for pattern in UNCHECKED):
            continue
        try:
            found[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def _files() -> Iterator[Path]:
    """Without git, which refuses to list a checkout that belongs to another user."""
    ignored = [".git", *(line.rstrip("/") for line in (CHECKOUT / ".gitignore").read_text(encoding="utf-8").split())]
    for folder, folders, names in os.walk(CHECKOUT):
        folders[:] = [name for name in folders if not any(fnmatch(name, pattern) for pattern in ignored)]
        yield from (
            Path(folder, name)
            for name in sorted(names)
            if not any(fnmatch(name, pattern) for pattern in ignored) and not Path(folder, name).is_symlink()
        )


def found(replaced: Replaced, name: str, text: str) -> list[str]:
    """Where a file has a replaced word, as `path:line: word`; its path counts as line 0."""
    pattern = re.compile(replaced.pattern, replaced.flags)
    return [
        f"{name}:{number}: {match[0]}"
        for number, line in enumerate([name, *text.splitlines()])
        for match in pattern.finditer(line)
    ]


def test_the_files_are_found() -> None:
    assert {"README.md", "services/resolver/app.py", "nginx/routes.conf", "docs/glossary.md", ".ci/run"} <= set(texts())


@pytest.mark.parametrize("replaced", REPLACED, ids=lambda replaced: replaced.use)
def test_a_replaced_word_does_not_come_back(replaced: Replaced) -> None:
    places = [
        place for name, text in texts().items() if name not in replaced.but_in for place in found(replaced, name, text)
    ]
    assert not places, "\n".join([f"use: {replaced.use}", *places])


@pytest.mark.parametrize("name", [name for replaced in REPLACED for name in replaced.but_in])
def test_an_exception_is_a_file(name: str) -> None:
    assert (CHECKOUT / name).is_file()


@pytest.mark.parametrize(
    "text",
    [
        "the door's port",
        "door_url",
        "the short way",
        "go_ordinary_way",
        "class RedisPipe",
        "self._receipts",
        "broken_clicks",
        "BrokenClicks",
        "events that are set aside",
        "`hand_over`",
        "CODES_MOST = 3",
        "Redis is away",
        "test_with_redis_away",
        "leave word in the outbox",
        "its `_FILE` twin",
    ],
)
def test_a_replaced_word_is_seen_in_prose_and_in_names(text: str) -> None:
    assert any(found(replaced, "x", text) for replaced in REPLACED)


@pytest.mark.parametrize(
    "text",
    ["indoors", "almost", "most", "between", "twinkle", "a passage", "fused", "to confuse", "put away", "patience"],
)
def test_other_words_are_left_alone(text: str) -> None:
    assert not any(found(replaced, "x", text) for replaced in REPLACED)
