"""Which entries of the stream a consumer reads next."""

from collections.abc import Sequence
from typing import Final

FIRST: Final = b"0-0"
"""The position before every entry."""


class ReadOrder:
    """A consumer reads its own pending entries first, then claims those of a dead consumer, then reads new ones.

    `pending_after`: the position from which its own pending entries are read; None once all of them were read.
    `claim_from`: the position from which entries are claimed. `claims`: whether the next read may claim entries.

    Entries that cannot be finished now are postponed. They stay pending, so that they are claimed again later. Until
    then the consumer passes over them, and every second read returns new entries, however many entries are postponed.
    """

    def __init__(self) -> None:
        self.pending_after: bytes | None = FIRST
        self.claim_from = FIRST
        self.claims = True
        self._last_claimed = FIRST
        self._has_claimed = False

    def reread_pending(self) -> None:
        """Begin again with all pending entries of this consumer."""
        self.pending_after = FIRST

    def record_claim(self, ids: Sequence[bytes]) -> None:
        """Remember which entries were claimed, if any. The next claim begins with the first entry again."""
        self.claim_from = FIRST
        self._last_claimed = ids[-1] if ids else FIRST
        self._has_claimed = bool(ids)

    def record_new(self) -> None:
        """Remember that new entries were read."""
        self.claims = True
        self._has_claimed = False

    def postpone(self, ids: Sequence[bytes]) -> None:
        """Pass over entries of the last read, given in the order of the stream."""
        if self.pending_after is not None:
            self.pending_after = ids[-1]
        self.claim_from = b"(" + self._last_claimed
        self.claims = not self._has_claimed
