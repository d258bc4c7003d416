"""The one call to Redis that a batch of redirects costs: read the records, and add the clicks of those that lead on."""

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from typing import Final

import hiredis

from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.fast_path.raw_connection import Answer, RedisPipe, Take, Words
from shared.domain.errors import StoreUnavailable
from shared.redis import click_events
from shared.redis import keys as redis_keys

# KEYS: the stream, then the records' keys. ARGV: for each record its click, but for the link's id, which only the
# record tells. Answers the entry that holds the clicks (empty: there are none; 0: refused, as by a full Redis), their
# number, and the records.
_SCRIPT: Final = f"""
local records = redis.call('MGET', unpack(KEYS, 2))
local clicks = {{}}
for i, record in ipairs(records) do
  local id = record and record:match('^%d+ (%d+) 3%d%d ')
  if id then clicks[#clicks + 1] = '{click_events.HEAD}' .. id .. ARGV[i] end
end
if #clicks > 0 then
  local added = redis.pcall('XADD', KEYS[1], '*', '{redis_keys.CLICK_FIELD.decode()}', table.concat(clicks, '\\30'))
  if type(added) == 'table' and added.err then added = 0 end
  return {{added, #clicks, records}}
end
return {{'', 0, records}}
"""
_PLAIN: Final = re.compile(rb"\d+ (\d+) 3\d\d ")
"""The script's rule for a plain link."""

_SHA: Final = hashlib.sha1(_SCRIPT.encode()).hexdigest()  # noqa: S324  # it is how Redis names a script

Records = Sequence[bytes | None]


def look_and_count(
    pipe: RedisPipe, replay_buffer: ReplayBuffer, keys: Sequence[str], clicks: Sequence[bytes], take: Take
) -> None:
    """Read the records of some keys and hold the click of each that is a plain link, `click_events.tail` of it.

    `take` gets the records in their order, or StoreUnavailable when Redis was away or refused the clicks: then some of
    them may be held all the same, and whoever holds them elsewhere too does so under the same ids.
    """
    words: Words = (len(keys) + 1, redis_keys.CLICK_STREAM, *keys, *clicks)

    def read(answer: Answer) -> None:
        if isinstance(answer, hiredis.ReplyError) and str(answer).startswith("NOSCRIPT"):
            pipe.send(("EVAL", _SCRIPT, *words), read)
        elif isinstance(answer, Exception):
            take(_refused(answer))
        else:
            entry, number, records = answer
            if number and entry:
                size = sum(map(len, clicks)) + sum(map(len, filter(None, records)))
                replay_buffer.remember(entry, number, partial(_events, clicks, records), size)
            take(StoreUnavailable("Redis refused the clicks.") if entry == 0 else records)

    pipe.send(("EVALSHA", _SHA, *words), read)


def _events(clicks: Sequence[bytes], records: Records) -> list[bytes]:
    """The events as the script has written them."""
    found = ((click, record and _PLAIN.match(record)) for click, record in zip(clicks, records, strict=True))
    return [click_events.head(int(plain[1])) + click for click, plain in found if plain]


def hold_clicks(pipe: RedisPipe, replay_buffer: ReplayBuffer, clicks: Sequence[bytes], take: Take) -> None:
    """Hold whole clicks; `take` gets None, or StoreUnavailable."""

    batch = click_events.join(clicks)

    def read(answer: Answer) -> None:
        if isinstance(answer, Exception):
            take(_refused(answer))
        else:
            replay_buffer.remember(answer, len(clicks), lambda: [batch], len(batch))
            take(None)

    pipe.send(("XADD", redis_keys.CLICK_STREAM, "*", redis_keys.CLICK_FIELD, batch), read)


def _refused(answer: Exception) -> StoreUnavailable:
    return answer if isinstance(answer, StoreUnavailable) else StoreUnavailable(f"Redis refused: {answer}")
