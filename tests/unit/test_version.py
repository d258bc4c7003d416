"""The version is written in three files, each of which is read without the others."""

import re
import tomllib

from deploy.common.checkout import CHECKOUT
from shared.process.version import VERSION


def test_pyproject_has_the_version_of_the_code() -> None:
    document = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    assert document["project"]["version"] == VERSION


def test_the_image_has_the_version_of_the_code() -> None:
    dockerfile = (CHECKOUT / "services" / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^ARG VERSION=(\S+)$", dockerfile, re.MULTILINE) == [VERSION]
