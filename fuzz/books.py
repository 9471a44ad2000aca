"""What goes past in a soak, counted by who sends it, by who hears it and by what lies between.

Plan: sides that are counted · the books.
"""

from collections import Counter, deque
from typing import Any, Final

from opalink.protocol.channel.scenario import Scenario
from opalink.protocol.engine.endpoint import Endpoint
from opalink.protocol.engine.gateway import Gateway
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.packets import CounterId, Lane
from opalink.spec.form import Role

_SLOT: Final = 64  # FLITs


class SoakError(RuntimeError):
    """An invariant does not hold: which, and in which chapter of which seed."""


# ── Sides that are counted ───────────────────────────────────────────────────────────────────────────


class Counted(Endpoint):
    """A side, with what it has counted over all of its restarts, and what it was handed while it could not hear."""

    def __init__(self, *arguments: Any) -> None:
        self.totals: Counter[CounterId] = Counter()
        self.handed = self.deaf = 0
        super().__init__(*arguments)

    def count(self, what: CounterId) -> None:
        self.totals[what] += 1
        super().count(what)

    def receive(self, lane: Lane, data: Any, now: int) -> None:
        self.clock.run(now - 1, self.settle)  # as `receive` does: what is due first may change what is heard
        self.handed += 1
        self.deaf += not self.carries(lane)
        super().receive(lane, data, now)


class CountedPhone(Counted, Phone):
    """A phone of ours."""


class CountedModule(Counted, Module):
    """A module of ours."""


# ── The books ────────────────────────────────────────────────────────────────────────────────────────


class Books(Gateway):
    """What lies between, with every packet that is under way in its place: by sender, lane and channel."""

    def __init__(self) -> None:
        super().__init__(Scenario("fair"), slot=_SLOT)
        self._way: dict[tuple[Role, Lane, int], deque[tuple[int, int]]] = {}  # what, and when it was sent
        self.sent: Counter[Role] = Counter()
        self.arrived: Counter[Role] = Counter()  # by who sent them
        self.lost: Counter[Lane] = Counter()

    def send(self, role: Role, lane: Lane, data: bytes, now: int, /) -> None:
        self.sent[role] += 1
        self._queue(role, lane, data).append((hash(bytes(data)), now))
        super().send(role, lane, data, now)

    def arrivals(self, now: int, /) -> list[tuple[Role, Lane, bytes]]:
        found = super().arrivals(now)
        for to, lane, data in found:
            role = Role.MODULE if to is Role.PHONE else Role.PHONE
            way, mark = self._queue(role, lane, data), hash(data)
            if all(mark != sent for sent, _ in way):
                raise SoakError(
                    f"the {to} is handed a packet of type 0x{data[1]:02x} that was not sent, or sent before"
                )
            while way.popleft()[0] != mark:
                self.lost[lane] += 1
            self.arrived[role] += 1
        return found

    def _queue(self, role: Role, lane: Lane, data: bytes) -> deque[tuple[int, int]]:
        return self._way.setdefault((role, lane, data[2] >> 4 if lane is Lane.LASER else 0), deque())

    def closed(self, before: int) -> None:
        """Everything that was sent before a time has arrived or is lost; what was sent since may be under way."""
        for (_, lane, _), way in self._way.items():
            while way and way[0][1] < before:
                way.popleft()
                self.lost[lane] += 1

    @property
    def under_way(self) -> int:
        return sum(map(len, self._way.values()))

    @property
    def excused(self) -> dict[Lane, int]:
        """Packets that may have been lost at most, by lane, as the link layer counts them."""
        laser = self.dropped + sum(end.lost.total() for end in self.ends.values())
        return {Lane.LASER: laser, Lane.SIDEBAND: self.damaged + self.unheard}
