"""Checks that the click of every redirect was in Redis before the response was sent."""

import time
from typing import Any, Final

from deploy.common.faults import RuntimeFault
from deploy.local.settings import LocalSettings
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from tests.bench.links import connect_redis

_PAGE: Final = 2_000
_TIMEOUT: Final = 5.0


def check(settings: LocalSettings, responses: int, cut_off: int, *, direct: bool = False) -> int:
    """Compare the clicks in the stream with the responses, and empty the stream. Return how many clicks came twice.

    wrk does not wait for the responses that are under way when its time is over, so there may be up to `cut_off` more
    clicks than responses. A click may come twice, for instance when Redis stored it and its reply came too late; both
    have the same id. In a `direct` load the ids start again with the file of requests, so that only the number of
    clicks can be compared. Raises RuntimeFault when a click is missing or when there is one too many.
    """
    with connect_redis(settings) as redis:
        deadline = time.monotonic() + _TIMEOUT
        while len(ids := _ids(redis)) < responses and time.monotonic() < deadline:
            time.sleep(0.05)
        redis.xtrim(redis_keys.CLICK_STREAM, maxlen=0, approximate=False)
    found = len(ids) if direct else len(set(ids))
    if found < responses or (found > responses + cut_off and not direct):
        raise RuntimeFault(f"{responses} redirects were answered, but {found} clicks are in the stream.")
    return len(ids) - found


def _ids(redis: Any) -> list[str]:
    found, after = [], "-"
    while page := redis.xrange(redis_keys.CLICK_STREAM, min=after, count=_PAGE):
        events = (event for _, fields in page for event in click_events.split(fields[click_stream.FIELD]))
        found += [click_events.decode(event).id for event in events]
        after = f"({page[-1][0].decode()}"
    return found


def trim(settings: LocalSettings, stream: str = redis_keys.CLICK_STREAM, *, database: int = 0) -> int:
    """Empty a stream. Return how many entries it had."""
    with connect_redis(settings, database) as redis:
        return int(redis.xtrim(stream, maxlen=0, approximate=False))
