"""The installations that are measured: the product, and baselines in place of its resolvers, behind the same nginx."""

import contextlib
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any, Final

from deploy.common.names import NGINX
from deploy.common.waiting import wait_until
from deploy.local import configuration, postgres, runtime
from deploy.local.packages import find_servers
from deploy.local.settings import LocalSettings
from deploy.local.state import prepare
from deploy.local.supervision import Supervisor
from deploy.processes import FACTORIES, read_instances
from tests.bench.processes import tree
from tests.support.stack import free_ports, state_folder, test_settings

RESOLVER_NAMES: Final = tuple(instance.name for instance in read_instances({}) if instance.process.name == "resolver")
_PORTS: Final = 20


@dataclass(frozen=True)
class Installation:
    """Running processes behind an nginx of their own."""

    name: str
    settings: LocalSettings
    supervisor: Supervisor

    @property
    def nginx(self) -> str:
        return self.settings.base_url

    @property
    def resolver(self) -> str:
        """One resolver, without nginx."""
        return f"http://127.0.0.1:{self.settings.http_ports[RESOLVER_NAMES[0]]}"

    def pids(self, *names: str) -> list[int]:
        """The process ids of some programs and of their descendants."""
        running = {process.name: process.description for process in self.supervisor.processes()}
        found = [re.match(r"pid (\d+)", running[name]) for name in names]
        return [pid for match in found if match for pid in tree(int(match[1]))]


@contextlib.contextmanager
def product() -> Iterator[Installation]:
    """BoltLink as a user has it: its stores write to the disk. Only the rate limit of a key is too high to matter."""
    with state_folder() as folder:
        settings = replace(test_settings(folder), durable=True, redis_memory="4gb")
        supervisor = Supervisor(settings)
        with _stopped_at_the_end(supervisor):
            runtime.up(settings)
            yield Installation("product", settings, supervisor)


@contextlib.contextmanager
def resolvers_replaced(beside: Installation, name: str, factory: str) -> Iterator[Installation]:
    """The product's nginx and gunicorn, with another application instead of the resolvers, on the product's stores."""
    with _beside(beside, name, {**FACTORIES, "resolver": factory}) as installation:
        _start(installation, *RESOLVER_NAMES, NGINX)
        for resolver in RESOLVER_NAMES:
            port = installation.settings.http_ports[resolver]
            wait_until(lambda port=port: answers(f"http://127.0.0.1:{port}"), f"{name} does not respond")  # type: ignore[misc]  # mypy knows no lambda with a default
        yield installation


@contextlib.contextmanager
def nginx_alone(beside: Installation, name: str, make_configuration: Any) -> Iterator[Installation]:
    """An nginx that responds itself, without services behind it, on the product's stores."""
    with _beside(beside, name, FACTORIES) as installation:
        settings = installation.settings
        (settings.state / "etc" / "nginx.conf").write_text(make_configuration(settings), encoding="utf-8")
        _start(installation, NGINX)
        wait_until(lambda: answers(installation.nginx), f"{name} does not respond")
        yield installation


@contextlib.contextmanager
def writer_alone(beside: Installation, name: str) -> Iterator[Installation]:
    """A writer of the product with its own database, in the same PostgreSQL."""
    with _beside(beside, name, FACTORIES, database=f"{name}_test") as installation:
        settings = installation.settings
        postgres.make_database(settings, find_servers())
        runtime.migrate(settings)
        runtime.first_key(settings)
        _start(installation, "writer-1", NGINX)
        wait_until(lambda: answers(f"{installation.nginx}/links"), f"{name} does not respond")
        yield installation


@contextlib.contextmanager
def _beside(beside: Installation, name: str, factories: Mapping[str, str], **other: Any) -> Iterator[Installation]:
    """An installation whose programs are not started: its own ports, the secrets and stores of another installation."""
    port = free_ports(_PORTS)
    folder = beside.settings.state / name
    settings = replace(beside.settings, state=folder, port=port, inner_port=port + 1, **other)
    folder.mkdir()
    shutil.copytree(beside.settings.secrets, settings.secrets)
    prepare(settings)
    configuration.write_all(settings, find_servers(), factories)
    supervisor = Supervisor(settings)
    with _stopped_at_the_end(supervisor):
        yield Installation(name, settings, supervisor)


def _start(installation: Installation, *names: str) -> None:
    installation.supervisor.start()
    installation.supervisor.update()
    for name in names:
        installation.supervisor.ensure_started(name)


@contextlib.contextmanager
def _stopped_at_the_end(supervisor: Supervisor) -> Iterator[None]:
    try:
        yield
    finally:
        if supervisor.runs:
            supervisor.shut_down()


def answers(url: str) -> bool:
    """Whether a URL responds with anything but a 5xx status."""
    request = urllib.request.Request(f"{url}/none", headers={"X-Request-ID": "0"})  # noqa: S310  # always http
    try:
        urllib.request.build_opener(_NoRedirect).open(request, timeout=2).close()
    except urllib.error.HTTPError as response:
        return response.code < 500
    except (OSError, HTTPException):
        return False
    return True


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Redirects are what is measured, so they are not followed."""
