"""Values of the header `Cache-Control` (RFC 9111)."""

from typing import Final

CACHED_FOR_A_DAY: Final = "public, max-age=86400"
NO_STORE: Final = "no-store"
