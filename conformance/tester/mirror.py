"""The tester's module: what stands at the other end of the bench where the implementation is a phone.

It is the reference module, in the tester's own time: what the phone sends goes through the monitor to it, and what it
says goes to the phone, unless a test mutes it. A test speaks beside it with transactions of its own.

Plan: the mirror: attaching, carrying, probing · preambles.
"""

import hashlib
from collections.abc import Callable
from copy import copy
from typing import Any, Final

from msgspec import structs

from opalink.conformance.conclusions import Fail, Inconclusive
from opalink.conformance.tester.flit_mirror import MirrorBench
from opalink.conformance.tester.ledger import Asked, Heard
from opalink.conformance.tester.line import any_packet
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.tester.session import EVENTUALLY, Known, Session
from opalink.protocol import codec
from opalink.protocol.codec import Packet, Status
from opalink.protocol.engine.module import Module
from opalink.protocol.packets import (
    AttachOperation,
    Beacon,
    CounterGroup,
    CountersGet,
    DescriptorObject,
    DetachOperation,
    Feature,
    FrameLeader,
    Hello,
    Lane,
    LaneDownOperation,
    LaneUpOperation,
    MachineId,
    OperationTag,
    Plane,
    PwrFault,
    PwrRequest,
    PwrReset,
    ResetKind,
    ResetOperation,
    StateGet,
    StateOperation,
    TrainReq,
    UserAction,
    UserOperation,
)
from opalink.protocol.runtime import Tlv
from opalink.protocol.transport import Bench
from opalink.spec.form import MS

PROFILE: Final = "four-thirds"
_OWN: Final = 0x8000  # transactions from here on are the test's, those below the module's
UNPOWERED: Final = frozenset({PwrRequest, PwrReset, PwrFault})  # muted, it asks for no power and does not insist
_AT_REST: Final = 100 * MS  # after which a session that has just opened has said what it had to say

# ── The mirror ───────────────────────────────────────────────────────────────────────────────────────


class Mirror(Session):
    """A session whose tester is a module. `deaf` are the value classes that do not reach it, `muted` those that it
    keeps to itself, `altered` those of which it says something else; `silent`, it says nothing at all."""

    def __init__(self, bench: Bench, monitor: Monitor, known: Known, profile: str = PROFILE) -> None:
        self.module = self._usual = Module(profile)
        self._identity = self.module.identity
        super().__init__(bench, monitor, known)
        self.preamble: Callable[[Session, str], None] = reach

    def hang_up(self) -> None:
        super().hang_up()
        self.deaf: set[type] = set()
        self.muted: set[type] = set()
        self.altered: dict[type, Callable[[Any], Any]] = {}
        self.silent = False
        self.hello: Any = None
        self.said: Beacon | None = None  # the phone's last
        self.leaders: dict[int, FrameLeader] = {}  # of the frames that were sent, by number
        self._times = self.catalogue.timer
        self.attend = self._carry
        self.flits = None  # the module has its own FLIT layer
        self.module = self._usual
        self.module.identity = self._identity
        self.module.reset(ResetKind.COLD, 1, 0)

    def begin(self, seed: int) -> None:
        super().begin(seed)
        self.txn = _OWN + self.txn % _OWN
        self._start(seed & 0xFFFF | 1)

    def _start(self, seed: int) -> None:
        """The module begins, on the plane of the bench."""
        if isinstance(self.bench, MirrorBench):
            self.bench.host(self.module)
        else:
            self.module.take_plane(Plane.PACKET)
        self.module.reset(ResetKind.COLD, seed, self.now)

    def rebind(self) -> None:
        super().rebind()
        self._start(self.random.getrandbits(16) | 1)

    def become(self, profile: str) -> None:
        """Be a module of another profile for this test, of which nothing has happened yet."""
        self.module = Module(profile)
        self._start(self.random.getrandbits(16) | 1)

    def next_txn(self) -> int:
        self.txn = _OWN + (self.txn + 1) % _OWN
        return self.txn

    def request(self, body: Any, *, lane: int | None = None, instance: int = 0) -> Asked:
        """A module asks no phone for the states of its machines: tests that are for both sides get its counters."""
        asked = CountersGet(groups=CounterGroup.PACKET) if isinstance(body, StateGet) else body
        return super().request(asked, lane=lane, instance=instance)

    @property
    def on_flits(self) -> bool:
        """Whether the tester's module does the link layer itself."""
        return isinstance(self.bench, MirrorBench)

    @property
    def up(self) -> bool:
        return self.module.runs["LINK"].state == "L0"

    # ── Attaching ──

    def attach(self, *, powered: bool = True) -> None:
        """Put the sides together; boot power is there once the phone's longest times have passed."""
        self.operate(OperationTag.ATTACH, AttachOperation(100))
        longest = sum(self._times[t].max or 0 for t in ("tDockDebounce", "tClassify", "tInrush"))
        self.let(longest + MS)
        if powered:
            self._befall(OperationTag.ATTACH, AttachOperation(100))

    def detach(self) -> None:
        self.operate(OperationTag.DETACH, DetachOperation())
        self._befall(OperationTag.DETACH, DetachOperation())

    def restart(self) -> None:
        """Have the phone start anew, which takes the power from the module; then put the sides together again."""
        self.operate(OperationTag.RESET, ResetOperation(ResetKind.WARM))
        self._befall(OperationTag.DETACH, DetachOperation())
        self.clear()
        self.attach()

    def dark(self) -> None:
        """Take the light away, on both sides."""
        self.operate(OperationTag.LANE_DOWN, LaneDownOperation(Lane.LASER))
        self._befall(OperationTag.LANE_DOWN, LaneDownOperation(Lane.LASER))

    def bright(self) -> None:
        self.operate(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER))
        self._befall(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER))

    def user(self, action: UserAction) -> None:
        self.operate(OperationTag.USER, UserOperation(action))

    def _befall(self, tag: OperationTag, value: Any) -> None:
        """Do to the tester's own module."""
        self.module.operate(Tlv(tag, value), self.now)
        self._flush()

    def describe(self, *more: Tlv) -> None:
        """Have the module's descriptor end in more records, for this test."""
        found = copy(self._identity)
        layout = self.catalogue.body["DESCRIPTOR"]
        listed = codec.decode_layout(layout, found.descriptor)
        found.descriptor = codec.encode_layout(layout, structs.replace(listed, records=(*listed.records, *more)))
        found.sha256 = hashlib.sha256(found.descriptor).digest()
        found.objects = {**found.objects, DescriptorObject.DESCRIPTOR: found.descriptor}
        self.module.identity = found

    def alter(self, kind: type, **changes: Any) -> None:
        """Have the module say something else in each of these."""
        self.altered[kind] = lambda body: structs.replace(body, **changes)

    def anew(self) -> Beacon:
        """The BEACON of a module that has started anew."""
        shown: Beacon = structs.replace(self.shown, nonce=self.shown.nonce ^ 1)
        return shown

    def start_anew(self) -> Any:
        """Show the phone the BEACON of a module that has started anew; its HELLO."""
        self.tell(self.anew(), lane=Lane.SIDEBAND)
        heard = self.take(Hello, EVENTUALLY)
        if heard is None:
            self.fail("HELLO", "none")
        return heard.body

    # ── Carrying ──

    def _carry(self, heard: Heard) -> None:
        """What the phone says reaches the module, but for answers to the test's own requests."""
        if isinstance(heard.body, Hello):
            self.hello = heard.body
        elif isinstance(heard.body, Beacon):
            self.said = heard.body
        elif isinstance(heard.body, TrainReq) and isinstance(self.bench, MirrorBench):
            self.bench.trained_anew()
        packet = heard.packet
        own = packet is not None and packet.rsp and packet.txn >= _OWN
        if not own and type(heard.body) not in self.deaf:
            self.module.receive(Lane(heard.lane), heard.data, self.now)
        self._flush()

    def _flush(self) -> None:
        """What the module says reaches the phone."""
        self.module.recover(self.now)
        for departure in self.module.outbox():
            packet = codec.decode(departure.data)
            if self.silent or type(packet.body) in self.muted:
                continue
            data = departure.data
            if (alter := self.altered.get(type(packet.body))) is not None:
                packet = structs.replace(packet, body=alter(packet.body))
                data = codec.encode(packet)
            if isinstance(packet.body, Beacon):
                self.shown = packet.body
            if isinstance(packet.body, FrameLeader):
                self.leaders[packet.body.frame] = packet.body
            noted(self.monitor, packet, departure.lane, self.now)
            self.send(data, departure.lane)
        self.light = self.module.carries(Lane.LASER)

    def _next(self, deadline: int) -> bool:
        while True:
            self.go_on()
            self._flush()
            due = self.module.deadline()
            until = deadline if due is None else min(deadline, max(due, self.now))
            arrival = self.bench.expect(any_packet, until)
            if arrival is not None:
                self.keep(arrival)
                return True
            self.module.advance(self.now)
            self._flush()
            if self.now >= deadline:
                return False

    # ── Probing ──

    def states(self) -> dict[int, tuple[int, int]]:
        """Where every machine of the phone is, as its upper tester says, if it says so; and that it still answers."""
        self.alive()
        if not self.offers(OperationTag.STATE):
            return {}
        found = self.operate(OperationTag.STATE, StateOperation())
        return {m.machine: (m.state, m.entered) for m in found.machines}

    def alive(self) -> None:
        """The phone still works: counters are told wherever there is power."""
        heard = self.answer(self.request(CountersGet(groups=CounterGroup.PACKET), lane=Lane.SIDEBAND))
        if heard is None or heard.error is not None or heard.status != Status.OK:
            raise Fail("COUNTERS_GET answered: the phone goes on working", "no such answer", ("R-WIRE-021",))

    def counters(self, groups: int = CounterGroup.PACKET) -> dict[int, int]:
        """The counters of some chapters."""
        body = self.asks(CountersGet(groups=groups), lane=Lane.SIDEBAND)
        return {c.id: c.count for c in body.counters}

    def know(self) -> Known:
        """What a phone says of itself: the features in its HELLO."""
        reach(self, "READY")
        self.known.reached = True
        features = self.hello.features if self.hello else 0
        self.known.features = frozenset(f.name for f in Feature if features & f and f.name)
        self.monitor.features = self.known.features
        return self.known


def noted(monitor: Monitor, packet: Packet, lane: Lane, now: int) -> None:
    """Tell a monitor what is said to the side that it judges."""
    if packet.txn and not packet.rsp:
        monitor.asked(Asked(packet.txn, packet.type, now, lane, packet.instance, packet.body))
        return
    monitor.told(packet.body, now)
    if packet.rsp:
        monitor.answered(packet.txn)


# ── Preambles ────────────────────────────────────────────────────────────────────────────────────────


def _comes_to(s: Mirror, machine: MachineId, *names: str, within: int = EVENTUALLY) -> None:
    """A machine of the phone comes to one of these states; without the operation to read it, time has to do."""
    if not s.offers(OperationTag.STATE):
        s.let(_AT_REST)
        return
    found = s.reaches(machine, *names, within=within)
    if found not in names:
        raise Inconclusive(f"The phone's machine {machine.name} is in {found}, not in {names[0]}.")


def _beacon(s: Mirror) -> None:
    s.attach(powered=False)
    _comes_to(s, MachineId.ATTACH, "BEACON")


def _hello(s: Mirror) -> None:
    s.deaf.add(Hello)
    s.attach()
    _comes_to(s, MachineId.ATTACH, "HELLO")


def _ready(s: Mirror) -> None:
    """A session in which the module has not asked for power yet."""
    s.muted |= UNPOWERED
    s.attach()
    if s.take(Hello, EVENTUALLY) is None:
        raise Inconclusive("The phone sent no HELLO.")
    _comes_to(s, MachineId.ATTACH, "READY_FULL", "READY_BASIC")
    s.let(_AT_REST)
    s.clear()


def _streaming(s: Mirror) -> None:
    contract(s)
    s.user(UserAction.OPEN)
    _comes_to(s, MachineId.CAPTURE, "STREAMING")


def _detaching(s: Mirror) -> None:
    _ready(s)
    s.user(UserAction.EJECT)
    _comes_to(s, MachineId.ATTACH, "DETACHING")


def _link_lost(s: Mirror) -> None:
    _ready(s)
    s.dark()
    _comes_to(s, MachineId.ATTACH, "LINK_LOST")
    _comes_to(s, MachineId.LINK, "L2_BEACON")


def contract(s: Mirror) -> None:
    """A session with a contract."""
    s.attach()
    _comes_to(s, MachineId.POWER, "CONTRACT")
    s.let(_AT_REST)
    s.clear()


_PREAMBLES: Final[dict[str, Callable[[Mirror], None]]] = {
    "BEACON": _beacon,
    "HELLO": _hello,
    "READY": _ready,
    "STREAMING": _streaming,
    "DETACHING": _detaching,
    "LINK_LOST": _link_lost,
}


def reach(s: Session, state: str) -> None:
    """Bring the phone to a state. Raises Inconclusive if it does not come there."""
    if not isinstance(s, Mirror):
        raise TypeError("a phone is met by the tester's module")
    try:
        _PREAMBLES[state](s)
    except Fail as fail:
        raise Inconclusive(f"The preamble to {state} {fail}.") from None
