"""promtool and amtool, from the images in use, check the committed files."""

import os
import subprocess
from pathlib import PurePosixPath
from typing import Final

from deploy.common.checkout import CHECKOUT

FOLDER: Final = PurePosixPath("/monitoring")
PROMETHEUS: Final = f"prom/prometheus:{os.environ.get('PROMETHEUS_TAG', 'v2.53.3')}"
ALERTMANAGER: Final = f"prom/alertmanager:{os.environ.get('ALERTMANAGER_TAG', 'v0.28.1')}"


def tool(image: str, program: str, *words: str) -> str:
    """Run a program of an image on the folder monitoring/; return its output. Raises AssertionError when it fails."""
    mounted = f"{CHECKOUT / 'monitoring'}:{FOLDER}:ro"
    command = [
        "docker",
        "run",
        "--rm",
        "--network=none",
        "-v",
        mounted,
        "-w",
        str(FOLDER),
        "--entrypoint",
        program,
        image,
    ]
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_every_alert_fires_for_its_fault_and_only_then() -> None:
    assert "SUCCESS" in tool(PROMETHEUS, "promtool", "test", "rules", "rules_test.yml")


def test_prometheus_accepts_its_configuration_and_rules() -> None:
    assert "SUCCESS" in tool(PROMETHEUS, "promtool", "check", "config", "prometheus.yml")


def test_alertmanager_accepts_its_configuration() -> None:
    assert "SUCCESS" in tool(ALERTMANAGER, "amtool", "check-config", "alertmanager.yml")
