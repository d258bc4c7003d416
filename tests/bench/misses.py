"""Codes that were never made, and that Redis has just been told of."""

import asyncio
from collections.abc import Sequence
from typing import Final

import aiohttp

from deploy.local.settings import RuntimeFault
from shared.domain.codes import in_default_domain
from shared.redis import keys as redis_keys
from tests.bench import links
from tests.bench.installations import Installation

_SECONDS: Final = 30.0


def remember(product: Installation, codes: Sequence[str]) -> None:
    """Have every code looked up anew, so that none is forgotten during the next load. Raises RuntimeFault.

    All are asked for at once: a resolver asks PostgreSQL for unknown codes sparingly, for all who wait together.
    """
    with links.connect_redis(product.settings) as redis:
        redis.delete(*(redis_keys.route(in_default_domain(code)) for code in codes))
    statuses = asyncio.run(_follow_all(product.nginx, codes))
    if statuses != {404}:
        raise RuntimeFault(f"Codes that were never made are answered {sorted(statuses)}.")


async def _follow_all(nginx: str, codes: Sequence[str]) -> set[int]:
    async def follow(code: str) -> int:
        async with session.get(f"{nginx}/{code}", allow_redirects=False) as answer:
            return answer.status

    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        return set(await asyncio.gather(*(follow(code) for code in codes)))
