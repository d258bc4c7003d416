import os
import subprocess
import sys
from pathlib import Path

from deploy.common.checkout import CHECKOUT


def run(*words: str, **environ: str) -> str:
    env = {**os.environ, **environ}
    done = subprocess.run([sys.executable, "-m", *words], cwd=CHECKOUT, env=env, capture_output=True, text=True)  # noqa: PLW1510  # the output is checked
    return done.stdout.strip()


def test_the_runtime_is_found_also_when_a_setting_is_wrong(tmp_path: Path) -> None:
    assert run("deploy.compose", "detect", RESOLVERS="abc", PATH=str(tmp_path)) == "local"


def test_an_installation_that_was_never_started_does_not_run(tmp_path: Path) -> None:
    assert run("deploy.local", "runs", BOLTLINK_STATE=str(tmp_path)) == "no"
