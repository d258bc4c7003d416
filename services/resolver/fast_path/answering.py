"""How the visits of a batch end: by their records, without a request object."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.fast_path.look_and_count import Records, hold_clicks
from services.resolver.fast_path.raw_connection import RedisPipe
from services.resolver.fast_path.responses import PlainAnswers
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.resolver.metrics import ResolverMetrics
from services.resolver.redirects.decision import Target, target_of
from shared.domain.errors import LinkGone, LinkNotFound, StoreUnavailable
from shared.http.server import Connection
from shared.process.metrics import RequestMetrics
from shared.redis import click_events
from shared.redis.route_records import decode

log = logging.getLogger(__name__)

ROUTE: Final = "follow"
"""What metrics call a redirect, whichever way it went."""


@dataclass(slots=True)
class Visit:
    """A request that waits for its answer. `since`: the event loop's time at which it arrived."""

    connection: Connection
    path: str
    identity: str
    accept: str
    click: bytes
    since: float

    @property
    def query(self) -> str:
        return self.path.partition("?")[2]


_Leading = tuple[Visit, Target, bytes]
"""A visit whose link leads somewhere under its conditions, and the click that has to be held before its answer."""


class Answering:
    """Ends visits, and counts them."""

    def __init__(
        self,
        pipe: RedisPipe,
        replay_buffer: ReplayBuffer,
        circuit_breaker: CircuitBreaker,
        answers: PlainAnswers,
        *,
        requests: RequestMetrics,
        metrics: ResolverMetrics,
        now: Callable[[], float],
    ) -> None:
        """`now`: the clock that gave each visit its `since`."""
        self._pipe = pipe
        self._remembered = replay_buffer
        self._circuit_breaker = circuit_breaker
        self._answers = answers
        self._requests = requests
        self._metrics = metrics
        self._now = now

    def end(self, visits: list[Visit], found: Records | StoreUnavailable) -> None:
        """Answer the visits of a batch by their records, or let them go the ordinary way."""
        if isinstance(found, StoreUnavailable):
            self._circuit_breaker.record_failure()
            for visit in visits:
                visit.connection.pass_to_application()
            return
        self._circuit_breaker.record_success()
        leading: list[_Leading] = []
        for visit, record in zip(visits, found, strict=True):
            try:
                if record is None:
                    visit.connection.pass_to_application()
                elif b" {" in record:
                    leading += self._lead(visit, record)
                else:
                    self._answer_plain(visit, record)
            except Exception:  # it must not leave those that come after it without an answer
                log.exception("the record of %s cannot be answered by", visit.path[:100])
                visit.connection.pass_to_application()
        if leading:
            clicks = [click for _, _, click in leading]
            hold_clicks(self._pipe, self._remembered, clicks, partial(self._end_leading, leading))

    def _answer_plain(self, visit: Visit, record: bytes) -> None:
        """Answer where the record itself says all. Its click is held: by the same rule, the script has added it."""
        version, link_id, status, url = (*record.split(b" ", 3), b"", b"", b"")[:4]
        if url and version.isdigit() and link_id.isdigit():
            self._answer(visit, status, url)
        elif status == b"-":
            self._send_answer(visit, 404, self._answers.not_found(visit.identity, visit.accept))
        else:
            visit.connection.pass_to_application()

    def _lead(self, visit: Visit, record: bytes) -> list[_Leading]:
        """Where a link with conditions leads now, if it does, and its click counts; anything else is seen to."""
        try:
            route = decode(record)
            target = target_of(route, time.time(), visit.query)
        except (ValueError, LinkNotFound, LinkGone):
            visit.connection.pass_to_application()
            return []
        if not target.is_click:
            self._answer(visit, str(target.status).encode(), target.url.encode())
        elif route.limited:
            visit.connection.pass_to_application()
        else:
            return [(visit, target, click_events.head(route.link_id) + visit.click)]
        return []

    def _end_leading(self, leading: list[_Leading], fault: StoreUnavailable | None) -> None:
        if fault:
            self._circuit_breaker.record_failure()
        for visit, target, _ in leading:
            if fault:
                visit.connection.pass_to_application()
            else:
                self._answer(visit, str(target.status).encode(), target.url.encode())

    def _answer(self, visit: Visit, status: bytes, url: bytes) -> None:
        answer = self._answers.redirect(status, url)
        if answer is None:
            visit.connection.pass_to_application()
        else:
            self._send_answer(visit, int(status), answer)

    def _send_answer(self, visit: Visit, status: int, answer: bytes) -> None:
        self._metrics.lookups["hit"] += 1
        self._requests.observe(ROUTE, status, self._now() - visit.since)
        visit.connection.answer(answer)
