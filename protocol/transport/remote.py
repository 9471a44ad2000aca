"""A module behind a bench, as one side of a meeting.

In virtual time it is told the time like a module in this process. In real time nobody tells it: `pace` lets time
pass, and comes back as soon as something has arrived.

Plan: the remote side.
"""

from opalink.protocol.codec import Tlv
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.packets import Lane, Outcome, ResetKind
from opalink.protocol.transport.bench import Bench
from opalink.protocol.transport.framing import NEVER


class Remote:
    """An implementation that a bench is bound to. Whatever a bench may raise, its methods may."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def pace(self, until: int) -> int:
        """Let time pass up to `until`, or until something has arrived; what time it is then."""
        if self.bench.virtual:
            return until
        before = len(self.bench.arrivals)
        self.bench.wait(until)
        return until if len(self.bench.arrivals) == before else min(until, self.bench.arrivals[before].time)

    def receive(self, lane: Lane, data: bytes, _: int) -> None:
        self.bench.send(data, lane)

    def advance(self, now: int) -> None:
        if self.bench.virtual:
            self.bench.run(now)

    def deadline(self) -> int | None:
        if not self.bench.virtual:
            return None
        if self.bench.stirred:
            return self.bench.now
        return None if self.bench.next == NEVER else self.bench.next

    def outbox(self) -> list[Departure]:
        """What has arrived since."""
        out = [Departure(a.time, a.lane, a.data) for a in self.bench.arrivals]
        self.bench.arrivals.clear()
        return out

    def operate(self, operation: Tlv, _: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        result = self.bench.control(operation.tag, operation.value)
        return Outcome(result.result), result.answer

    def carries(self, _: Lane) -> bool:
        """As far as can be told from here."""
        return True

    def reset(self, _: ResetKind, seed: int, __: int) -> None:
        self.bench.seed = seed
        self.bench.bind()
