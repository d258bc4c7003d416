"""docs/configuration.md and docs/containers.md have every setting, its default and its bounds, and no other."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.common.checkout import CHECKOUT
from deploy.local import configuration
from deploy.local.settings import HANDED_ON, read_settings
from deploy.processes import REPLICAS_SETTINGS
from shared.process.settings import Environment
from tests.unit.documentation import (
    COMMANDS,
    SERVICES,
    all_variables,
    page,
    read_by,
    read_by_source,
    sections,
    without_variants,
)


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
