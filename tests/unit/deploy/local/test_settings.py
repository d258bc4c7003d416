from pathlib import Path

import pytest

from deploy.common.faults import RuntimeFault
from deploy.local import monitoring
from deploy.local.settings import HANDED_ON, LocalSettings, enterable_by_others, read_settings
from deploy.processes import PROCESSES, read_instances


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that has its state folder, so that nothing depends on who runs the test."""
    (tmp_path / ".boltlink").mkdir()
    return tmp_path


def read(checkout: Path, env_file: str = "", **environ: str) -> LocalSettings:
    if env_file:
        (checkout / ".env").write_text(env_file, encoding="utf-8")
    return read_settings(environ, checkout)


def test_every_setting_has_a_default(checkout: Path) -> None:
    settings = read(checkout)
    assert (settings.public_url, settings.listen, settings.database) == (
        "http://localhost:8080",
        "127.0.0.1",
        "boltlink",
    )


def test_the_state_is_in_the_checkout(checkout: Path) -> None:
    assert read(checkout).state == checkout / ".boltlink"


def test_the_state_may_be_elsewhere(checkout: Path) -> None:
    assert read(checkout, BOLTLINK_STATE="/srv/boltlink").state == Path("/srv/boltlink")


def test_the_state_may_be_a_link_to_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".boltlink").symlink_to(tmp_path / "elsewhere")
    assert read(tmp_path).state == tmp_path / "elsewhere"


def test_a_tilde_is_the_home_folder(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert read(checkout, BOLTLINK_STATE="~/links").state == Path("/home/somebody/links")


def test_the_short_urls_follow_the_port(checkout: Path) -> None:
    assert read(checkout, BOLTLINK_PORT="9090").public_url == "http://localhost:9090"


@pytest.mark.parametrize("address", ["nonsense", "localhost", "127.0.0.1:80", "*"])
def test_a_listen_address_that_is_no_address_is_refused(checkout: Path, address: str) -> None:
    with pytest.raises(RuntimeFault, match="BOLTLINK_LISTEN must be an IP address"):
        read(checkout, BOLTLINK_LISTEN=address)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("BOLTLINK_TRUSTED_PROXIES", "10.0.0.1 nonsense"),
        ("BOLTLINK_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("BOLTLINK_REDIS_MEMORY", "lots"),
        ("BOLTLINK_REDIS_MEMORY", "-1"),
        ("BOLTLINK_DATABASE", 'a"b'),
        ("BOLTLINK_DATABASE", "a b"),
    ],
)
def test_a_value_that_a_server_would_refuse_is_refused_first(checkout: Path, name: str, text: str) -> None:
    with pytest.raises(RuntimeFault, match=f"{name} must be"):
        read(checkout, **{name: text})


def test_every_fault_is_reported_at_once(checkout: Path) -> None:
    wrong = {"RESOLVERS": "abc", "BOLTLINK_PORT": "x", "BOLTLINK_LISTEN": "y", "BOLTLINK_TRUSTED_PROXIES": "z"}
    wrong |= {"BOLTLINK_DATABASE": "a b", "BOLTLINK_ADMIN_KEY_FILE": "/missing", "LOG_LEVEL": "\x00"}
    with pytest.raises(RuntimeFault) as found:
        read(checkout, "nonsense\n", **wrong)
    lines = str(found.value).splitlines()
    assert lines[0] == "Some settings are wrong:"
    assert len(lines) == 1 + 1 + len(wrong)
    assert all(name in str(found.value) for name in (".env, line 1", *wrong))


def test_a_wrong_memory_is_reported_with_the_units_that_redis_knows(checkout: Path) -> None:
    with pytest.raises(RuntimeFault) as found:
        read(checkout, BOLTLINK_REDIS_MEMORY="lots")
    expected = "BOLTLINK_REDIS_MEMORY must be a number with b, kb, mb or gb, such as 512mb, not 'lots'."
    assert str(found.value) == expected


def test_the_public_address_has_no_last_slash(checkout: Path) -> None:
    assert read(checkout, BOLTLINK_PUBLIC_URL="https://sho.rt/").public_url == "https://sho.rt"


def test_a_setting_may_be_in_the_file(checkout: Path) -> None:
    assert read(checkout, "BOLTLINK_PORT=9090\n").port == 9090


def test_the_environment_wins_over_the_file(checkout: Path) -> None:
    assert read(checkout, "BOLTLINK_PORT=9090\n", BOLTLINK_PORT="9191").port == 9191


@pytest.mark.parametrize(
    "line",
    [
        "BOLTLINK_DATABASE=links",
        "  BOLTLINK_DATABASE = links  ",
        'BOLTLINK_DATABASE="links"',
        "BOLTLINK_DATABASE='links'",
        "# a comment\n\nBOLTLINK_DATABASE=links",
    ],
)
def test_a_line_of_the_file_names_a_value(checkout: Path, line: str) -> None:
    assert read(checkout, line).database == "links"


def test_a_value_may_hold_an_equals_sign(checkout: Path) -> None:
    assert read(checkout, "BOLTLINK_ADMIN_KEY=abc=def=").admin_key == "abc=def="


def test_a_line_that_names_nothing_is_a_fault_with_its_number(checkout: Path) -> None:
    with pytest.raises(RuntimeFault, match=r"line 2: write NAME=value"):
        read(checkout, "LOG_LEVEL=INFO\nnonsense\n")


@pytest.mark.parametrize("name", ["PORT", "POSTGRES_PORT", "REDIS_PORT", "INNER_PORT"])
def test_a_fault_names_the_port_that_is_wrong(checkout: Path, name: str) -> None:
    with pytest.raises(RuntimeFault, match=f"BOLTLINK_{name} must be a port"):
        read(checkout, **{f"BOLTLINK_{name}": "http"})


@pytest.mark.parametrize("text", ["0", "65501", "-1", "80.5", "0x50", "9" * 5_000])
def test_a_number_that_is_no_port_is_a_fault(checkout: Path, text: str) -> None:
    with pytest.raises(RuntimeFault, match="must be a port"):
        read(checkout, BOLTLINK_PORT=text)


def test_every_process_has_a_port_of_its_own(checkout: Path) -> None:
    ports = read(checkout).all_ports()
    assert len(set(ports.values())) == len(ports) == 3 + 2 + len(read_instances({}))


def test_every_port_is_named_by_the_setting_that_determines_it(checkout: Path) -> None:
    before = read(checkout).all_ports()
    after = read(checkout, BOLTLINK_INNER_PORT="18000").all_ports()
    moved = {name for name, port in after.items() if port != before[name]}
    assert moved == {name for name in before if name.startswith("BOLTLINK_INNER_PORT")}


def test_no_inner_port_is_above_the_highest(checkout: Path) -> None:
    settings = read(checkout, BOLTLINK_INNER_PORT="65500", RESOLVERS="20")
    assert max([*settings.all_ports().values(), *monitoring.ports(settings).values()]) < 65_536


def test_the_ports_of_the_first_processes_do_not_depend_on_the_number_of_resolvers(checkout: Path) -> None:
    for count in ("1", "20"):
        names = list(read(checkout, RESOLVERS=count).http_ports)
        assert names[:4] == ["writer-1", "relay-1", "stats-1", "consumer-1"]


def test_a_wrong_number_of_resolvers_is_a_fault(checkout: Path) -> None:
    with pytest.raises(RuntimeFault, match="RESOLVERS must be a whole number from 1 to 20"):
        read(checkout, RESOLVERS="none")


def test_there_are_three_resolvers_and_one_of_each_other_process(checkout: Path) -> None:
    names = [name.rpartition("-")[0] for name in read(checkout).http_ports]
    assert {name: names.count(name) for name in names} == dict.fromkeys(PROCESSES, 1) | {"resolver": 3}


def test_proxies_may_be_trusted(checkout: Path) -> None:
    proxies = read(checkout, BOLTLINK_TRUSTED_PROXIES="10.0.0.0/8, 192.0.2.1").trusted_proxies
    assert proxies == ("10.0.0.0/8", "192.0.2.1")


def test_settings_of_the_services_are_handed_on(checkout: Path) -> None:
    settings = read(checkout, LOG_LEVEL="DEBUG", LINK_LIFETIME="", HOME="/root")
    assert settings.handed_on == {"LOG_LEVEL": "DEBUG"}


def test_no_secret_is_handed_on() -> None:
    assert not [name for name in HANDED_ON if name.endswith(("_URL", "_SECRET", "_PASSWORD", "_KEY"))]


def test_the_admin_key_may_stand_in_a_file(checkout: Path) -> None:
    (checkout / "key").write_text("bl_hush\n")
    assert read(checkout, BOLTLINK_ADMIN_KEY_FILE=str(checkout / "key")).admin_key == "bl_hush"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["no file", "no text"])
def test_a_file_that_cannot_be_read_is_a_fault(checkout: Path, content: bytes | None) -> None:
    if content is not None:
        (checkout / "key").write_bytes(content)
    with pytest.raises(RuntimeFault, match="BOLTLINK_ADMIN_KEY_FILE"):
        read(checkout, BOLTLINK_ADMIN_KEY_FILE=str(checkout / "key"))


@pytest.mark.parametrize(("text", "durable"), [("yes", True), ("no", False), ("", True)])
def test_postgres_is_durable_unless_a_setting_says_no(checkout: Path, text: str, durable: bool) -> None:  # noqa: FBT001  # it is what is tested
    assert read(checkout, BOLTLINK_DURABLE=text).durable == durable


def test_a_folder_in_a_closed_one_is_closed(tmp_path: Path) -> None:
    (tmp_path / "closed" / "open").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert not enterable_by_others(tmp_path / "closed" / "open")


def test_a_folder_that_does_not_exist_yet_is_as_open_as_its_parent() -> None:
    assert enterable_by_others(Path("/usr/new/folder"))
