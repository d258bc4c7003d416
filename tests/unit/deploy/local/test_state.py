from pathlib import Path

import pytest

from deploy.local.settings import LocalSettings, read_settings
from deploy.local.state import abandoned_spools, own_folder, secret, write_secret


@pytest.fixture
def settings(tmp_path: Path) -> LocalSettings:
    return read_settings({"BOLTLINK_STATE": str(tmp_path)}, tmp_path)


def test_a_spool_with_clicks_whose_resolver_runs_no_more_is_found(settings: LocalSettings) -> None:
    for name in ("resolver-3", "resolver-4", "resolver-5"):
        (settings.state / "spool" / name).mkdir(parents=True)
    for name in ("resolver-3", "resolver-4"):
        (settings.state / "spool" / name / "1.spool").touch()
    assert abandoned_spools(settings) == ["resolver-4"]


def test_a_secret_is_read_back(settings: LocalSettings) -> None:
    settings.secrets.mkdir()
    write_secret(settings.secrets / "redis", "hush")
    assert secret(settings, "redis") == "hush"


def test_only_the_owner_may_read_a_secret(tmp_path: Path) -> None:
    write_secret(tmp_path / "secret", "hush")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_others_can_read_is_replaced_by_one_that_they_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("old")
    (tmp_path / "secret").chmod(0o644)
    write_secret(tmp_path / "secret", "hush")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_file_left_by_an_interrupted_write_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "secret.new").write_text("half")
    write_secret(tmp_path / "secret", "hush")
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_others_may_not_enter_the_folder_of_a_server(tmp_path: Path) -> None:
    own_folder(tmp_path / "redis", None)
    assert (tmp_path / "redis").stat().st_mode & 0o777 == 0o700
