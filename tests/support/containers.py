"""The whole system in containers for the tests. Its project, secrets, ports and volumes collide with no installation.

Containers and the network have fixed names, so it cannot run beside another installation.
"""

import contextlib
import fcntl
import ipaddress
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.common.checkout import CHECKOUT
from deploy.common.console import run
from deploy.compose.engine import Engine, make_secrets
from deploy.compose.stores import REDIS_CLI, ComposeStores
from tests.support.stack import free_ports
from tests.support.webhook import Webhook, receiving

PROJECT: Final = "boltlink-test"
NETWORK: Final = "boltlink-network"
IMAGE_TAG: Final = "test"

Step = Callable[[str], AbstractContextManager[None]]
"""Prints what is being done, while it is being done."""


class Occupied(Exception):
    """Another installation has the names that the tests need."""


@dataclass(frozen=True)
class System:
    """A running system."""

    engine: Engine
    folder: Path
    base_url: str
    prometheus_url: str
    grafana_url: str
    key: str
    webhook: Webhook
    step: Step

    @property
    def stores(self) -> ComposeStores:
        return ComposeStores(self.engine)

    @property
    def targets(self) -> Path:
        """The folder of Prometheus' targets: a copy that tests may change."""
        return self.folder / "targets"

    def compose(self, *words: str) -> str:
        return self.engine.compose(*words)

    def up(self) -> None:
        with self.step("Starting the containers"):
            self.compose("up", "-d", "--wait", "--remove-orphans")

    def down(self, *options: str) -> None:
        with self.step("Stopping the containers"):
            self.compose("down", "--remove-orphans", *options)

    def keys(self, *words: str) -> str:
        return self.engine.run_once(
            "python", "-m", "services.writer.api_keys.command", *words, env={"BOLTLINK_ADMIN_KEY": self.key}
        )

    def redis(self, *words: str) -> str:
        return self.compose("exec", "-T", "redis", "sh", "-c", REDIS_CLI, "redis-cli", *words).strip()

    def address(self, service: str) -> str:
        """The present address of a container."""
        networks = inspect(f"boltlink-{service}")["NetworkSettings"]["Networks"]
        return str(networks[NETWORK]["IPAddress"])


@contextlib.contextmanager
def running_system(folder: Path, step: Step) -> Iterator[System]:
    """Build the images, start everything, and remove all of it at the end. Raises Occupied."""
    with _alone(), pytest.MonkeyPatch.context() as patch:
        _refuse_others()
        port = free_ports(4)
        key = f"bl_{secrets.token_urlsafe(24)}"
        subnet = _free_subnet()
        environment = {
            "COMPOSE_PROJECT_NAME": PROJECT,
            "BOLTLINK_TAG": IMAGE_TAG,
            "BOLTLINK_PORT": str(port),
            "PROMETHEUS_PORT": str(port + 1),
            "GRAFANA_PORT": str(port + 2),
            "GRAFANA_TAG": os.environ.get("GRAFANA_TAG", "stand-in"),
            "BOLTLINK_PUBLIC_URL": f"http://localhost:{port}",
            "BOLTLINK_SUBNET": str(subnet),
            "BOLTLINK_SECRETS": str(folder / "secrets"),
            "BOLTLINK_PRODUCTION": "no",
            "RESOLVERS": "",
            "KEY_RATE_LIMIT": "1000000",
            "ADDRESS_RATE_LIMIT": "1000000",
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        gateway = str(subnet[1])
        (folder / "secrets").mkdir(mode=0o700)
        (folder / "secrets" / "alert_webhook_url").write_text(f"http://{gateway}:{port + 3}/\n", encoding="utf-8")
        (folder / "secrets" / "alert_webhook_url").chmod(0o444)
        make_secrets()
        shutil.copytree(CHECKOUT / "monitoring" / "targets", folder / "targets")
        engine = Engine(_overlay(folder, Engine()))
        webhook = Webhook()
        system = System(
            engine,
            folder,
            base_url=f"http://127.0.0.1:{port}",
            prometheus_url=f"http://127.0.0.1:{port + 1}",
            grafana_url=f"http://127.0.0.1:{port + 2}",
            key=key,
            webhook=webhook,
            step=step,
        )
        system.down("--volumes")  # what a killed run has left
        try:
            with step("Building the images"):
                system.compose("build")
            system.up()
            system.keys("first")
            with receiving(webhook, gateway, port + 3):
                yield system
        finally:
            system.down("--volumes")


def production_engine(folder: Path) -> Engine:
    """The engine of the same system with the production overlay, for the folder of a running system."""
    return Engine(_overlay(folder, Engine(production=True)), production=True)


def docker(*words: str) -> str:
    """Run a command of Docker and return its output."""
    return run(["docker", *words], what=f"docker {words[0]}").strip()


def inspect(container: str) -> Any:
    """The inspection of a container."""
    return json.loads(docker("container", "inspect", container))[0]


def inspect_image(image: str) -> Any:
    """The inspection of an image."""
    return json.loads(docker("image", "inspect", image))[0]


def containers() -> Sequence[str]:
    """The names of the system's containers, also of those that have ended."""
    words = ("ps", "-a", "--filter", f"label=com.docker.compose.project={PROJECT}", "--format", "{{.Names}}")
    return sorted(docker(*words).split())


def _overlay(folder: Path, engine: Engine) -> str:
    """A Compose file with volumes and targets for the tests, so that no installation loses data."""
    volumes: Any = engine.config()["volumes"]
    content = {
        "volumes": {name: {"name": f"{PROJECT}-{name}"} for name in volumes},
        "services": {"prometheus": {"volumes": [f"{folder}/targets:/etc/prometheus/targets:ro"]}},
    }
    path = folder / "overlay.yml"
    path.write_text(json.dumps(content), encoding="utf-8")  # YAML too
    return str(path)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two runs of the tests would remove each other's containers."""
    with (Path(tempfile.gettempdir()) / f"{PROJECT}-{os.getuid()}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Occupied("Another run of these tests is in progress on this machine; wait until it ends.") from None
        yield


def _refuse_others() -> None:
    fields = '{{.Names}} {{.Label "com.docker.compose.project"}}'
    rows = (line.split() for line in docker("ps", "-a", "--format", fields).splitlines())
    others = sorted(name for name, *project in rows if name.startswith("boltlink-") and project != [PROJECT])
    if others:
        raise Occupied(
            f"These containers have the names that the tests need: {', '.join(others)}. Containers of BoltLink have"
            " fixed names, so one installation can run at a time; stop the other one first: make down (its data stays)."
        )


def _free_subnet() -> ipaddress.IPv4Network:
    """172.20.0.0/16, or the next one that no network has."""
    ids = [line.split()[0] for line in docker("network", "ls", "--format", "{{.ID}} {{.Name}}").splitlines()
           if line.split()[1] != NETWORK]  # fmt: skip
    used = re.findall(r'"Subnet": "([\d./]+)"', docker("network", "inspect", *ids))
    networks = [ipaddress.IPv4Network(text) for text in used]
    for second in range(20, 32):
        candidate = ipaddress.IPv4Network(f"172.{second}.0.0/16")
        if not any(candidate.overlaps(network) for network in networks):
            return candidate
    raise Occupied("No subnet of 172.20.0.0/12 is free for the containers' network.")
