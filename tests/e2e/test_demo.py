"""The demo on the system under test. It reads only its own links, so it may run before or after any other test."""

import os
import subprocess
import sys

from deploy.common.checkout import CHECKOUT


def test_the_demo_finds_every_redirect_and_every_count_right(base_url_and_key: tuple[str, str]) -> None:
    url, key = base_url_and_key
    env = {**os.environ, "BOLTLINK_URL": url, "BOLTLINK_KEY": key}
    command = [sys.executable, "-m", "deploy.demo"]
    done = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 links wrong" in done.stdout
