"""The proof that every redirect's click was in Redis before its answer."""

import time
from typing import Any, Final

from deploy.local.settings import LocalSettings, RuntimeFault
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from tests.bench.links import connect_redis

_PAGE: Final = 2_000
_SECONDS: Final = 5.0


def check(settings: LocalSettings, answers: int, cut_off: int, *, direct: bool = False) -> int:
    """Compare the clicks in the stream with the answers, and empty it; how many came twice.

    wrk leaves without the answers that are under way when its time is up, so up to `cut_off` clicks more may be there.
    A click may come twice, for instance when Redis took it and did not say so in time; its id says that it is one. In
    a `direct` load, ids begin again with the file of requests, so that only all clicks together can be compared.
    Raises RuntimeFault when a click is missing, or one too many is there.
    """
    with connect_redis(settings) as redis:
        deadline = time.monotonic() + _SECONDS
        while len(ids := _ids(redis)) < answers and time.monotonic() < deadline:
            time.sleep(0.05)
        redis.xtrim(redis_keys.CLICK_STREAM, maxlen=0, approximate=False)
    found = len(ids) if direct else len(set(ids))
    if found < answers or (found > answers + cut_off and not direct):
        raise RuntimeFault(f"{answers} redirects were answered, but {found} clicks are in the stream.")
    return len(ids) - found


def _ids(redis: Any) -> list[str]:
    found, after = [], "-"
    while page := redis.xrange(redis_keys.CLICK_STREAM, min=after, count=_PAGE):
        events = (event for _, fields in page for event in click_events.split(fields[click_stream.FIELD]))
        found += [click_events.decode(event).id for event in events]
        after = f"({page[-1][0].decode()}"
    return found


def trim(settings: LocalSettings, stream: str = redis_keys.CLICK_STREAM, *, database: int = 0) -> int:
    """Empty a stream; how many entries it had."""
    with connect_redis(settings, database) as redis:
        return int(redis.xtrim(stream, maxlen=0, approximate=False))
