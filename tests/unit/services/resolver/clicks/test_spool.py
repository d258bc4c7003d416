"""Batches are drained in order, each once, within the spool's limit and the room on the disk."""

import contextlib
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.resolver.clicks.spool import Spool, SpoolFull
from tests.unit.services.resolver.clicks.spools import HEAD, LIMIT, Callback, Fill, Open, drained_from, files


@contextlib.contextmanager
def disk_with_room_for(count: int) -> Iterator[None]:
    """Limit the size of files to `count` bytes, to simulate a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_batches_come_out_as_they_went_in(fill: Fill) -> None:
    spool = await fill(b"first", b"second", bytes(range(256)))
    assert await drained_from(spool) == [b"first", b"second", bytes(range(256))]


async def test_draining_returns_the_number_of_batches(fill: Fill) -> None:
    spool = await fill(b"first", b"second")
    assert await spool.drain(Callback()) == 2


async def test_drained_batches_are_removed(fill: Fill, tmp_path: Path) -> None:
    spool = await fill(b"first")
    await spool.drain(Callback())
    assert (await drained_from(spool), spool.size, files(tmp_path)) == ([], 0, [])


async def test_an_empty_spool_has_nothing_to_drain(open_spool: Open) -> None:
    assert await drained_from(open_spool()) == []


async def test_the_folder_is_created(open_spool: Open, tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "new" / "folder")
    await spool.append(b"first")
    assert await drained_from(spool) == [b"first"]


async def test_the_size_is_the_size_of_the_files(fill: Fill, tmp_path: Path) -> None:
    spool = await fill(b"first", b"second")
    assert spool.size == sum(path.stat().st_size for path in files(tmp_path)) == 2 * HEAD + 11


async def test_a_full_spool_refuses_a_batch(open_spool: Open) -> None:
    spool = open_spool(limit=2 * HEAD + 10)
    await spool.append(b"x" * 10)
    with pytest.raises(SpoolFull, match="of at most 26"):
        await spool.append(b"y")


async def test_a_full_spool_keeps_its_batches(open_spool: Open) -> None:
    spool = open_spool(limit=2 * HEAD + 10)
    await spool.append(b"x" * 10)
    with contextlib.suppress(SpoolFull):
        await spool.append(b"y")
    assert await drained_from(spool) == [b"x" * 10]


async def test_a_drained_spool_has_room_again(open_spool: Open) -> None:
    spool = open_spool(limit=HEAD + 10)
    await spool.append(b"x" * 10)
    await spool.drain(Callback())
    await spool.append(b"y" * 10)
    assert await drained_from(spool) == [b"y" * 10]


async def test_an_exception_of_the_callback_is_raised(fill: Fill) -> None:
    spool = await fill(b"first")
    with pytest.raises(ConnectionError):
        await spool.drain(Callback(fails_on=b"first"))


async def test_after_a_failure_draining_continues_with_the_failed_batch(fill: Fill) -> None:
    spool = await fill(b"first", b"second", b"third")
    size = spool.size
    with contextlib.suppress(ConnectionError):
        await spool.drain(Callback(fails_on=b"second"))
    assert (spool.size, await drained_from(spool)) == (size, [b"second", b"third"])
    assert spool.size == 0


async def test_a_restart_in_the_middle_of_a_file_drains_the_whole_file_again(open_spool: Open, fill: Fill) -> None:
    spool = await fill(b"first", b"second")
    with contextlib.suppress(ConnectionError):
        await spool.drain(Callback(fails_on=b"second"))
    spool.close()
    assert await drained_from(open_spool()) == [b"first", b"second"]


async def test_completely_drained_files_are_not_drained_again(open_spool: Open, fill: Fill) -> None:
    for batch in (b"first", b"second"):
        (await fill(batch)).close()
    spool = open_spool()
    with contextlib.suppress(ConnectionError):
        await spool.drain(Callback(fails_on=b"second"))
    assert await drained_from(spool) == [b"second"]


async def test_batches_appended_during_a_drain_wait_for_the_next_one(fill: Fill) -> None:
    spool = await fill(b"first")

    async def callback(_batch: bytes) -> None:
        await spool.append(b"meanwhile")

    await spool.drain(callback)
    assert await drained_from(spool) == [b"meanwhile"]


async def test_a_file_that_a_drain_is_removing_is_no_error(open_spool: Open, tmp_path: Path) -> None:
    spool = open_spool()
    (tmp_path / "000000000001.spool").symlink_to(tmp_path / "gone")  # listed, but removed already
    await spool.append(b"first")
    (tmp_path / "000000000001.spool").unlink()
    assert await drained_from(spool) == [b"first"]


async def test_a_disk_without_room_is_a_full_spool(open_spool: Open) -> None:
    spool = open_spool()
    with disk_with_room_for(HEAD), pytest.raises(SpoolFull):
        await spool.append(b"first")


async def test_a_disk_with_room_again_is_written_again(fill: Fill) -> None:
    spool = await fill(b"first")
    with disk_with_room_for(2 * HEAD + 5), contextlib.suppress(SpoolFull, OSError):
        await spool.append(b"refused")
    await spool.append(b"second")
    assert await drained_from(spool) == [b"first", b"second"]


async def test_a_disk_without_room_leaves_the_size_correct(fill: Fill, tmp_path: Path) -> None:
    spool = await fill(b"first")
    with disk_with_room_for(2 * HEAD + 5), contextlib.suppress(SpoolFull, OSError):
        await spool.append(b"refused")
    await spool.drain(Callback())
    assert (spool.size, files(tmp_path)) == (0, [])


@given(st.lists(st.lists(st.binary(min_size=1, max_size=50), max_size=4), max_size=4))
@settings(max_examples=25)  # each example waits for the disk
async def test_all_batches_are_drained_in_order(runs: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for run in runs:
            spool = Spool(Path(folder), LIMIT)
            for batch in run:
                await spool.append(batch)
            spool.close()
        assert await drained_from(Spool(Path(folder), LIMIT)) == [batch for run in runs for batch in run]
