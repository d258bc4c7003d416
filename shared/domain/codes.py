"""Codes: what a code may look like, and the domain in which it is unique."""

import re
from typing import Final, NamedTuple

CODE_CHARACTERS: Final = "A-Za-z0-9_-"
MAX_CODE_LENGTH: Final = 64

CODE: Final = rf"[{CODE_CHARACTERS}]{{1,{MAX_CODE_LENGTH}}}"
"""A regular expression of a code, to be used inside of others."""

CODE_RULE: Final = f"1 to {MAX_CODE_LENGTH} of A-Z, a-z, 0-9, - and _"
"""The same in words."""

CODE_PATTERN: Final = f"^{CODE}$"
"""The same for JSON Schema. Python code calls `is_code`, because Python's `$` also matches before a last line break."""

_CODE: Final = re.compile(CODE)

DEFAULT_DOMAIN: Final = "default"
"""Stands for the installation's own short domain, so that links survive a change of `PUBLIC_URL`."""


class LinkName(NamedTuple):
    """The name of a link: its code, and the domain in which the code is unique."""

    domain: str
    code: str


def is_code(text: str) -> bool:
    """Whether a text has the form of a code."""
    return _CODE.fullmatch(text) is not None


def in_default_domain(code: str) -> LinkName:
    """The name of a link in the default domain."""
    return LinkName(DEFAULT_DOMAIN, code)
