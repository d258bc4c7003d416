"""Codes: which texts may be one, and the domain that they belong to."""

import re
from typing import Final, NamedTuple

CODE_CHARACTERS: Final = "A-Za-z0-9_-"
MAX_CODE_LENGTH: Final = 64

CODE: Final = rf"[{CODE_CHARACTERS}]{{1,{MAX_CODE_LENGTH}}}"
"""What a code is, as part of a regular expression."""

CODE_PATTERN: Final = f"^{CODE}$"
"""As JSON Schema writes it. Python's `$` would let a line break follow, hence `is_code`."""

_CODE: Final = re.compile(CODE)

DEFAULT_DOMAIN: Final = "default"
"""Stands for the installation's own short domain, whatever `PUBLIC_URL` calls it today."""


class LinkName(NamedTuple):
    """What a link is called: its code, and the domain in which the code is unique."""

    domain: str
    code: str


def is_code(text: str) -> bool:
    """Whether a text can be a code."""
    return _CODE.fullmatch(text) is not None


def in_default_domain(code: str) -> LinkName:
    """The name of a code that comes without a domain."""
    return LinkName(DEFAULT_DOMAIN, code)
