"""The version of BoltLink, told by /health and the API's document."""

from typing import Final

VERSION: Final = "0.1.0"
