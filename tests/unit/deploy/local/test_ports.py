import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.common.faults import RuntimeFault
from deploy.local.ports import check_distinct, check_free, record
from deploy.local.settings import LocalSettings, read_settings

STOPPED: Any = SimpleNamespace(runs=False, port=31_600)
RUNNING: Any = SimpleNamespace(runs=True, port=31_600)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def settings(state: Path, **ports: int) -> LocalSettings:
    usual = {"PORT": 31_580, "POSTGRES_PORT": 31_581, "REDIS_PORT": 31_582, "INNER_PORT": 31_600}
    values = {f"BOLTLINK_{name}": str(port) for name, port in {**usual, **ports}.items()}
    return read_settings({"BOLTLINK_STATE": str(state), **values}, state)


def test_different_ports_are_accepted(tmp_path: Path) -> None:
    check_distinct(settings(tmp_path))


def test_two_settings_with_the_same_port_are_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault) as found:
        check_distinct(settings(tmp_path, REDIS_PORT=31_580))
    assert str(found.value) == "BOLTLINK_PORT and BOLTLINK_REDIS_PORT are both 31580; change one of them."


def test_an_inner_port_is_named_by_its_distance(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault) as found:
        check_distinct(settings(tmp_path, PORT=31_604))
    assert str(found.value) == "BOLTLINK_PORT and BOLTLINK_INNER_PORT + 4 are both 31604; change one of them."


def test_a_taken_port_is_named_with_its_setting(tmp_path: Path, taken: int) -> None:
    with pytest.raises(RuntimeFault, match=rf"\n    {taken} \(BOLTLINK_PORT\)\Z"):
        check_free(settings(tmp_path, PORT=taken), STOPPED)


def test_a_port_that_the_running_system_uses_is_not_probed(tmp_path: Path, taken: int) -> None:
    record(settings(tmp_path, PORT=taken))
    check_free(settings(tmp_path, PORT=taken), RUNNING)


def test_a_new_port_of_the_running_system_is_probed(tmp_path: Path, taken: int) -> None:
    record(settings(tmp_path))
    with pytest.raises(RuntimeFault, match=r"\(BOLTLINK_PORT\)"):
        check_free(settings(tmp_path, PORT=taken), RUNNING)


def test_a_recorded_port_is_probed_once_the_system_has_stopped(tmp_path: Path, taken: int) -> None:
    record(settings(tmp_path, PORT=taken))
    with pytest.raises(RuntimeFault, match=r"\(BOLTLINK_PORT\)"):
        check_free(settings(tmp_path, PORT=taken), STOPPED)


def test_the_port_of_supervisord_belongs_to_the_running_system(tmp_path: Path, taken: int) -> None:
    running: Any = SimpleNamespace(runs=True, port=taken)
    record(settings(tmp_path))
    with pytest.raises(RuntimeFault, match=r"\(BOLTLINK_PORT\)"):
        check_free(settings(tmp_path, PORT=taken), running)


def test_a_system_that_recorded_no_ports_is_left_alone(tmp_path: Path, taken: int) -> None:
    check_free(settings(tmp_path, PORT=taken), RUNNING)
