"""A link in a response."""

from datetime import UTC, datetime

from services.writer.links.schemas import LinkSchema, dump_link
from shared.domain.models import Link, LinkOptions

URL = "https://example.com/"


def test_a_link_in_a_response_has_all_fields() -> None:
    link = Link(
        id=5,
        domain="default",
        code="abc",
        options=LinkOptions(url=URL, tags=("a",), valid_until=datetime(2026, 3, 1, tzinfo=UTC)),
        status="active",
        clicks=7,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        updated_at=datetime(2026, 2, 1, tzinfo=UTC),
        version=3,
    )
    assert dump_link(link, "https://sho.rt") == {
        "code": "abc",
        "short_url": "https://sho.rt/abc",
        "url": URL,
        "title": None,
        "notes": None,
        "tags": ["a"],
        "redirect_status": 302,
        "valid_since": None,
        "valid_until": "2026-03-01T00:00:00Z",
        "max_clicks": None,
        "expired_url": None,
        "forward_query": False,
        "enabled": True,
        "external_id": None,
        "status": "active",
        "clicks": 7,
        "has_password": False,
        "version": 3,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-02-01T00:00:00Z",
    }
    assert set(dump_link(link, "https://sho.rt")) == set(LinkSchema().fields)
