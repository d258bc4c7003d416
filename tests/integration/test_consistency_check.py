import asyncio
from typing import Any

import pytest

from services.writer.links import changes
from services.writer.redis_sync import consistency_check
from services.writer.redis_sync.consistency_check import Report, check
from services.writer.redis_sync.records import publish
from shared.domain.codes import LinkName, in_default_domain
from shared.domain.models import Link, Route
from shared.postgres.pool import Database
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import RouteRecords, RouteUpdate
from tests.support.builders import make_link

LIFETIME = 600


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the retries, because no relay runs during these tests."""
    monkeypatch.setattr(consistency_check, "RETRY_INTERVAL", 0.01)


@pytest.fixture
async def link(writer_database: Database, records: RouteRecords, owner_id: int) -> Link:
    """A link with a record in Redis."""
    made = await make_link(writer_database, owner_id=owner_id, code="abc")
    await publish(records, [made], LIFETIME)
    return made


async def write(redis: RedisClient, code: str, record: str) -> None:
    """Write a record to Redis without any checks."""
    await redis.set(redis_keys.route(in_default_domain(code)), record)


async def read(redis: RedisClient, code: str) -> bytes | None:
    found: Any = await redis.get(redis_keys.route(in_default_domain(code)))
    return None if found is None else bytes(found)


def faults(report: Report) -> dict[str, str]:
    return {difference.name.code: difference.fault for difference in report.differences}


async def test_records_that_agree_with_their_links_are_no_difference(
    writer_database: Database, records: RouteRecords, link: Link, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="not-in-redis")
    await records.put([RouteUpdate(in_default_domain("never-made"), Route(version=0), LIFETIME)])
    report = await check(writer_database, records)
    assert (report.links, report.absent, report.records, report.different) == (2, 1, 2, 0)
    assert link.code == "abc"


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ("1 {id} 302 https://example.org/", "wrong"),
        ("1 {id} -", "wrong"),
        ("0 0 -", "stale"),
        ("7 {id} 302 https://example.com/", "ahead"),
        ("nonsense", "unreadable"),
    ],
)
async def test_a_record_that_differs_is_reported_and_repaired(
    writer_database: Database, redis: RedisClient, link: Link, record: str, fault: str
) -> None:
    records = RouteRecords(redis)
    await write(redis, "abc", record.format(id=link.id))
    checked = await check(writer_database, records)
    assert (checked.repaired, set(faults(checked).values())) == (0, {fault})
    repaired = await check(writer_database, records, repair=True)
    assert repaired.repaired == 1
    assert await read(redis, "abc") is None
    assert (await check(writer_database, records)).different == 0


async def test_a_live_record_without_a_link_is_removed(
    writer_database: Database, records: RouteRecords, redis: RedisClient
) -> None:
    await write(redis, "ghost", "3 9 302 https://example.com/")
    report = await check(writer_database, records, repair=True)
    assert faults(report) == {"ghost": "orphan"}
    assert await read(redis, "ghost") is None


async def test_a_change_that_is_just_being_published_is_no_difference(
    writer_database: Database, records: RouteRecords, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consistency_check, "RETRY_INTERVAL", 0.2)
    changed = await changes.change(
        writer_database, in_default_domain(link.code), {"url": "https://example.org/"}, based_on=None
    )

    async def publish_late() -> None:
        await asyncio.sleep(0.1)
        await publish(records, [changed], LIFETIME)

    publishing = asyncio.create_task(publish_late())
    assert (await check(writer_database, records)).different == 0
    await publishing


async def test_a_repair_does_not_remove_a_record_that_changed_since_the_check(
    records: RouteRecords, redis: RedisClient, link: Link
) -> None:
    await write(redis, "abc", f"2 {link.id} 302 https://example.org/")
    assert not await records.remove(in_default_domain("abc"), b"what was seen")
    assert await read(redis, "abc") == f"2 {link.id} 302 https://example.org/".encode()


async def test_a_repair_undoes_no_change_that_was_published_meanwhile(
    writer_database: Database,
    records: RouteRecords,
    redis: RedisClient,
    link: Link,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a backup was restored, a record may be newer than its link. Redis ignores changes until it is removed."""
    await write(redis, "abc", f"7 {link.id} 302 https://example.com/")
    remove = records.remove

    async def remove_late(name: LinkName, seen: bytes) -> bool:
        changed = await changes.change(writer_database, name, {"url": "https://example.org/"}, based_on=None)
        await publish(records, [changed], LIFETIME)
        return await remove(name, seen)

    monkeypatch.setattr(records, "remove", remove_late)
    assert (await check(writer_database, records, repair=True)).repaired == 1
    assert await read(redis, "abc") is None


async def test_every_link_is_compared_whatever_the_size_of_a_batch(
    writer_database: Database, records: RouteRecords, redis: RedisClient, owner_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consistency_check, "BATCH", 3)
    for number in range(10):
        await make_link(writer_database, owner_id=owner_id, code=f"code-{number}")
        await write(redis, f"code-{number}", "0 0 -")
    steps: list[int] = []
    report = await check(
        writer_database, records, repair=True, shown=4, progress=lambda found: steps.append(found.links)
    )
    assert (report.links, report.different, report.repaired, len(report.differences)) == (10, 10, 10, 4)
    assert steps[:4] == [3, 6, 9, 10]
