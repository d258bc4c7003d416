"""Docker Compose for this project: its files, its secrets, and the commands that need them."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deploy.common.checkout import CHECKOUT
from deploy.common.console import run, step
from deploy.common.environment import instances_of
from deploy.common.faults import RuntimeFault
from deploy.common.names import DATABASE_ROLES, STORES, UNUSED_URL
from deploy.common.start_time import read_start_time
from deploy.common.waiting import wait_until
from deploy.compose import render
from deploy.processes import OWN_SECRETS, ROLES, Instance

_CERTIFICATE: Final = ("fullchain.pem", "privkey.pem")
_PASSWORDS: Final = (*STORES, *DATABASE_ROLES, *OWN_SECRETS, "grafana")
_UP_TIMEOUT: Final = 600
_HEAL_TIMEOUT: Final = 60.0


class Engine:
    """The containers of one checkout.

    `overlays` are Compose files that go on top. `production` is BOLTLINK_PRODUCTION's value unless it is given.
    """

    def __init__(self, *overlays: str, production: bool | None = None) -> None:
        self.production = os.environ.get("BOLTLINK_PRODUCTION") == "yes" if production is None else production
        self.instances = instances_of(os.environ, production=self.production)
        folder = render.prepare(os.environ)
        names = [render.COMPOSE_FILE, *([render.PRODUCTION_FILE] if self.production else [])]
        files = [*(str(folder / name) for name in names), *overlays]
        # Relative paths hold for the checkout, wherever the files are.
        self.command = ["docker", "compose", "--project-directory", str(CHECKOUT)]
        self.command += [word for file in files for word in ("-f", file)]

    @property
    def services(self) -> tuple[str, ...]:
        """The services of Compose that run our processes."""
        return tuple(instance.compose_name for instance in self.instances)

    def require(self) -> None:
        """Raise RuntimeFault when no Docker engine with Compose is available."""
        if not is_available():
            raise RuntimeFault("No Docker engine with Compose is available here. Without Docker: make up-local")

    def require_production(self) -> None:
        """Raise RuntimeFault when a variable, a secret or a certificate that production needs is missing."""
        declared: Any = self.config()["secrets"]
        needed = [Path(secret["file"]) for secret in declared.values()]
        needed += [Path(os.environ["BOLTLINK_CERTIFICATES"]) / name for name in _CERTIFICATE]
        if missing := [str(path) for path in needed if not path.is_file()]:
            raise RuntimeFault(
                f"Production needs these files: {', '.join(missing)}."
                " python3 -m deploy.compose secrets creates the secrets that are missing."
            )

    def compose(
        self, *words: str, what: str | None = None, text: str | None = None, timeout: float = _UP_TIMEOUT
    ) -> str:
        """Run a command of Compose and return its output."""
        command = [*self.command, *words]
        return run(command, what=what or f"docker compose {words[0]}", cwd=CHECKOUT, text=text, timeout=timeout)

    def become(self, *words: str) -> None:
        """Replace this process by a command of Compose, which gets the terminal."""
        os.chdir(CHECKOUT)
        os.execvp(self.command[0], [*self.command, *words])

    def show(self, *words: str) -> None:
        """Run a command of Compose whose output goes to the terminal. Raises RuntimeFault when it fails."""
        done = subprocess.run([*self.command, *words], cwd=CHECKOUT, check=False)
        if done.returncode != 0:
            what = f"docker compose {' '.join(words[:2])} failed; see above, and: make ps, make logs."
            raise RuntimeFault(f"{what} The images that it uses can be set: docs/containers.md")

    def config(self) -> Mapping[str, object]:
        """The effective configuration."""
        found: Mapping[str, object] = json.loads(self.compose("config", "--format", "json"))
        return found

    def runs(self) -> bool:
        """Whether any container of this project is running."""
        return bool(self.compose("ps", "-q").strip())

    def require_running(self) -> None:
        """Raise RuntimeFault when no container of this project is running."""
        if not self.runs():
            raise RuntimeFault("BoltLink does not run here; start it with: make up")

    def remove_volumes(self) -> None:
        """Remove the volumes of instances that run no more, such as the spool of a fourth resolver."""
        label = f"label=com.docker.compose.project={self.config()['name']}"
        volumes = run(["docker", "volume", "ls", "-q", "--filter", label], what="docker volume ls").split()
        if volumes:
            run(["docker", "volume", "rm", *volumes], what="docker volume rm")

    def heal(self) -> None:
        """Start the stores, and wait until the services that ran without them are healthy.

        `compose up` fails at once for an unhealthy container, although its next health check might succeed. A container
        that stays unhealthy is left to `compose up`.
        """
        if not self._any_unhealthy():
            return
        with step("Waiting until the services are healthy again"):
            self.compose("up", "-d", "--wait", *STORES)
            with contextlib.suppress(RuntimeFault):
                wait_until(lambda: not self._any_unhealthy(), "A container stays unhealthy", _HEAL_TIMEOUT)

    def _any_unhealthy(self) -> bool:
        containers = self.compose("ps", "-q").split()
        if not containers:
            return False
        form = "{{if .State.Health}}{{.State.Health.Status}}{{end}}"
        return "unhealthy" in run(["docker", "inspect", "-f", form, *containers], what="docker inspect").split()

    def started_at(self, instance: Instance) -> str | None:
        """When the worker of an instance started, from its metrics; None while it does not respond."""
        url = f"http://127.0.0.1:{instance.process.port}/metrics"
        ask = f"import urllib.request as u; print(u.urlopen('{url}', timeout=3).read().decode())"
        try:
            text = self.compose("exec", "-T", instance.compose_name, "python", "-c", ask)
        except RuntimeFault:
            return None
        return read_start_time(text)

    def run_once(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        """Run a command as the owner of the database, in a container of its own, and return its output."""
        options = [word for name in env or {} for word in ("-e", name)]
        command = [*self.command, "run", "--rm", "--no-deps", "-T", *options, "migrate", *words]
        return run(command, what=" ".join(words), cwd=CHECKOUT, env={**os.environ, **(env or {})}).strip()


def is_available() -> bool:
    """Whether a Docker engine with Compose is available."""
    if shutil.which("docker") is None:
        return False
    for words in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            if subprocess.run(words, capture_output=True, check=False, timeout=20).returncode != 0:
                return False
        except subprocess.TimeoutExpired:
            return False
    return True


def secrets_folder() -> Path:
    """The folder of the secrets, one file each."""
    return Path(os.environ.get("BOLTLINK_SECRETS") or CHECKOUT / ".boltlink-secrets")


def make_secrets() -> None:
    """Create the secrets that are missing.

    Only the owner may enter the folder. The files are readable by everybody, because Compose mounts each of them into
    containers as it is, and containers run as different users.
    """
    folder = secrets_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in _PASSWORDS:
        _write_missing(folder / name, secrets.token_urlsafe(24))
    passwords = {name: (folder / name).read_text(encoding="utf-8").strip() for name in _PASSWORDS}
    for role, user in (
        ("owner", "boltlink"),
        *((role, f"boltlink_{role}") for role in ROLES),
    ):
        password = passwords["postgres" if role == "owner" else role]
        url = f"postgresql://{user}:{password}@boltlink-postgres:5432/boltlink"
        _write_missing(folder / f"{role}_database_url", url)
    _write_missing(folder / "redis_url", f"redis://:{passwords['redis']}@boltlink-redis:6379/0")
    _write_missing(folder / "redis_exporter", json.dumps({"redis://boltlink-redis:6379": passwords["redis"]}))
    # Alertmanager needs a URL. The user replaces this one to receive alerts.
    _write_missing(folder / "alert_webhook_url", UNUSED_URL)


def _write_missing(path: Path, text: str) -> None:
    if not path.exists():
        path.write_text(text + "\n", encoding="utf-8")
        path.chmod(0o444)
