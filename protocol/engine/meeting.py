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
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.phone.phone import Phone
from opalink.protocol.packets import (
    AttachOperation,
    DetachOperation,
    Lane,
    LaneDownOperation,
    LaneUpOperation,
    OperationTag,
    Outcome,
    ResetKind,
)
from opalink.spec.form import Role

STANDSTILL: Final = 10_000  # rounds at one instant before the sides count as stuck

Tap = Callable[[int, Role, Lane, bytes], None]


class Side(Protocol):
    """A module, near or far."""

    def receive(self, lane: Lane, data: bytes, now: int) -> None: ...
    def advance(self, now: int) -> None: ...
    def deadline(self) -> int | None: ...
    def outbox(self) -> list[Departure]: ...
    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]: ...
    def reset(self, kind: ResetKind, seed: int, now: int) -> None: ...


# ── What lies between ────────────────────────────────────────────────────────────────────────────────


class Between(Protocol):
    """What carries packets from one side to the other."""

    def send(self, role: Role, lane: Lane, data: bytes, now: int, /) -> None:
        """A packet leaves a side."""

    def arrivals(self, now: int, /) -> list[tuple[Role, Lane, bytes]]:
        """What has arrived by now, with the role of the side that it is for."""

    def deadline(self) -> int | None:
        """When something will arrive, or wants to be done."""

    def light(self, now: int, /) -> bool:
        """Whether light passes."""


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

    def deadline(self) -> int | None:
        return None

    def light(self, _: int, /) -> bool:
        return True


# ── The meeting ──────────────────────────────────────────────────────────────────────────────────────


class Meeting:
    """`taps` see every packet that leaves a side: time, role of the side, lane, bytes."""

    def __init__(self, phone: Phone, module: Side, between: Between | None = None, *, seed: int = 1) -> None:
        self.phone, self.module = phone, module
        self.between: Between = between or Wire()
        self.now = 0
        self.taps: list[Tap] = []
        self._powered, self._lit = False, True
        phone.reset(ResetKind.COLD, seed, 0)
        module.reset(ResetKind.COLD, seed + 1, 0)

    def run(self, until: int) -> None:
        """Let time pass. Raises RuntimeError where the sides never come to rest."""
        self._exchange()
        while (due := self._next()) is not None and due <= until:
            self.now = max(self.now, due)
            self.phone.advance(self.now)
            self.module.advance(self.now)
            self._exchange()
        self.now = max(self.now, until)
        self.phone.advance(self.now)
        self.module.advance(self.now)
        self._exchange()

    def run_until(self, done: Callable[[], bool], until: int) -> bool:
        """Let time pass until something is so; whether it has become so by `until`."""
        self._exchange()
        while not done():
            due = self._next()
            if due is None or due > until:
                self.now = max(self.now, until)
                return False
            self.run(max(due, self.now))
        return True

    def _next(self) -> int | None:
        due = (self.phone.deadline(), self.module.deadline(), self.between.deadline())
        return min((t for t in due if t is not None), default=None)

    def _exchange(self) -> None:
        """Everything that happens at this instant."""
        for _ in range(STANDSTILL):
            moved = self._send(Role.PHONE, self.phone.outbox())
            moved |= self._send(Role.MODULE, self.module.outbox())
            for role, lane, data in self.between.arrivals(self.now):
                (self.phone if role is Role.PHONE else self.module).receive(lane, data, self.now)
                moved = True
            moved |= self._power() | self._light()
            if not moved:
                return
        raise RuntimeError(f"The sides have answered each other {STANDSTILL} times at {self.now} ns.")

    def _send(self, role: Role, departures: list[Departure]) -> bool:
        for departure in departures:
            for tap in self.taps:
                tap(departure.time, role, departure.lane, departure.data)
            self.between.send(role, departure.lane, departure.data, self.now)
        return bool(departures)

    def _power(self) -> bool:
        """The module's contacts are closed for it once they carry power."""
        powered = self.phone.contact.supplying and self.phone.around.contacts
        if powered is self._powered:
            return False
        self._powered = powered
        if powered:
            self.operate(OperationTag.ATTACH, AttachOperation(self.phone.around.quality))
        else:
            self.operate(OperationTag.DETACH, DetachOperation())
        return True

    def _light(self) -> bool:
        """Light that no longer passes is gone for both sides."""
        lit = self.between.light(self.now)
        if lit is self._lit or not self._powered:
            return False
        self._lit = lit
        self.phone.see(light=lit)
        if lit:
            self.operate(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER))
        else:
            self.operate(OperationTag.LANE_DOWN, LaneDownOperation(Lane.LASER))
        return True

    # ── Hands ──

    def operate(self, tag: OperationTag, value: object) -> Outcome:
        """Have the module's upper tester do something."""
        outcome, _ = self.module.operate(Tlv(tag, value), self.now)
        return outcome

    def put_on(self, quality: int = 100) -> None:
        """Put the module on the phone; how well it sits, per cent."""
        self.phone.dock(quality)
        self._exchange()

    def take_off(self) -> None:
        """Take it off, at once and unannounced."""
        self.phone.undock()
        self._exchange()
