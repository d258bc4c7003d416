"""The write-ahead spool: files of this resolver for clicks that could not be written to Redis.

A record is its length, its CRC-32 (both 4 bytes, big-endian) and its bytes. A batch is one record and is on the disk
(fsync) before its redirects are answered. A file is drained to Redis and then removed. After a crash in between it is
drained again, which is harmless because a click is counted once by its id. If a crash cuts the last record short, its
visitors got no redirect.

During a restart the old and the new process share the folder for some seconds. Each writes its own files, and locks the
file that it writes. The lock ends with the process. A locked file is not drained by another process.
"""

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_HEAD: Final = struct.Struct(">II")
_SUFFIX: Final = ".spool"

FILE_LIMIT: Final = 8 * 2**20
"""Bytes after which a new file begins. A file is read into memory as a whole, and removed once it is drained."""


class SpoolFull(Exception):
    """The spool has reached its limit, or its disk cannot be written."""


class Spool:
    """The spool files in a folder, which belongs to one resolver."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._file: FileIO | None = None
        self._written = 0
        self._number = 0
        self._drained: dict[Path, int] = {}
        self._lock = asyncio.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._size = self._on_disk()

    @property
    def size(self) -> int:
        """The size of all files in bytes."""
        return self._size

    async def append(self, batch: bytes) -> None:
        """Append a batch, which is on the disk when this returns. Raises SpoolFull."""
        record = _HEAD.pack(len(batch), zlib.crc32(batch)) + batch
        await asyncio.shield(self._append(record))  # a running write keeps the lock also when its caller is cancelled

    async def _append(self, record: bytes) -> None:
        async with self._lock:
            if self._size + len(record) > self._limit:
                raise SpoolFull(f"The spool holds {self._size} bytes of at most {self._limit}.")
            try:
                await asyncio.to_thread(self._write, record)
            except OSError as fault:
                self._close()  # the record may be truncated, so the next one goes into a new file
                self._size = self._on_disk()
                raise SpoolFull(f"The spool cannot be written: {fault}") from fault
            self._size += len(record)

    async def drain(self, add: Callable[[bytes], Awaitable[None]]) -> int:
        """Pass every batch to `add`, oldest first, and remove completely drained files; the number of batches.

        An exception of `add` ends the drain; the next one continues with the batch that failed.
        """
        async with self._lock:
            self._close()  # new batches go into a new file
            paths = self._paths()
        drained = 0
        for path in paths:
            if file := _open_for_drain(path):
                with file:  # and so locked until the file is drained
                    drained += await self._drain_file(path, await asyncio.to_thread(file.read), add)
        async with self._lock:
            self._size = self._on_disk()
        return drained

    async def _drain_file(self, path: Path, content: bytes, add: Callable[[bytes], Awaitable[None]]) -> int:
        drained = 0
        for batch, end in _records(content, self._drained.get(path, 0), path):
            await add(batch)
            self._drained[path] = end
            drained += 1
        await asyncio.to_thread(path.unlink, missing_ok=True)  # another process may have drained it too
        self._drained.pop(path, None)  # a later file may get the same name
        return drained

    def close(self) -> None:
        """Close the open file; its batches stay."""
        self._close()

    def _on_disk(self) -> int:
        size = 0
        for path in self._paths():
            with contextlib.suppress(FileNotFoundError):  # the file has just been drained and removed
                size += path.stat().st_size
        return size

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"[0-9]*-[0-9]*{_SUFFIX}"))

    def _write(self, record: bytes) -> None:
        if self._written >= FILE_LIMIT:
            self._close()
        if self._file is None:
            self._file = self._new_file()
        if self._file.write(record) != len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._file.fileno())
        self._written += len(record)

    def _new_file(self) -> FileIO:
        """Create a file that becomes visible to other processes only after it is locked."""
        self._number = max([self._number, *map(_number, self._paths())]) + 1  # a name is never used again
        path = self._folder / f"{self._number:012d}-{os.getpid()}{_SUFFIX}"
        hidden = path.with_suffix(".new")
        file = hidden.open("wb", buffering=0)
        fcntl.flock(file, fcntl.LOCK_EX)
        hidden.rename(path)
        _sync_folder(self._folder)
        return file

    def _close(self) -> None:
        file, self._file = self._file, None
        self._written = 0
        if file is not None:
            with contextlib.suppress(OSError):  # the write has already reported a full disk
                file.close()


def _number(path: Path) -> int:
    return int(path.stem.partition("-")[0])


def _open_for_drain(path: Path) -> BufferedReader | None:
    """A file, locked; None when another process writes, drains or has drained it, or when it cannot be opened.

    A file that cannot be opened must not hold up the files behind it.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    except OSError:
        log.exception("the spool's file %s cannot be opened", path.name)
        return None
    if _is_locked(file.fileno()):
        file.close()
        return None
    return file


def _is_locked(descriptor: int) -> bool:
    """Whether another process has locked the file; if not, it is locked until the descriptor is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _sync_folder(folder: Path) -> None:
    """Sync the folder, so that the name of a new file survives a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _records(content: bytes, position: int, path: Path) -> Iterator[tuple[bytes, int]]:
    """The batches from a position on, each with the position of its end."""
    while position + _HEAD.size <= len(content):
        length, checksum = _HEAD.unpack_from(content, position)
        start, position = position + _HEAD.size, position + _HEAD.size + length
        record = content[start:position]
        if record and len(record) == length and zlib.crc32(record) == checksum:
            yield record, position
        else:
            log.warning("%s: the record at byte %d of %d is torn and left out", path.name, start, len(content))
