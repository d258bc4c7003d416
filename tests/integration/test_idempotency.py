import asyncio
from typing import Any

import pytest

from services.writer.links import changes
from services.writer.links.creation import Created, create_link
from services.writer.links.idempotency import IdempotencyKey
from services.writer.links.insertion import LinkRequest
from services.writer.links.schemas import dump_link
from shared.domain.codes import in_default_domain
from shared.domain.errors import CodeTaken, IdempotencyKeyReused
from shared.domain.models import LinkOptions, NewLink
from shared.postgres.pool import Database
from shared.postgres.tables import idempotency
from tests.support.builders import make_link, make_owner
from tests.support.environments import PUBLIC_URL


async def create(
    database: Database,
    owner_id: int,
    *,
    key: str = "key-1",
    body: bytes = b"the body",
    code: str | None = None,
    reuse: bool = False,
    **options: Any,
) -> Created:
    """Create a link under an idempotency key."""
    return await create_link(
        database,
        LinkRequest(NewLink(code=code, options=LinkOptions(**{"url": "https://example.com/", **options})), owner_id),
        reuse=reuse,
        idempotency_key=IdempotencyKey(key, body),
        present=lambda link: dump_link(link, PUBLIC_URL),
    )


async def rows_of(database: Database, table: str) -> int:
    row = await database.fetch_one(f"SELECT count(*) AS n FROM {table}")
    assert row is not None
    return int(row["n"])


async def age(database: Database, interval: str) -> None:
    """Make all stored responses older."""
    await database.execute("UPDATE idempotent_answers SET created_at = created_at - %s::interval", [interval])


async def test_a_repeat_gets_the_first_response(writer_database: Database, owner_id: int) -> None:
    first = await create(writer_database, owner_id)
    repeat = await create(writer_database, owner_id)
    assert (repeat.status, repeat.document) == (201, first.document)


async def test_a_repeat_gets_every_field_of_the_first_response(writer_database: Database, owner_id: int) -> None:
    options: dict[str, Any] = {"title": 'Ü "😀" \\ %s', "tags": ("a", "b"), "max_clicks": 2**53 - 1}
    first = await create(writer_database, owner_id, **options)
    repeat = await create(writer_database, owner_id, **options)
    assert list(repeat.document.items()) == list(first.document.items())


async def test_a_repeat_creates_no_second_link(writer_database: Database, owner_id: int) -> None:
    await create(writer_database, owner_id)
    repeat = await create(writer_database, owner_id)
    assert repeat.links == ()
    assert await rows_of(writer_database, "links") == 1
    assert await rows_of(writer_database, "outbox") == 1


async def test_a_repeat_gets_the_first_response_also_when_the_link_has_changed(
    writer_database: Database, owner_id: int
) -> None:
    first = await create(writer_database, owner_id, code="abc")
    await changes.change(writer_database, in_default_domain("abc"), {"title": "new"}, based_on=None)
    assert (await create(writer_database, owner_id, code="abc")).document == first.document


async def test_a_repeat_of_a_reuse_gets_its_200_again(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id)
    first = await create(writer_database, owner_id, reuse=True)
    repeat = await create(writer_database, owner_id, reuse=True)
    assert (first.status, repeat.status) == (200, 200)


async def test_another_body_under_the_same_key_is_refused(writer_database: Database, owner_id: int) -> None:
    await create(writer_database, owner_id)
    with pytest.raises(IdempotencyKeyReused):
        await create(writer_database, owner_id, body=b"another body")
    assert await rows_of(writer_database, "links") == 1


async def test_another_key_is_another_request(writer_database: Database, owner_id: int) -> None:
    first = await create(writer_database, owner_id)
    other = await create(writer_database, owner_id, key="key-2")
    assert other.document["code"] != first.document["code"]


async def test_the_same_key_of_another_owner_is_another_request(writer_database: Database, owner_id: int) -> None:
    first = await create(writer_database, owner_id)
    other = await create(writer_database, await make_owner(writer_database), body=b"another body")
    assert other.document["code"] != first.document["code"]


async def test_simultaneous_requests_with_one_key_create_one_link(writer_database: Database, owner_id: int) -> None:
    responses = await asyncio.gather(*(create(writer_database, owner_id) for _ in range(10)))
    assert all(response.document == responses[0].document for response in responses)
    assert [len(response.links) for response in responses].count(1) == 1
    assert await rows_of(writer_database, "links") == 1


async def test_of_simultaneous_different_bodies_under_one_key_one_is_accepted(
    writer_database: Database, owner_id: int
) -> None:
    bodies = [f"body {number}".encode() for number in range(5)]
    results = await asyncio.gather(
        *(create(writer_database, owner_id, body=body) for body in bodies), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Created"] + ["IdempotencyKeyReused"] * 4


async def test_a_response_older_than_a_day_is_not_repeated(
    writer_database: Database, owner_id: int, database: Database
) -> None:
    first = await create(writer_database, owner_id)
    await age(database, "24 hours 1 second")
    later = await create(writer_database, owner_id, body=b"another body")
    assert later.document["code"] != first.document["code"]


async def test_a_response_of_nearly_a_day_is_repeated(
    writer_database: Database, owner_id: int, database: Database
) -> None:
    first = await create(writer_database, owner_id)
    await age(database, "23 hours 59 minutes")
    assert (await create(writer_database, owner_id)).document == first.document


async def test_a_new_response_under_an_old_key_is_repeated(
    writer_database: Database, owner_id: int, database: Database
) -> None:
    await create(writer_database, owner_id)
    await age(database, "25 hours")
    second = await create(writer_database, owner_id)
    assert (await create(writer_database, owner_id)).document == second.document


async def test_only_responses_older_than_a_day_are_deleted(
    writer_database: Database, owner_id: int, database: Database
) -> None:
    await create(writer_database, owner_id, key="old")
    await age(database, "25 hours")
    young = await create(writer_database, owner_id, key="young")
    assert await idempotency.delete_old(writer_database) == 1
    assert (await create(writer_database, owner_id, key="young")).document == young.document


async def test_a_refused_request_stores_nothing(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="taken")
    with pytest.raises(CodeTaken):
        await create(writer_database, owner_id, code="taken")
    assert await rows_of(writer_database, "idempotent_answers") == 0
    assert await rows_of(writer_database, "links") == 1


async def test_a_refused_request_can_be_corrected_under_the_same_key(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="taken")
    with pytest.raises(CodeTaken):
        await create(writer_database, owner_id, code="taken")
    corrected = await create(writer_database, owner_id, code="free", body=b"corrected")
    assert corrected.document["code"] == "free"


async def test_a_request_whose_response_fails_stores_nothing(writer_database: Database, owner_id: int) -> None:
    def fail(_link: object) -> dict[str, Any]:
        raise LookupError

    with pytest.raises(LookupError):
        await create_link(
            writer_database,
            LinkRequest(NewLink(options=LinkOptions(url="https://example.com/")), owner_id),
            reuse=False,
            idempotency_key=IdempotencyKey("key-1", b""),
            present=fail,
        )
    for table in ("links", "outbox", "idempotent_answers"):
        assert await rows_of(writer_database, table) == 0
