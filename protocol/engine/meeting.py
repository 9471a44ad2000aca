"""A phone and a module brought together: contacts that close and open, power that flows, packets that travel.

    meeting = Meeting(Phone(), Module("four-thirds"))
    meeting.put_on()
    meeting.run(2 * SECOND)

Time is told, never read: `run` goes from one event to the next, whichever side it is for. The module may be one of
ours or stand behind a bench; what carries packets between the two is a `Wire`, or a gateway with a channel.

Plan: what lies between · the meeting · hands.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from opalink.protocol.codec import Tlv
from opalink.protocol.engine.clock import NEVER
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.gears import Reading
from opalink.protocol.engine.phone import Phone
from opalink.protocol.packets import (
    AttachOperation,
    DetachOperation,
    Lane,
    LaneDownOperation,
    LaneUpOperation,
    LaserGear,
    OperationTag,
    Outcome,
    ResetKind,
)
from opalink.spec.form import Role

STANDSTILL: Final = 10_000  # rounds at one instant before the sides count as stuck

Meter = Callable[[int], Reading]
Tap = Callable[[int, Role, Lane, bytes], None]


class Side(Protocol):
    """A module, near or far."""

    def receive(self, lane: Lane, data: bytes, now: int) -> None: ...
    def advance(self, now: int) -> None: ...
    def deadline(self) -> int | None: ...
    def outbox(self) -> list[Departure]: ...
    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]: ...
    def carries(self, lane: Lane) -> bool: ...
    def reset(self, kind: ResetKind, seed: int, now: int) -> None: ...


# ── What lies between ────────────────────────────────────────────────────────────────────────────────


class Between(Protocol):
    """What carries packets from one side to the other."""

    def send(self, role: Role, lane: Lane, data: bytes, now: int, /) -> None:
        """A packet leaves a side."""

    def arrivals(self, now: int, /) -> list[tuple[Role, Lane, bytes]]:
        """What has arrived by now, with the role of the side that it is for."""

    def deadline(self, now: int, /) -> int | None:
        """When something will arrive, or wants to be done."""

    def light(self, now: int, /) -> bool:
        """Whether light passes."""

    def contacts(self, now: int, /) -> bool:
        """Whether the contacts touch, of a module that has been put on."""

    def powered(self, now: int, /) -> bool:
        """Whether what the phone supplies holds the module up."""

    def parted(self) -> None:
        """The contacts have opened."""

    def shine(self, both: bool) -> None:
        """Whether both lasers carry packets; until they do, what is sent waits."""

    @property
    def meter(self) -> Meter | None:
        """Where the phone's receiver can be asked what it counts; None where nothing is received in between."""

    def tune(self, gear: LaserGear, now: int, /) -> None:
        """The sides have agreed on a gear of the downlink."""


class Wire:
    """Packets arrive whole, in order, at once."""

    def __init__(self) -> None:
        self._way: deque[tuple[Role, Lane, bytes]] = deque()

    def send(self, role: Role, lane: Lane, data: bytes, _: int, /) -> None:
        self._way.append((Role.MODULE if role is Role.PHONE else Role.PHONE, lane, data))

    def arrivals(self, _: int, /) -> list[tuple[Role, Lane, bytes]]:
        out = list(self._way)
        self._way.clear()
        return out

    def deadline(self, _: int, /) -> int | None:
        return None

    def light(self, _: int, /) -> bool:
        return True

    contacts = powered = light

    def parted(self) -> None:
        self._way.clear()

    def shine(self, both: bool) -> None: ...

    meter: Meter | None = None

    def tune(self, gear: LaserGear, _: int, /) -> None: ...


# ── The meeting ──────────────────────────────────────────────────────────────────────────────────────


class Meeting:
    """`taps` see every packet that leaves a side: time, role of the side, lane, bytes. `pace` is what time it is once
    it was to pass up to a moment: that moment, where nobody waits for it."""

    def __init__(
        self,
        phone: Phone,
        module: Side,
        between: Between | None = None,
        *,
        seed: int = 1,
        pace: Callable[[int], int] = int,
    ) -> None:
        self.phone, self.module, self._pace = phone, module, pace
        self.between: Between = between or Wire()
        self.now = 0
        self.taps: list[Tap] = []
        self._on, self._quality = False, 100
        self._powered, self._lit = False, True  # as the module has been told
        phone.light.meter = self.between.meter
        phone.reset(ResetKind.COLD, seed, 0)
        module.reset(ResetKind.COLD, seed + 1, 0)

    def run(self, until: int) -> None:
        """Let time pass. Raises RuntimeError where the sides never come to rest."""
        self._exchange()
        while self.now < until or self._due() <= until:
            self._step(min(self._due(), until))

    def run_until(self, done: Callable[[], bool], until: int) -> bool:
        """Let time pass until something is so; whether it has become so by `until`."""
        self._exchange()
        while not done():
            if self.now >= until and self._due() > until:
                return False
            self._step(min(self._due(), until))
        return True

    def _due(self) -> int:
        """When the next thing happens by itself."""
        due = (self.phone.deadline(), self.module.deadline(), self.between.deadline(self.now))
        return min((t for t in due if t is not None), default=NEVER)

    def _step(self, until: int) -> None:
        self.now = max(self.now, self._pace(until))
        self.phone.advance(self.now)
        self.module.advance(self.now)
        self._exchange()

    def _exchange(self) -> None:
        """Everything that happens at this instant."""
        for _ in range(STANDSTILL):
            moved = self._send(Role.PHONE, self.phone.outbox())
            moved |= self._send(Role.MODULE, self.module.outbox())
            self.between.shine(self.phone.carries(Lane.LASER) and self.module.carries(Lane.LASER))
            if self.phone.light.gear is not None:
                self.between.tune(self.phone.light.gear, self.now)
            for role, lane, data in self.between.arrivals(self.now):
                (self.phone if role is Role.PHONE else self.module).receive(lane, data, self.now)
                moved = True
            moved |= self._surroundings()
            if not moved:
                return
        raise RuntimeError(f"The sides have answered each other {STANDSTILL} times at {self.now} ns.")

    def _send(self, role: Role, departures: list[Departure]) -> bool:
        for departure in departures:
            for tap in self.taps:
                tap(departure.time, role, departure.lane, departure.data)
            self.between.send(role, departure.lane, departure.data, self.now)
        return bool(departures)

    def _surroundings(self) -> bool:
        """Contacts, power and light are as they are now; whether that was news to a side."""
        touching = self._on and self.between.contacts(self.now)
        if touching is not self.phone.around.contacts:
            if touching:
                self.phone.dock(self._quality)
            else:
                self.phone.undock()
                self.between.parted()
            return True
        held_up = self.phone.contact.supplying and self.between.powered(self.now)
        powered = touching and (held_up or not self.phone.source)  # who supplies the phone needs nothing from it
        if powered is not self._powered:
            self._powered = powered
            if powered:
                self._lit = True  # to either side, until it is looked at
                self.phone.see(light=True)
                self.operate(OperationTag.ATTACH, AttachOperation(self._quality))
            else:
                self.operate(OperationTag.DETACH, DetachOperation())
            return True
        lit = self.between.light(self.now)
        if lit is not self._lit and powered:
            self._lit = lit
            self.phone.see(light=lit)
            if lit:
                self.operate(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER))
            else:
                self.operate(OperationTag.LANE_DOWN, LaneDownOperation(Lane.LASER))
            return True
        return False

    # ── Hands ──

    def operate(self, tag: OperationTag, value: object) -> Outcome:
        """Have the module's upper tester do something."""
        outcome, _ = self.module.operate(Tlv(tag, value), self.now)
        return outcome

    def put_on(self, quality: int = 100) -> None:
        """Put the module on the phone; how well it sits, per cent."""
        self._on, self._quality = True, quality
        self._exchange()

    def take_off(self) -> None:
        """Take it off, at once and unannounced."""
        self._on = False
        self._exchange()
