from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.domain.errors import SettingsError
from shared.process.settings import DatabaseSettings, Environment, InstanceSettings, RedisSettings, public_url

Read = Callable[[Environment], Any]


def fault_of(read: Read, **values: str) -> str:
    """The message of the error for the values that are read."""
    env = Environment(values)
    read(env)
    with pytest.raises(SettingsError) as caught:
        env.finish()
    return str(caught.value)


def value_of(read: Read, **values: str) -> Any:
    """The value that is read from valid variables."""
    env = Environment(values)
    value = read(env)
    env.finish()
    return value


def read_text(env: Environment) -> str:
    return env.text("NAME")


def read_secret(env: Environment) -> str:
    return env.secret("NAME")


def read_integer(env: Environment) -> int:
    return env.integer("NAME", 7, least=1, most=10)


def read_seconds(env: Environment) -> float:
    return env.seconds("NAME", 1.5, least=0.5, most=60)


def read_choice(env: Environment) -> str:
    return env.choice("NAME", "INFO", ("INFO", "ERROR"))


def read_words(env: Environment) -> tuple[str, ...]:
    return env.words("NAME", "http https", forbidden=frozenset({"data"}))


def read_url(env: Environment) -> str:
    return env.url("NAME", "http://localhost", ("http", "https"))


def read_secret_url(env: Environment) -> str:
    return env.secret_url("NAME", ("redis", "unix"))


def test_a_text_is_read_without_surrounding_spaces() -> None:
    assert value_of(read_text, NAME="  some text\n") == "some text"


def test_a_text_has_its_default() -> None:
    assert value_of(lambda env: env.text("NAME", "usual")) == "usual"


@pytest.mark.parametrize("values", [{}, {"NAME": ""}, {"NAME": "  "}], ids=["absent", "empty", "blank"])
def test_a_text_without_a_default_is_required(values: dict[str, str]) -> None:
    assert fault_of(read_text, **values) == "NAME is required."


def test_an_empty_default_makes_a_text_optional() -> None:
    assert value_of(lambda env: env.text("NAME", "")) == ""


def test_a_secret_is_read_from_its_variable() -> None:
    assert value_of(read_secret, NAME="hush") == "hush"


def test_a_secret_is_read_from_the_file_of_its_file_variant(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    assert value_of(read_secret, NAME_FILE=str(tmp_path / "secret")) == "hush"


def test_the_file_wins_over_the_variable(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file")
    assert value_of(read_secret, NAME="from the variable", NAME_FILE=str(tmp_path / "secret")) == "from the file"


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    assert fault_of(read_secret, NAME_FILE=str(tmp_path / "none")).startswith("NAME_FILE: cannot read")


def test_a_file_that_is_not_text_is_a_fault_that_does_not_quote_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"hush\xff")
    assert "hush" not in fault_of(read_secret, NAME_FILE=str(tmp_path / "secret"))


def test_a_required_secret_in_an_empty_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    assert "NAME" in fault_of(read_secret, NAME_FILE=str(tmp_path / "secret"))


def test_an_optional_secret_may_stand_in_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("")
    assert value_of(lambda env: env.secret("NAME", ""), NAME_FILE=str(tmp_path / "secret")) == ""


@pytest.mark.parametrize(("text", "number"), [("", 7), ("1", 1), (" 10 ", 10)])
def test_a_whole_number_is_read(text: str, number: int) -> None:
    assert value_of(read_integer, NAME=text) == number


@pytest.mark.parametrize("text", ["0", "11", "-1", "1.5", "many", "0x5", "1e1", "9" * 5_000])
def test_a_whole_number_out_of_its_range_is_a_fault(text: str) -> None:
    assert fault_of(read_integer, NAME=text) == f"NAME must be a whole number from 1 to 10, not {text!r}."


@pytest.mark.parametrize(("text", "seconds"), [("", 1.5), ("0.5", 0.5), ("60", 60.0), ("1e1", 10.0)])
def test_seconds_are_read(text: str, seconds: float) -> None:
    assert value_of(read_seconds, NAME=text) == seconds


@pytest.mark.parametrize("text", ["0", "60.1", "-1", "nan", "inf", "soon"])
def test_seconds_out_of_their_range_are_a_fault(text: str) -> None:
    assert fault_of(read_seconds, NAME=text) == f"NAME must be seconds from 0.5 to 60, not {text!r}."


@pytest.mark.parametrize(("text", "choice"), [("", "INFO"), ("ERROR", "ERROR"), ("error", "ERROR")])
def test_a_choice_is_read_in_upper_and_lower_case(text: str, choice: str) -> None:
    assert value_of(read_choice, NAME=text) == choice


def test_an_unknown_choice_is_a_fault() -> None:
    assert fault_of(read_choice, NAME="LOUD") == "NAME must be one of INFO, ERROR, not 'LOUD'."


@pytest.mark.parametrize(
    ("text", "words"),
    [("", ("http", "https")), ("MAILTO", ("mailto",)), ("a,b c ,  d", ("a", "b", "c", "d"))],
)
def test_words_are_separated_by_spaces_or_commas(text: str, words: tuple[str, ...]) -> None:
    assert value_of(read_words, NAME=text) == words


def test_a_forbidden_word_is_a_fault() -> None:
    assert fault_of(read_words, NAME="http Data") == "NAME must not contain data."


def test_a_computed_value_is_returned() -> None:
    assert value_of(lambda env: env.computed("NAME", lambda: 5, 0)) == 5


def test_a_value_error_of_a_computation_is_a_fault_of_its_setting() -> None:
    def make() -> int:
        raise ValueError("no host")

    assert fault_of(lambda env: env.computed("NAME", make, 0)) == "NAME: no host."


@pytest.mark.parametrize(
    ("text", "url"),
    [("", "http://localhost"), ("https://sho.rt/", "https://sho.rt"), ("http://sho.rt:8080/s", "http://sho.rt:8080/s")],
)
def test_a_url_is_read_without_its_last_slash(text: str, url: str) -> None:
    assert value_of(read_url, NAME=text) == url


@pytest.mark.parametrize("text", ["ftp://sho.rt", "sho.rt", "//sho.rt", "http:", "http://[::1", "https:///path"])
def test_a_url_without_scheme_or_host_is_a_fault(text: str) -> None:
    assert fault_of(read_url, NAME=text) == "NAME must be a URL that begins with http:// or https://."


def test_a_url_of_a_socket_needs_no_host() -> None:
    assert value_of(read_secret_url, NAME="unix:///run/redis.sock") == "unix:///run/redis.sock"


def test_a_wrong_secret_url_is_not_quoted() -> None:
    assert "hush" not in fault_of(read_secret_url, NAME="http://user:hush@host")


def test_a_required_url_in_an_empty_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("")
    assert "NAME" in fault_of(read_secret_url, NAME_FILE=str(tmp_path / "url"))


def test_all_faults_are_reported_at_once() -> None:
    def read(env: Environment) -> None:
        env.text("FIRST")
        env.integer("SECOND", 1, least=1)
        env.seconds("THIRD", 1.0)

    faults = fault_of(read, SECOND="x", THIRD="y").splitlines()
    assert [fault.split()[0] for fault in faults] == ["FIRST", "SECOND", "THIRD"]


def test_every_name_that_was_read_is_recorded() -> None:
    env = Environment({"KEY_FILE": "/nowhere"})
    env.text("PLAIN", "")
    env.secret("KEY", "")
    assert env.names == ["PLAIN", "KEY_FILE", "KEY"]


def test_the_database_settings_are_read() -> None:
    settings = value_of(DatabaseSettings.read, DATABASE_URL="postgresql://u:p@h/d", DATABASE_POOL_SIZE="3")
    assert settings == DatabaseSettings(
        url="postgresql://u:p@h/d", pool_size=3, acquire_timeout=2.0, connect_timeout=2.0, statement_timeout=5.0
    )


def test_every_fault_of_the_database_is_reported_without_its_password() -> None:
    fault = fault_of(DatabaseSettings.read, DATABASE_URL="mysql://u:hush@h/d", DATABASE_POOL_SIZE="0")
    assert [line.split()[0] for line in fault.splitlines()] == ["DATABASE_URL", "DATABASE_POOL_SIZE"]
    assert "hush" not in fault


def test_a_service_has_its_own_timeout_for_redis() -> None:
    settings = value_of(lambda env: RedisSettings.read(env, timeout=0.1), REDIS_URL="redis://h:6379/0")
    assert settings == RedisSettings(url="redis://h:6379/0", timeout=0.1)


def test_the_default_instance_id_is_the_name_of_the_service() -> None:
    settings = value_of(lambda env: InstanceSettings.read(env, default_id="stats-1"))
    assert settings == InstanceSettings(instance_id="stats-1", log_level="INFO")


@pytest.mark.parametrize("address", ["https://sho.rt/?", "https://sho.rt?q=", "https://sho.rt/#top"])
def test_a_public_address_with_a_query_or_a_fragment_is_refused(address: str) -> None:
    assert fault_of(public_url, PUBLIC_URL=address) == "PUBLIC_URL: it must not contain ? or #."


def test_the_public_address_has_no_last_slash() -> None:
    assert value_of(public_url, PUBLIC_URL="https://sho.rt/") == "https://sho.rt"
