"""The version of BoltLink, which /health and the OpenAPI document report."""

from typing import Final

VERSION: Final = "0.1.0"
