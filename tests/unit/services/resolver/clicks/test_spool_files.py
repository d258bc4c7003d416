"""Several files: of a restarted resolver, of other processes, damaged, and of a large spool."""

import struct
import zlib
from pathlib import Path

import pytest

from services.resolver.clicks import spool as spool_module
from tests.unit.services.resolver.clicks.spools import HEAD, Callback, Fill, Open, drained_from, files


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


async def test_a_large_file_is_followed_by_a_new_one(
    fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "FILE_LIMIT", 2 * (HEAD + 10))
    spool = await fill(*(b"%010d" % number for number in range(5)))
    assert [path.stat().st_size for path in files(tmp_path)] == [2 * (HEAD + 10), 2 * (HEAD + 10), HEAD + 10]
    assert await drained_from(spool) == [b"%010d" % number for number in range(5)]
