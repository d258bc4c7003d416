"""The fast path of a redirect: no task, no future and no request object, and one call to Redis for a whole batch.

aiohttp has read the request (shared/http/server.py). Visits that arrive while one batch is under way are the next batch
(group commit). A link with conditions costs a second call, for its click. Everything else goes to the application path,
`handlers.follow`, as if it had just arrived: a link with `max_clicks`, a code that Redis does not know, an unavailable
store, a request that did not come through nginx.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp.http_parser import RawRequestMessage
from multidict import istr

from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.stream_writer import StreamWriter
from services.resolver.fast_path.raw_connection import RawRedisConnection
from services.resolver.fast_path.responses import Responses
from services.resolver.fast_path.script import BatchReply, look_up_and_add
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.resolver.metrics import ResolverMetrics
from services.resolver.redirects.decision import Redirect, Refusal, decide
from shared.domain.codes import CODE, in_default_domain
from shared.domain.errors import StoreFull, StoreUnavailable
from shared.http.requests import REQUEST_ID_PATTERN, START_PATTERN
from shared.http.server import Connection
from shared.process.metrics import RequestMetrics
from shared.redis import click_events, keys
from shared.redis.route_records import decode

log = logging.getLogger(__name__)

_PASSED_ON: Final = "the visit of %s goes to the application"

MAX_BATCH: Final = 512

OPERATION: Final = "follow"
"""The operation that metrics count a redirect under, on either path."""

_PATH: Final = re.compile(rf"/({CODE})(?:\?|\Z)")
_FROM_NGINX: Final = re.compile(rf"{REQUEST_ID_PATTERN} {START_PATTERN}\Z", re.ASCII)
_KEY_PREFIX: Final = keys.route(in_default_domain(""))

# Names as multidict looks for them, made once.
_REQUEST_ID: Final = istr("X-Request-ID")
_REQUEST_START: Final = istr("X-Request-Start")
_REAL_IP: Final = istr("X-Real-IP")
_DEBUG: Final = istr("X-Debug")
_USER_AGENT: Final = istr("User-Agent")
_REFERER: Final = istr("Referer")
_ACCEPT: Final = istr("Accept")


@dataclass(slots=True)
class PendingVisit:
    """A request that waits for its response. `arrived_at`: the event loop's time, in seconds.

    It ends once: a callback that comes late must not respond to the next request on the connection.
    """

    connection: Connection
    path: str
    request_id: str
    accept: str
    event_tail: bytes
    arrived_at: float
    is_waiting: bool = True

    @property
    def query(self) -> str:
        return self.path.partition("?")[2]

    def respond(self, response: bytes) -> None:
        """Send the response."""
        if self.is_waiting:
            self.connection.respond(response)
            self.is_waiting = False

    def pass_on(self) -> None:
        """Pass the request to the application."""
        if self.is_waiting:
            self.is_waiting = False
            self.connection.pass_to_application()


_Click = tuple[PendingVisit, Redirect, bytes]
"""A redirect whose click must be recorded before the response, and the event of that click."""


class FastPath:
    """Responds to visits of links that Redis knows."""

    def __init__(
        self,
        connection: RawRedisConnection,
        stream_writer: StreamWriter,
        replay_buffer: ReplayBuffer,
        circuit_breaker: CircuitBreaker,
        responses: Responses,
        *,
        literals: frozenset[str],
        requests: RequestMetrics,
        metrics: ResolverMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`literals`: paths of the service that look like codes; `clock`: Unix time in seconds."""
        self._connection = connection
        self._stream_writer = stream_writer
        self._replay_buffer = replay_buffer
        self._circuit_breaker = circuit_breaker
        self._responses = responses
        self._literals = literals
        self._requests = requests
        self._metrics = metrics
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._visits: list[PendingVisit] = []
        self._keys: list[str] = []
        self._is_sending = False

    def offer(self, message: RawRequestMessage, connection: Connection) -> bool:
        """Whether the fast path takes a request: then it responds, or passes the request to the application."""
        if message.method != "GET" or not self._connection.is_open:
            return False
        path = _PATH.match(message.path)
        headers = message.headers
        request_id = headers.get(_REQUEST_ID, "")
        start = headers.get(_REQUEST_START, "")
        address = headers.get(_REAL_IP)
        if path is None or address is None or not _FROM_NGINX.match(f"{request_id} {start}") or _DEBUG in headers:
            return False
        code = path[1]
        if code in self._literals or self._circuit_breaker.is_open:
            return False
        at_ms = start[:10] + start[11:]
        agent, referrer = headers.get(_USER_AGENT, ""), headers.get(_REFERER, "")
        event_tail = click_events.tail(request_id, at_ms, address, agent, referrer)
        accept = headers.get(_ACCEPT, "")
        self._visits.append(PendingVisit(connection, message.path, request_id, accept, event_tail, self._loop.time()))
        self._keys.append(_KEY_PREFIX + code)
        if not self._is_sending:  # what arrives in the same turn of the event loop joins the batch
            self._is_sending = True
            self._loop.call_soon(self._send)
        return True

    def _send(self) -> None:
        visits, self._visits = self._visits[:MAX_BATCH], self._visits[MAX_BATCH:]
        record_keys, self._keys = self._keys[:MAX_BATCH], self._keys[MAX_BATCH:]
        on_batch_reply = partial(self._on_batch_reply, visits)
        try:
            tails = [visit.event_tail for visit in visits]
            look_up_and_add(self._connection, self._replay_buffer, record_keys, tails, on_batch_reply)
        except Exception:
            log.exception("a batch of %d visits could not be sent to Redis", len(visits))
            on_batch_reply(StoreUnavailable("The batch could not be sent."))

    def _on_batch_reply(self, visits: list[PendingVisit], reply: BatchReply | StoreUnavailable) -> None:
        if self._visits:
            self._send()  # Redis works on the next batch while this one gets its responses
        else:
            self._is_sending = False
        if isinstance(reply, StoreUnavailable):
            self._circuit_breaker.record_failure()
            for visit in visits:
                visit.pass_on()
            return
        self._circuit_breaker.record_success()
        self._respond_all(visits, reply)

    def _respond_all(self, visits: list[PendingVisit], reply: BatchReply) -> None:
        now = self._clock()
        clicks: list[_Click] = []
        for visit, record in zip(visits, reply.records, strict=True):
            try:
                click = self._respond(visit, record, now, refused=reply.refused)
            except ValueError:  # the record cannot be parsed, so the application path reads the link from Postgres
                visit.pass_on()
            except Exception:  # the visits behind this one must get their responses
                log.exception(_PASSED_ON, visit.path[:100])
                visit.pass_on()
            else:
                if click is not None:
                    clicks.append(click)
        if clicks:
            self._add(clicks)

    def _respond(self, visit: PendingVisit, record: bytes | None, now: float, *, refused: bool) -> _Click | None:
        """Respond by a record, or pass the visit on; a click that has to be recorded first. Raises ValueError.

        The script in Redis has recorded the click of a plain link, unless Redis refused it.
        """
        if record is None:
            visit.pass_on()
            return None
        route = decode(record)
        decision = decide(route, visit, now)
        if isinstance(decision, Redirect):
            if not decision.is_click or (route.is_plain and not refused):
                self._redirect(visit, decision)
            elif refused:
                visit.pass_on()  # which spools the click
            else:
                return visit, decision, click_events.head(route.link_id) + visit.event_tail
        elif isinstance(decision, Refusal):
            self._finish(visit, *self._responses.refusal(decision.error, visit.request_id, visit.accept))
        else:
            visit.pass_on()
        return None

    def _add(self, clicks: list[_Click]) -> None:
        on_added = partial(self._on_added, clicks)
        try:
            self._stream_writer.send(self._connection, [event for _, _, event in clicks], on_added)
        except Exception:
            log.exception("%d clicks could not be sent to Redis", len(clicks))
            on_added(StoreUnavailable("The clicks could not be sent."))

    def _on_added(self, clicks: list[_Click], fault: StoreUnavailable | None) -> None:
        if fault is not None and not isinstance(fault, StoreFull):
            self._circuit_breaker.record_failure()
        for visit, redirect, _ in clicks:
            if fault is not None:
                visit.pass_on()
                continue
            try:
                self._redirect(visit, redirect)
            except Exception:  # as in _respond_all
                log.exception(_PASSED_ON, visit.path[:100])
                visit.pass_on()

    def _redirect(self, visit: PendingVisit, redirect: Redirect) -> None:
        self._finish(visit, redirect.status, self._responses.redirect(redirect))

    def _finish(self, visit: PendingVisit, status: int, response: bytes) -> None:
        self._metrics.lookups["hit"] += 1
        self._requests.observe(OPERATION, status, self._loop.time() - visit.arrived_at)
        visit.respond(response)
