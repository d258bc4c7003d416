"""Starts, stops and restarts the whole system as processes of this machine, under supervisord."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from deploy.common.checkout import CHECKOUT
from deploy.common.console import run, step
from deploy.common.faults import RuntimeFault
from deploy.common.names import NGINX, STORES
from deploy.common.venv import VENV, ensure_venv
from deploy.common.waiting import wait_until
from deploy.local import monitoring, postgres
from deploy.local.configuration import (
    owner_env,
    role_passwords,
    service,
    write_all,
    write_store_urls,
)
from deploy.local.packages import Servers, find_programs, find_servers
from deploy.local.ports import check_distinct, check_free, record
from deploy.local.probes import get, has_restarted, is_ready, started_at, url_of
from deploy.local.settings import LocalSettings
from deploy.local.state import abandoned_spools, prepare
from deploy.local.supervision import Supervisor
from deploy.processes import PROCESSES

READY_TIMEOUT: Final = 60.0


def up(settings: LocalSettings, before_start: Callable[[], None] = lambda: None) -> str | None:
    """Set up what is missing and start what does not run; return the first admin key if it was created now.

    When everything runs already, this is quick and has no effect. An interrupted start stops what it has started.
    `before_start` is called once every setting and port is checked, before the first program is started.
    """
    check_distinct(settings)
    prepare(settings)
    supervisor = Supervisor(settings)
    with _alone(settings):
        started = not supervisor.runs
        check_free(settings, supervisor)
        servers = find_servers()
        ensure_venv("runtime")
        with step("Checking the settings"):
            check_settings(settings)
        before_start()
        try:
            return _up(settings, servers, supervisor, start=started)
        except BaseException:
            if started and supervisor.runs:
                with step("Stopping what was started"):
                    supervisor.shut_down()
            raise


def _up(settings: LocalSettings, servers: Servers, supervisor: Supervisor, *, start: bool) -> str | None:
    start_stores(settings, servers, supervisor, start=start)
    with step("Migrating the database"):
        postgres.make_database(settings, servers)
        migrate(settings)
    with step("Starting the services and nginx"):
        for name in [*settings.http_ports, NGINX, *_monitoring_names(settings)]:
            supervisor.ensure_started(name)
        wait_ready(settings)
    if abandoned := abandoned_spools(settings):
        print(f"  Clicks wait in the spools of {', '.join(abandoned)}: start as many resolvers once more (RESOLVERS).")
    return first_key(settings)


def switch_monitoring(settings: LocalSettings, *, on: bool) -> None:
    """Start or stop Prometheus, Alertmanager and the exporters of the running system."""
    supervisor = Supervisor(settings)
    require_running(supervisor)
    if on:
        find_programs(monitoring.PACKAGES)  # first, because a make up without them would fail once monitoring is on
    monitoring.switch(settings, on=on)
    write_all(settings, find_servers())
    supervisor.update()
    record(settings)
    for name in _monitoring_names(settings):
        supervisor.ensure_started(name)
    if on:
        url = f"http://127.0.0.1:{monitoring.ports(settings)['prometheus']}"
        with step("Waiting for Prometheus"):
            wait_until(lambda: get(f"{url}/-/ready") is not None, "Prometheus does not respond; see make logs")
        print(f"Prometheus runs at {url}; its alerts: {url}/alerts")
    else:
        print("Monitoring is stopped; the data of Prometheus stays.")


def _monitoring_names(settings: LocalSettings) -> tuple[str, ...]:
    return monitoring.NAMES if monitoring.is_on(settings) else ()


def start_stores(settings: LocalSettings, servers: Servers, supervisor: Supervisor, *, start: bool) -> None:
    """Write the configuration and start PostgreSQL and Redis unless they run; `start`: start supervisord first."""
    write_all(settings, servers)
    if postgres.make_cluster(settings, servers):
        print("  Created a PostgreSQL cluster.", flush=True)
    if start:
        supervisor.start()
    supervisor.update()
    record(settings)
    with step("Starting PostgreSQL and Redis"):
        for name in STORES:
            supervisor.ensure_started(name)
        wait_until(
            lambda: postgres.accepts_connections(settings, servers),
            f"PostgreSQL does not respond; see {settings.logs}/postgres.log",
        )


def down(settings: LocalSettings) -> bool:
    """Stop everything; return False when nothing ran."""
    supervisor = Supervisor(settings)
    if not supervisor.runs:
        return False
    with step("Stopping"):
        supervisor.stop(NGINX)
        supervisor.stop(*settings.http_ports)
        supervisor.stop(*STORES)
        supervisor.shut_down()
    return True


def restart(settings: LocalSettings) -> None:
    """Restart every service, one at a time. No request fails, because gunicorn keeps its socket open meanwhile."""
    supervisor = Supervisor(settings)
    require_running(supervisor)
    for name, port in settings.http_ports.items():
        with step(f"Restarting {name}"):
            before = started_at(port)
            supervisor.signal(name, "HUP")
            wait_until(partial(has_restarted, port, before), f"{name} has not restarted")
    # nginx is not reloaded: that closes idle connections, and a client may just be sending its next request.


def check_settings(settings: LocalSettings) -> None:
    """Check the settings of every process. Raises RuntimeFault, which lists every wrong value."""
    write_store_urls(settings)
    faults: set[str] = set()
    for process in PROCESSES.values():
        _, env = service(settings, f"{process.name}-1", settings.http_ports[f"{process.name}-1"])
        try:
            run(
                [VENV / "bin" / "python", "-m", "shared.process.check_settings", process.settings],
                what=process.name,
                env={**os.environ, **env},
                cwd=CHECKOUT,
            )
        except RuntimeFault as fault:
            faults.update(str(fault).splitlines()[1:])
    if faults:
        raise RuntimeFault("\n    ".join(["Some settings are wrong:", *sorted(faults)]))


def wait_ready(settings: LocalSettings) -> None:
    """Wait until every service and nginx are ready. Raises RuntimeFault, which names those that are not."""
    late: list[str] = []

    def all_ready() -> bool:
        late[:] = [name for name, port in settings.http_ports.items() if not is_ready(url_of(port))]
        if not late and not is_ready(settings.base_url):
            late.append(NGINX)
        return not late

    try:
        wait_until(all_ready, "", seconds=READY_TIMEOUT)
    except RuntimeFault:
        hints = "\n".join(f"    {settings.logs}/{name}.log" for name in late)
        raise RuntimeFault(f"Not ready after {READY_TIMEOUT:.0f} s: {', '.join(late)}. Their logs:\n{hints}") from None


def migrate(settings: LocalSettings) -> None:
    """Run the migrations that have not run yet."""
    run_python(settings, "shared.postgres.migrate", what="The migrations failed", env=role_passwords(settings))


def first_key(settings: LocalSettings) -> str | None:
    """Create the first admin key unless there is one; return it if it was created now."""
    env = {"BOLTLINK_ADMIN_KEY": settings.admin_key} if settings.admin_key else {}
    return (
        run_python(
            settings, "services.writer.api_keys.command", "first", what="The first key could not be created", env=env
        )
        or None
    )


def run_python(
    settings: LocalSettings, module: str, *words: str, what: str, env: Mapping[str, str] | None = None
) -> str:
    """Run a module of ours as the owner of the database, and return its output."""
    full_env = {**owner_env(settings), **(env or {}), "PYTHONDONTWRITEBYTECODE": "1"}
    return run([VENV / "bin" / "python", "-m", module, *words], what=what, env=full_env, cwd=CHECKOUT).strip()


def require_running(supervisor: Supervisor) -> None:
    if not supervisor.runs:
        raise RuntimeFault("BoltLink does not run here; start it with: make up")


def remove_state(settings: LocalSettings) -> None:
    """Delete all data for good."""
    shutil.rmtree(settings.state, ignore_errors=True)
    usual = CHECKOUT / ".boltlink"
    if usual.is_symlink():
        usual.unlink()


@contextlib.contextmanager
def _alone(settings: LocalSettings) -> Iterator[None]:
    """Let only one `make up` at a time change a state."""
    with (settings.state / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeFault("Another make up is running here; wait until it ends.") from None
        yield
