"""The spool drains every batch that it has accepted, also after crashes that truncate its files."""

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from services.resolver.clicks.spool import Spool, SpoolFull
from tests.support.simulated import Crash

LIMIT = 400


class Spooling(RuleBasedStateMachine):
    """A resolver that spools, drains and dies at any time; a record that was not synced may be truncated."""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="boltlink-spool-"))
        self.numbers = 0
        self.waiting: set[bytes] = set()
        """Batches whose redirects were answered, and that are not in Redis."""
        self.drained: set[bytes] = set()
        self.spool = Spool(self.folder, LIMIT)

    @rule(size=st.integers(1, 80))
    def resolver_spools(self, size: int) -> None:
        batch = self._batch(size)
        try:
            self.runner.run(self.spool.append(batch))
        except SpoolFull:
            assert self.spool.size + len(batch) + 8 > LIMIT, "the spool refuses only what does not fit"
        else:
            self.waiting.add(batch)

    @rule(size=st.integers(1, 80), data=st.data())
    def resolver_dies_while_it_writes(self, size: int, data: st.DataObject) -> None:
        before = self._files()
        batch = self._batch(size)
        try:
            self.runner.run(self.spool.append(batch))
        except SpoolFull:
            return
        (path,) = [path for path, length in self._files().items() if length != before.get(path)]
        whole = path.stat().st_size
        kept = data.draw(st.integers(before.get(path, 0), whole))
        with path.open("r+b") as file:
            file.truncate(kept)
            if data.draw(st.booleans()):
                file.truncate(whole)  # the length was written, but not the bytes
        self._restart()
        if kept == whole:
            self.drained.add(batch)  # its redirects were not answered, but its ids make it harmless

    @rule()
    def redis_accepts_all(self) -> None:
        received: list[bytes] = []

        async def receive(batch: bytes) -> None:
            received.append(batch)

        self.runner.run(self.spool.drain(receive))
        assert self.waiting <= set(received) <= self.waiting | self.drained
        self.drained |= self.waiting
        self.waiting = set()
        assert self.spool.size == 0
        assert not self._files()

    @rule(after=st.integers(0, 4), dies=st.booleans())
    def redis_accepts_some(self, after: int, dies: Any) -> None:
        received: list[bytes] = []

        async def receive(batch: bytes) -> None:
            if len(received) == after:
                raise Crash if dies else ConnectionError
            received.append(batch)

        with contextlib.suppress(Crash, ConnectionError):
            self.runner.run(self.spool.drain(receive))
        assert set(received) <= self.waiting | self.drained
        self.drained |= set(received)
        if dies:
            self._restart()
        self.waiting -= set(received)  # if the resolver has died, they may be drained again

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.redis_accepts_all()
        finally:
            self.spool.close()
            self.runner.close()
            shutil.rmtree(self.folder)

    def _batch(self, size: int) -> bytes:
        self.numbers += 1
        return b"%d:" % self.numbers + b"x" * size

    def _restart(self) -> None:
        self.spool.close()
        self.spool = Spool(self.folder, LIMIT)

    def _files(self) -> dict[Path, int]:
        return {path: path.stat().st_size for path in self.folder.glob("*.spool")}


Spooling.TestCase.settings = settings(max_examples=60, stateful_step_count=20)
TestSpooling = Spooling.TestCase
