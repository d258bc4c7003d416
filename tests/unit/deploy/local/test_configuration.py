import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions  # type: ignore[import-untyped]  # supervisor has no types

from deploy.common.checkout import CHECKOUT
from deploy.local.configuration import source_hash, supervisor_conf, write_all
from deploy.local.packages import Servers
from deploy.local.settings import LocalSettings, read_settings
from deploy.local.state import SECRETS, write_secret
from deploy.processes import FACTORIES

SERVERS = Servers(Path("/opt/postgres/bin"), Path("/opt/redis-server"), Path("/opt/redis-cli"), Path("/opt/nginx"))


def installation(state: Path, **environ: str) -> LocalSettings:
    """Settings of an installation whose folders and secrets are there."""
    settings = read_settings({"BOLTLINK_STATE": str(state)} | environ, state)
    for folder in (settings.secrets, settings.logs, state / "etc", state / "nginx"):
        folder.mkdir(parents=True)
    for name in SECRETS:
        write_secret(settings.secrets / name, f"{name}-hush")
    return settings


def rendered(state: Path, **environ: str) -> LocalSettings:
    """An installation whose every file is written."""
    settings = installation(state, **environ)
    write_all(settings, SERVERS)
    return settings


def nginx_conf(settings: LocalSettings) -> str:
    return (settings.state / "etc" / "nginx.conf").read_text(encoding="utf-8")


def programs(settings: LocalSettings) -> dict[str, Any]:
    """The programs as supervisord itself reads them."""
    options = ServerOptions()
    options.realize(["-c", str(supervisor_conf(settings))])
    return {group.name: group.process_configs[0] for group in options.process_group_configs}


def words_of(program: Any) -> list[str]:
    return shlex.split(program.command)


def test_every_place_of_nginx_s_template_is_filled_in(tmp_path: Path) -> None:
    assert re.findall(r"\$\{\w+", nginx_conf(rendered(tmp_path / "state"))) == []


def test_the_variables_of_nginx_itself_stay(tmp_path: Path) -> None:
    assert "$request_id" in nginx_conf(rendered(tmp_path / "state"))


@pytest.mark.parametrize(("pool", "count"), [("writer", 1), ("stats", 1), ("resolver", 3)])
def test_a_pool_contains_all_its_instances(tmp_path: Path, pool: str, count: int) -> None:
    settings = rendered(tmp_path / "state")
    block = re.search(rf"upstream {pool} \{{(.*?)\}}", nginx_conf(settings), re.DOTALL)
    assert block is not None
    ports = {int(port) for port in re.findall(r"server 127\.0\.0\.1:(\d+) max_fails=2", block[1])}
    expected = {port for name, port in settings.http_ports.items() if name.startswith(f"{pool}-")}
    assert (ports, len(ports)) == (expected, count)


def test_resolvers_are_backups_too_so_that_nginx_asks_them_when_all_have_just_failed(tmp_path: Path) -> None:
    settings = rendered(tmp_path / "state")
    lines = re.findall(r"server 127\.0\.0\.1:(\d+) max_fails=0 backup;", nginx_conf(settings))
    assert [f"{port}" for name, port in settings.http_ports.items() if name.startswith("resolver-")] == lines


@pytest.mark.parametrize(
    ("listen", "written"),
    [("192.0.2.1", "192.0.2.1:9090"), ("::1", "[::1]:9090"), ("::", "[::]:9090 ipv6only=off")],
)
def test_nginx_listens_on_the_address_of_the_setting(tmp_path: Path, listen: str, written: str) -> None:
    settings = rendered(tmp_path / "state", BOLTLINK_LISTEN=listen, BOLTLINK_PORT="9090")
    assert f"listen {written} backlog" in nginx_conf(settings)


def test_only_this_machine_can_read_the_status_of_nginx(tmp_path: Path) -> None:
    settings = rendered(tmp_path / "state", BOLTLINK_LISTEN="0.0.0.0")  # noqa: S104  # nothing is bound
    assert f"listen 127.0.0.1:{settings.status_port};" in nginx_conf(settings)


def test_without_trusted_proxies_x_forwarded_for_is_not_trusted(tmp_path: Path) -> None:
    assert "real_ip" not in nginx_conf(rendered(tmp_path / "state"))


def test_x_forwarded_for_of_a_trusted_proxy_is_trusted(tmp_path: Path) -> None:
    text = nginx_conf(rendered(tmp_path / "state", BOLTLINK_TRUSTED_PROXIES="10.0.0.0/8 192.0.2.1"))
    assert re.findall(r"set_real_ip_from (\S+);", text) == ["10.0.0.0/8", "192.0.2.1"]
    assert "real_ip_header X-Forwarded-For;" in text


def test_supervisord_has_every_process(tmp_path: Path) -> None:
    settings = rendered(tmp_path / "state")
    assert set(programs(settings)) == {"postgres", "redis", "nginx", *settings.http_ports}


@pytest.mark.parametrize("name", ["writer-1", "relay-1", "resolver-2", "stats-1", "consumer-1"])
def test_a_process_gets_its_name_its_port_and_its_application(tmp_path: Path, name: str) -> None:
    settings = rendered(tmp_path / "state")
    program = programs(settings)[name]
    assert program.environment["INSTANCE_ID"] == name
    assert program.environment["PORT"] == str(settings.http_ports[name])
    assert words_of(program)[-1] == FACTORIES[name.rpartition("-")[0]]


@pytest.mark.parametrize(("name", "role"), [("relay-1", "writer"), ("consumer-1", "stats"), ("resolver-3", "resolver")])
def test_a_process_connects_to_the_database_in_its_role(tmp_path: Path, name: str, role: str) -> None:
    program = programs(rendered(tmp_path / "state"))[name]
    url = Path(program.environment["DATABASE_URL_FILE"]).read_text().strip()
    assert url == f"postgresql://boltlink_{role}:{role}-hush@127.0.0.1:15432/boltlink"


def test_no_environment_contains_the_password_of_a_store(tmp_path: Path) -> None:
    environments = [str(program.environment) for program in programs(rendered(tmp_path / "state")).values()]
    assert not [text for text in environments if "-hush" in text]


@pytest.mark.parametrize("folder", ["100% mine", "with space", "it's", "a;b", "%(here)s", "ünïcödé"])
def test_the_folder_of_the_state_may_have_any_name(tmp_path: Path, folder: str) -> None:
    settings = rendered(tmp_path / folder)
    found = programs(settings)
    assert words_of(found["redis"])[-1] == str(settings.state / "redis" / "redis.conf")
    assert found["resolver-1"].environment["SPOOL_FOLDER"] == str(settings.state / "spool" / "resolver-1")
    assert found["resolver-1"].stdout_logfile == str(settings.logs / "resolver-1.log")


@pytest.mark.parametrize("value", ["plain", "100%", "%(ENV_HOME)s", "a b", "a,b", "it's", "back\\slash"])
def test_a_setting_reaches_its_process_unchanged(tmp_path: Path, value: str) -> None:
    found = programs(rendered(tmp_path / "state", OWN_HOSTS=value))
    assert found["writer-1"].environment["OWN_HOSTS"] == value


def test_only_the_owner_may_read_the_files_with_passwords(tmp_path: Path) -> None:
    settings = rendered(tmp_path / "state")
    files = [supervisor_conf(settings), settings.state / "redis" / "redis.conf", settings.secrets / "redis_url"]
    assert [oct(path.stat().st_mode & 0o777) for path in files] == ["0o600"] * 3


def test_redis_evicts_only_keys_with_a_lifetime(tmp_path: Path) -> None:
    settings = rendered(tmp_path / "state", BOLTLINK_REDIS_MEMORY="64mb")
    lines = (settings.state / "redis" / "redis.conf").read_text().splitlines()
    assert {"maxmemory 64mb", "maxmemory-policy volatile-lfu", "appendonly yes"} <= set(lines)


def test_redis_listens_on_this_machine_only_and_requires_a_password(tmp_path: Path) -> None:
    settings = rendered(tmp_path / "state")
    lines = (settings.state / "redis" / "redis.conf").read_text().splitlines()
    assert {"bind 127.0.0.1", "requirepass redis-hush"} <= set(lines)


@pytest.mark.parametrize(("durable", "fsync"), [("yes", "fsync=on"), ("no", "fsync=off")])
def test_postgres_waits_for_the_disk_unless_a_setting_says_no(tmp_path: Path, durable: str, fsync: str) -> None:
    found = programs(rendered(tmp_path / "state", BOLTLINK_DURABLE=durable))
    assert fsync in words_of(found["postgres"])


def test_rendering_again_changes_nothing(tmp_path: Path) -> None:
    settings = rendered(tmp_path / "state")
    before = supervisor_conf(settings).read_text()
    write_all(settings, SERVERS)
    assert supervisor_conf(settings).read_text() == before


def test_a_change_of_nginx_s_configuration_changes_its_section(tmp_path: Path) -> None:
    first = programs(rendered(tmp_path / "first"))["nginx"].environment
    second = programs(rendered(tmp_path / "second", BOLTLINK_PORT="9090"))["nginx"].environment
    assert first["CONFIGURATION"] != second["CONFIGURATION"]


def test_the_same_code_has_the_same_hash() -> None:
    assert source_hash() == source_hash()


def test_the_access_log_has_the_path_of_the_request_and_not_that_of_an_error_page() -> None:
    template = (CHECKOUT / "nginx" / "nginx.conf.template").read_text(encoding="utf-8")
    assert '"path":"$requested_path"' in template
    assert "map $request_uri $requested_path" in template
    assert '"~^(?<path_without_query>[^?]*)" $path_without_query;' in template
