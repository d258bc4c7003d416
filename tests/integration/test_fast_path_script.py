"""The script that Redis runs for the fast path adds the same clicks as the resolver."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.resolver.fast_path.script import SCRIPT, events_of
from shared.domain.models import REDIRECT_STATUSES
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import decode
from tests.integration.fast_path import URL, clicks_in, follow, took_fast_path
from tests.support.served import Client

RECORDS = st.one_of(
    st.builds(
        lambda version, link_id, status, url: f"{version} {link_id} {status} {url}",
        st.integers(0, 2**60),
        st.integers(0, 2**60),
        st.sampled_from([*REDIRECT_STATUSES, 200, 399, 3020]),
        st.sampled_from([URL, f"{URL}{{", "-", "https://a/b c"]),
    ),
    st.sampled_from(
        [
            "1 2 -",
            "x 2 302 https://a/",
            "1_0 2 302 https://a/",
            "1 +2 302 https://a/",
            " 1 2 302 https://a/",
            '1 2 {"url":"https://a/","redirect_status":302,"limited":true}',
            "",
        ]
    ),
)


@given(record=RECORDS)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_the_script_adds_the_click_of_a_record_that_decode_takes_for_a_plain_link(
    redis: RedisClient, record: str
) -> None:
    await redis.delete(redis_keys.CLICK_STREAM)
    await redis.set("tested", record)
    entry, count, records = await redis.eval(SCRIPT, 2, redis_keys.CLICK_STREAM, "tested", b"\x1ftail")
    tails = [b"\x1ftail"]
    assert (count, bool(entry)) == (len(events_of(tails, records)), bool(count))
    stored: Any = await redis.xrange(redis_keys.CLICK_STREAM)
    texts = [fields[click_stream.FIELD] for _, fields in stored]
    assert [event for text in texts for event in click_events.split(text)] == events_of(tails, records)
    if is_plain(record.encode()):
        assert count == 1


def is_plain(record: bytes) -> bool:
    try:
        return decode(record).is_plain
    except ValueError:
        return False


async def test_a_script_that_redis_no_longer_has_is_sent_again(
    client: Client, publish: Callable[..., Any], redis: RedisClient
) -> None:
    await publish()
    await redis.script_flush()
    responses = [await follow(client) for _ in range(2)]
    assert [(response.status, took_fast_path(response)) for response in responses] == [(302, True)] * 2
    assert len(await clicks_in(redis)) == 2
