"""The fast path of a redirect: no task, no future and no request object, one call to Redis for a whole batch.

aiohttp has read the request (shared/http/server.py). Codes that arrive while one batch is under way are the next batch
(group commit). A link with conditions costs a second call, for its click. Everything else (a limited link, a code that
Redis does not know, a store that is unavailable, a request that did not come through nginx) goes to the application,
`handlers.follow`, as if it had just arrived.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final

from aiohttp.http_parser import RawRequestMessage
from multidict import istr

from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.fast_path.answering import Answering, Visit
from services.resolver.fast_path.look_and_count import Records, look_and_count
from services.resolver.fast_path.raw_connection import RedisPipe
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from shared.domain.codes import DEFAULT_DOMAIN
from shared.domain.errors import StoreUnavailable
from shared.http.server import Connection
from shared.redis import click_events
from shared.redis import keys as redis_keys

BATCH_LIMIT: Final = 512

_PATH: Final = re.compile(r"/([A-Za-z0-9_-]{1,64})(?:\?|\Z)")
_FROM_NGINX: Final = re.compile(r"[0-9a-f]{32} \d{10}\.\d{3}\Z", re.ASCII)
_KEY_HEAD: Final = redis_keys.route(DEFAULT_DOMAIN, "")

# Names as multidict looks for them, made once.
_REQUEST_ID: Final = istr("X-Request-ID")
_REQUEST_START: Final = istr("X-Request-Start")
_REAL_IP: Final = istr("X-Real-IP")
_DEBUG: Final = istr("X-Debug")
_USER_AGENT: Final = istr("User-Agent")
_REFERER: Final = istr("Referer")
_ACCEPT: Final = istr("Accept")


class FastPath:
    """Answers plain redirects, and codes that Redis remembers as leading nowhere."""

    def __init__(
        self,
        pipe: RedisPipe,
        replay_buffer: ReplayBuffer,
        circuit_breaker: CircuitBreaker,
        answering: Answering,
        *,
        literals: frozenset[str],
        now: Callable[[], float],
    ) -> None:
        """`literals`: paths of the service that look like codes; `now`: a clock for `Visit.since`."""
        self._pipe = pipe
        self._remembered = replay_buffer
        self._circuit_breaker = circuit_breaker
        self._answering = answering
        self._literals = literals
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._visits: list[Visit] = []
        self._keys: list[str] = []
        self._busy = False

    def take(self, message: RawRequestMessage, connection: Connection) -> bool:
        """Whether a request is answered here: then `connection` gets its answer, or is told to go the ordinary way."""
        if message.method != "GET" or not self._pipe.is_open:
            return False
        path = _PATH.match(message.path)
        headers = message.headers
        identity = headers.get(_REQUEST_ID, "")
        start = headers.get(_REQUEST_START, "")
        address = headers.get(_REAL_IP)
        if path is None or address is None or not _FROM_NGINX.match(f"{identity} {start}") or _DEBUG in headers:
            return False
        code = path[1]
        if code in self._literals or self._circuit_breaker.is_open:
            return False
        at_ms = start[:10] + start[11:]
        agent, referrer = headers.get(_USER_AGENT, ""), headers.get(_REFERER, "")
        click = click_events.tail(identity, at_ms, address, agent, referrer)
        self._keys.append(_KEY_HEAD + code)
        accept = headers.get(_ACCEPT, "")
        self._visits.append(Visit(connection, message.path, identity, accept, click, self._now()))
        if not self._busy:  # what arrives in the same turn of the event loop goes along
            self._busy = True
            self._loop.call_soon(self._send)
        return True

    def _send(self) -> None:
        visits, self._visits = self._visits[:BATCH_LIMIT], self._visits[BATCH_LIMIT:]
        keys, self._keys = self._keys[:BATCH_LIMIT], self._keys[BATCH_LIMIT:]

        def take(found: Records | StoreUnavailable) -> None:
            if self._visits:
                self._send()  # Redis works on the next batch while this one is answered
            else:
                self._busy = False
            self._answering.end(visits, found)

        look_and_count(self._pipe, self._remembered, keys, [visit.click for visit in visits], take)
