"""Run the script of a batch: `script.lua`, with the patterns of the modules that own them."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources
from typing import Final, NamedTuple

import hiredis

from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.fast_path.raw_connection import Command, RawRedisConnection, Reply, read_safely
from shared.domain.errors import StoreUnavailable
from shared.redis import click_events, click_stream, route_records
from shared.redis.client import error_of
from shared.redis.keys import CLICK_STREAM

SCRIPT: Final = (
    resources.files("services.resolver.fast_path")
    .joinpath("script.lua")
    .read_text(encoding="utf-8")
    .replace("@LUA_PLAIN_LINK_ID@", route_records.LUA_PLAIN_LINK_ID)
    .replace("@EVENT_HEAD@", click_events.HEAD)
    .replace("@LUA_ADD@", click_stream.LUA_ADD)
)
_HEAD: Final = click_events.HEAD.encode()
_SHA: Final = hashlib.sha1(SCRIPT.encode()).hexdigest()  # noqa: S324  # it is how Redis names a script

Records = Sequence[bytes | None]


class BatchReply(NamedTuple):
    """The records of a batch, in order. `refused`: Redis is full and did not take the clicks of plain links."""

    records: Records
    refused: bool


OnBatchReply = Callable[[BatchReply | StoreUnavailable], None]


def look_up_and_add(
    connection: RawRedisConnection,
    replay_buffer: ReplayBuffer,
    record_keys: Sequence[str],
    event_tails: Sequence[bytes],
    on_batch_reply: OnBatchReply,
) -> None:
    """Read some records, and add the click of each plain link: `event_tails` are those clicks, without the link's id.

    `on_batch_reply` gets StoreUnavailable when Redis did not reply. The clicks may have been added all the same; a
    click that is recorded again has the same id.
    """
    arguments: Command = (len(record_keys) + 1, CLICK_STREAM, *record_keys, *event_tails)

    def read(reply: Reply) -> BatchReply | StoreUnavailable:
        if isinstance(reply, Exception):
            return reply if isinstance(reply, StoreUnavailable) else StoreUnavailable(error_of(reply).detail)
        entry, count, records = reply
        if entry and count:
            size = sum(map(len, event_tails)) + sum(map(len, filter(None, records)))
            replay_buffer.remember(entry, count, partial(events_of, event_tails, records), size)
        return BatchReply(records, refused=entry == 0)

    def on_reply(reply: Reply) -> None:
        if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("NOSCRIPT"):
            connection.send(("EVAL", SCRIPT, *arguments), on_reply)
        else:
            on_batch_reply(read_safely(reply, read))

    connection.send(("EVALSHA", _SHA, *arguments), on_reply)


def events_of(event_tails: Sequence[bytes], records: Records) -> list[bytes]:
    """The events that the script has added."""
    ids = (None if record is None else route_records.plain_link_id(record) for record in records)
    return [_HEAD + link_id + tail for tail, link_id in zip(event_tails, ids, strict=True) if link_id is not None]
