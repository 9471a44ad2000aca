"""Both directions of the laser between two FLIT ends, in time: who sends when, and when it arrives.

    >>> from opalink.protocol.channel import Channel, Laser, load
    >>> from opalink.protocol.flit import End
    >>> laser = Laser(Channel(load("bench-noise")), phone=End(), module=End())
    >>> laser.deadline() is None
    True

Like the ends it has no clock. `slot` is how many FLITs leave before the line is looked at again: with 1 a real-time
packet waits for one FLIT at most; with more it waits longer and the simulation goes faster.

Plan: the laser.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from opalink.protocol.channel.events import Direction
from opalink.protocol.channel.model import Channel
from opalink.protocol.flit import End
from opalink.spec.limits import FLIT_BYTES

SLOT: Final = 16  # FLITs: 8 us at full rate


class _Way:
    """One direction: who sends, who receives, when the line is free, and what is under way."""

    def __init__(self, way: Direction, source: End, sink: End) -> None:
        self.way, self.source, self.sink = way, source, sink
        self.free = 0
        self.under_way: deque[tuple[int, bytes]] = deque()

    @property
    def deadline(self) -> int | None:
        ready = self.source.deadline()
        times = [] if ready is None else [max(ready, self.free)]
        if self.under_way:
            times.append(self.under_way[0][0])
        return min(times, default=None)


class Laser:
    """The laser link. While `lit` is False nothing leaves; what is under way still arrives."""

    def __init__(self, channel: Channel, phone: End, module: End, *, slot: int = SLOT) -> None:
        self.channel, self.slot = channel, slot
        self.lit = True
        self._ways = _Way("down", module, phone), _Way("up", phone, module)

    def deadline(self) -> int | None:
        """When something leaves or arrives next, perhaps a time that has passed; None if nothing does."""
        if self.lit:
            times = [way.deadline for way in self._ways]
        else:
            times = [way.under_way[0][0] for way in self._ways if way.under_way]
        return min((time for time in times if time is not None), default=None)

    def step(self, now: int) -> Iterator[tuple[Direction, list[bytes]]]:
        """All that arrives and leaves up to `now`: for each arrival of packets their direction and themselves."""
        for way in self._ways:
            while way.under_way and way.under_way[0][0] <= now:
                _, data = way.under_way.popleft()
                if packets := way.sink.receive(now, data):
                    yield way.way, packets
        for way in self._ways if self.lit else ():
            ready = way.source.deadline()
            if ready is not None and ready <= now and way.free <= now:
                data = way.source.take(now, self.slot)
                if data:
                    way.free = now + self.channel.duration(way.way, len(data) // FLIT_BYTES)
                    arrival, through = self.channel.carry(way.way, now, data)
                    if through:
                        way.under_way.append((arrival, through))
