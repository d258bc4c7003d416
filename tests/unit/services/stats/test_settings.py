import pytest

from services.stats.settings import ConsumerSettings, StatsSettings
from shared.domain.errors import SettingsError

REQUIRED = {"DATABASE_URL": "postgresql://u:p@h/d", "REDIS_URL": "redis://h:6379/0", "VISITOR_SECRET": "hush"}


def test_the_api_starts_with_the_required_settings() -> None:
    assert StatsSettings.from_env(REQUIRED).instance.instance_id == "stats-1"


def test_the_consumer_has_its_defaults() -> None:
    settings = ConsumerSettings.from_env(REQUIRED)
    assert (settings.batch_size, settings.claim_after, settings.visitor_secret) == (200, 10.0, "hush")


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        ConsumerSettings.from_env({"CLICK_BATCH_SIZE": "0", "CLICK_CLAIM_AFTER": "soon"})
    faults = {line.split()[0] for line in str(caught.value).splitlines()}
    assert faults == {"DATABASE_URL", "REDIS_URL", "VISITOR_SECRET", "CLICK_BATCH_SIZE", "CLICK_CLAIM_AFTER"}


def test_the_timeout_of_redis_is_longer_than_a_read_waits() -> None:
    assert ConsumerSettings.from_env(REQUIRED).redis.timeout > 1.0
