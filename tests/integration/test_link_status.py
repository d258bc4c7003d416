"""The status of a link agrees with its redirect."""

import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.resolver.handlers import RequestVisit
from services.resolver.redirects.decision import Refusal, decide
from services.writer.links import changes
from shared.domain.codes import in_default_domain
from shared.domain.errors import LinkNotFound
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.postgres.tables import permits
from shared.redis.route_records import route_of
from tests.integration.link_rows import found, insert
from tests.support.builders import make_link

NOW = datetime.now(UTC)
LATER, EARLIER = NOW + timedelta(days=1), NOW - timedelta(days=1)


def status_by_redirect(link: Link, *, permit_left: bool) -> str:
    """The status of a link by the decision of a resolver, which does not distinguish deleted and disabled links."""
    route = route_of(link)
    if not route.live:
        return "not live"
    decision = decide(route, RequestVisit(""), time.time())
    if isinstance(decision, Refusal):
        return "scheduled" if isinstance(decision.error, LinkNotFound) else "expired"
    return "active" if permit_left else "exhausted"


async def test_the_status_of_a_link_agrees_with_its_redirect(
    database: Database, resolver_database: Database, owner_id: int
) -> None:
    cases = itertools.product(
        (False, True), (True, False), (None, EARLIER, LATER), (None, EARLIER, LATER), (None, "unused", "used up")
    )
    wrong = []
    for number, (is_deleted, enabled, since, until_, limit) in enumerate(cases):
        if since and until_ and since >= until_:
            continue
        code = f"case-{number}"
        options = {"enabled": enabled, "valid_since": since, "valid_until": until_, "max_clicks": limit and 1}
        link = await insert(database, code, owner_id, **options)
        assert link is not None
        if limit == "used up":
            await permits.take_permit(resolver_database, link.id)
        if is_deleted:
            await changes.delete(database, in_default_domain(code), based_on=None)
        link = await found(database, code)
        shown = status_by_redirect(link, permit_left=await permits.permit_left(resolver_database, link.id))
        if ("not live" if link.status in ("deleted", "disabled") else link.status) != shown:
            wrong.append((options | {"deleted": is_deleted, "permits": permits}, link.status, shown))
    assert wrong == []


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, "active"),
        ({"enabled": False}, "disabled"),
        ({"valid_since": LATER}, "scheduled"),
        ({"valid_until": EARLIER}, "expired"),
        ({"valid_since": EARLIER, "valid_until": LATER}, "active"),
        ({"enabled": False, "valid_until": EARLIER}, "disabled"),
    ],
)
async def test_the_options_of_a_link_determine_its_status(
    writer_database: Database, owner_id: int, options: dict[str, Any], status: str
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, code="abc", **options)
    assert link.status == status
    assert (await found(writer_database, "abc")).status == status


async def test_a_link_whose_permits_are_used_up_is_exhausted(
    writer_database: Database, resolver_database: Database, owner_id: int
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, code="abc", max_clicks=1)
    await permits.take_permit(resolver_database, link.id)
    assert (await found(writer_database, "abc")).status == "exhausted"
