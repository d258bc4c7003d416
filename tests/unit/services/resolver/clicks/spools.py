"""Spools in the test's folder, and the batches that they drain."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from services.resolver.clicks.spool import Spool

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
