"""Codes: what a code may look like, and the domain in which it is unique."""

import re
from typing import Final, NamedTuple

from shared.domain.errors import LinkNotFound

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


NO_SUCH_LINK: Final = "There is no link with this code."


class LinkName(NamedTuple):
    """The name of a link: its code, and the domain in which the code is unique."""

    domain: str
    code: str


def is_code(text: str) -> bool:
    """Whether a text has the form of a code."""
    return _CODE.fullmatch(text) is not None


def link_name(text: str) -> LinkName:
    """The name of the link whose code a client sent. Raises LinkNotFound for a text that is no code."""
    if not is_code(text):
        raise LinkNotFound(NO_SUCH_LINK)
    return in_default_domain(text)


def in_default_domain(code: str) -> LinkName:
    """The name of a link in the default domain."""
    return LinkName(DEFAULT_DOMAIN, code)
