"""The runtime without Docker, `python -m deploy.local COMMAND`, for the targets of the Makefile."""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036  # it may be called with an older Python
    sys.exit(
        f"BoltLink needs Python 3.11; this is {sys.version.split()[0]}. Choose another one: make up PYTHON=python3.11"
    )

from deploy.common import choice, commands
from deploy.common.checkout import CHECKOUT
from deploy.common.containers import containers_run
from deploy.common.faults import RuntimeFault
from deploy.common.venv import ensure_venv
from deploy.local import configuration, monitoring, postgres, runtime
from deploy.local.packages import find_servers
from deploy.local.settings import LocalSettings, read_settings
from deploy.local.state import secret
from deploy.local.stores import LocalStores
from deploy.local.supervision import Supervisor


class LocalRuntime:
    """Runs BoltLink as processes of this machine, under supervisord (see deploy.common.commands.Runtime)."""

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings

    def up(self) -> str | None:
        print("BoltLink without Docker (make up-local; in containers: make up-compose)", flush=True)
        if choice.other_runs("local", containers_run):
            raise RuntimeFault("BoltLink runs in containers here; stop them first: make down")
        return runtime.up(self._settings, before_start=lambda: choice.remember("local"))

    def runs(self) -> bool:
        """Whether this installation runs."""
        return Supervisor(self._settings).runs

    def down(self) -> None:
        print("BoltLink is stopped." if runtime.down(self._settings) else "BoltLink does not run here.")

    def restart(self) -> None:
        runtime.restart(self._settings)
        print("Every service has been restarted; no request was refused meanwhile.")

    def ps(self) -> None:
        others = {
            "nginx": self._settings.port,
            "postgres": self._settings.postgres_port,
            "redis": self._settings.redis_port,
        }
        ports = {**others, **self._settings.http_ports, **monitoring.ports(self._settings)}
        for process in self._running().processes():
            print(f"{process.name:<18} {process.state:<9} port {ports[process.name]:<6} {process.description}")

    def switch_monitoring(self, *, on: bool) -> None:
        if choice.other_runs("local", containers_run):
            raise RuntimeFault("BoltLink runs in containers here, and its monitoring with it: docs/containers.md")
        runtime.switch_monitoring(self._settings, on=on)

    def logs(self) -> None:
        files = sorted(self._settings.logs.glob("*.log"))
        if not files:
            raise RuntimeFault(f"There are no logs in {self._settings.logs}; start BoltLink with: make up")
        os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, files)])

    def destroy(self) -> None:
        runtime.down(self._settings)
        runtime.remove_state(self._settings)
        choice.forget()

    def keys(self, *words: str) -> str:
        self._running()
        return runtime.run_python(
            self._settings, "services.writer.api_keys.command", *words, what="The keys command failed"
        )

    def command(self, instance: str, module: str, *words: str) -> None:
        self._running()
        name = f"{instance}-1"
        _, env = configuration.service(self._settings, name, self._settings.http_ports[name])
        python = str(ensure_venv("runtime"))
        os.chdir(CHECKOUT)
        os.execve(python, [python, "-m", module, *words], {**os.environ, **env})

    def psql(self, *words: str) -> None:
        self._running()
        program = str(find_servers().postgres_bin / "psql")
        os.execve(program, ["psql", *words], postgres.client_env(self._settings))

    def redis_cli(self, *words: str) -> None:
        self._running()
        env = {**os.environ, "REDISCLI_AUTH": secret(self._settings, "redis")}
        program = str(find_servers().redis_cli)
        os.execve(program, ["redis-cli", "-h", "127.0.0.1", "-p", str(self._settings.redis_port), *words], env)

    def backup_target(self) -> LocalStores:
        return LocalStores(self._settings, find_servers())

    def data(self) -> str:
        return str(self._settings.state)

    def public_url(self) -> str:
        return self._settings.public_url

    def base_url(self) -> str:
        return self._settings.base_url

    def _running(self) -> Supervisor:
        supervisor = Supervisor(self._settings)
        runtime.require_running(supervisor)
        return supervisor


def main() -> int:
    parser, more = commands.create_parser("local", __doc__)
    more.add_parser("servers", help="install the servers that are missing").set_defaults(act=lambda *_: find_servers())
    asking = more.add_parser("runs", help="print whether BoltLink runs without Docker: yes or no")
    asking.set_defaults(act=lambda found, _: print("yes" if found.runs() else "no"))
    for word, on in (("monitoring-up", True), ("monitoring-down", False)):
        switching = more.add_parser(
            word, help=f"{'start' if on else 'stop'} Prometheus, Alertmanager and the exporters"
        )
        switching.set_defaults(act=lambda found, _, on=on: found.switch_monitoring(on=on))
    venv = more.add_parser("venv", help="install the Python packages")
    venv.add_argument("requirements", choices=("runtime", "dev"))
    venv.set_defaults(act=lambda _, options: ensure_venv(options.requirements))
    return commands.run_command(parser, lambda: LocalRuntime(read_settings()))


if __name__ == "__main__":
    sys.exit(main())
