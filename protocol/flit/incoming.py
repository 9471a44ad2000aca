"""What arrives: in which order, what is missing, and what room is left.

FLITs that follow each other are handed on at once, in runs. One that comes too early is held until those before it
have come; what is missing is asked for, again and again at growing intervals, until it is there. No more is held than
the peer holds for replay, for it cannot have sent more.

Plan: a channel · the order · what is missing · what is asked for.
"""

from typing import Final

from opalink.protocol.flit.assembly import Assembly
from opalink.protocol.flit.window import MASK

_FEW: Final = 8  # FLITs missing that are asked for one by one, whatever else is held
_SLOWEST: Final = 6  # an interval is doubled so often, at most


class Incoming:
    """A virtual channel from the peer. `received` counts the FLITs that were taken, `freed` those whose room is free
    again, `told` the credits of which the peer has been told; all since the epoch began."""

    def __init__(self, vc: int, credit: int, limit: int) -> None:
        self.vc, self.credit = vc, credit
        self.assembly = Assembly(limit)
        self.received = self.freed = 0
        self.told = credit
        self.held = False  # the room of what arrives stays taken

    @property
    def granted(self) -> int:
        return self.credit + self.freed

    def take(self, offsets: list[int], payloads: list[bytes], packets: list[bytes]) -> None:
        """FLITs in order, already counted as received."""
        self.assembly.feed(offsets, payloads, packets)
        if not self.held:
            self.freed += len(payloads)


class Early:
    """A FLIT that came before one that is missing."""

    __slots__ = ("channel", "offset", "payload")

    def __init__(self, channel: Incoming, offset: int, payload: bytes) -> None:
        self.channel, self.offset, self.payload = channel, offset, payload


class Order:
    """Everything before `expected` has come; everything before `known` has been sent."""

    def __init__(self, depth: int, interval: int) -> None:
        self.depth, self.interval = depth, interval
        self.expected = self.known = 0
        self.early: dict[int, Early] = {}
        self.missing: dict[int, tuple[int, int]] = {}  # when it is asked for next, and how often it has been

    @property
    def last_seq(self) -> int:
        """Sequence number of the last FLIT of those that came without a gap; 65535 before the first."""
        return (self.expected - 1) & MASK

    def distance(self, seq: int) -> int:
        """How far behind `expected` a sequence number is; negative before it."""
        return ((seq - self.expected + 0x8000) & MASK) - 0x8000

    # ── What is missing ──

    def learn(self, known: int, now: int) -> int:
        """Everything before `known` has been sent. How many are newly missed."""
        found = range(self.known, known)
        for number in found:
            self.missing[number] = now, 0
        self.known = max(self.known, known)
        return len(found)

    def came(self, number: int, now: int) -> int:
        """A FLIT has come that is not before `expected`. How many before it are newly missed."""
        news = self.learn(number, now)
        self.missing.pop(number, None)
        self.known = max(self.known, number + 1)
        return news

    def in_order(self) -> list[Early]:
        """The early ones whose turn has come."""
        run = []
        while self.expected in self.early:
            run.append(self.early.pop(self.expected))
            self.expected += 1
        return run

    # ── What is asked for ──

    def asks(self, now: int) -> tuple[bool, list[int]]:
        """What is to be asked for now: whether everything from `expected` on, else the sequence numbers of those that
        are missing alone."""
        due = [number for number, (time, _) in self.missing.items() if time <= now]
        everything = len(due) > max(_FEW, len(self.early))
        for number in self.missing if everything else due:
            times = self.missing[number][1]
            self.missing[number] = now + (self.interval << min(times, _SLOWEST)), times + 1
        return everything, [] if everything else [number & MASK for number in due]

    def ask_again(self, now: int) -> None:
        """Ask for all of them now."""
        self.missing = dict.fromkeys(self.missing, (now, 0))

    @property
    def deadline(self) -> int | None:
        """When something is to be asked for next."""
        return min(self.missing.values())[0] if self.missing else None
