"""What is asked for: codes, and the order in which visitors follow them."""

import random
import string
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

HOT: Final = 1_000
"""Codes that visitors follow, of all that there are."""

DRAWS: Final = 16_384
"""Requests after which a load generator begins again."""

_ALPHABET: Final = string.ascii_letters + string.digits
_SEED: Final = 20_000_101

BROWSER: Final = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "de-DE,de;q=0.8,en-US;q=0.5,en;q=0.3",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "https://news.example.org/2025/03/what-happened-today",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-User": "?1",
}
"""What a browser sends that follows a link on a page."""


def codes(count: int, *, kind: str = "links") -> list[str]:
    """Different codes of seven random characters, the same ones every time; each kind has others."""
    source = random.Random(f"{_SEED} {kind}")  # noqa: S311  # no secret
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(source.choices(_ALPHABET, k=7))] = None
    return list(found)


def zipf(count: int, draws: int = DRAWS) -> list[int]:
    """Places 0 to count - 1 in the order in which they are drawn: the n-th one 1/n times as often as the first."""
    weights = list(accumulate(1 / (place + 1) for place in range(count)))
    return random.Random(_SEED).choices(range(count), cum_weights=weights, k=draws)  # noqa: S311  # no secret


def write_paths(path: Path, found: Sequence[str]) -> Path:
    """Write the requests of a Zipf-shaped load on some codes, the hottest one first, as `requests.lua` reads them."""
    return write_requests(path, (f"/{found[place]}" for place in zipf(len(found))))


def write_requests(path: Path, requests: Iterable[str]) -> Path:
    path.write_text("".join(f"{request}\n" for request in requests), encoding="utf-8")
    return path
