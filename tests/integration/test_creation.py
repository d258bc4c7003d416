"""Each request of a transaction or a batch gets its link or its error."""

import asyncio
from datetime import timedelta

import psycopg2.errors
import pytest

from services.writer.links import changes, insertion
from services.writer.links.creation import Created, create_links
from services.writer.links.idempotency import IdempotencyKey
from services.writer.links.insertion import CreationResult, LinkRequest
from shared.domain.codes import DEFAULT_DOMAIN, in_default_domain
from shared.domain.errors import CodeTaken, IdempotencyKeyReused, InvalidInput
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.postgres.tables import link_pages
from tests.integration.creations import count_of, make, request
from tests.support.builders import NOON, make_link


def summary(results: list[CreationResult]) -> list[str]:
    """The code of each link, and the name of each error."""
    return [result.code if isinstance(result, Link) else type(result).__name__ for result in results]


async def outbox_of(database: Database) -> set[tuple[str, int]]:
    return {(row["code"], row["version"]) for row in await database.fetch_all("SELECT code, version FROM outbox")}


async def test_the_results_are_in_the_order_of_the_requests(writer_database: Database, owner_id: int) -> None:
    results = await make(writer_database, *(request(owner_id, code) for code in ("c", "a", "b")))
    assert summary(results) == ["c", "a", "b"]


async def test_links_created_at_once_are_listed_in_the_order_of_the_requests(
    writer_database: Database, owner_id: int
) -> None:
    results = await make(writer_database, *(request(owner_id, title=str(number)) for number in range(50)))
    listed = await link_pages.page(writer_database, domain=DEFAULT_DOMAIN, descending=False, limit=100)
    assert listed == results


async def test_every_link_has_an_outbox_message(writer_database: Database, owner_id: int) -> None:
    await make(writer_database, request(owner_id, "a"), request(owner_id, "Links"), request(owner_id, "b"))
    assert await outbox_of(writer_database) == {("a", 1), ("b", 1)}


async def test_no_link_is_created_if_the_outbox_messages_fail(
    writer_database: Database, owner_id: int, database: Database
) -> None:
    await database.execute("ALTER TABLE outbox RENAME TO hidden")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        await make(writer_database, request(owner_id), request(owner_id))
    assert await count_of(writer_database, "links") == 0


async def test_a_refused_request_does_not_affect_the_others(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="taken", external_id="mine")
    results = await make(
        writer_database,
        request(owner_id, "a"),
        request(owner_id, "taken"),
        request(owner_id, "stats"),
        request(owner_id, "b", external_id="mine"),
        request(owner_id, "c", valid_since=NOON, valid_until=NOON - timedelta(hours=1)),
        request(owner_id, "d"),
    )
    assert summary(results) == ["a", "CodeTaken", "InvalidInput", "ExternalIdTaken", "InvalidInput", "d"]


async def test_of_requests_for_one_code_the_first_wins(writer_database: Database, owner_id: int) -> None:
    results = await make(writer_database, *(request(owner_id, "abc", title=str(number)) for number in range(4)))
    assert summary(results) == ["abc"] + ["CodeTaken"] * 3
    assert (await changes.get(writer_database, in_default_domain("abc"))).options.title == "0"


async def test_of_requests_for_one_external_id_the_first_wins(writer_database: Database, owner_id: int) -> None:
    results = await make(writer_database, *(request(owner_id, code, external_id="mine") for code in ("b", "a", "c")))
    assert summary(results) == ["b", "ExternalIdTaken", "ExternalIdTaken"]


async def test_the_code_of_a_refused_request_goes_to_the_next_one(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, external_id="mine")
    results = await make(writer_database, request(owner_id, "abc", external_id="mine"), request(owner_id, "abc"))
    assert summary(results) == ["ExternalIdTaken", "abc"]


async def test_a_thousand_requests_for_one_code_with_taken_external_ids_need_few_statements(
    writer_database: Database, owner_id: int
) -> None:
    await make(writer_database, *(request(owner_id, external_id=str(number)) for number in range(999)))
    requests = [request(owner_id, "abc", external_id=str(number)) for number in range(1_000)]
    assert summary(await make(writer_database, *requests)) == ["ExternalIdTaken"] * 999 + ["abc"]


async def test_a_random_code_that_is_taken_is_replaced_by_another(
    writer_database: Database, owner_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="taken")
    codes = iter(["taken", "same", "same", "free-1", "free-2"])
    monkeypatch.setattr(insertion, "random_code", lambda: next(codes))
    results = await make(writer_database, request(owner_id), request(owner_id), request(owner_id))
    assert summary(results) == ["free-1", "same", "free-2"]


async def test_when_no_random_code_is_free_the_client_is_asked_to_try_again(
    writer_database: Database, owner_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="taken")
    monkeypatch.setattr(insertion, "random_code", lambda: "taken")
    (result,) = await make(writer_database, request(owner_id))
    assert isinstance(result, CodeTaken)
    assert "try again" in result.detail


async def test_a_link_at_a_purged_code_is_newer_than_the_purge(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    purged = await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    first, second = await make(writer_database, request(owner_id, "abc"), request(owner_id, "def"))
    assert isinstance(first, Link)
    assert isinstance(second, Link)
    assert (first.version, second.version) == (purged.version + 1, 1)
    assert ("abc", first.version) in await outbox_of(writer_database)


async def batch(
    database: Database, owner_id: int, *requests: LinkRequest | InvalidInput, key: IdempotencyKey | None = None
) -> Created:
    return await create_links(
        database,
        requests,
        owner_id=owner_id,
        idempotency_key=key,
        present=lambda results: {"items": summary(list(results))},
    )


async def test_an_invalid_request_has_its_result_in_its_place(writer_database: Database, owner_id: int) -> None:
    requests: list[LinkRequest | InvalidInput] = [
        request(owner_id, "a"),
        InvalidInput({"url": ["Is missing."]}),
        request(owner_id, "b"),
    ]
    created = await batch(writer_database, owner_id, *requests)
    assert created.document == {"items": ["a", "InvalidInput", "b"]}
    assert [link.code for link in created.links] == ["a", "b"]


async def test_an_empty_batch_has_an_empty_response(writer_database: Database, owner_id: int) -> None:
    assert await batch(writer_database, owner_id) == Created(200, {"items": []}, ())


async def test_a_repeated_batch_gets_the_first_response_and_creates_nothing(
    writer_database: Database, owner_id: int
) -> None:
    key = IdempotencyKey("key-1", b"the body")
    requests = [request(owner_id), request(owner_id, "stats")]
    first = await batch(writer_database, owner_id, *requests, key=key)
    repeat = await batch(writer_database, owner_id, *requests, key=key)
    assert repeat == Created(200, first.document, ())
    assert await count_of(writer_database, "links") == 1


async def test_another_batch_under_the_same_key_is_refused(writer_database: Database, owner_id: int) -> None:
    await batch(writer_database, owner_id, request(owner_id), key=IdempotencyKey("key-1", b"the body"))
    with pytest.raises(IdempotencyKeyReused):
        await batch(writer_database, owner_id, request(owner_id), key=IdempotencyKey("key-1", b"another body"))


async def test_batches_that_request_the_same_codes_in_different_orders_get_each_code_once(
    writer_database: Database, owner_id: int
) -> None:
    codes = [f"code-{number}" for number in range(300)]
    responses = await asyncio.gather(
        batch(writer_database, owner_id, *(request(owner_id, code) for code in codes)),
        batch(writer_database, owner_id, *(request(owner_id, code) for code in reversed(codes))),
    )
    made = [link.code for response in responses for link in response.links]
    assert sorted(made) == sorted(codes)
