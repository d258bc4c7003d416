"""Whether containers of this checkout run, for the runtime that does not use Docker."""

import shutil
import subprocess
from typing import Final

from deploy.common.checkout import CHECKOUT

_DOCKER_TIMEOUT: Final = 20


def containers_run() -> bool:
    """Whether Docker Compose runs a container of this checkout; False when no engine responds."""
    if shutil.which("docker") is None:
        return False
    label = f"label=com.docker.compose.project.working_dir={CHECKOUT}"
    try:
        done = subprocess.run(
            ["docker", "ps", "-q", "--filter", label],
            capture_output=True,
            check=False,
            timeout=_DOCKER_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and bool(done.stdout.strip())
