"""Variations: the reference module as other conforming modules are, each within what the specification lets it choose.

They are the dual of the witnesses: a suite that fails one of these fails products that do what they must. What a
choice is, is drawn anew for each binding from its seed, so that a campaign meets as many modules as it has tests, and
meets the same ones whenever it is run again.

Plan: choices · the module that makes them · those who always choose alike · a bench of another
kind · benches with fewer hands.
"""

from collections import deque
from collections.abc import Iterable
from random import Random
from typing import ClassVar, Final

from msgspec import Struct, structs

from opalink.conformance.purposes import Plan
from opalink.conformance.verdicts import Conclusion
from opalink.conformance.zoo.specimen import (
    Retimed,
    Specimen,
    decoded,
    is_request,
    is_response,
    of_later,
    txn_of,
)
from opalink.protocol import codec
from opalink.protocol.codec import Tlv
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import (
    AttachOperation,
    ControlEvent,
    Lane,
    Operation,
    OperationTag,
    Outcome,
    PacketType,
    ResetKind,
    TimeClass,
    TimeState,
    TimeStatus,
)
from opalink.spec.form import MS, SECOND, Timer

# ── Choices ──────────────────────────────────────────────────────────────────────────────────────────


class Choices(Struct, frozen=True):
    """What a conforming module may choose. `at` is where it has its timers between their edges, from 0 to 1, if not at
    their nominal times; `uptake` how long it leaves a request lying, `late` how long it keeps its answer back, and
    `tardy` its reports, in nanoseconds. `twice` has it repeat reports that say how things are, `parted` a turn of a
    ring in two; `backwards` has it answer what came at once in the opposite order; `later` puts a TLV of a later
    version behind whatever may end in one."""

    at: float | None = None
    uptake: int = 0
    late: int = 0
    tardy: int = 0
    twice: bool = False
    parted: bool = False
    backwards: bool = False
    later: bool = False


# What it may take its time over: these have a time of their own, or another side's waits for them.
_PROMPT: Final[dict[int, int]] = {
    PacketType.PWR_BUDGET: 23 * MS,  # tSenderResponse
    PacketType.DESC_READ: 15 * MS,  # tDescRead holds for all of it
    PacketType.STREAM_CONTROL: 5 * MS,  # tFirstFrameWarm
    PacketType.LINK_PM: 0,  # the exit latency that it has given
    PacketType.LINK_PARAMS: 15 * MS,  # tTrain
    PacketType.VC_RESYNC: 0,  # it speaks of the FLITs before it
    PacketType.RETRAIN_REQ: 0,  # it answers before it leaves L0
    PacketType.FRAME_FETCH: 0,  # the frame follows its answer
    PacketType.RESET: 0,  # it answers before it acts
}
_REPORTS: Final = frozenset(
    {
        PacketType.STACK_REPORT, PacketType.SEAT_STATUS, PacketType.THERMAL_STATUS, PacketType.DESC_CHANGED,
        PacketType.PROP_CHANGED, PacketType.READY, PacketType.PWR_FAULT, PacketType.FAULT_EVENT,
        PacketType.CONTROL_EVENT, PacketType.TRIGGER_FIRED,
    }
)  # fmt: skip
_SOON: Final = frozenset({PacketType.STACK_REPORT, PacketType.SEAT_STATUS, PacketType.READY})  # within tReport
_STAMPED: Final = bytes([PacketType.TIME_SYNC])  # stamped as it comes, whatever lies before it
_STANDING: Final = frozenset({PacketType.SEAT_STATUS, PacketType.THERMAL_STATUS, PacketType.PWR_STATUS})
_TIMERS: Final = (
    "tBeaconAfterPower tLaserRestartInterval tLosToLaserOff tKeepAlive tHoldover tSenderResponse tPwrHardReset"
).split()
ALMOST: Final = 45 * MS  # of tResponse


def draw(random: Random) -> Choices:
    """One conforming module."""
    return Choices(
        at=random.choice((None, 0.0, 1.0, random.random())),
        uptake=random.choice((0, 0, random.randrange(20 * MS))),
        late=random.choice((0, 0, random.randrange(25 * MS))),
        tardy=random.choice((0, random.randrange(400 * MS))),
        twice=random.random() < 0.3,
        parted=random.random() < 0.3,
        backwards=random.random() < 0.3,
        later=random.random() < 0.3,
    )


def place(timer: Timer, at: float) -> int:
    """A time between the edges of a timer that has an upper one; the lower one is 1 ms where it has none."""
    most = timer.max or 0
    least = min(timer.min or MS, most)
    return least + int((most - least) * at)


# ── The module that makes them ───────────────────────────────────────────────────────────────────────


class Varied(Retimed):
    """Another conforming module in each binding, as the seed draws it."""

    conclusion = Conclusion.CONFORMANT
    plan = Plan.CI

    def __init__(self) -> None:
        super().__init__()
        self._lying: deque[tuple[int, Lane, bytes]] = deque()  # what it has not taken up
        self._asked: dict[int, int] = {}  # when a transaction came
        self._moment = -1, 0  # of the last answer that could be exchanged, and how many came before it then
        self.choices = Choices()

    def drawn(self, seed: int) -> Choices:
        """What it chooses under a seed."""
        return draw(Random(seed))

    def retime(self, name: str, delay: int) -> int:
        """A timer that would run for its nominal time runs for another between its edges."""
        timer = catalogue().timer[name]
        if self.choices.at is None or name not in _TIMERS or delay != timer.nominal:
            return delay
        return place(timer, self.choices.at)

    # ── What it hears ──

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        self.now = now
        wait = 0
        if is_request(data):
            wait = min(self.choices.uptake, _PROMPT.get(data[1], ALMOST))
            self._asked[txn_of(data)] = now
        due = max(now + wait, self._lying[-1][0] if self._lying else 0)
        if due > now and data[1:2] != _STAMPED:
            self._lying.append((due, lane, data))
        else:
            super().receive(lane, data, now)

    def advance(self, now: int) -> None:
        while self._lying and self._lying[0][0] <= now:
            due, lane, data = self._lying.popleft()
            super().advance(due)
            super().receive(lane, data, due)
        super().advance(now)

    def deadline(self) -> int | None:
        inner = super().deadline()
        own = [self._lying[0][0]] if self._lying else []
        return min([*own, *(() if inner is None else (inner,))], default=None)

    # ── What it says ──

    def _turn(self, d: Departure) -> int:
        """How much longer to keep an answer back so that it comes before those of the same moment that precede it."""
        if not self.choices.backwards or d.data[1] not in _EXCHANGEABLE:
            return 0
        moment, before = self._moment
        self._moment = d.time, before + 1 if moment == d.time else 0
        return max(0, 10 - self._moment[1]) * MS

    def says(self, d: Departure) -> Iterable[Departure]:
        c, kind = self.choices, d.data[1]
        data = of_later(d.data) if c.later else d.data
        if is_response(d.data):
            least = self._asked.get(txn_of(d.data), d.time) + min(c.late, _PROMPT.get(kind, ALMOST))
            yield structs.replace(d, time=max(d.time, least) + self._turn(d), data=data)
            return
        time = d.time + (min(c.tardy, 95 * MS) if kind in _SOON else c.tardy if kind in _REPORTS else 0)
        parts = _parts(data) if c.parted and kind == PacketType.CONTROL_EVENT else (data,)
        for part in parts * (2 if c.twice and kind in _STANDING else 1):
            yield structs.replace(d, time=time, data=part)

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        if operation.tag in (OperationTag.DETACH, OperationTag.RESET):
            self._lying.clear()
        return super().operate(operation, now)

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        self._lying.clear()
        self._asked.clear()
        self.choices = self.drawn(seed)
        super().reset(kind, seed, now)


_EXCHANGEABLE: Final = frozenset({PacketType.STATE_GET, PacketType.KEEPALIVE})  # neither changes what the other reads


def _parts(data: bytes) -> tuple[bytes, ...]:
    """A turn of a ring as two turns of which it is made up."""
    packet = decoded(data)
    turn = packet.body if packet else None
    if packet is None or not isinstance(turn, ControlEvent) or abs(turn.delta) < 2:
        return (data,)
    half = turn.delta // 2
    first = structs.replace(turn, delta=turn.delta - half, absolute=(turn.absolute - half) % 0x10000)
    second = structs.replace(turn, delta=half)
    return tuple(codec.encode(structs.replace(packet, body=body)) for body in (first, second))


# ── Those who always choose alike ────────────────────────────────────────────────────────────────────


class Steady(Varied):
    """Chooses the same whatever the seed."""

    plan = Plan.QUICK
    own: ClassVar[Choices] = Choices()

    def drawn(self, seed: int) -> Choices:  # noqa: ARG002
        return self.own


class LastMoment(Steady):
    """Answers nearly as late as it may."""

    own = Choices(late=ALMOST)


class Deliberate(Steady):
    """Leaves every request lying before it takes it up."""

    own = Choices(uptake=18 * MS)


class Earliest(Steady):
    """Has every timer at its lower edge: its BEACON comes 1 ms after power."""

    own = Choices(at=0.0)


class Latest(Steady):
    """Has every timer at its upper edge."""

    own = Choices(at=1.0)


class Tardy(Steady):
    """Reports as late as it may, or what has no time of its own even later, and twice, and turns of a ring in parts."""

    own = Choices(tardy=900 * MS, twice=True, parted=True)


class Fading(Specimen):
    """Says that its time has become coarser, class by class, before it says that it goes on without exchanges."""

    conclusion = Conclusion.CONFORMANT
    selection = "MOD/TIM"

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data) if d.data[1] == PacketType.TIME_STATUS else None
        told = packet.body if packet else None
        if packet is not None and isinstance(told, TimeStatus) and told.state == TimeState.HOLDOVER:
            for class_, bound in ((TimeClass.T1, 1000), (TimeClass.T0, 20_000)):
                still = structs.replace(told, state=TimeState.LOCKED, time_class=class_, bound=bound)
                yield structs.replace(d, data=codec.encode(structs.replace(packet, body=still)))
            d = structs.replace(d, time=d.time + SECOND // 2)
        yield d


class DeafAtFirst(Specimen):
    """Leaves unanswered whatever comes before its first BEACON (R-ATT-001)."""

    conclusion = Conclusion.CONFORMANT
    _spoken = False

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        return data if self._spoken else None

    def says(self, d: Departure) -> Iterable[Departure]:
        self._spoken = True
        return (d,)

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        self._spoken &= operation.tag not in (OperationTag.DETACH, OperationTag.RESET)
        return super().operate(operation, now)

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        self._spoken = False
        super().reset(kind, seed, now)


class Backwards(Steady):
    """Answers what came at once in the opposite order."""

    own = Choices(backwards=True)


# ── A bench of another kind ──────────────────────────────────────────────────────────────────────────


class Ranking(Specimen):
    """Its bench keeps the ranks of channels: all else overtakes the blocks of frames, trailers too."""

    conclusion = Conclusion.CONFORMANT
    plan = Plan.CI
    held: ClassVar = 3 * MS

    def says(self, d: Departure) -> Iterable[Departure]:
        block = d.data[1] == PacketType.FRAME_BLOCK and not is_response(d.data)
        return (structs.replace(d, time=d.time + self.held) if block else d,)


# ── Benches with fewer hands ─────────────────────────────────────────────────────────────────────────


class Handless(Specimen):
    """Nothing can be done to it from outside: what it is asked over the link must do."""

    conclusion = Conclusion.CONFORMANT
    plan = Plan.CI
    offered: ClassVar[Operation] = Operation(0)

    def __init__(self) -> None:
        super().__init__()
        self.operations &= self.offered

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        super().reset(kind, seed, now)
        if not self.offered & Operation.ATTACH:  # it sits where it is
            self.inner.operate(Tlv(OperationTag.ATTACH, AttachOperation()), now)


class Removable(Handless):
    """Can be attached and detached from outside, and no more."""

    offered = Operation.ATTACH | Operation.DETACH | Operation.LANE_DOWN | Operation.LANE_UP | Operation.RESET


ALL: Final[tuple[type[Specimen], ...]] = (
    Varied, LastMoment, Deliberate, Earliest, Latest, Tardy, DeafAtFirst, Backwards, Fading, Ranking, Handless,
    Removable,
)  # fmt: skip
