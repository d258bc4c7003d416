import contextlib
import resource
import struct
import tempfile
import zlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.resolver.clicks import spool as spool_module
from services.resolver.clicks.spool import Spool, SpoolFull

LIMIT = 10_000

HEAD = 8
"""Bytes of a record before its batch."""


class Callback:
    """The callback of a drain: it records the batches, and fails on one of them."""

    def __init__(self, *, fails_on: bytes | None = None) -> None:
        self.batches: list[bytes] = []
        self._fails_on = fails_on

    async def __call__(self, batch: bytes) -> None:
        if batch == self._fails_on:
            raise ConnectionError
        self.batches.append(batch)


async def drained_from(spool: Spool) -> list[bytes]:
    """Drain a spool; its batches."""
    callback = Callback()
    await spool.drain(callback)
    return callback.batches


Open = Callable[..., Spool]
Fill = Callable[..., Awaitable[Spool]]


@pytest.fixture
def open_spool(tmp_path: Path) -> Iterator[Open]:
    """Opens spools in the test's folder, and closes them at the end."""
    with contextlib.ExitStack() as stack:

        def open_spool(folder: Path = tmp_path, limit: int = LIMIT) -> Spool:
            spool = Spool(folder, limit)
            stack.callback(spool.close)
            return spool

        yield open_spool


@pytest.fixture
def fill(open_spool: Open) -> Fill:
    """Opens a spool and appends some batches, as one run of a resolver does."""

    async def fill(*batches: bytes) -> Spool:
        spool = open_spool()
        for batch in batches:
            await spool.append(batch)
        return spool

    return fill


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


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


async def test_a_restarted_resolver_drains_the_files_of_the_previous_process(fill: Fill) -> None:
    (await fill(b"before")).close()
    spool = await fill(b"after")
    assert await drained_from(spool) == [b"before", b"after"]


async def test_a_restarted_resolver_knows_the_size_of_the_files(open_spool: Open, fill: Fill) -> None:
    before = await fill(b"before")
    before.close()
    assert open_spool().size == before.size


async def test_a_restarted_resolver_writes_into_new_files(fill: Fill, tmp_path: Path) -> None:
    (await fill(b"before")).close()
    content = files(tmp_path)[0].read_bytes()
    await fill(b"after")
    assert files(tmp_path)[0].read_bytes() == content


async def test_two_processes_with_one_folder_write_different_files(open_spool: Open, tmp_path: Path) -> None:
    old, new = open_spool(), open_spool()
    await old.append(b"of the old one")
    await new.append(b"of the new one")
    assert len(files(tmp_path)) == 2


async def test_a_file_that_another_process_writes_is_not_drained(open_spool: Open) -> None:
    old, new = open_spool(), open_spool()
    await old.append(b"first")
    assert await drained_from(new) == []
    await old.append(b"second")
    old.close()
    assert await drained_from(new) == [b"first", b"second"]


async def test_a_file_that_another_process_drains_is_not_drained(fill: Fill, open_spool: Open) -> None:
    (await fill(b"first")).close()
    old, new = open_spool(), open_spool()
    meanwhile: list[bytes] = []

    async def callback(_batch: bytes) -> None:
        meanwhile.extend(await drained_from(new))

    assert await old.drain(callback) == 1
    assert meanwhile == []
    assert await drained_from(new) == []


async def test_files_that_another_process_left_are_drained_also_when_they_are_newer(
    open_spool: Open, fill: Fill
) -> None:
    new = open_spool()
    (await fill(b"left")).close()
    assert await drained_from(new) == [b"left"]
    assert new.size == 0


async def test_files_of_many_runs_are_drained_oldest_first(open_spool: Open, fill: Fill) -> None:
    batches = [f"run {number}".encode() for number in range(12)]
    for batch in batches:
        (await fill(batch)).close()
    assert await drained_from(open_spool()) == batches


@pytest.mark.parametrize("lost", [1, 5, HEAD + 4], ids=["its end", "its batch", "part of its head"])
async def test_a_truncated_last_record_is_skipped(open_spool: Open, fill: Fill, tmp_path: Path, lost: int) -> None:
    (await fill(b"whole", b"torn!")).close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-lost])
    assert await drained_from(open_spool()) == [b"whole"]


async def test_a_truncated_record_is_removed_with_its_file(open_spool: Open, fill: Fill, tmp_path: Path) -> None:
    (await fill(b"torn")).close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    spool = open_spool()
    await spool.drain(Callback())
    assert (spool.size, files(tmp_path)) == (0, [])


async def test_a_corrupt_record_is_not_drained(open_spool: Open, fill: Fill, tmp_path: Path) -> None:
    (await fill(b"first", b"second")).close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"second", b"sec0nd"))
    assert await drained_from(open_spool()) == [b"first"]


async def test_a_corrupt_record_does_not_affect_the_records_before_it(
    open_spool: Open, fill: Fill, tmp_path: Path
) -> None:
    (await fill(b"first", b"second", b"third")).close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"second", b"sec0nd"))
    assert await drained_from(open_spool()) == [b"first", b"third"]


async def test_a_corrupt_file_does_not_affect_other_files(open_spool: Open, fill: Fill, tmp_path: Path) -> None:
    (await fill(b"first")).close()
    (await fill(b"second")).close()
    files(tmp_path)[0].write_bytes(b"\xff" * 100)
    assert await drained_from(open_spool()) == [b"second"]


async def test_a_record_is_its_length_its_checksum_and_its_bytes(fill: Fill, tmp_path: Path) -> None:
    await fill(b"batch")
    (path,) = files(tmp_path)
    assert path.read_bytes() == struct.pack(">II", 5, zlib.crc32(b"batch")) + b"batch"


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


async def test_a_large_file_is_followed_by_a_new_one(
    fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "FILE_LIMIT", 2 * (HEAD + 10))
    spool = await fill(*(b"%010d" % number for number in range(5)))
    assert [path.stat().st_size for path in files(tmp_path)] == [2 * (HEAD + 10), 2 * (HEAD + 10), HEAD + 10]
    assert await drained_from(spool) == [b"%010d" % number for number in range(5)]


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
