import pytest

from services.writer.settings import RelaySettings, WriterSettings
from shared.domain.errors import SettingsError

STORES = {"DATABASE_URL": "postgresql://u:p@h/d", "REDIS_URL": "redis://h:6379/0"}


def writer(**values: str) -> WriterSettings:
    return WriterSettings.from_env(STORES | values)


def faults_of(**values: str) -> list[str]:
    """The names of the settings that are wrong."""
    with pytest.raises(SettingsError) as caught:
        writer(**values)
    return [line.split()[0].rstrip(":") for line in str(caught.value).splitlines()]


def test_the_addresses_of_the_stores_are_the_only_required_settings() -> None:
    settings = writer()
    assert (settings.instance.instance_id, settings.public_url) == ("writer-1", "http://localhost:8080")


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        WriterSettings.from_env({"BODY_LIMIT": "0", "LINK_LIFETIME": "x", "LOG_LEVEL": "LOUD"})
    faults = {line.split()[0] for line in str(caught.value).splitlines()}
    assert faults == {"DATABASE_URL", "REDIS_URL", "BODY_LIMIT", "LINK_LIFETIME", "LOG_LEVEL"}


def test_the_public_url_is_no_target() -> None:
    assert writer(PUBLIC_URL="https://sho.rt").targets.fault("https://sho.rt/abc") is not None


def test_an_own_host_is_no_target() -> None:
    assert writer(OWN_HOSTS="old.sho.rt, older.sho.rt").targets.fault("http://older.sho.rt/abc") is not None


def test_more_schemes_may_be_allowed() -> None:
    assert writer(TARGET_SCHEMES="http https mailto").targets.fault("mailto:a@example.com") is None


def test_forbidden_schemes_cannot_be_allowed() -> None:
    assert faults_of(TARGET_SCHEMES="http javascript") == ["TARGET_SCHEMES"]


def test_an_invalid_own_host_is_a_fault() -> None:
    assert faults_of(OWN_HOSTS="no_host-") == ["OWN_HOSTS"]


@pytest.mark.parametrize("address", ["sho.rt", "https://sho.rt:99999", "https://no..host"])
def test_an_invalid_public_url_is_one_fault(address: str) -> None:
    assert faults_of(PUBLIC_URL=address) == ["PUBLIC_URL"]


def test_the_relay_has_its_defaults() -> None:
    settings = RelaySettings.from_env(STORES)
    assert (settings.instance.instance_id, settings.interval) == ("relay-1", 0.2)
