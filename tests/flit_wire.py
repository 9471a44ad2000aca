"""Two ends and a wire between them, in virtual time: what the tests of the FLIT layer drive.

Plan: packets · what happens to a FLIT · the wire.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from opalink.protocol.flit import End, parameters
from opalink.protocol.packets import CounterId, LinkParams, VirtualChannel

FLIT, LATENCY = 640, 3_000
STREAM = VirtualChannel.STREAM0
_PATTERN = bytes(range(256)) * 260


def packet(vc: int, number: int, size: int = 20) -> bytes:
    """`size` bytes that look like a packet of a channel to the FLIT layer, each unlike any other."""
    head = bytes([0x10, 0x60, vc << 4, 0]) + (size - 20).to_bytes(2, "little") + b"\0\0" + number.to_bytes(8, "little")
    return head + _PATTERN[number & 0xFF :][: size - 16]


def channel_of(data: bytes) -> int:
    return data[2] >> 4


Fate = Callable[[bytes], Iterable[bytes]]  # what comes out where a FLIT goes in: none, one, or itself twice


def unharmed(flit: bytes) -> Iterable[bytes]:
    return (flit,)


def flits(data: bytes) -> list[bytes]:
    return [data[i : i + FLIT] for i in range(0, len(data), FLIT)]


def spoiled(flit: bytes, bit: int = 77) -> bytes:
    data = bytearray(flit)
    data[bit >> 3] ^= 1 << (bit & 7)
    return bytes(data)


class Side:
    def __init__(self, ours: LinkParams | None = None, theirs: LinkParams | None = None) -> None:
        self.counts: dict[CounterId, int] = defaultdict(int)
        self.end = End(count=self._count)
        self.end.begin(ours or parameters(), theirs or parameters())
        self.got: list[bytes] = []
        self.sent = 0  # FLITs
        self.fate: Fate = unharmed  # of what this side sends

    def _count(self, what: CounterId, _now: int) -> None:
        self.counts[what] += 1

    def by_channel(self) -> dict[int, list[bytes]]:
        found: dict[int, list[bytes]] = defaultdict(list)
        for data in self.got:
            found[channel_of(data)].append(data)
        return dict(found)


class Wire:
    """What a side sends arrives at the other after LATENCY, in order, as its fate has it."""

    def __init__(self, ours: LinkParams | None = None, theirs: LinkParams | None = None, *, batch: int = 16) -> None:
        self.phone, self.module = Side(ours, theirs), Side(theirs, ours)
        self.now, self.batch = 0, batch
        self._under_way: list[tuple[int, int, Side, bytes]] = []
        self._number = 0

    def _send(self, side: Side, to: Side) -> bool:
        data = side.end.take(self.now, self.batch)
        side.sent += len(data) // FLIT
        through = b"".join(out for flit in flits(data) for out in side.fate(flit))
        self._number += 1
        if through:
            heappush(self._under_way, (self.now + LATENCY, self._number, to, through))
        return bool(data)

    def run(self, until: int | None = None, steps: int = 100_000) -> None:
        """Until both sides have nothing to do and nothing is under way, or until a time."""
        pairs = (self.phone, self.module), (self.module, self.phone)
        for _ in range(steps):
            due = [d for d in (s.end.deadline() for s, _ in pairs) if d is not None]
            due += [self._under_way[0][0]] if self._under_way else []
            if not due or (until is not None and min(due) > until):
                self.now = max(self.now, until or 0)
                return
            self.now = max(self.now, min(due))
            while self._under_way and self._under_way[0][0] <= self.now:
                _, _, to, data = heappop(self._under_way)
                to.got += to.end.receive(self.now, data)
            for side, to in pairs:
                deadline = side.end.deadline()
                if deadline is not None and deadline <= self.now:
                    self._send(side, to)
        raise AssertionError(f"not quiet after {steps} steps, at {self.now} ns")
