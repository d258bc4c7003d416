"""The contents of our images, the restrictions of containers, the open ports, and the end of a service."""

import json
import os
import re
import subprocess
from typing import Any, Final

import pytest
import yaml

from deploy.common.checkout import CHECKOUT
from deploy.common.faults import RuntimeFault
from tests.support.containers import IMAGE_TAG, System, containers, docker, inspect, inspect_image

IMAGES: Final = ("writer", "resolver", "stats")
ONCE: Final = "boltlink-migrate"
RUNNING: Final = sorted(
    service["container_name"]
    for service in yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))["services"].values()
)

pytestmark = pytest.mark.usefixtures("system")


def _in_image(service: str, script: str) -> str:
    name = f"boltlink-{service}:{IMAGE_TAG}"
    return docker("run", "--rm", "--network", "none", "--entrypoint", "sh", name, "-c", script)


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_contains_shared_and_its_own_service_only(service: str) -> None:
    files = _in_image(service, "cd /app && find . -type f").split()
    expected = ("./shared/", f"./services/{service}/")
    assert {file for file in files if not file.startswith(expected)} == {"./services/__init__.py"}
    ours = {
        f"./{path.relative_to(CHECKOUT)}"
        for folder in ("shared", f"services/{service}")
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {file for file in files if file.startswith(expected)} == ours


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_contains_no_secret(service: str) -> None:
    image = inspect_image(f"boltlink-{service}:{IMAGE_TAG}")
    names = {entry.partition("=")[0] for entry in image["Config"]["Env"]}
    assert not [name for name in names if any(word in name for word in ("PASSWORD", "SECRET", "KEY", "_URL"))]
    found = _in_image(service, "ls -A /run/secrets /app/.env /app/.boltlink-secrets 2>/dev/null; true")
    assert found == ""


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_has_no_tool_to_build_or_install_with(service: str) -> None:
    tools = "pip pip3 gcc cc c++ g++ clang make ld git curl wget"
    assert _in_image(service, f"for tool in {tools}; do command -v $tool; done; true") == ""
    pip = (
        "for python in python /usr/local/bin/python; do $python -c 'import pip' 2>/dev/null && echo $python; done; true"
    )
    assert _in_image(service, pip) == ""


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_runs_as_an_ordinary_user_that_owns_only_the_spool(service: str) -> None:
    assert _in_image(service, "id -u") == "10001"
    owned = "find / -xdev -user 10001 -not -path '/proc/*' -not -path '/dev/*' 2>/dev/null; true"
    assert _in_image(service, owned) == "/spool"


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_declares_its_labels_its_health_check_and_its_stop_signal(service: str) -> None:
    config = inspect_image(f"boltlink-{service}:{IMAGE_TAG}")["Config"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert {"PORT=8000", "HEALTH_PATH=/health"} <= set(config["Env"])
    assert config["Labels"]["org.opencontainers.image.title"] == f"boltlink-{service}"
    assert config["Labels"]["org.opencontainers.image.version"]
    assert "uid=10001(boltlink)" in _in_image(service, "id")


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_is_as_large_as_the_documentation_says(service: str) -> None:
    base = inspect_image(f"python:{os.environ.get('PYTHON_TAG', '3.13-slim')}")["Size"]
    documented = re.search(
        r"adds (\d+) MB to its base", (CHECKOUT / "docs" / "containers.md").read_text(encoding="utf-8")
    )
    assert documented
    assert inspect_image(f"boltlink-{service}:{IMAGE_TAG}")["Size"] - base == pytest.approx(
        int(documented[1]) * 1e6, rel=0.1
    )


@pytest.mark.parametrize("name", RUNNING)
def test_a_container_is_restricted(name: str) -> None:
    host = inspect(name)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Init"]


@pytest.mark.parametrize("name", RUNNING)
def test_a_container_has_limits_and_restarts(name: str) -> None:
    host = inspect(name)["HostConfig"]
    assert host["RestartPolicy"]["Name"] == ("no" if name == ONCE else "unless-stopped")
    assert host["NanoCpus"] > 0
    assert host["Memory"] > host["MemoryReservation"] > 0
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


@pytest.mark.parametrize("name", [name for name in RUNNING if name != ONCE])
def test_no_process_of_a_container_is_root(name: str) -> None:
    shown = docker("top", name, "-eo", "uid,pid,args").splitlines()[1:]
    assert shown
    assert [line for line in shown if line.split()[0] == "0"] == []


def test_only_nginx_can_be_reached_from_other_machines() -> None:
    published: dict[str, set[str]] = {}
    for name in containers():
        ports: dict[str, list[dict[str, str]] | None] = inspect(name)["NetworkSettings"]["Ports"]
        if hosts := {binding["HostIp"] for bindings in ports.values() for binding in bindings or ()}:
            published[name] = hosts
    assert published == {
        "boltlink-nginx": {"0.0.0.0"},  # noqa: S104  # compared, not bound
        "boltlink-prometheus": {"127.0.0.1"},
        "boltlink-grafana": {"127.0.0.1"},
    }


def test_services_stop_in_time(system: System) -> None:
    services = system.engine.services
    system.compose("stop", *services)
    states = {name: inspect(f"boltlink-{name}")["State"] for name in services}
    system.compose("up", "-d", "--wait")
    assert {name: state["ExitCode"] for name, state in states.items()} == dict.fromkeys(services, 0)


FILES: Final = ["-f", "docker-compose.yml"]
PRODUCTION: Final = [*FILES, "-f", "docker-compose.prod.yml"]
NEEDED: Final = {
    "BOLTLINK_PUBLIC_URL": "https://s.example.com",
    "BOLTLINK_SECRETS": "/etc/boltlink/secrets",
    "BOLTLINK_CERTIFICATES": "/etc/boltlink/certificates",
}


def _config(files: list[str], *, json_form: bool = False, without: str = "") -> str:
    """The configuration as Compose reads it, without this checkout's .env."""
    options = ["--format", "json"] if json_form else ["-q"]
    given = [f"{name}={value}" for name, value in NEEDED.items() if name != without]
    unset = [word for name in ("BOLTLINK_TAG", *NEEDED) for word in ("-u", name)]
    words = ["env", *unset, *given, "docker", "compose", "--env-file", "/dev/null", *files, "config", *options]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeFault(done.stderr)
    assert done.stderr == ""  # no warning of a variable that is not set
    return done.stdout


@pytest.mark.parametrize("files", [FILES, PRODUCTION], ids=["default", "production"])
def test_the_configuration_is_valid(files: list[str]) -> None:
    assert _config(files) == ""


@pytest.mark.parametrize("name", NEEDED)
def test_production_does_not_start_without_a_required_variable_and_names_it(name: str) -> None:
    with pytest.raises(RuntimeFault, match=name):
        _config(PRODUCTION, without=name)


def test_production_publishes_only_nginx() -> None:
    services: dict[str, Any] = json.loads(_config(PRODUCTION, json_form=True))["services"]
    published = {name: {port["published"] for port in service.get("ports", ())} for name, service in services.items()}
    assert {name for name, ports in published.items() if ports} == {"nginx"}
    assert "443" in published["nginx"]


def test_production_has_two_consumers_backups_and_larger_pools() -> None:
    services: dict[str, Any] = json.loads(_config(PRODUCTION, json_form=True))["services"]
    assert {"consumer", "consumer2", "backup"} <= set(services)
    for name in ("writer", "resolver1", "resolver2", "resolver3", "stats"):
        assert int(services[name]["environment"]["DATABASE_POOL_SIZE"]) > 10
        assert services[name]["environment"]["LOG_LEVEL"] == "WARNING"
