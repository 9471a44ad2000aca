"""FLITs that were sent and are not acknowledged, and those of them that go again.

Sequence numbers are counted here without end and have 16 bits on the wire. A number that the peer names is looked for
among those that are held, so that one from before or from nowhere is never taken for another.

Plan: the window · what the peer says · what goes again.
"""

from collections.abc import Sequence

MASK = 0xFFFF


class Window:
    """FLITs `first` to `next` - 1, each without its CRC, as they were first sent."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.first = self.next = 0
        self._flits: list[bytes] = []
        self._again: dict[int, None] = {}  # in the order in which they go

    def __len__(self) -> int:
        return len(self._flits)

    @property
    def last_seq(self) -> int:
        """Sequence number of the last FLIT that took one; 65535 before the first."""
        return (self.next - 1) & MASK

    def add(self, flits: Sequence[bytes]) -> None:
        self._flits += flits
        self.next += len(flits)

    def _named(self, seq: int) -> int:
        """The number that the peer means, if it lies between `first` - 1 and `next` - 1, else one beyond."""
        return self.first - 1 + ((seq - self.first + 1) & MASK)

    # ── What the peer says ──

    def acknowledge(self, seq: int) -> bool:
        """Everything up to `seq` has arrived. Whether that was news; it is none if no such FLIT is under way."""
        last = self._named(seq)
        if not self.first <= last < self.next:
            return False
        del self._flits[: last + 1 - self.first]
        self.first = last + 1
        while self._again and (oldest := next(iter(self._again))) <= last:
            del self._again[oldest]
        return True

    def resend(self, seq: int) -> bool:
        """`seq` alone is missing. Whether it is held."""
        number = self._named(seq)
        if not self.first <= number < self.next:
            return False
        self._again[number] = None
        return True

    def resend_after(self, seq: int) -> bool:
        """Everything up to `seq` has arrived, and nothing behind it. Whether what comes next is held."""
        return self._named(seq) + 1 < self.next and self.resume(seq)

    def resume(self, seq: int) -> bool:
        """Everything up to `seq` has arrived, and what comes next, if anything, goes again. Whether it is held."""
        last = self._named(seq)
        if last >= self.next:
            return False
        self.acknowledge(seq)
        self._again = dict.fromkeys(range(self.first, self.next))
        return True

    # ── What goes again ──

    def pop_again(self) -> bytes | None:
        """The next FLIT that goes again, as it was first sent."""
        while self._again:
            number = next(iter(self._again))
            del self._again[number]
            if number >= self.first:
                return self._flits[number - self.first]
        return None

    @property
    def wants_again(self) -> bool:
        return bool(self._again)
