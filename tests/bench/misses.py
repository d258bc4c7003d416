"""Codes that do not exist and that Redis has just remembered as missing."""

import asyncio
from collections.abc import Sequence
from typing import Final

import aiohttp

from deploy.common.faults import RuntimeFault
from shared.domain.codes import in_default_domain
from shared.redis import keys as redis_keys
from tests.bench import links
from tests.bench.installations import Installation

_TIMEOUT: Final = 30.0


def look_up_again(product: Installation, codes: Sequence[str]) -> None:
    """Let the resolvers look every code up again, so that Redis remembers each one as missing during the next load.

    All codes are requested at once, because a resolver throttles its lookups of unknown codes in PostgreSQL and looks
    up all codes that wait in one query. Raises RuntimeFault when a code does not answer 404.
    """
    with links.connect_redis(product.settings) as redis:
        redis.delete(*(redis_keys.route(in_default_domain(code)) for code in codes))
    statuses = asyncio.run(_follow_all(product.nginx, codes))
    if statuses != {404}:
        raise RuntimeFault(f"Codes that do not exist answer {sorted(statuses)}.")


async def _follow_all(nginx: str, codes: Sequence[str]) -> set[int]:
    async def follow(code: str) -> int:
        async with session.get(f"{nginx}/{code}", allow_redirects=False) as response:
            return response.status

    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=_TIMEOUT)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        return set(await asyncio.gather(*(follow(code) for code in codes)))
