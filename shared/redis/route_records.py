"""Where a code leads, as Redis keeps it: the record's form, and the only ways to write one.

A record is text: `VERSION LINK_ID STATUS URI` for a link without conditions, which is what nearly all are;
`VERSION LINK_ID {json}` for one with conditions; `VERSION LINK_ID -` where nothing is to be found (deleted, disabled,
or, as version 0, never made). A record is replaced only by one of the same or a newer version, whoever is slow.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from shared.domain.iri import to_uri
from shared.domain.models import REDIRECT_STATUSES, Link, Route
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_errors

_PUT_IF_NEWER: Final = """
for i, key in ipairs(KEYS) do
  local record = ARGV[2 * i]
  local old = tonumber((redis.call('GET', key) or ''):match('^%d+'))
  local new = tonumber(record:match('^%d+'))
  if not old or old < new or (old == new and ARGV[1] == 'again') then
    redis.call('SET', key, record, 'EX', ARGV[2 * i + 1])
  end
end
"""

_REMOVE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

_CONDITIONS: Final[Mapping[str, tuple[type, ...]]] = {
    "valid_since": (int, float),
    "valid_until": (int, float),
    "limited": (bool,),
    "expired_url": (str,),
    "forward_query": (bool,),
}
_TARGET: Final[Mapping[str, tuple[type, ...]]] = {"url": (str,), "redirect_status": (int,)}
_FIELDS: Final = {**_TARGET, **_CONDITIONS}


def route_of(link: Link) -> Route:
    """What a resolver needs to know of a link."""
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
    values = {name: getattr(route, name) for name in _CONDITIONS}
    conditions = {name: value for name, value in values.items() if value is not None and value is not False}
    if not conditions:
        return f"{head}{route.redirect_status} {route.url}"
    conditions |= {"url": route.url, "redirect_status": route.redirect_status}
    return head + json.dumps(conditions, separators=(",", ":"))


def decode(record: bytes) -> Route:
    """The route of a record. Raises ValueError for anything that `encode` did not write."""
    version, link_id, rest = record.decode().split(" ", 2)
    if rest == "-":
        return Route(version=int(version), link_id=int(link_id))
    if rest.startswith("{"):
        return Route(version=int(version), link_id=int(link_id), live=True, **_conditions(rest))
    status, url = rest.split(" ", 1)
    return Route(
        version=int(version), link_id=int(link_id), live=True, **_checked(url=url, redirect_status=int(status))
    )


def _conditions(text: str) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = json.loads(text)
    except RecursionError as fault:
        raise ValueError("nested too deeply") from fault
    if not _TARGET.keys() <= fields.keys() <= _FIELDS.keys():
        raise ValueError("not the fields of a route")
    if not all(type(value) in _FIELDS[name] for name, value in fields.items()):
        raise ValueError("not the values of a route")
    return _checked(**fields)


def _checked(**fields: Any) -> dict[str, Any]:
    """Fields that may become headers: another's status or a line break in Redis must not get to a visitor."""
    if fields["redirect_status"] not in REDIRECT_STATUSES:
        raise ValueError("no status of a redirect")
    if not all((fields.get(name) or "").isprintable() for name in ("url", "expired_url")):
        raise ValueError("no target")
    return fields


class RouteRecords:
    """The records of one Redis."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._put = redis.register_script(_PUT_IF_NEWER)
        self._remove = redis.register_script(_REMOVE)

    async def get(self, domain: str, codes: Sequence[str]) -> list[bytes | None]:
        """The raw records of some codes, in their order, in one round trip; None where there is none."""
        with redis_errors():
            records: Any = await self._redis.mget([redis_keys.route(domain, code) for code in codes])
        return list(records)

    async def put(self, routes: Sequence[tuple[str, str, Route, int]], *, again: bool = True) -> None:
        """Write (domain, code, route, lifetime in seconds) of each, unless Redis holds a newer one already.

        `again`: also over one of the same version. A resolver leaves such a one alone, for it may be an older one that
        knows less of links than whoever wrote it.
        Raises StoreUnavailable when Redis did not confirm all of them.
        """
        keys = [redis_keys.route(domain, code) for domain, code, _, _ in routes]
        values = [value for _, _, route, lifetime in routes for value in (encode(route), lifetime)]
        with redis_errors():
            await self._put(keys=keys, args=["again" if again else "once", *values])

    async def remove(self, domain: str, code: str, seen: bytes) -> bool:
        """Remove a record, whatever its version, if it is still the one that was seen: then Postgres is asked.

        Only for repairs. Raises StoreUnavailable.
        """
        with redis_errors():
            return bool(await self._remove(keys=[redis_keys.route(domain, code)], args=[seen]))

    async def scan(self, count: int) -> AsyncIterator[list[tuple[str, str]]]:
        """The (domain, code) of every record, some at a time; one may come twice. Raises StoreUnavailable."""
        cursor = 0
        while True:
            with redis_errors():
                found: Any = await self._redis.scan(cursor, match=redis_keys.route("*", "*"), count=count)
            cursor, keys = found
            yield [redis_keys.domain_and_code(key) for key in keys]
            if cursor == 0:
                return
