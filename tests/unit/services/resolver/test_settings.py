from pathlib import Path

import pytest

from services.resolver.settings import ResolverSettings
from shared.domain.errors import SettingsError

NEEDED = {
    "DATABASE_URL": "postgresql://u:p@h/d",
    "REDIS_URL": "redis://h:6379/0",
    "SPOOL_FOLDER": "/var/spool/boltlink",
}


def test_a_resolver_needs_its_stores_and_a_spool() -> None:
    settings = ResolverSettings.from_env(NEEDED)
    assert (settings.instance.instance_id, settings.spool_folder) == ("resolver-1", Path("/var/spool/boltlink"))


def test_a_redirect_does_not_wait_long_for_redis() -> None:
    assert ResolverSettings.from_env(NEEDED).redis.timeout == 0.05


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        ResolverSettings.from_env({"MISS_LIFETIME": "0", "SPOOL_LIMIT": "1"})
    faults = {line.split()[0] for line in str(caught.value).splitlines()}
    assert faults == {"DATABASE_URL", "REDIS_URL", "SPOOL_FOLDER", "MISS_LIFETIME", "SPOOL_LIMIT"}
