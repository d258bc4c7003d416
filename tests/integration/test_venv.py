"""The environment of the Python packages is really created, in a temporary folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.common import venv as environment


def test_an_incomplete_environment_is_created_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv = tmp_path / ".venv"
    monkeypatch.setattr(environment, "CHECKOUT", tmp_path)
    monkeypatch.setattr(environment, "VENV", venv)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "runtime.txt").write_text("")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = environment.ensure_venv("runtime")
    assert subprocess.run([python, "-m", "pip", "--version"], check=False).returncode == 0
