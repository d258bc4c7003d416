"""The production overlay, started on the data of the tests before."""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.common.checkout import CHECKOUT
from deploy.common.console import run
from deploy.compose.engine import Engine
from tests.support.client import Client, connected
from tests.support.containers import System, containers, inspect, production_engine
from tests.support.stack import free_ports
from tests.support.waiting import until

MORE: Final = ("boltlink-backup", "boltlink-certificate-watch", "boltlink-consumer2")
BACKUPS: Final = "/var/lib/postgresql/data"


@dataclass(frozen=True)
class Production:
    """A running system under production's overlay."""

    engine: Engine
    url: str
    plain_url: str
    certificates: Path


def _make_certificate(folder: Path) -> None:
    """A certificate for this machine, signed by itself."""
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", f"{folder}/privkey.pem", "-out", f"{folder}/fullchain.pem"]
    run(["openssl", "req", *options, *names, *files], what="openssl req")
    # nginx runs as another user. Other users cannot reach the folder, because only the owner may enter its parents.
    (folder / "privkey.pem").chmod(0o444)
    folder.chmod(0o755)


@pytest.fixture(scope="module")
def production(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """Production, on the volumes and with the secrets of the system that ran before."""
    certificates = tmp_path_factory.mktemp("certificates")
    _make_certificate(certificates)
    port = free_ports(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOLTLINK_CERTIFICATES", str(certificates))
        patch.setenv("BOLTLINK_TLS_PORT", str(port))
        patch.setenv("BOLTLINK_PUBLIC_URL", f"https://localhost:{port}")
        engine = production_engine(system.folder)
        try:
            with system.step("Starting production"):
                engine.compose("up", "-d", "--wait", "--remove-orphans")
            yield Production(engine, f"https://localhost:{port}", system.base_url, certificates)
        finally:
            with system.step("Stopping production"):
                engine.compose("down", "--volumes", "--remove-orphans")


@pytest.fixture
async def visitor(system: System, production: Production) -> AsyncIterator[Client]:
    """A client with an admin key that trusts the certificate."""
    trust = ssl.create_default_context(cafile=production.certificates / "fullchain.pem")
    async with connected(production.url, system.key, trust=trust) as found:
        yield found


@pytest.mark.usefixtures("production")
def test_every_container_of_production_is_healthy() -> None:
    states = {name: inspect(name)["State"] for name in containers() if name != "boltlink-migrate"}
    assert states.keys() >= set(MORE)
    assert {state["Health"]["Status"] for state in states.values()} == {"healthy"}


async def test_a_link_is_created_followed_and_counted_over_tls(production: Production, visitor: Client) -> None:
    link = await visitor.make_link()
    assert link["short_url"] == f"{production.url}/{link['code']}"
    response = await visitor.follow(link["code"])
    assert response.status == 302
    assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
    await visitor.wait_for_clicks(link["code"], 1)


async def test_http_redirects_to_https_with_path_and_query(production: Production) -> None:
    async with connected(production.plain_url, "") as plain:
        response = await plain.request("GET", "/links/some?limit=1")
    assert (response.status, response.headers["Location"]) == (308, "https://127.0.0.1/links/some?limit=1")
    assert "Strict-Transport-Security" not in response.headers  # RFC 6797, 7.2


async def test_the_second_consumer_counts_when_the_first_is_stopped(production: Production, visitor: Client) -> None:
    link = await visitor.make_link()
    production.engine.compose("stop", "consumer")
    try:
        assert (await visitor.follow(link["code"])).status == 302
        await visitor.wait_for_clicks(link["code"], 1, seconds=60)
    finally:
        production.engine.compose("up", "-d", "--wait", "consumer")


async def test_a_backup_is_written_that_can_be_restored(production: Production) -> None:
    listing = f"set -e; for file in {BACKUPS}/*.dump; do pg_restore --list $file; done"
    tables = production.engine.compose("exec", "-T", "backup", "sh", "-c", listing)
    assert all(f"TABLE public {name} " in tables for name in ("links", "clicks", "api_keys"))


async def test_prometheus_knows_when_the_certificate_ends_and_sees_both_consumers(production: Production) -> None:
    text = run(
        ["openssl", "x509", "-enddate", "-noout", "-in", production.certificates / "fullchain.pem"], what="openssl x509"
    )
    end = datetime.strptime(text.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC).timestamp()

    async def known() -> bool:
        consumers = 'up{job="boltlink",service="consumer"}'
        return _values(production, "boltlink_certificate_end_seconds") == [end] and (
            _values(production, consumers) == [1.0, 1.0]
        )

    await until(known, 60)


def _values(production: Production, expression: str) -> list[float]:
    """The present values of an expression, asked from inside the container because no port is published."""
    address = f"http://127.0.0.1:9090/api/v1/query?query={expression}"
    response = json.loads(production.engine.compose("exec", "-T", "prometheus", "wget", "-qO-", address))
    return [float(row["value"][1]) for row in response["data"]["result"]]


@pytest.mark.usefixtures("production")
def test_only_nginx_can_be_reached() -> None:
    published: dict[str, set[str]] = {}
    for name in containers():
        ports: dict[str, list[Any] | None] = inspect(name)["NetworkSettings"]["Ports"]
        if inner := {port for port, bindings in ports.items() if bindings}:
            published[name] = inner
    assert published == {"boltlink-nginx": {"8080/tcp", "8443/tcp"}}


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("name", MORE)
def test_a_container_of_production_is_restricted_and_has_limits(name: str) -> None:
    host = inspect(name)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], None, False)
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Init"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["NanoCpus"] > 0
    assert host["Memory"] > host["MemoryReservation"] > 0
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}


@pytest.mark.parametrize("missing", ["BOLTLINK_PUBLIC_URL", "BOLTLINK_SECRETS", "BOLTLINK_CERTIFICATES"])
def test_make_up_stops_when_a_required_variable_is_missing(system: System, tmp_path: Path, missing: str) -> None:
    _make_certificate(tmp_path)
    assert f"required variable {missing} is missing" in _refusal(system, tmp_path, **{missing: ""})


@pytest.mark.parametrize("missing", ["fullchain.pem", "privkey.pem"])
def test_make_up_stops_when_a_certificate_is_missing(system: System, tmp_path: Path, missing: str) -> None:
    _make_certificate(tmp_path)
    (tmp_path / missing).unlink()
    assert f"Production needs these files: {tmp_path / missing}." in _refusal(system, tmp_path)


def test_make_up_stops_when_secrets_are_missing_and_creates_none(system: System, tmp_path: Path) -> None:
    _make_certificate(tmp_path)
    empty = tmp_path / "secrets"
    assert f"{empty}/postgres" in _refusal(system, tmp_path, BOLTLINK_SECRETS=str(empty))
    assert not empty.exists()


def _refusal(system: System, certificates: Path, **environment: str) -> str:
    """The message of `make up` when production cannot start; it must not change any container."""
    given = {
        "BOLTLINK_PRODUCTION": "yes",
        "BOLTLINK_PUBLIC_URL": "https://s.example.com",
        "BOLTLINK_SECRETS": str(system.folder / "secrets"),
        "BOLTLINK_CERTIFICATES": str(certificates),
    }
    before = [inspect(name)["Id"] for name in containers()]
    words = [sys.executable, "-m", "deploy.compose", "up"]
    env = {**os.environ, **given, **environment}
    done = subprocess.run(words, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert [inspect(name)["Id"] for name in containers()] == before
    return done.stderr
