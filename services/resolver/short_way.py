"""The short way of a plain redirect: no task, no future and no request object, one call to Redis for a whole batch.

aiohttp has read the request (shared/serving.py). Codes that arrive while one batch is under way are the next one (group
commit). Whatever is not plain (a link with conditions, a code that Redis does not know, a store that is away, a request
that did not come through nginx) goes the ordinary way, `handlers.follow`, as if it had just arrived.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from aiohttp.http_parser import RawRequestMessage
from multidict import istr

from services.resolver.breaker import Breaker
from services.resolver.look_and_count import Records, look_and_count
from services.resolver.metrics import ResolverMetrics
from services.resolver.plain_answers import PlainAnswers
from services.resolver.redis_pipe import RedisPipe
from shared import click_events, redis_keys
from shared.errors import StoreUnavailable
from shared.metrics import RequestMetrics
from shared.models import DEFAULT_DOMAIN
from shared.serving import Connection

BATCH_LIMIT: Final = 512
ROUTE: Final = "follow"

_PATH: Final = re.compile(r"/([A-Za-z0-9_-]{1,64})(?:\?|\Z)")
_FROM_NGINX: Final = re.compile(r"[0-9a-f]{32} \d{10}\.\d{3}\Z")
_KEY_HEAD: Final = redis_keys.route(DEFAULT_DOMAIN, "")

# Names as multidict looks for them, made once.
_REQUEST_ID: Final = istr("X-Request-ID")
_REQUEST_START: Final = istr("X-Request-Start")
_REAL_IP: Final = istr("X-Real-IP")
_DEBUG: Final = istr("X-Debug")
_USER_AGENT: Final = istr("User-Agent")
_REFERER: Final = istr("Referer")
_ACCEPT: Final = istr("Accept")


@dataclass(slots=True)
class _Visit:
    """A request that waits for its answer. `since`: the event loop's time at which it arrived."""

    connection: Connection
    identity: str
    accept: str
    since: float


class ShortWay:
    """Answers plain redirects, and codes that Redis remembers as leading nowhere."""

    def __init__(
        self,
        pipe: RedisPipe,
        breaker: Breaker,
        *,
        answers: PlainAnswers,
        literals: frozenset[str],
        requests: RequestMetrics,
        metrics: ResolverMetrics,
    ) -> None:
        """`literals`: paths of the service that look like codes."""
        self._pipe = pipe
        self._breaker = breaker
        self._answers = answers
        self._literals = literals
        self._requests = requests
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._visits: list[_Visit] = []
        self._keys: list[str] = []
        self._clicks: list[bytes] = []
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
        if code in self._literals or self._breaker.is_open:
            return False
        at_ms = start[:10] + start[11:]
        agent, referrer = headers.get(_USER_AGENT, ""), headers.get(_REFERER, "")
        self._keys.append(_KEY_HEAD + code)
        self._clicks.append(click_events.tail(identity, at_ms, address, agent, referrer))
        self._visits.append(_Visit(connection, identity, headers.get(_ACCEPT, ""), self._loop.time()))
        if not self._busy:  # what arrives in the same turn of the event loop goes along
            self._busy = True
            self._loop.call_soon(self._send)
        return True

    def _send(self) -> None:
        visits, self._visits = self._visits[:BATCH_LIMIT], self._visits[BATCH_LIMIT:]
        keys, self._keys = self._keys[:BATCH_LIMIT], self._keys[BATCH_LIMIT:]
        clicks, self._clicks = self._clicks[:BATCH_LIMIT], self._clicks[BATCH_LIMIT:]

        def take(found: Records | StoreUnavailable) -> None:
            if self._visits:
                self._send()  # Redis works on the next batch while this one is answered
            else:
                self._busy = False
            self._end(visits, found)

        look_and_count(self._pipe, keys, clicks, take)

    def _end(self, visits: list[_Visit], found: Records | StoreUnavailable) -> None:
        if isinstance(found, StoreUnavailable):
            self._breaker.failed()
            for visit in visits:
                visit.connection.go_ordinary_way()
            return
        self._breaker.worked()
        now = self._loop.time()
        hits = 0
        for visit, record in zip(visits, found, strict=True):
            status, answer = self._answer(visit, record)
            if answer is None:
                visit.connection.go_ordinary_way()
                continue
            visit.connection.answer(answer)
            self._requests.observe(ROUTE, status, now - visit.since)
            hits += 1
        self._metrics.lookups["hit"] += hits

    def _answer(self, visit: _Visit, record: bytes | None) -> tuple[int, bytes | None]:
        if record is None:
            return 0, None
        _, _, status, *url = record.split(b" ", 3)
        if status == b"-":
            return 404, self._answers.not_found(visit.identity, visit.accept)
        if not url or not status.isdigit():
            return 0, None
        return int(status), self._answers.redirect(status, url[0])
