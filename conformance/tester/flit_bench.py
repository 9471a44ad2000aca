"""A bench on the FLIT plane that tests use as if it were one of packets: the tester's link layer lies between.

What a test sends becomes FLITs and sideband records, what comes becomes packets, and the watch judges every FLIT both
ways. A test that is about FLITs goes a step further down: `inject` sends one made by hand, `toward` and `back` decide
what becomes of each on its way, and `line` is all that has travelled.

Plan: what travels · the bench: binding, sending, time, what arrives · FLITs by hand.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from msgspec import Struct

from opalink.conformance.tester.flit_watch import FlitWatch, Params
from opalink.protocol.codec import DecodeError, EncodeError, Flit, Sideband, decode_flit, decode_sideband, encode_flit
from opalink.protocol.codec import encode_sideband as encode_record
from opalink.protocol.flit import End, QueueFullError, least
from opalink.protocol.packets import Lane, OperationTag
from opalink.protocol.transport import Arrival, Bench
from opalink.spec.form import US
from opalink.spec.limits import FLIT_BYTES, FLIT_PAYLOAD

# ── What travels ─────────────────────────────────────────────────────────────────────────────────────

KEPT: Final = 8192  # FLITs and records of a test that are remembered
_ROOM: Final = 1 << 16  # FLITs in one batch: more than any replay depth
_SOON: Final = 1 * US

Fate = Callable[[bytes], bytes | None]  # what becomes of a FLIT on its way; None if it is lost


class Travelled(Struct, frozen=True):
    """A FLIT or a sideband record on a lane, as its sender sent it. `flit` is None where it is none that is legal."""

    time: int
    sent: bool  # by the tester
    lane: Lane
    data: bytes
    flit: Flit | None = None


def unharmed(data: bytes) -> bytes | None:
    return data


def _any(_: Arrival) -> bool:
    return True


# ── The bench ────────────────────────────────────────────────────────────────────────────────────────


def _of_below(name: str) -> Any:
    """An attribute of the bench below that is set as well as read."""
    return property(lambda self: getattr(self.below, name), lambda self, value: setattr(self.below, name, value))


class FlitBench:
    """A bench of packets over one of FLITs. `arrivals` are packets; `end` is the tester's FLIT layer, `watch` what
    judges the implementation's; `tap` is told of all that travels."""

    def __init__(self, bench: Bench, watch: FlitWatch) -> None:
        self.below, self.watch = bench, watch
        self.tap: Callable[[Travelled], None] = lambda _: None
        self._forget()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.below, name)  # whatever a plane does not change

    def _forget(self) -> None:
        self.end = End()
        self.toward: Fate = unharmed
        self.back: Fate = unharmed
        self.line: deque[Travelled] = deque(maxlen=KEPT)
        self._kept: list[Arrival] | None = None
        self._together = False
        self._packets: list[Arrival] = []
        self._alarms: list[tuple[int, Callable[[], None]]] = []
        self.begin_epoch(least(), least())

    seed = _of_below("seed")
    virtual = _of_below("virtual")
    patience = _of_below("patience")

    def bind(self) -> None:
        self._forget()
        self.below.bind()

    def begin_epoch(self, ours: Params, theirs: Params) -> None:
        """Both ends of the tester's books begin an epoch."""
        self.end.begin(ours, theirs)
        self.watch.begin(ours, theirs)

    def grants(self, vc: int) -> bool:
        """Whether the implementation takes FLITs of a channel."""
        return vc in self.watch.given

    # ── Sending ──

    def send(self, data: bytes, lane: Lane) -> None:
        """Send a packet, legal or not. What a lane cannot carry, as it has no light or no room, is lost."""
        if lane is Lane.SIDEBAND:
            try:
                record = encode_record(Sideband(payload=data))
            except EncodeError:
                record = data  # what no record can hold travels as it is
            self.record(record)
            return
        for vc in (None, 0):  # a packet that names a channel which is not there travels on LINK
            try:
                self.end.put(data, vc)
            except QueueFullError:
                break
            except ValueError:
                continue
            break
        self.pump()

    def record(self, data: bytes) -> None:
        """Send a sideband record, legal or not."""
        self._note(Travelled(self.now, True, Lane.SIDEBAND, data))
        self.below.send(data, Lane.SIDEBAND)

    def control(self, operation: OperationTag | int, value: object = b"") -> Any:
        self._settle()
        result = self.below.control(operation, value)
        if operation in (OperationTag.DETACH, OperationTag.RESET):
            self.begin_epoch(least(), least())
        return result

    def pump(self) -> None:
        """Send what the tester's FLIT layer has to send, and do what is due."""
        now = self.now
        due_now = [then for time, then in self._alarms if time <= now]
        self._alarms = [alarm for alarm in self._alarms if alarm[0] > now]
        for then in due_now:
            then()
        due = self.end.deadline()
        if due is not None and due <= now and not self._together:
            self.step(_ROOM)

    def step(self, room: int = 1) -> None:
        """Send what the tester's FLIT layer has to send now, up to so many FLITs."""
        data = self.end.take(self.now, room)
        for at in range(0, len(data), FLIT_BYTES):
            self.inject(data[at : at + FLIT_BYTES], self.toward)

    @contextmanager
    def held_together(self) -> Iterator[None]:
        """What is sent on the laser waits, to leave together at the end, but for what `step` sends."""
        self._together = True
        try:
            yield
        finally:
            self._together = False
            self.pump()

    def inject(self, data: bytes, fate: Fate = unharmed, *, counts: bool = True) -> None:
        """Send a FLIT, legal or not. One that does not count is no part of the watch's books."""
        through = fate(data)
        self._note(Travelled(self.now, True, Lane.LASER, data, _legal(data)))
        if through is not None:
            if counts:
                self.watch.sent(through)
            self.below.send(through, Lane.LASER)

    def later(self, wait: int, then: Callable[[], None]) -> None:
        """Have something done after a time."""
        self._alarms.append((self.now + wait, then))

    # ── Time ──

    @property
    def now(self) -> int:
        return self.below.now

    def run(self, until: int) -> None:
        """Let time pass, until `until` at least."""
        self.expect(lambda _: False, until)

    def expect(self, match: Callable[[Arrival], bool], deadline: int) -> Arrival | None:
        """The first packet up to `deadline` that matches, taken out of `arrivals`; None if there is none."""
        seen = 0
        while True:
            for i in range(seen, len(self._packets)):
                if self._packets[i].time <= deadline and match(self._packets[i]):
                    return self._packets.pop(i)
            seen = len(self._packets)
            self.pump()
            arrival = self.below.expect(_any, min(deadline, self._due()))
            if arrival is not None:
                self._arrive(arrival)
            elif self.now >= deadline:
                return None

    def _due(self) -> int:
        """When the tester has something to do next, if nothing arrives before."""
        times = [time for time, _ in self._alarms]
        if not self._together and (due := self.end.deadline()) is not None:
            times.append(due)
        return max(min(times, default=1 << 63), self.now + _SOON)  # what is overdue was not possible

    # ── What arrives ──

    @property
    def arrivals(self) -> list[Arrival]:
        """The packets that have come."""
        self._settle()
        return self._packets

    def _settle(self) -> None:
        """Take what has come below, in the epoch in which it came."""
        while self.below.arrivals:
            self._arrive(self.below.arrivals.pop(0))

    def _arrive(self, arrival: Arrival) -> None:
        time, lane, data = arrival.time, arrival.lane, arrival.data
        if lane is Lane.SIDEBAND:
            self._note(Travelled(time, False, lane, data))
            self.watch.record(data)
            with suppress(DecodeError):  # the watch has charged it
                self._packets.append(Arrival(time, lane, bytes(decode_sideband(data).payload)))
            return
        self._note(Travelled(time, False, lane, data, _legal(data)))
        self.watch.came(data)
        if self._kept is None:
            self._take(arrival)
        elif len(self._kept) < _ROOM:  # what is beyond is lost: it was not acknowledged
            self._kept.append(arrival)

    def _take(self, arrival: Arrival) -> None:
        through = self.back(arrival.data)
        if through is not None and len(through) == FLIT_BYTES:
            packets = self.end.receive(self.now if self.below.virtual else arrival.time, through)
            self._packets += [Arrival(arrival.time, arrival.lane, bytes(p)) for p in packets]

    def withhold(self) -> None:
        """From now on the tester's FLIT layer hears nothing, and so acknowledges and grants nothing; the watch does."""
        self._kept = []

    def let_go(self, *, lost: bool = False) -> None:
        """It hears what was withheld, unless that is lost, and goes on."""
        kept, self._kept = [] if lost else self._kept or [], None
        for arrival in kept:
            self._take(arrival)
        self.pump()

    def _note(self, travelled: Travelled) -> None:
        self.line.append(travelled)
        self.tap(travelled)


# ── FLITs by hand ────────────────────────────────────────────────────────────────────────────────────


def _legal(data: bytes) -> Flit | None:
    try:
        return decode_flit(data)
    except DecodeError:
        return None


def by_hand(payload: bytes = b"", **fields: Any) -> bytes:
    """A FLIT of these fields, its payload padded with zeros."""
    return encode_flit(Flit(payload=payload.ljust(FLIT_PAYLOAD, b"\0"), **fields))
