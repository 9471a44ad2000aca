"""What lies between two sides on the packet plane: FLITs over a channel that a scenario disturbs, and the sideband.

The gateway is the link layer of both sides. Light that is interrupted suspends it; when light is back each end goes
on from where the other stands, and only where no way leads on from there does a new epoch begin. Contacts that have
been open begin one always.

Plan: the gateway · laser · sideband · gears · the scenario.
"""

from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Final

from msgspec import structs

from opalink.protocol.channel import Channel, Laser, Scenario
from opalink.protocol.channel.events import Direction
from opalink.protocol.channel.fec import corrected, flit_loss
from opalink.protocol.codec import DecodeError, Sideband, decode_sideband, encode_sideband
from opalink.protocol.engine.gears import Reading
from opalink.protocol.flit import End, QueueFullError, parameters
from opalink.protocol.packets import CounterId, Lane, LaserGear, VcResync
from opalink.spec.form import MS, Role
from opalink.spec.limits import GEARS

_WAY: Final[dict[Role, Direction]] = {Role.PHONE: "up", Role.MODULE: "down"}
_SINK: Final = {"up": Role.MODULE, "down": Role.PHONE}
_ENOUGH: Final = 4.2  # V, under which a module is not held up
_BAUD: Final = {gear.value: gear.baud for gear in GEARS}
_LOOK: Final = 1 * MS  # how soon light that has gone is looked for again


class Gateway:
    """`dropped` counts packets that found no room to wait, `counts` what the FLIT ends count, `ends`; both by the side
    that they serve."""

    def __init__(self, scenario: Scenario, *, slot: int = 16) -> None:
        self.channel = Channel(scenario)
        self.counts: dict[Role, Counter[CounterId]] = {role: Counter() for role in _WAY}
        self.ends = {role: End(count=self._counting(role)) for role in _WAY}
        self.laser = Laser(self.channel, phone=self.ends[Role.PHONE], module=self.ends[Role.MODULE], slot=slot)
        self.dropped = 0
        self.damaged = 0  # sideband records
        self.unheard = 0  # sideband records during which the contacts opened
        self._epoch = 0
        self._lit, self._both = True, False
        self.laser.lit = False
        self._sideband: list[tuple[int, int, Role, bytes]] = []  # a heap; the second number keeps the order
        self._order = count()
        self._first = LaserGear[scenario.link.gear_down]
        self._reading, self._read = Reading(self._first, self.channel.fec, 0.0, 0.0, 0.0), 0
        self._begin()

    def _counting(self, role: Role) -> Callable[[CounterId, int], None]:
        counts = self.counts[role]

        def count(what: CounterId, _: int) -> None:
            counts[what] += 1

        return count

    def _begin(self) -> None:
        self._epoch += 1
        granted = parameters(self._epoch, depth=4096, credit=4)
        for end in self.ends.values():
            end.begin(granted, granted)

    # ── The laser ──

    def send(self, role: Role, lane: Lane, data: bytes, now: int, /) -> None:
        if lane is Lane.SIDEBAND:
            record = encode_sideband(Sideband(payload=data))
            arrival, through = self.channel.sideband(_WAY[role], now, record)
            if through is None:
                self.unheard += 1
            else:
                heappush(self._sideband, (arrival, next(self._order), _SINK[_WAY[role]], through))
            return
        try:
            self.ends[role].put(data)
        except QueueFullError:
            self.dropped += 1

    def arrivals(self, now: int, /) -> list[tuple[Role, Lane, bytes]]:
        self._look(now)
        out = [(_SINK[way], Lane.LASER, bytes(p)) for way, packets in self.laser.step(now) for p in packets]
        while self._sideband and self._sideband[0][0] <= now:
            _, _, role, record = heappop(self._sideband)
            try:
                out.append((role, Lane.SIDEBAND, bytes(decode_sideband(record).payload)))
            except DecodeError:
                self.damaged += 1
        return out

    def deadline(self, now: int, /) -> int | None:
        times = [self.laser.deadline(), self.channel.deadline(now)]
        if not self._lit:
            times.append(now + _LOOK)
        if self._sideband:
            times.append(self._sideband[0][0])
        return min((t for t in times if t is not None), default=None)

    def _look(self, now: int) -> None:
        """Suspend both ends when light goes, and bring them together when it is back."""
        lit = self.light(now)
        if lit is self._lit:
            return
        self._lit = lit
        self.laser.lit = lit and self._both
        phone, module = self.ends[Role.PHONE], self.ends[Role.MODULE]
        if not lit:
            phone.suspend()
            module.suspend()
        elif not (module.resync(phone.position(VcResync), now) and phone.resync(module.position(VcResync), now)):
            self._begin()

    def shine(self, both: bool) -> None:
        self._both = both
        self.laser.lit = self._lit and both

    # ── Gears ──

    def meter(self, now: int, /) -> Reading:
        """What the phone's receiver has counted: a line that is lit carries codewords without end, whatever is in
        them. Its next FLIT says what it has corrected since the last."""
        channel, last = self.channel, self._reading
        corrected_before = last.corrected
        if self.laser.lit and now > self._read:
            found = channel.light("down", now)
            count = (now - self._read) / channel.duration("down", 1) if found.seen else 0.0
            last = Reading(
                last.gear,
                channel.fec,
                last.codewords + count,
                last.corrected + count * corrected(found.ber, channel.fec),
                last.uncorrectable + count * flit_loss(found.ber, channel.fec),
            )
        self._read, self._reading = now, last
        self.ends[Role.PHONE].corrected += round(last.corrected - corrected_before)
        return last

    def tune(self, gear: LaserGear, now: int, /) -> None:
        if gear is not self._reading.gear:
            self._reading = structs.replace(self.meter(now), gear=gear)
            self.channel.retune("down", _BAUD[gear])

    # ── The scenario ──

    def befall(self, scenario: Scenario) -> None:
        """Another scenario from now on, in the same time, between sides that stand as they stood."""
        before, channel = self.channel, Channel(scenario)
        channel.baud, channel.fec, channel.interleave = before.baud, before.fec, before.interleave
        channel.tally = before.tally
        self.channel = self.laser.channel = channel

    def light(self, now: int, /) -> bool:
        return self.channel.light("up", now).seen and self.channel.light("down", now).seen

    def contacts(self, now: int, /) -> bool:
        return self.channel.seat(now).contacts

    def powered(self, now: int, /) -> bool:
        return self.channel.seat(now).volts >= _ENOUGH

    def parted(self) -> None:
        """The contacts have opened: what was on its way is lost."""
        self.unheard += len(self._sideband)
        self._sideband.clear()
        self._begin()
        self._reading = structs.replace(self._reading, gear=self._first)
        self.channel.retune("down", _BAUD[self._first])
