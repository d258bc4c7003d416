"""The virtual environment in `.venv`, with the Python packages that `requirements/` pins."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.common import apt
from deploy.common.checkout import CHECKOUT
from deploy.common.console import run, step

VENV: Final = CHECKOUT / ".venv"
DEBIAN_PACKAGE: Final = "python3-venv"


def ensure_venv(requirements: str) -> Path:
    """Install `requirements/NAME.txt` unless it is installed, and return the Python of the virtual environment."""
    file = CHECKOUT / "requirements" / f"{requirements}.txt"
    mark = VENV / f".{requirements}"
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    python = VENV / "bin" / "python"
    if python.exists() and mark.exists() and mark.read_text() == checksum:
        return python
    if not _is_complete(VENV):
        if not _can_be_created():
            apt.install([DEBIAN_PACKAGE])
        with step("Creating a virtual environment in .venv"):
            run([sys.executable, "-m", "venv", "--clear", VENV], what="The virtual environment could not be created")
    with step("Installing the Python packages, with their hashes checked"):
        run(
            [python, "-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "-r", file],
            what="The Python packages could not be installed",
        )
    mark.write_text(checksum)
    return python


def is_available() -> bool:
    """Whether the environment exists or can be created without another package."""
    return _is_complete(VENV) or _can_be_created()


def _is_complete(venv: Path) -> bool:
    """Whether an environment is complete: it gets pip at the end."""
    return (venv / "bin" / "pip").exists()


def _can_be_created() -> bool:
    return (
        subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode
        == 0
    )
