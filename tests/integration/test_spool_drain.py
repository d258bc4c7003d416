"""The spool is drained into the stream in order, each click once, without its damaged records."""

from contextlib import closing
from pathlib import Path

import pytest

from services.resolver.clicks import spool as spool_module
from services.resolver.clicks.recorder import ClickRecorder
from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.spool import Spool
from services.resolver.clicks.stream_writer import StreamWriter
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from shared.domain.errors import StoreUnavailable
from shared.redis.client import RedisClient
from tests.integration.recording import LIMIT, drained, event, stream_of
from tests.support.network import TcpProxy


async def test_the_spool_is_drained_into_the_stream_when_redis_is_available_again(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, redis: RedisClient, spool: Spool
) -> None:
    await proxy.shut()
    await proxied_clicks.record(event())
    assert await stream_of(redis) == []
    await proxy.open()
    assert await proxied_clicks.drain_spool() == 1
    assert await stream_of(redis) == [[event()]]
    assert spool.size == 0


async def test_a_drained_spool_is_not_drained_again(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, redis: RedisClient
) -> None:
    await proxy.shut()
    await proxied_clicks.record(event())
    await proxy.open()
    await proxied_clicks.drain_spool()
    assert await proxied_clicks.drain_spool() == 0
    assert len(await stream_of(redis)) == 1


async def test_while_redis_is_unavailable_the_spool_cannot_be_drained_and_keeps_its_clicks(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, spool: Spool
) -> None:
    await proxy.shut()
    await proxied_clicks.record(event())
    with pytest.raises(StoreUnavailable):
        await proxied_clicks.drain_spool()
    assert await drained(spool) == [event()]


async def test_a_new_resolver_drains_the_spool_of_the_old_one(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, redis: RedisClient, spool: Spool, tmp_path: Path
) -> None:
    await proxy.shut()
    await proxied_clicks.record(event())
    spool.close()
    left = Spool(tmp_path / "spool", LIMIT)
    assert left.size == spool.size > 0
    await ClickRecorder(redis, left, StreamWriter(redis, ReplayBuffer()), CircuitBreaker()).drain_spool()
    assert await stream_of(redis) == [[event()]]


async def test_batches_appended_while_the_spool_is_drained_are_kept(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, spool: Spool
) -> None:
    await proxy.shut()
    await proxied_clicks.record(event(1))
    await proxied_clicks.record(event(2))

    async def collect(batch: bytes) -> None:
        await spool.append(event(int(batch.split(b"\x1f")[2], 16) + 10))

    await spool.drain(collect)
    assert await drained(spool) == [event(11), event(12)]


async def test_a_drain_that_fails_continues_where_it_failed(spool: Spool) -> None:
    for number in range(3):
        await spool.append(event(number))
    drained_batches = []

    async def fail_at_the_second(batch: bytes) -> None:
        drained_batches.append(batch)
        if len(drained_batches) == 2:
            raise StoreUnavailable

    with pytest.raises(StoreUnavailable):
        await spool.drain(fail_at_the_second)
    assert await drained(spool) == [event(1), event(2)]


async def test_batches_are_drained_oldest_first(tmp_path: Path) -> None:
    drained_batches: list[bytes] = []

    async def collect(batch: bytes) -> None:
        drained_batches.append(batch)

    for number in range(12):  # one file each, because a restarted resolver begins a new file
        with closing(Spool(tmp_path, LIMIT)) as spool:
            await spool.append(event(number))
    await Spool(tmp_path, LIMIT).drain(collect)
    assert drained_batches == [event(number) for number in range(12)]


@pytest.mark.parametrize("extra_bytes", [1, 7, 8, 20])
async def test_a_truncated_record_is_skipped(spool: Spool, tmp_path: Path, extra_bytes: int) -> None:
    await spool.append(event(1))
    await spool.append(event(2))
    spool.close()
    (path,) = (tmp_path / "spool").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + extra_bytes])
    assert await drained(Spool(tmp_path / "spool", LIMIT)) == [event(1)]


async def test_a_record_with_a_wrong_checksum_is_skipped(spool: Spool, tmp_path: Path) -> None:
    await spool.append(event(1))
    await spool.append(event(2))
    spool.close()
    (path,) = (tmp_path / "spool").iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert await drained(Spool(tmp_path / "spool", LIMIT)) == [event(1)]


def spool_files(folder: Path) -> list[Path]:
    return list(folder.glob("*.spool"))


async def test_a_spool_file_that_the_other_process_had_drained_costs_no_later_clicks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a restart the new process opens a file which the old one drains and removes meanwhile."""
    old, new = Spool(tmp_path, 2**20), Spool(tmp_path, 2**20)
    drained: list[bytes] = []

    async def add(batch: bytes) -> None:
        drained.append(batch)

    await old.append(b"first")
    old.close()
    [path] = spool_files(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "_is_locked", lambda _: bool(path.unlink()))  # type: ignore[func-returns-value]  # the old process was quicker
        await new.drain(add)
    await old.append(b"later")
    old.close()
    await new.drain(add)
    assert b"later" in drained
    assert spool_files(tmp_path) == []


async def test_what_is_no_file_of_the_spool_holds_up_neither_appends_nor_the_drain(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 2**20)
    tmp_path.joinpath("backup.spool").write_bytes(b"somebody's")
    tmp_path.joinpath("000000000000-1.spool").mkdir()  # it cannot be read
    drained: list[bytes] = []

    async def add(batch: bytes) -> None:
        drained.append(batch)

    await spool.append(b"click")
    await spool.drain(add)
    assert drained == [b"click"]
    assert sorted(path.name for path in spool_files(tmp_path)) == ["000000000000-1.spool", "backup.spool"]
