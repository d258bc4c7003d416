import ast
import re
from pathlib import Path

import pytest

from deploy.common.checkout import CHECKOUT
from deploy.common.environment import known_names, parse_env_file, read_env_file
from deploy.common.faults import RuntimeFault
from tests.unit.documentation import read_by_source


def faults(folder: Path, text: str) -> list[str]:
    (folder / ".env").write_text(text, encoding="utf-8")
    return parse_env_file(folder / ".env")[1]


def test_a_line_with_export_is_a_fault_that_shows_the_right_line(tmp_path: Path) -> None:
    found = faults(tmp_path, "\n\n\n\nexport LOG_LEVEL=loud\n")
    assert found == [".env, line 5: write LOG_LEVEL=loud, without export."]


@pytest.mark.parametrize(
    ("name", "end"), [("RESOLVRS", "; did you mean RESOLVERS?"), ("QXZ", "."), ("export_LOG", None), ("PORT", None)]
)
def test_an_unknown_name_is_a_fault(tmp_path: Path, name: str, end: str | None) -> None:
    (fault,) = faults(tmp_path, f"{name}=5")
    assert fault.startswith(f".env, line 1: {name} is no setting of BoltLink")
    assert end is None or fault.endswith(f"BoltLink{end}")


def test_every_faulty_line_is_reported(tmp_path: Path) -> None:
    faults(tmp_path, "A=1\nnonsense\nLOG_LEVEL=INFO\n")
    with pytest.raises(RuntimeFault, match=r"line 1: A is no setting.*\n.*line 2: write NAME=value"):
        read_env_file(tmp_path / ".env")


def test_every_name_of_env_example_is_known(tmp_path: Path) -> None:
    text = re.sub(r"^#(?=[A-Z_]+=)", "", (CHECKOUT / ".env.example").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert faults(tmp_path, text) == []
    assert len(parse_env_file(tmp_path / ".env")[0]) > 50


def test_every_name_that_a_runtime_reads_is_known() -> None:
    names = read_by_source("deploy/local/settings.py", "values")
    for path in (CHECKOUT / "deploy" / "compose").glob("*.py"):
        names |= _read_from_environ(path)
    assert "BOLTLINK_PRODUCTION" in names
    assert names <= known_names()


def _read_from_environ(path: Path) -> set[str]:
    text = ast.unparse(ast.parse(path.read_text(encoding="utf-8")))
    return set(re.findall(r"environ(?:\.get\(|\[)'([A-Z_]+)'", text))


@pytest.mark.parametrize("name", ["COMPOSE_PROFILES", "DOCKER_HOST"])
def test_the_settings_of_docker_are_accepted(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"{name}=x") == []
