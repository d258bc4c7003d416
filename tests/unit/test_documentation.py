"""The links, paths and `make` targets of the pages exist, and the index of decisions and the glossary are complete."""

import re
from pathlib import Path

import pytest

from deploy.common.checkout import CHECKOUT
from tests.unit.documentation import CODE, DOCS, PAGES, inline_code, page


def test_every_page_that_a_file_of_the_containers_points_to_is_there() -> None:
    patterns = (
        "docker-compose*.yml",
        "deploy/compose/*",
        "services/Dockerfile*",
        "monitoring/**/*.yml",
        "nginx/**/*",
        ".ci/run",
    )
    files = {path for pattern in patterns for path in CHECKOUT.glob(pattern) if path.is_file()}
    pointed = {name for path in files for name in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8"))}
    assert "docs/containers.md" in pointed
    assert {name for name in pointed if not (CHECKOUT / name).is_file()} == set()


# Links, paths, targets


_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _anchors(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#{1,6} (.+)$", _FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)[^)]*\)", _FENCED.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = path.parent / name if name else path
        assert found.exists(), target
        if anchor and found.suffix == ".md":
            assert anchor in _anchors(found.read_text(encoding="utf-8")), target


def _ignored() -> set[str]:
    lines = (CHECKOUT / ".gitignore").read_text(encoding="utf-8").split()
    return {line.rstrip("/") for line in lines}


_FILE = re.compile(r"\.(py|md|sql|conf|template|txt|in|toml|yml|yaml|html|css|js|svg|json)\Z")


def _is_repository_path(text: str) -> bool:
    """Whether a text in backticks names something in a folder of the checkout, or looks as if it should."""
    if not re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", text) or "/" not in text:
        return False
    first = text.split("/", maxsplit=1)[0]
    if first in _ignored():
        return False
    return (CHECKOUT / first).is_dir() or text.endswith("/") or _FILE.search(text) is not None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_every_path_in_backticks_exists(path: Path) -> None:
    missing = [
        text
        for text in inline_code(path.read_text(encoding="utf-8"))
        if _is_repository_path(text) and not any(CHECKOUT.glob(text.rstrip("/")))
    ]
    assert missing == []


def _named_targets(text: str) -> set[str]:
    blocks = [match[0] for match in CODE.finditer(text) if not match["inline"]]
    commands = [*inline_code(text), *(line for block in blocks for line in block.splitlines())]
    found = (re.match(r"\s*(?:\$ )?make ([a-z][a-z0-9-]*)", command) for command in commands)
    return {match[1] for match in found if match}


def _makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z0-9-]*):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_every_make_target_that_a_page_names_exists(path: Path) -> None:
    assert _named_targets(path.read_text(encoding="utf-8")) <= _makefile_targets()


def test_every_make_target_that_make_lists_is_in_the_page_for_contributors() -> None:
    listed = re.findall(r"^([a-z0-9-]+):.*## ", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    contributing = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(listed) - {"help"} <= _named_targets(contributing)


def test_the_index_of_decisions_lists_every_decision_once_with_its_title() -> None:
    folder = DOCS / "decisions"
    index = re.findall(r"^\| (\d+) \| \[(.+)\]\((\S+)\) \|", page("decisions/README.md"), re.MULTILINE)
    titles = {path.name: path.read_text(encoding="utf-8").splitlines()[0] for path in folder.glob("[0-9]*.md")}
    assert len(index) == len(titles)
    assert {name: f"# {number}. {title}" for number, title, name in index} == titles
    assert all(name.startswith(f"{int(number):04d}-") for number, _, name in index)


def test_every_decision_says_context_choice_what_lost_and_cost() -> None:
    for path in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        headings = re.findall(r"^\*\*(.+)\.\*\*", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == ["Context", "Choice", "What lost", "Cost"], path.name


def test_the_glossary_has_each_word_once_and_in_alphabetical_order() -> None:
    words = re.findall(r"^\*\*(.+?)\*\*", page("glossary.md"), re.MULTILINE)
    assert len(words) > 50
    assert words == sorted(set(words), key=lambda word: word.lower().replace("_", " "))


def test_no_page_names_a_folder_of_somebodys_machine() -> None:
    for path in PAGES:
        assert not re.search(r"(?<![\w.])/(home|work|root|Users)/", path.read_text(encoding="utf-8")), path.name
