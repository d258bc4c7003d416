"""Simultaneous requests share a transaction, and none affects another."""

import asyncio

import psycopg2.errors
import pytest

from services.writer.links.group_commit import GroupCommit
from services.writer.links.insertion import create_all
from shared.domain.errors import CodeTaken, ExternalIdTaken
from shared.domain.models import Link
from shared.postgres.pool import Database
from tests.integration.creations import count_of, request
from tests.support.waiting import until


async def test_simultaneous_requests_share_a_transaction(writer_database: Database, owner_id: int) -> None:
    group_commit = GroupCommit(writer_database)
    made = await asyncio.gather(*(group_commit.create(request(owner_id)) for _ in range(50)))
    assert len({link.code for link in made}) == 50
    assert len({link.created_at for link in made}) == 1  # now() is the same for all of a transaction


async def test_a_refused_request_of_a_group_does_not_affect_the_others(
    writer_database: Database, owner_id: int
) -> None:
    group_commit = GroupCommit(writer_database)
    requests = [
        request(owner_id, "abc", external_id="mine"),
        request(owner_id, "abc"),
        request(owner_id, external_id="mine"),
    ]
    results = await asyncio.gather(
        *(group_commit.create(one) for one in [*requests, request(owner_id, "def")]), return_exceptions=True
    )
    assert [type(result) for result in results] == [Link, CodeTaken, ExternalIdTaken, Link]


async def test_a_request_that_waits_for_a_locked_code_delays_no_other(writer_database: Database, owner_id: int) -> None:
    group_commit = GroupCommit(writer_database)
    async with writer_database.transaction() as conn:
        await create_all(conn, [request(owner_id, "locked")])
        waiting = asyncio.create_task(group_commit.create(request(owner_id, "locked")))
        made = await asyncio.gather(*(group_commit.create(request(owner_id)) for _ in range(5)))
        assert len(made) == 5
        assert not waiting.done()
    with pytest.raises(CodeTaken):
        await waiting


async def test_an_exception_that_one_request_causes_is_raised_for_it_alone(
    writer_database: Database, owner_id: int, database: Database
) -> None:
    await database.execute("ALTER TABLE links ADD CONSTRAINT no_such_title CHECK (title <> 'unforeseen')")
    group_commit = GroupCommit(writer_database)
    results = await asyncio.gather(
        group_commit.create(request(owner_id, "a")),
        group_commit.create(request(owner_id, "b", title="unforeseen")),
        group_commit.create(request(owner_id, "c")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Link, psycopg2.errors.CheckViolation, Link]


async def test_a_cancelled_request_does_not_affect_the_others(writer_database: Database, owner_id: int) -> None:
    group_commit = GroupCommit(writer_database)
    tasks = [asyncio.create_task(group_commit.create(request(owner_id, f"code-{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    made = await asyncio.gather(*tasks[1:])
    assert [link.code for link in made] == [f"code-{number}" for number in range(1, 5)]

    async def is_complete() -> bool:
        return await count_of(writer_database, "links") == await count_of(writer_database, "outbox")

    await until(is_complete)
