"""What the spool has taken it hands over, whatever crashes when: the spool's own code on files that a crash tears."""

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
    """A resolver that spools, drains and dies at any moment; what was not synced may be torn."""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="boltlink-spool-"))
        self.numbers = 0
        self.waiting: set[bytes] = set()
        """Batches whose redirects were answered, and that Redis has not taken."""
        self.taken: set[bytes] = set()
        self.spool = Spool(self.folder, LIMIT)

    @rule(size=st.integers(1, 80))
    def resolver_spools(self, size: int) -> None:
        batch = self._batch(size)
        try:
            self.runner.run(self.spool.append(batch))
        except SpoolFull:
            assert self.spool.size + len(batch) + 8 > LIMIT, "it refuses only what does not fit"
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
                file.truncate(whole)  # the length was written, the bytes were not
        self._restart()
        if kept == whole:
            self.taken.add(batch)  # never answered, and yet on the disk: its id makes it harmless

    @rule()
    def redis_takes_all(self) -> None:
        handed_over: list[bytes] = []

        async def take(batch: bytes) -> None:
            handed_over.append(batch)

        self.runner.run(self.spool.drain(take))
        assert self.waiting <= set(handed_over) <= self.waiting | self.taken
        self.taken |= self.waiting
        self.waiting = set()
        assert self.spool.size == 0
        assert not self._files()

    @rule(after=st.integers(0, 4), dies=st.booleans())
    def redis_takes_some(self, after: int, dies: Any) -> None:
        handed_over: list[bytes] = []

        async def take(batch: bytes) -> None:
            if len(handed_over) == after:
                raise Crash if dies else ConnectionError
            handed_over.append(batch)

        with contextlib.suppress(Crash, ConnectionError):
            self.runner.run(self.spool.drain(take))
        assert set(handed_over) <= self.waiting | self.taken
        self.taken |= set(handed_over)
        if dies:
            self._restart()
        self.waiting -= set(handed_over)  # they may come again all the same, when the resolver has died

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.redis_takes_all()
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
