"""Route records: the routes of links in Redis. Only this module writes, reads and parses records.

A record is text: `VERSION LINK_ID STATUS URI` for a plain link, one without conditions, as nearly all are;
`VERSION LINK_ID {json}` for a link with conditions; `VERSION LINK_ID -` for a code without a live link (deleted,
disabled, or, as version 0, never created). A record is replaced only by one of the same or a newer version, so a slow
writer never undoes a change.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, get_type_hints

from shared.domain.codes import LinkName
from shared.domain.iri import to_uri
from shared.domain.models import CONDITIONS, REDIRECT_STATUSES, Link, Route
from shared.redis import keys
from shared.redis.client import RedisClient, redis_errors

LUA_PLAIN_LINK_ID: Final = "^%d+ (%d+) 3%d%d "
"""Lua's pattern of a plain link's record; it captures the link's id. A test compares it with `decode`."""

_PLAIN_LINK_ID: Final = re.compile(rb"\d+ (\d+) 3\d\d ")
"""The same for Python."""

_PUT_IF_NEWER: Final = """
for i, key in ipairs(KEYS) do
  local record = ARGV[2 * i]
  local old = tonumber((redis.call('GET', key) or ''):match('^%d+'))
  local new = tonumber(record:match('^%d+'))
  if not old or old < new or (old == new and ARGV[1] == 'replace') then
    redis.call('SET', key, record, 'EX', ARGV[2 * i + 1])
  end
end
"""

_REMOVE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

_TARGET: Final = frozenset({"url", "redirect_status"})

_JSON_TYPES: Final[Mapping[object, tuple[type, ...]]] = {
    str: (str,),
    str | None: (str,),
    int: (int,),
    float | None: (int, float),
    bool: (bool,),
}
"""The types of values in JSON, by the type of a field of `Route`. None is not written."""

_FIELDS: Final = {
    name: _JSON_TYPES[kind] for name, kind in get_type_hints(Route).items() if name in _TARGET or name in CONDITIONS
}

MAX_CACHED_BYTES: Final = 1_024
"""Longer records are parsed each time, so that the cache of `decode` stays below some megabytes."""

_CACHED_RECORDS: Final = 4_096

_STATUSES: Final = frozenset(str(status).encode() for status in REDIRECT_STATUSES)


class RouteUpdate(NamedTuple):
    """A record to be written: its link's name, the route, and its lifetime in seconds."""

    name: LinkName
    route: Route
    lifetime: int


def route_of(link: Link) -> Route:
    """The route of a link."""
    options = link.options
    return Route(
        version=link.version,
        link_id=link.id,
        live=link.status not in ("deleted", "disabled"),
        url=to_uri(options.url),
        redirect_status=options.redirect_status,
        valid_since=options.valid_since.timestamp() if options.valid_since else None,
        valid_until=options.valid_until.timestamp() if options.valid_until else None,
        limited=options.max_clicks is not None,
        expired_url=to_uri(options.expired_url) if options.expired_url else None,
        forward_query=options.forward_query,
    )


def encode(route: Route) -> str:
    """The record of a route."""
    head = f"{route.version} {route.link_id} "
    if not route.live:
        return f"{head}-"
    if route.is_plain:
        return f"{head}{route.redirect_status} {route.url}"
    values = {name: getattr(route, name) for name in CONDITIONS}
    conditions = {name: value for name, value in values.items() if value is not None and value is not False}
    conditions |= {"url": route.url, "redirect_status": route.redirect_status}
    return head + json.dumps(conditions, separators=(",", ":"))


def decode(record: bytes) -> Route:
    """The route of a record. Raises ValueError for anything that `encode` did not write.

    Caches the routes of frequent records, such as those of busy links.
    """
    return _decode_cached(record) if len(record) <= MAX_CACHED_BYTES else _decode(record)


def plain_link_id(record: bytes) -> bytes | None:
    """The digits of the link's id if scripts in Redis take the record for a plain link's (`LUA_PLAIN_LINK_ID`)."""
    found = _PLAIN_LINK_ID.match(record)
    return found[1] if found else None


def _decode(record: bytes) -> Route:
    version, link_id, rest = record.split(b" ", 2)
    if not (version.isdigit() and link_id.isdigit()):  # int() would take more than the scripts in Redis do
        raise ValueError("no version, or no id")
    if rest == b"-":
        return Route(int(version), int(link_id))
    if rest.startswith(b"{"):
        return Route(int(version), int(link_id), live=True, **_conditions(rest.decode()))
    status, url = rest.split(b" ", 1)
    if status not in _STATUSES:
        raise ValueError("not the status of a redirect")
    target = url.decode()
    if not target or not target.isprintable():
        raise ValueError("not a target")
    return Route(int(version), int(link_id), True, target, int(status))  # positions are faster


_decode_cached: Final = lru_cache(maxsize=_CACHED_RECORDS)(_decode)


def _conditions(text: str) -> dict[str, Any]:
    """The fields of a route. Some may become headers: whatever else wrote to Redis must not choose them freely."""
    try:
        fields: dict[str, Any] = json.loads(text)
    except RecursionError as fault:
        raise ValueError("nested too deeply") from fault
    if not _TARGET <= fields.keys() <= _FIELDS.keys():
        raise ValueError("not the fields of a route")
    if not all(type(value) in _FIELDS[name] for name, value in fields.items()):
        raise ValueError("not the values of a route")
    if not any(value is not False for name, value in fields.items() if name in CONDITIONS):
        raise ValueError("no conditions")  # scripts distinguish plain links by the form of the record
    return _checked(**fields)


def _checked(**fields: Any) -> dict[str, Any]:
    """Validate the fields, because they become response headers and another program may have written to Redis."""
    if fields["redirect_status"] not in REDIRECT_STATUSES:
        raise ValueError("not the status of a redirect")
    if not fields["url"] or not all((fields.get(name) or "").isprintable() for name in ("url", "expired_url")):
        raise ValueError("not a target")
    return fields


class RouteRecords:
    """The route records in one Redis."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._put = redis.register_script(_PUT_IF_NEWER)
        self._remove = redis.register_script(_REMOVE)

    async def get(self, names: Sequence[LinkName]) -> list[bytes | None]:
        """The raw records of these names, in the same order, in one round trip; None where there is none."""
        with redis_errors():
            records: Any = await self._redis.mget([keys.route(name) for name in names])
        return list(records)

    async def put(self, updates: Sequence[RouteUpdate], *, replace: bool = True) -> None:
        """Write records, except where Redis has a newer version already.

        `replace`: also replace a record of the same version. A resolver does not, because it may be an older program
        that knows fewer properties of a link than the writer of the record. Raises StoreUnavailable unless Redis
        confirms all of them.
        """
        values = [value for update in updates for value in (encode(update.route), update.lifetime)]
        with redis_errors():
            await self._put(
                keys=[keys.route(update.name) for update in updates], args=["replace" if replace else "keep", *values]
            )

    async def remove(self, name: LinkName, seen: bytes) -> bool:
        """Remove a record, whatever its version, if it still equals `seen`. Resolvers then read the link from Postgres.

        Only for repairs. Raises StoreUnavailable.
        """
        with redis_errors():
            return bool(await self._remove(keys=[keys.route(name)], args=[seen]))

    async def scan(self, count: int) -> AsyncIterator[list[LinkName]]:
        """The names of all records, in batches of about `count`; a name may appear twice. Raises StoreUnavailable."""
        cursor = 0
        while True:
            with redis_errors():
                found: Any = await self._redis.scan(cursor, match=keys.route(LinkName("*", "*")), count=count)
            cursor, found_keys = found
            yield [keys.name_of(key) for key in found_keys]
            if cursor == 0:
                return
