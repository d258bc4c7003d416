"""What is requested: codes, and the order in which visitors follow them."""

import random
import string
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

HOT: Final = 1_000
"""How many of all codes visitors follow."""

DRAWS: Final = 16_384
"""How many requests a file contains; a load generator starts again at the end of the file."""

_ALPHABET: Final = string.ascii_letters + string.digits
_SEED: Final = 20_000_101

BROWSER_HEADERS: Final = {
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
"""The headers that a browser sends when it follows a link on a page."""


def codes(count: int, *, kind: str = "links") -> list[str]:
    """Different codes of seven random characters, the same ones in every run. Different kinds have different codes."""
    source = random.Random(f"{_SEED} {kind}")  # noqa: S311  # no secret
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(source.choices(_ALPHABET, k=7))] = None
    return list(found)


def zipf(count: int, draws: int = DRAWS) -> list[int]:
    """Random places from 0 to count - 1, in the order of the draws; place n is 1/(n + 1) times as likely as place 0."""
    weights = list(accumulate(1 / (place + 1) for place in range(count)))
    return random.Random(_SEED).choices(range(count), cum_weights=weights, k=draws)  # noqa: S311  # no secret


def write_paths(path: Path, found: Sequence[str], *, with_query: bool = False) -> Path:
    """Write the requests of a Zipf-shaped load on some codes, the hottest code first, for `requests.lua`.

    `with_query`: each request has a query of its own, as if visitors came from different campaigns.
    """
    queries = (f"?q=visitor-{number}" if with_query else "" for number in range(DRAWS))
    draws = zipf(len(found))
    return write_requests(path, (f"/{found[place]}{query}" for place, query in zip(draws, queries, strict=True)))


def write_requests(path: Path, requests: Iterable[str]) -> Path:
    """Write a file of requests for `requests.lua`, one a line."""
    path.write_text("".join(f"{request}\n" for request in requests), encoding="utf-8")
    return path
