import contextlib
import resource
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.resolver.spool import Spool, SpoolFull

ROOM = 10_000

HEAD = 8
"""Bytes of a record before its batch."""


class Taker:
    """Takes batches; on some it fails."""

    def __init__(self, *, fails_on: bytes | None = None) -> None:
        self.batches: list[bytes] = []
        self._fails_on = fails_on

    async def __call__(self, batch: bytes) -> None:
        if batch == self._fails_on:
            raise ConnectionError("away")
        self.batches.append(batch)


async def fed_from(spool: Spool) -> list[bytes]:
    """What a spool hands over."""
    taker = Taker()
    await spool.feed(taker)
    return taker.batches


async def filled(folder: Path, *batches: bytes) -> Spool:
    """A spool that holds some batches."""
    spool = Spool(folder, ROOM)
    for batch in batches:
        await spool.append(batch)
    return spool


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@contextlib.contextmanager
def disk_with_room_for(count: int) -> Iterator[None]:
    """Lets no file grow beyond so many bytes, as a full disk would not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_batches_come_out_as_they_went_in(tmp_path: Path) -> None:
    spool = await filled(tmp_path, b"first", b"second", bytes(range(256)))
    assert await fed_from(spool) == [b"first", b"second", bytes(range(256))]


async def test_feeding_says_how_many_batches_there_were(tmp_path: Path) -> None:
    spool = await filled(tmp_path, b"first", b"second")
    assert await spool.feed(Taker()) == 2


async def test_what_was_fed_is_gone(tmp_path: Path) -> None:
    spool = await filled(tmp_path, b"first")
    await spool.feed(Taker())
    assert (await fed_from(spool), spool.size, files(tmp_path)) == ([], 0, [])


async def test_an_empty_spool_has_nothing_to_feed(tmp_path: Path) -> None:
    assert await fed_from(Spool(tmp_path, ROOM)) == []


async def test_the_folder_is_made(tmp_path: Path) -> None:
    assert await fed_from(await filled(tmp_path / "new" / "folder", b"first")) == [b"first"]


async def test_the_size_is_that_of_the_files(tmp_path: Path) -> None:
    spool = await filled(tmp_path, b"first", b"second")
    assert spool.size == sum(path.stat().st_size for path in files(tmp_path)) == 2 * HEAD + 11


async def test_a_full_spool_refuses(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=2 * HEAD + 10)
    await spool.append(b"x" * 10)
    with pytest.raises(SpoolFull, match="of at most 26"):
        await spool.append(b"y")


async def test_a_full_spool_keeps_what_it_has(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=2 * HEAD + 10)
    await spool.append(b"x" * 10)
    with contextlib.suppress(SpoolFull):
        await spool.append(b"y")
    assert await fed_from(spool) == [b"x" * 10]


async def test_a_spool_that_was_fed_has_room_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=HEAD + 10)
    await spool.append(b"x" * 10)
    await spool.feed(Taker())
    await spool.append(b"y" * 10)
    assert await fed_from(spool) == [b"y" * 10]


async def test_a_restart_continues(tmp_path: Path) -> None:
    (await filled(tmp_path, b"before")).close()
    spool = await filled(tmp_path, b"after")
    assert await fed_from(spool) == [b"before", b"after"]


async def test_a_restart_knows_how_much_there_is(tmp_path: Path) -> None:
    before = await filled(tmp_path, b"before")
    before.close()
    assert Spool(tmp_path, ROOM).size == before.size


async def test_a_restart_writes_into_no_file_of_before(tmp_path: Path) -> None:
    (await filled(tmp_path, b"before")).close()
    content = files(tmp_path)[0].read_bytes()
    await filled(tmp_path, b"after")
    assert files(tmp_path)[0].read_bytes() == content


async def test_a_restart_with_files_of_many_runs_feeds_the_oldest_first(tmp_path: Path) -> None:
    batches = [f"run {number}".encode() for number in range(12)]
    for batch in batches:
        (await filled(tmp_path, batch)).close()
    assert await fed_from(Spool(tmp_path, ROOM)) == batches


@pytest.mark.parametrize("lost", [1, 5, HEAD + 4], ids=["its end", "its batch", "part of its head"])
async def test_a_last_record_that_was_torn_off_is_left_out(tmp_path: Path, lost: int) -> None:
    (await filled(tmp_path, b"whole", b"torn!")).close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-lost])
    assert await fed_from(Spool(tmp_path, ROOM)) == [b"whole"]


async def test_a_torn_record_is_done_with(tmp_path: Path) -> None:
    (await filled(tmp_path, b"torn")).close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    spool = Spool(tmp_path, ROOM)
    await spool.feed(Taker())
    assert (spool.size, files(tmp_path)) == (0, [])


async def test_a_corrupt_record_is_not_handed_over(tmp_path: Path) -> None:
    (await filled(tmp_path, b"first", b"second")).close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"second", b"sec0nd"))
    assert await fed_from(Spool(tmp_path, ROOM)) == [b"first"]


async def test_a_corrupt_record_takes_no_other_with_it(tmp_path: Path) -> None:
    (await filled(tmp_path, b"first", b"second", b"third")).close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"second", b"sec0nd"))
    assert await fed_from(Spool(tmp_path, ROOM)) == [b"first", b"third"]


async def test_a_corrupt_file_takes_no_other_with_it(tmp_path: Path) -> None:
    (await filled(tmp_path, b"first")).close()
    (await filled(tmp_path, b"second")).close()
    files(tmp_path)[0].write_bytes(b"\xff" * 100)
    assert await fed_from(Spool(tmp_path, ROOM)) == [b"second"]


async def test_a_record_is_its_length_its_checksum_and_its_bytes(tmp_path: Path) -> None:
    await filled(tmp_path, b"batch")
    (path,) = files(tmp_path)
    assert path.read_bytes() == struct.pack(">II", 5, zlib.crc32(b"batch")) + b"batch"


async def test_a_failure_of_the_taker_is_told(tmp_path: Path) -> None:
    spool = await filled(tmp_path, b"first")
    with pytest.raises(ConnectionError):
        await spool.feed(Taker(fails_on=b"first"))


async def test_what_was_not_taken_is_kept(tmp_path: Path) -> None:
    spool = await filled(tmp_path, b"first", b"second")
    size = spool.size
    with contextlib.suppress(ConnectionError):
        await spool.feed(Taker(fails_on=b"second"))
    assert (spool.size, await fed_from(spool)) == (size, [b"first", b"second"])


async def test_files_that_were_taken_whole_do_not_come_again(tmp_path: Path) -> None:
    for batch in (b"first", b"second"):
        (await filled(tmp_path, batch)).close()
    spool = Spool(tmp_path, ROOM)
    with contextlib.suppress(ConnectionError):
        await spool.feed(Taker(fails_on=b"second"))
    assert await fed_from(spool) == [b"second"]


async def test_what_comes_during_a_feed_waits_for_the_next(tmp_path: Path) -> None:
    spool = await filled(tmp_path, b"first")

    async def take(_batch: bytes) -> None:
        await spool.append(b"meanwhile")

    await spool.feed(take)
    assert await fed_from(spool) == [b"meanwhile"]


async def test_a_disk_without_room_is_a_full_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)
    with disk_with_room_for(HEAD), pytest.raises(SpoolFull):
        await spool.append(b"first")


async def test_a_disk_with_room_again_is_written_again(tmp_path: Path) -> None:
    spool = await filled(tmp_path, b"first")
    with disk_with_room_for(2 * HEAD + 5), contextlib.suppress(SpoolFull, OSError):
        await spool.append(b"refused")
    await spool.append(b"second")
    assert await fed_from(spool) == [b"first", b"second"]


async def test_a_disk_without_room_does_not_confuse_the_size(tmp_path: Path) -> None:
    spool = await filled(tmp_path, b"first")
    with disk_with_room_for(2 * HEAD + 5), contextlib.suppress(SpoolFull, OSError):
        await spool.append(b"refused")
    await spool.feed(Taker())
    assert (spool.size, files(tmp_path)) == (0, [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)  # each example empties it
@given(st.lists(st.lists(st.binary(min_size=1, max_size=50), max_size=4), max_size=4))
async def test_whatever_went_in_comes_out_in_order(tmp_path: Path, runs: list[list[bytes]]) -> None:
    for run in runs:
        (await filled(tmp_path, *run)).close()
    assert await fed_from(Spool(tmp_path, ROOM)) == [batch for run in runs for batch in run]
