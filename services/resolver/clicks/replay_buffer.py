"""The replay buffer: what this resolver has added to the click stream and may not be counted yet.

It holds each entry until the stream has moved past it, which is soon: an entry leaves the stream once its clicks are
committed. When Redis loses the stream, or the end of it, the stream writer adds the entries of the buffer again. An
entry that Redis still had is counted once all the same, by the ids of its clicks.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

MAX_CLICKS: Final = 50_000
"""Clicks whose events are kept, the newest; of older ones only the number is kept."""

MAX_BYTES: Final = 64 * 2**20
"""Bytes that the entries may keep. An entry keeps the data of its whole batch, even if one visit alone was a click."""

Events = Callable[[], Sequence[bytes]]
"""Makes the events of an entry again."""

EntryId = tuple[int, int]
"""The two numbers of an entry's id in a stream."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """An entry of the stream: its clicks, how to make their events again (None: forgotten), and of how many bytes."""

    id: EntryId
    clicks: int
    events: Events | None
    size: int


class ReplayBuffer:
    """The entries of one resolver, oldest first."""

    def __init__(self, max_clicks: int = MAX_CLICKS, max_bytes: int = MAX_BYTES) -> None:
        self._max_clicks = max_clicks
        self._max_bytes = max_bytes
        self._entries: deque[Remembered] = deque()
        self._forgotten: deque[Remembered] = deque()
        self._clicks = 0
        self._size = 0
        self.replayed = 0
        """Clicks that were added to the stream again."""
        self.lost = 0
        """Clicks that Redis has lost and whose events were no longer remembered."""

    @property
    def clicks(self) -> int:
        """Clicks whose events are remembered."""
        return self._clicks

    @property
    def newest(self) -> EntryId:
        """The id of the newest entry."""
        return self._entries[-1].id if self._entries else (0, 0)

    def remember(self, entry: bytes, clicks: int, events: Events, size: int) -> None:
        """Remember an entry; `size`: bytes that `events` keeps. It runs once a batch, so it only appends."""
        self._entries.append(Remembered(entry_id(entry), clicks, events, size))
        self._clicks += clicks
        self._size += size
        while self._clicks > self._max_clicks or self._size > self._max_bytes:
            self._forget_oldest()

    def release(self, first: EntryId | None, newest: EntryId) -> None:
        """Drop the entries before `first`, the stream's first one; of an empty stream (None) all up to `newest`."""
        for entries in (self._forgotten, self._entries):
            while entries and (entries[0].id < first if first else entries[0].id <= newest):
                self._subtract(entries.popleft())

    def count_forgotten_as_lost(self) -> None:
        """Redis has lost the stream: what is no longer remembered cannot be added again."""
        self.lost += sum(entry.clicks for entry in self._forgotten)
        self._forgotten.clear()

    async def replay(self, add: Callable[[Sequence[bytes]], Awaitable[bytes]]) -> None:
        """Add each entry that is there now to the stream again, oldest first; `add` gives the new entry's id.

        What `add` raises ends it, and the entries that were not added stay the oldest. Entries that arrive meanwhile
        push none of them out.
        """
        replayed, self._entries = self._entries, deque()
        self._clicks = self._size = 0
        try:
            while replayed:
                await self._replay_oldest(replayed, add)
        finally:
            self._entries.extendleft(reversed(replayed))
            self._clicks += sum(entry.clicks for entry in replayed)
            self._size += sum(entry.size for entry in replayed)

    async def _replay_oldest(
        self, replayed: deque[Remembered], add: Callable[[Sequence[bytes]], Awaitable[bytes]]
    ) -> None:
        entry = replayed[0]
        assert entry.events is not None
        added = await add(entry.events())
        replayed.popleft()
        self.remember(added, entry.clicks, entry.events, entry.size)
        self.replayed += entry.clicks

    def _forget_oldest(self) -> None:
        """Keep the number alone; the numbers of many small entries under the id of the last one."""
        entry = self._entries.popleft()
        self._subtract(entry)
        clicks = entry.clicks
        if self._forgotten and self._forgotten[-1].clicks < self._max_clicks // 10:
            clicks += self._forgotten.pop().clicks
        self._forgotten.append(Remembered(entry.id, clicks, None, 0))

    def _subtract(self, entry: Remembered) -> None:
        if entry.events is not None:
            self._clicks -= entry.clicks
            self._size -= entry.size


def entry_id(text: bytes) -> EntryId:
    """The numbers of an id such as `1700000000000-0`."""
    milliseconds, _, number = text.partition(b"-")
    return int(milliseconds), int(number)
