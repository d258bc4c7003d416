"""The runtime in containers, `python -m deploy.compose COMMAND`, for the targets of the Makefile."""

import os
import ssl
import sys
import urllib.request
from functools import partial

from deploy.common import choice, commands
from deploy.common.checkout import CHECKOUT
from deploy.common.console import run, step
from deploy.common.environment import read_env_file
from deploy.common.faults import RuntimeFault
from deploy.common.waiting import wait_until
from deploy.compose import render
from deploy.compose.engine import Engine, is_available, make_secrets
from deploy.compose.stores import REDIS_CLI, ComposeStores
from deploy.processes import Instance

_READY_TIMEOUT = 60.0


class ComposeRuntime:
    """Runs BoltLink in containers, by Docker Compose (see deploy.common.commands.Runtime)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def up(self) -> str | None:
        print("BoltLink in containers, by Docker Compose (make up-compose; without Docker: make up-local)", flush=True)
        self._engine.require()
        if choice.other_runs("compose", _local_runs):
            raise RuntimeFault("BoltLink runs without Docker here; stop it first: make down")
        if self._engine.production:
            self._engine.require_production()
        else:
            make_secrets()
            os.environ.setdefault("BOLTLINK_PUBLIC_URL", self.public_url())
        choice.remember("compose")
        self._engine.show("build")
        self._engine.heal()
        self._engine.show("up", "-d", "--wait", "--remove-orphans")
        with step("Waiting until nginx is ready"):
            wait_until(self._is_ready, f"nginx is not ready at {self.base_url()}; see make logs", _READY_TIMEOUT)
        given = os.environ.get("BOLTLINK_ADMIN_KEY", "")
        command = ("python", "-m", "services.writer.api_keys.command", "first")
        return self._engine.run_once(*command, env={"BOLTLINK_ADMIN_KEY": given}) or None

    def down(self) -> None:
        self._engine.show("down", "--remove-orphans")

    def restart(self) -> None:
        self._engine.require_running()
        for instance in self._engine.instances:
            name = instance.compose_name
            with step(f"Restarting {name}"):
                before = self._engine.started_at(instance)
                # gunicorn starts a new worker on the same socket before it stops the old one.
                self._engine.compose("kill", "-s", "HUP", name)
                wait_until(partial(self._has_restarted, instance, before), f"{name} has not restarted")
        # nginx is not reloaded: that closes idle connections, and a client may just be sending its next request.
        print("Every service has been restarted; no request was refused meanwhile.")

    def ps(self) -> None:
        self._engine.become("ps", "-a")

    def logs(self) -> None:
        self._engine.become("logs", "-f", "--tail", "20")

    def destroy(self) -> None:
        self._engine.show("down", "--volumes", "--remove-orphans")
        self._engine.remove_volumes()
        choice.forget()

    def keys(self, *words: str) -> str:
        self._engine.require_running()
        return self._engine.run_once("python", "-m", "services.writer.api_keys.command", *words)

    def command(self, instance: str, module: str, *words: str) -> None:
        self._engine.require_running()
        self._engine.become("run", "--rm", "--no-deps", *_terminal(), instance, "python", "-m", module, *words)

    def psql(self, *words: str) -> None:
        self._engine.become("exec", *_terminal(), "postgres", "psql", "-U", "boltlink", *words)

    def redis_cli(self, *words: str) -> None:
        self._engine.become("exec", *_terminal(), "redis", "sh", "-c", REDIS_CLI, "redis-cli", *words)

    def backup_target(self) -> ComposeStores:
        return ComposeStores(self._engine)

    def data(self) -> str:
        return "the containers' volumes"

    def public_url(self) -> str:
        return os.environ.get("BOLTLINK_PUBLIC_URL") or self._local_url().replace("127.0.0.1", "localhost")

    def base_url(self) -> str:
        # The certificate is valid for the public name.
        return self.public_url() if self._engine.production else self._local_url()

    def _local_url(self) -> str:
        """The URL of nginx from this machine."""
        scheme, variable, default = ("https", "TLS_PORT", "443") if self._engine.production else ("http", "PORT", "80")
        port = os.environ.get(f"BOLTLINK_{variable}") or default
        return f"{scheme}://127.0.0.1" + ("" if port == default else f":{port}")

    def _is_ready(self) -> bool:
        context = ssl.create_default_context()
        # The certificate is not valid for 127.0.0.1, and the connection does not leave this machine.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(f"{self._local_url()}/ready", timeout=3, context=context):  # noqa: S310  # always http or https
                return True
        except OSError:
            return False

    def _has_restarted(self, instance: Instance, before: str | None) -> bool:
        return self._engine.started_at(instance) not in (None, before)


def _local_runs() -> bool:
    """Whether BoltLink runs without Docker in this checkout."""
    command = [sys.executable, "-m", "deploy.local", "runs"]  # a runtime never imports the other one
    return run(command, what="Whether BoltLink runs without Docker is unknown", cwd=CHECKOUT).strip() == "yes"


def _terminal() -> list[str]:
    return [] if sys.stdin.isatty() else ["-T"]


def _runtime() -> ComposeRuntime:
    for name, value in read_env_file(CHECKOUT / ".env").items():
        os.environ.setdefault(name, value)
    return ComposeRuntime(Engine())


def main() -> int:
    parser, more = commands.create_parser("compose", __doc__)
    more.add_parser("detect", help="print the runtime that make up uses where none was started before")
    more.add_parser("render", help="write what follows from deploy/processes.toml into the Compose files").set_defaults(
        act=lambda *_: render.write()
    )
    more.add_parser("secrets", help="create the secrets that are missing").set_defaults(act=lambda *_: make_secrets())
    if sys.argv[1:] == ["detect"]:  # before any setting is read: make needs the name also to report a wrong setting
        print("compose" if is_available() else "local")
        return 0
    return commands.run_command(parser, _runtime)


if __name__ == "__main__":
    sys.exit(main())
