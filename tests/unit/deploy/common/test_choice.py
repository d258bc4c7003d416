import re
from pathlib import Path

import pytest

from deploy.common import choice
from deploy.common.checkout import CHECKOUT
from deploy.common.containers import containers_run


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / ".runtime"


def test_nothing_else_runs_where_nothing_was_started(mark: Path) -> None:
    assert not choice.other_runs("local", lambda: True, mark)


@pytest.mark.parametrize("running", [True, False])
def test_the_other_runtime_runs_only_while_it_is_running(mark: Path, *, running: bool) -> None:
    choice.remember("local", mark)
    assert choice.other_runs("compose", lambda: running, mark) == running


def test_a_runtime_is_not_its_own_other_one(mark: Path) -> None:
    choice.remember("local", mark)
    assert not choice.other_runs("local", lambda: True, mark)


def test_a_forgotten_runtime_does_not_count(mark: Path) -> None:
    choice.remember("local", mark)
    choice.forget(mark)
    assert not choice.other_runs("compose", lambda: True, mark)


@pytest.mark.parametrize("runtime", ["local", "compose"])
def test_only_clean_forgets_the_runtime(runtime: str) -> None:
    text = (CHECKOUT / "deploy" / runtime / "__main__.py").read_text(encoding="utf-8")
    methods = dict(re.findall(r"    def (\w+)\((.*?)(?=\n    def |\Z)", text, re.DOTALL))
    assert [name for name, body in methods.items() if "choice.forget()" in body] == ["destroy"]


@pytest.mark.parametrize(
    ("script", "running"),
    [("echo 0123456789ab", True), ("true", False), ("echo no engine >&2; exit 1", False)],
    ids=["a container", "no container", "no engine"],
)
def test_containers_run_when_docker_lists_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, *, running: bool
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert containers_run() == running


def test_no_containers_run_without_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not containers_run()
