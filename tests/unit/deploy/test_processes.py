"""processes.toml describes what the code is, and every runtime hands on the settings that it lists."""

import ast
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy.common.checkout import CHECKOUT
from deploy.local import configuration
from deploy.local.settings import LocalSettings, read_settings
from deploy.processes import (
    COMMANDS_ENVIRONMENT,
    MAX_REPLICAS,
    PROCESSES,
    REPLICAS_SETTINGS,
    Process,
    pools,
    read_instances,
)
from services.writer.api_keys.command import KeysSettings
from shared.postgres.migrate import ROLES, MigrateSettings
from tests.unit.documentation import read_by, sections, without_variants

SET_BY_THE_RUNTIME: Final = {
    "INSTANCE_ID",
    "DATABASE_URL",
    "REDIS_URL",
    "PUBLIC_URL",
    "SPOOL_FOLDER",
    "VISITOR_SECRET",
}
ARGUMENTS_OF_COMMANDS: Final = {
    "DATABASE_URL",
    "BOLTLINK_ADMIN_KEY",
    *(f"{r.upper()}_DATABASE_PASSWORD" for r in ROLES),
}

NEEDED: Final = {
    "DATABASE_URL": "postgresql://role@127.0.0.1/name",
    "REDIS_URL": "redis://127.0.0.1",
    "SPOOL_FOLDER": "/nowhere",
    "VISITOR_SECRET": "secret",
}
"""What a process cannot do without."""

EVERY_PROCESS: Final = pytest.mark.parametrize("process", PROCESSES.values(), ids=lambda process: process.name)


def load(reference: str) -> Any:
    """The object that MODULE:NAME refers to."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def settings_read_by(process: Process) -> set[str]:
    """The settings that a process reads and that users may set."""
    return without_variants(read_by(load(process.settings))) - SET_BY_THE_RUNTIME


@EVERY_PROCESS
def test_environment_lists_exactly_the_settings_that_the_process_reads(process: Process) -> None:
    assert sorted(process.environment) == sorted(settings_read_by(process))


def test_environment_of_the_commands_lists_exactly_the_settings_that_they_read() -> None:
    read = without_variants(read_by(MigrateSettings, KeysSettings)) - ARGUMENTS_OF_COMMANDS
    assert sorted(COMMANDS_ENVIRONMENT) == sorted(read)


@EVERY_PROCESS
def test_a_process_gets_the_stores_secrets_and_spool_that_it_reads(process: Process) -> None:
    read = read_by(load(process.settings))
    assert set(process.secret_variables) == {name for name in read if name.endswith("_FILE")}
    assert process.spool == ("SPOOL_FOLDER" in read)


@EVERY_PROCESS
def test_a_factory_exists_in_the_service_of_its_process(process: Process) -> None:
    assert callable(load(process.factory))
    assert process.factory.startswith(f"services.{process.service}.")
    assert process.settings.startswith(f"services.{process.service}.")


def test_every_application_that_a_service_can_serve_is_a_process() -> None:
    found = {
        f"services.{path.parent.name}.app:{node.name}"
        for path in (CHECKOUT / "services").glob("*/app.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name.startswith("serve_")
    }
    assert found == {process.factory for process in PROCESSES.values()}


@EVERY_PROCESS
def test_a_role_is_one_that_the_migrations_give_a_password(process: Process) -> None:
    assert process.role in ROLES


def test_the_pools_are_those_that_nginx_routes_to() -> None:
    routes = (CHECKOUT / "nginx" / "routes.conf").read_text(encoding="utf-8")
    names = {pool.name for pool in pools(read_instances({}))}
    assert names == set(re.findall(r"proxy_pass http://(\w+);", routes))


@EVERY_PROCESS
def test_the_image_listens_and_is_checked_where_the_process_says(process: Process) -> None:
    dockerfile = (CHECKOUT / "services" / "Dockerfile").read_text(encoding="utf-8")
    assert f"PORT={process.port} HEALTH_PATH={process.health}\n" in dockerfile
    assert f"EXPOSE {process.port}\n" in dockerfile


# Replicas


@pytest.mark.parametrize("text", ["0", str(MAX_REPLICAS + 1), "-1", "2.5", "many", "٣"])
def test_a_wrong_number_of_replicas_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RESOLVERS must be a whole number from 1 to 20"):
        read_instances({"RESOLVERS": text})


@pytest.mark.parametrize(("text", "count"), [("", 3), (" ", 3), ("1", 1), ("5", 5), ("20", 20)])
def test_a_setting_changes_the_replicas(text: str, count: int) -> None:
    found = [instance for instance in read_instances({"RESOLVERS": text}) if instance.process.name == "resolver"]
    assert [instance.compose_name for instance in found] == [f"resolver{number + 1}" for number in range(count)]


def test_production_has_a_second_consumer() -> None:
    more = set(read_instances({}, production=True)) - set(read_instances({}))
    assert [instance.container for instance in more] == ["boltlink-consumer2"]


def test_every_setting_of_replicas_is_documented_with_its_default_and_bounds() -> None:
    described = sections("configuration.md", 3)
    for process in PROCESSES.values():
        if process.replicas_setting:
            text = re.sub(r"\s+", " ", described[process.replicas_setting])
            assert f"Default: `{process.replicas}`." in text
            assert f"From `1` to `{MAX_REPLICAS}`." in text
    assert set(described) >= set(REPLICAS_SETTINGS)


# Settings reach the processes


EVERY_SETTING: Final = [(process.name, name) for process in PROCESSES.values() for name in process.environment]


def given(checkout: Path, **environ: str) -> LocalSettings:
    settings = read_settings({"BOLTLINK_STATE": str(checkout), **environ}, checkout)
    settings.secrets.mkdir()
    (settings.secrets / "postgres").touch()
    return settings


@pytest.mark.parametrize(("name", "setting"), EVERY_SETTING)
def test_the_local_runtime_hands_a_setting_on(tmp_path: Path, name: str, setting: str) -> None:
    _, env = configuration.service(given(tmp_path, **{setting: "value"}), f"{name}-1", 8000)
    assert env[setting] == "value"


@pytest.mark.parametrize("setting", COMMANDS_ENVIRONMENT)
def test_the_local_runtime_hands_a_setting_on_to_the_commands(tmp_path: Path, setting: str) -> None:
    assert configuration.owner_env(given(tmp_path, **{setting: "value"}))[setting] == "value"


def compose_services() -> Mapping[str, Any]:
    services: Mapping[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))[
        "services"
    ]
    return services


@pytest.mark.parametrize("instance", read_instances({}), ids=lambda instance: instance.name)
def test_compose_hands_every_setting_on_without_a_default_of_its_own(instance: Any) -> None:
    environment = compose_services()[instance.compose_name]["environment"]
    for setting in settings_read_by(instance.process):
        assert environment[setting] == f"${{{setting}:-}}"


def test_compose_hands_every_setting_on_to_the_commands() -> None:
    environment = compose_services()["migrate"]["environment"]
    assert {environment[setting] for setting in COMMANDS_ENVIRONMENT} == {
        f"${{{name}:-}}" for name in COMMANDS_ENVIRONMENT
    }


@EVERY_PROCESS
def test_an_empty_setting_means_its_default(process: Process) -> None:
    settings = load(process.settings)
    assert settings.from_env(NEEDED) == settings.from_env(NEEDED | dict.fromkeys(process.environment, ""))


# nginx must not refuse a body that the settings allow.


def maximum_of(setting: str) -> int:
    """The largest value that a setting may have; another test holds the page against the code."""
    found = re.search(r"From\s`\d+`\sto\s`(\d+)`", sections("configuration.md", 3)[setting])
    assert found
    return int(found[1])


@pytest.mark.parametrize(
    ("location", "setting"),
    [
        ("= /links ", "BODY_LIMIT"),
        ("^~ /links/ ", "BODY_LIMIT"),
        ("= /keys ", "BODY_LIMIT"),
        ("= /links/batch ", "BATCH_BODY_LIMIT"),
    ],
)
def test_nginx_lets_every_body_through_that_a_setting_may_allow(location: str, setting: str) -> None:
    routes = (CHECKOUT / "nginx" / "routes.conf").read_text(encoding="utf-8")
    found = re.search(rf"^location {re.escape(location)}.*client_max_body_size (\d+)m;", routes, re.MULTILINE)
    assert found
    assert int(found[1]) * 2**20 >= maximum_of(setting)
