"""What a side counts.

Plan: the counters.
"""

from collections.abc import Iterable, Iterator

from opalink.protocol.codec import Status
from opalink.protocol.packets import Counter, CounterId

# The counter of a status that a check ends in.
OF_STATUS = {
    Status.BAD_LENGTH: CounterId.BAD_LENGTH,
    Status.BAD_VALUE: CounterId.BAD_VALUE,
    Status.BAD_STATE: CounterId.BAD_STATE,
    Status.BAD_VERSION: CounterId.BAD_VERSION,
    Status.NOT_SUPPORTED: CounterId.NOT_SUPPORTED,
}

# The counters of the packet layer, which every side keeps.
PACKET = tuple(c for c in CounterId if c >> 8 == 0)


class Counters:
    """Counts with the times of the first and of the last. `epoch` counts how often they began at zero."""

    def __init__(self, kept: Iterable[CounterId]) -> None:
        self.kept = tuple(sorted({*PACKET, *kept}))
        self.epoch = 0
        self._counts: dict[CounterId, list[int]] = {}
        self.reset()

    def reset(self) -> None:
        self.epoch += 1
        self._counts = {what: [0, 0, 0] for what in self.kept}

    def add(self, what: CounterId, time: int) -> None:
        entry = self._counts.get(what)
        if entry is None:
            return
        if not entry[0]:
            entry[1] = time
        entry[0] += 1
        entry[2] = time

    def count(self, what: CounterId) -> int:
        return self._counts[what][0]

    def rows(self, groups: int) -> Iterator[Counter]:
        """The counters of some chapters, by rising number."""
        for what in self.kept:
            if groups >> (what >> 8) & 1:
                count, first, last = self._counts[what]
                yield Counter(what, count, first, last)
