"""The pages of docs/, README.md, CONTRIBUTING.md and SECURITY.md say what the code says, no more and no less."""

import ast
import io
import json
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web

from deploy.local import configuration
from deploy.local.settings import CHECKOUT, HANDED_ON, read_settings
from deploy.processes import PROCESSES as ALL_PROCESSES
from deploy.processes import REPLICAS_SETTINGS
from services.resolver.app import create_api as create_resolver
from services.resolver.settings import ResolverSettings
from services.stats.app import create_api as create_stats
from services.stats.app import create_consumer
from services.stats.settings import ConsumerSettings, StatsSettings
from services.writer.api_keys.command import KeysSettings
from services.writer.app import create_api as create_writer
from services.writer.app import create_relay
from services.writer.settings import RelaySettings, WriterSettings
from shared.domain.errors import BoltLinkError, SettingsError
from shared.http import problems
from shared.postgres.migrate import MigrateSettings
from shared.process.metrics import REGISTRY
from shared.process.settings import Environment

DOCS: Final = CHECKOUT / "docs"
TOP_PAGES: Final = tuple(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))
PAGES: Final = sorted([*TOP_PAGES, *DOCS.rglob("*.md")])
"""Without CHANGELOG.md, which also names what is gone."""

SERVICES: Final = (WriterSettings, RelaySettings, ResolverSettings, StatsSettings, ConsumerSettings)
COMMANDS: Final = (MigrateSettings, KeysSettings)

ENOUGH: Final = {
    "DATABASE_URL": "postgresql://role@127.0.0.1/name",
    "REDIS_URL": "redis://127.0.0.1",
    "SPOOL_FOLDER": "/nowhere",
    "VISITOR_SECRET": "secret",
}
"""What a process cannot do without; nothing is opened with it here."""

PROCESSES: Final[Mapping[str, Callable[[], web.Application]]] = {
    "Writer": lambda: create_writer(WriterSettings.from_env(ENOUGH)),
    "Relay": lambda: create_relay(RelaySettings.from_env(ENOUGH)),
    "Resolver": lambda: create_resolver(ResolverSettings.from_env(ENOUGH)),
    "Stats": lambda: create_stats(StatsSettings.from_env(ENOUGH)),
    "Consumer": lambda: create_consumer(ConsumerSettings.from_env(ENOUGH)),
}


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


# Words


@pytest.mark.parametrize(("pattern", "use"), [(r"\bPostgres\b", "PostgreSQL"), (r"stream of clicks", "click stream")])
def test_the_pages_use_one_name(pattern: str, use: str) -> None:
    for path in PAGES:
        text = _CODE.sub("", path.read_text(encoding="utf-8"))
        assert not re.search(pattern, text), f"{path.name}: {use}"


# Processes


def test_the_table_of_processes_is_that_of_the_runtimes() -> None:
    counts = {name: process.replicas for name, process in ALL_PROCESSES.items()}
    told = re.findall(r"^\| `([a-z]+)-1(?:…(\d+))?` \|", page("architecture.md"), re.MULTILINE)
    assert {name: int(last or 1) for name, last in told} == counts
    assert {name.lower() for name in PROCESSES} == set(counts)


# Configuration


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


def test_every_variable_of_the_compose_files_is_documented() -> None:
    names: set[str] = set()
    for name in ("docker-compose.yml", "docker-compose.prod.yml"):
        names |= set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (CHECKOUT / name).read_text(encoding="utf-8")))
    described = set(re.findall(r"^\| `([A-Z_]+)` \|", page("containers.md"), re.MULTILINE))
    assert described <= names
    assert names <= described | set(sections("configuration.md", 3))


def test_every_variable_has_its_heading_and_no_heading_is_without_a_variable() -> None:
    assert set(sections("configuration.md", 3)) == without_variants(all_variables())


def test_every_secret_names_its_file_variant_and_nothing_else_does() -> None:
    names = all_variables()
    variants = names - without_variants(names)
    assert variants
    for name, text in sections("configuration.md", 3).items():
        assert set(re.findall(r"Variant:\s`(\w+)`", text)) == {f"{name}_FILE"} & variants


def test_every_default_and_bound_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[tuple[str, float, float, float]] = set()
    for kind, least, most in (("integer", None, 2**31 - 1), ("seconds", 0.001, 86_400 * 366)):
        monkeypatch.setattr(Environment, kind, _noting(getattr(Environment, kind), asked, least, most))
    read_by(*SERVICES, *COMMANDS)
    assert asked
    documented = sections("configuration.md", 3)
    for name, default, lower, upper in asked:
        text = re.sub(r"\s+", " ", documented[name])
        assert f"`{_number(default)}`" in re.sub(r"From.*", "", text), name
        assert f"From `{_number(lower)}` to `{_number(upper)}`." in text, name


def _noting(
    read: Callable[..., float], asked: set[tuple[str, float, float, float]], lower: float | None, upper: float
) -> Callable[..., float]:
    def reading(
        env: Environment, name: str, default: float, *, least: float | None = lower, most: float = upper
    ) -> float:
        assert least is not None
        asked.add((name, default, least, most))
        return read(env, name, default, least=least, most=most)

    return reading


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def test_the_local_runtime_hands_on_exactly_the_settings_that_it_does_not_set_itself(tmp_path: Path) -> None:
    settings = read_settings({}, checkout=tmp_path)
    set_by_it: set[str] = set()
    for name, port in settings.http_ports.items():
        _, env = configuration.service(settings, name, port)
        set_by_it |= set(env)
    read = read_by(*SERVICES)
    assert set_by_it & read >= {"INSTANCE_ID", "DATABASE_URL_FILE"}
    left = {name for name in without_variants(read) if not {name, f"{name}_FILE"} & set_by_it}
    assert sorted(HANDED_ON) == sorted(left)


def test_what_the_local_runtime_sets_is_marked_and_nothing_else_is() -> None:
    marked = {name for name, text in sections("configuration.md", 3).items() if "*Set by the local" in text}
    read_by_runtime = read_by_source("deploy/local/settings.py", "values") | set(REPLICAS_SETTINGS)
    handed_on = {*HANDED_ON, *without_variants(read_by_runtime), "HOST"}
    assert marked == without_variants(all_variables()) - handed_on


# Problems


def _nginx_problems() -> dict[str, int]:
    text = (CHECKOUT / "nginx" / "problems.conf").read_text(encoding="utf-8")
    return {
        slug: int(status) for status, slug in re.findall(r"return (\d{3}) '{\"type\":\"/problems/([a-z-]+)\"", text)
    }


def _kinds() -> list[problems.ProblemType]:
    plain = [problems.of_status(status).kind for status in (400, 404, 405)]
    return [*problems.CATALOGUE.values(), *plain, problems.internal_error().kind]


def test_every_problem_has_its_heading_and_no_heading_is_without_a_problem() -> None:
    statuses = {kind.slug: kind.status for kind in _kinds()} | _nginx_problems()
    documented = sections("problems.md", 3)
    assert set(documented) == set(statuses)
    for slug, text in documented.items():
        assert re.match(rf"\nStatus {statuses[slug]}[.,]", text), slug


def test_nginx_and_the_services_use_a_slug_for_the_same_status() -> None:
    statuses = {kind.slug: kind.status for kind in _kinds()}
    for slug, status in _nginx_problems().items():
        assert statuses.get(slug, status) == status


def test_every_example_of_a_problem_agrees_with_the_catalogue() -> None:
    kinds = {f"/problems/{kind.slug}": kind for kind in _kinds()}
    examples = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page("problems.md"), re.DOTALL)]
    assert examples
    for example in examples:
        kind = kinds[example["type"]]
        assert (example["title"], example["status"]) == (kind.title, kind.status)


def test_every_error_of_the_domain_is_in_the_catalogue() -> None:
    assert set(_descendants(BoltLinkError)) == set(problems.CATALOGUE)


def _descendants(kind: type[BoltLinkError]) -> Iterator[type[BoltLinkError]]:
    for child in kind.__subclasses__():
        if child.__module__ == BoltLinkError.__module__:
            yield child
        yield from _descendants(child)


# Metrics


def _registered() -> dict[str, dict[str, str]]:
    """Name and type of every metric of each process."""
    return {
        process: {collector.name: collector.kind.name for collector in create()[REGISTRY].get_all()}
        for process, create in PROCESSES.items()
    }


def _documented_metrics() -> dict[str, dict[str, str]]:
    return {
        heading: dict(re.findall(r"^\| `(boltlink_\w+)` \| (\w+) \|", text, flags=re.MULTILINE))
        for heading, text in sections("metrics.md", 2).items()
    }


def test_every_metric_is_documented_where_it_is_and_no_documented_one_is_missing() -> None:
    registered = _registered()
    common = dict(set.intersection(*(set(metrics.items()) for metrics in registered.values())))
    expected = {"Every process": common} | {
        process: {name: kind for name, kind in metrics.items() if name not in common}
        for process, metrics in registered.items()
    }
    documented = _documented_metrics()
    assert {heading: found for heading, found in documented.items() if found} == {
        heading: wanted for heading, wanted in expected.items() if wanted
    }


def test_every_metric_that_a_page_names_is_in_the_code() -> None:
    registered = {name for metrics in _registered().values() for name in metrics}
    for path in PAGES:
        for name in re.findall(r"`(boltlink_\w+)`", path.read_text(encoding="utf-8")):
            assert name in registered | _database_names() | {CERTIFICATE_END}, f"{path.name}: {name}"


CERTIFICATE_END: Final = "boltlink_certificate_end_seconds"
"""No service has it: deploy/compose/certificate-watch.sh writes it for the node exporter."""


def _database_names() -> set[str]:
    return {f"boltlink_{role}" for role in configuration.DATABASE_ROLES}


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
    phrases = {re.sub(r"\s+", " ", text) for look in looks for text in _inline_code(look)}
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


# Links, paths, targets

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^```.*?^```|(?P<ticks>`+)(?P<inline>.+?)(?P=ticks)", re.MULTILINE | re.DOTALL)


def _inline_code(text: str) -> list[str]:
    return [match["inline"] for match in _CODE.finditer(text) if match["inline"]]


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
        for text in _inline_code(path.read_text(encoding="utf-8"))
        if _is_repository_path(text) and not any(CHECKOUT.glob(text.rstrip("/")))
    ]
    assert missing == []


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


def _named_targets(text: str) -> set[str]:
    blocks = [match[0] for match in _CODE.finditer(text) if not match["inline"]]
    commands = [*_inline_code(text), *(line for block in blocks for line in block.splitlines())]
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
