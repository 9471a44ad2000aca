"""The tester's verbs over a bench: bind, operate, ask, tell, wait, and what the test concludes.

A session is the phone of one test. Everything that comes from the implementation passes the monitor before the test
sees it, and what a phone owes the module in passing (an answer to KEEPALIVE or TIME_SYNC, a supply) the tester's
phone does by itself, unless a test tells it otherwise.

Plan: conclusions · what is known of an implementation · the session: binding, sending, hearing, probing, concluding.
"""

import time
from collections.abc import Callable
from random import Random
from typing import Any, Never

from msgspec import Struct

from opalink.conformance.monitors import Asked, Heard, Monitor
from opalink.conformance.phone import Phone
from opalink.conformance.purposes import Damage, Exchange
from opalink.conformance.results import Actor, Step
from opalink.conformance.stimuli import stimulus
from opalink.conformance.watches import CLASS_BOUND
from opalink.protocol import codec
from opalink.protocol.codec import Packet, Status
from opalink.protocol.packets import (
    ConditionOperation,
    CounterGroup,
    CountersGet,
    Descriptor,
    Lane,
    MachineId,
    OperationTag,
    Outcome,
    PacketType,
    Pending,
    PropertyDesc,
    PwrSinkCapsResponse,
    SensorMode,
    StateGet,
    TimeState,
    TimeStatus,
)
from opalink.protocol.transport import Arrival, Bench
from opalink.spec.form import MS, SECOND, Form
from opalink.spec.limits import PACKET_OVERHEAD, SIDEBAND_PACKET

# ── Conclusions ──────────────────────────────────────────────────────────────────────────────────────


class Conclusive(Exception):  # noqa: N818  a way out of a test, not an error
    """Ends a test."""


class Fail(Conclusive):
    """The implementation did what it must not. `charged` names a requirement other than the purpose's own."""

    def __init__(self, expected: str, actual: str, charged: tuple[str, ...] = ()) -> None:
        super().__init__(f"expected {expected}, saw {actual}")
        self.expected, self.actual, self.charged = expected, actual, charged


class Inconclusive(Conclusive):
    """The test could not come to the point."""


class Inapplicable(Conclusive):
    """What the test is about is not there, and need not be."""


class Coarse(Conclusive):
    """The bench's time is too coarse for the test."""


class Unavailable(Conclusive):
    """The upper tester cannot do what the test needs. `operation` is the name of what it cannot do."""

    def __init__(self, operation: OperationTag, reason: str) -> None:
        super().__init__(reason)
        self.operation = operation.name.lower()


# ── What is known of an implementation ───────────────────────────────────────────────────────────────


class Known(Struct):
    """What an implementation has said of itself, read once before a campaign: tests adapt to it. Objects of the
    descriptor are by name."""

    features: frozenset[str] = frozenset()
    reached: bool = False  # whether a session could be opened
    descriptor: Descriptor | None = None
    raw: bytes = b""
    properties: dict[int, PropertyDesc] = {}
    modes: tuple[SensorMode, ...] = ()
    caps: PwrSinkCapsResponse | None = None

    def record(self, name: str) -> Any:
        """A record of the descriptor, by its tag's name; None if it is not there."""
        records = self.descriptor.records if self.descriptor else ()
        return next((t.value for t in records if getattr(t.tag, "name", "") == name), None)


# ── The session ──────────────────────────────────────────────────────────────────────────────────────

PATIENCE = 30 * SECOND  # of bench time, however often PENDING comes
BUDGET = 60.0  # seconds of real time for one test
EVENTUALLY = 5 * SECOND  # for what must come and has no time of its own in the specification
WHILE = EVENTUALLY  # longer in real time, for what is awaited: whether it came in time is judged when it has come
_LOOK = 10 * MS  # from one look at a machine to the next
_RESTLESS = frozenset({MachineId.TIME})  # moves on by itself as time is synchronised
_MASK = (1 << 64) - 1
_LANES = {"sideband": Lane.SIDEBAND, "laser": Lane.LASER}
Match = Callable[[Heard], bool]


def _any(_: Arrival) -> bool:
    return True


class Session:
    """One tester, one implementation, one test after the other."""

    def __init__(self, bench: Bench, monitor: Monitor, known: Known) -> None:
        self.bench, self.monitor, self.known = bench, monitor, known
        self.catalogue = monitor.catalogue
        self._lanes = {p.code: frozenset(_LANES[x] for x in p.lanes) for p in self.catalogue.packets}
        self.random = Random(0)
        self.budget = BUDGET
        self._until = 0.0
        self._forget()

    def _forget(self) -> None:
        self.steps: list[Step] = []
        self.inbox: list[Heard] = []
        self.light = False  # whether the laser carries packets
        self.beacon: Any = None
        self.shown: Any = None  # the last BEACON of the tester's phone
        self.greeting: Any = None  # the response to the last HELLO, and the HELLO
        self.hello: Any = None
        self.attached = 0
        self.spent = False  # the test has ended the connection
        self.phone = Phone(self)

    # ── Binding and operations ──

    def begin(self, seed: int) -> None:
        """A cold start: the contacts are open, the time is 0, nothing is open."""
        self.random = Random(seed)
        self._until = time.monotonic() + self.budget
        self._forget()
        self.txn = self.random.randrange(1, 0x10000)
        self.monitor.begin()
        self.bench.seed = seed & _MASK or 1
        self.bench.journal.clear()
        self.bench.bind()
        self.note(Actor.BENCH, "binds: a cold start with the contacts open")

    def rebind(self) -> None:
        """A cold start within a test."""
        kept = self.steps
        violations = self.monitor.violations
        self._forget()
        self.steps = kept
        self.monitor.begin()
        self.monitor.violations = violations
        self.note(Actor.BENCH, "binds anew")
        self.bench.bind()

    def offers(self, operation: OperationTag) -> bool:
        return self.bench.offers(operation)

    def operate(self, operation: OperationTag, value: Any = b"") -> Any:
        """Have the upper tester do something; it must succeed. Returns what it read."""
        name = operation.name.lower()
        if not self.offers(operation):
            raise Unavailable(operation, f"The implementation does not offer the operation {name}.")
        result = self.attempt(operation, value)
        if result.result == Outcome.FAILED and isinstance(value, ConditionOperation):
            # Conditions are as optional as operations are.
            raise Unavailable(operation, f"The implementation cannot have {_name(value.status)} brought about.")
        if result.result != Outcome.DONE:
            raise Inconclusive(f"The operation {name} ended with {_name(result.result)} here.")
        return result.answer[0].value if result.answer else None

    def attempt(self, operation: OperationTag, value: Any = b"") -> Any:
        """Have the upper tester try something."""
        fields = getattr(value, "__struct_fields__", ())
        given = ", ".join(f"{n} {getattr(value, n)!r}" for n in fields if n != "extensions")
        self.note(Actor.BENCH, f"{operation.name.lower()} {given}".strip())
        return self.bench.control(operation, value)

    @property
    def now(self) -> int:
        return self.bench.now

    @property
    def exact(self) -> bool:
        """Whether times are those of a virtual clock."""
        return self.bench.virtual

    # ── Sending ──

    def note(self, actor: Actor, text: str) -> None:
        self.steps.append(Step(self.bench.now, actor, note=text))

    def send(self, data: bytes, lane: int, note: str = "") -> None:
        """Send bytes as a packet on a lane."""
        self.steps.append(Step(self.bench.now, Actor.TESTER, lane, data, note))
        self.bench.send(data, Lane(lane))

    def _settle(self) -> None:
        """Hear what has come before something is said that it must not be judged by."""
        while self.bench.arrivals:
            self.inbox.append(self._hear(self.bench.arrivals.pop(0)))

    def lane(self, code: int) -> Lane:
        """The lane for a packet type: light where there is light and the type travels there."""
        lanes = self._lanes.get(code, frozenset(_LANES.values()))
        return Lane.LASER if self.light and Lane.LASER in lanes else Lane.SIDEBAND

    def either_lane(self, code: int, payload: int) -> Lane:
        """A lane for a packet with so many bytes of payload: either will do where both are up, so the seed decides."""
        up = {Lane.LASER, Lane.SIDEBAND} if self.light else {Lane.SIDEBAND}
        lanes = self._lanes.get(code, frozenset(_LANES.values())) & up
        if payload + PACKET_OVERHEAD > SIDEBAND_PACKET:
            lanes -= {Lane.SIDEBAND}
        return self.random.choice(sorted(lanes)) if lanes else self.lane(code)

    def next_txn(self) -> int:
        self.txn = self.txn % 0xFFFF + 1
        return self.txn

    def request(self, body: Any, *, lane: int | None = None, instance: int = 0) -> Asked:
        """Send a request and do not wait."""
        self._settle()
        packet = codec.request(body, self.next_txn(), t_ns=self.now, instance=instance)
        lane = self.lane(packet.type) if lane is None else lane
        asked = Asked(packet.txn, packet.type, self.now, lane, instance, body)
        self.monitor.asked(asked)
        self.send(codec.encode(packet), lane)
        return asked

    def ask(self, body: Any, *, lane: int | None = None, instance: int = 0) -> Heard:
        """Send a request and return its answer. None is a failure by R-WIRE-023."""
        asked = self.request(body, lane=lane, instance=instance)
        heard = self.answer(asked)
        if heard is None:
            name = PacketType(asked.code).name
            raise Fail(f"an answer to {name} within tResponse, or PENDING", "none", ("R-WIRE-023",))
        if heard.asked is not asked:
            raise Fail("an answer of the request's type", "another type", ("R-WIRE-010",))
        if heard.error is not None:
            raise Fail("an answer that decodes", str(heard.error), ("R-WIRE-024",))
        return heard

    def asks(self, body: Any, status: Status = Status.OK, **more: Any) -> Any:
        """Send a request, expect a status, and return the body of the answer."""
        heard = self.ask(body, **more)
        self.expect_status(heard, status)
        return heard.body

    def tell(self, body: Any, *, lane: int | None = None) -> None:
        """Send an event."""
        self._settle()
        packet = codec.event(body, t_ns=self.now)
        self.monitor.told(body, self.now)
        self.send(codec.encode(packet), self.lane(packet.type) if lane is None else lane)

    def reply(self, to: Heard, body: Any, status: Status = Status.OK) -> None:
        """Answer a request of the implementation's."""
        if to.packet is None:
            return
        self.monitor.told(body, self.now)
        self.monitor.answered(to.packet.txn)
        self.send(codec.encode(codec.response(to.packet, body, status, t_ns=self.now)), to.lane)

    def stimulate(self, x: Exchange, lane: int | None = None) -> tuple[Asked, bytes]:
        """Send the stimulus of an exchange."""
        txn = self.next_txn()
        data = stimulus(x, txn, self.now)
        header = dict(x.header)
        lane = self.either_lane(x.packet, len(x.payload)) if lane is None else lane
        asked = Asked(txn, x.packet, self.now, lane, header.get("instance", 0), None)
        if x.form is Form.REQUEST and x.damage is Damage.NONE and header.get("txn", 1):
            asked.body = _body(data)
            self.monitor.asked(asked)
        self.send(data, lane, "the stimulus")
        return asked, data

    def repeat(self, asked: Asked, data: bytes) -> Heard | None:
        """Send the bytes of a request once more, and return what answers them: it is as punctual as the first."""
        self._settle()
        asked.time, asked.answers, asked.pending = self.now, 0, 0
        self.send(data, asked.lane, "the same request again")
        return self.answer(asked)

    # ── Hearing ──

    def _next(self, deadline: int) -> Heard | None:
        """The next packet up to a time."""
        if time.monotonic() > self._until:
            raise Inconclusive(f"The test took longer than {self.budget:g} s of real time.")
        arrival = self.bench.expect(_any, deadline)
        return None if arrival is None else self._hear(arrival)

    def _hear(self, arrival: Arrival) -> Heard:
        self.steps.append(Step(arrival.time, Actor.IUT, arrival.lane, arrival.data))
        heard = self.monitor.hear(arrival.time, arrival.lane, arrival.data)
        self.phone.hear(heard)
        return heard

    def take(self, match: Match | type, within: int = 0) -> Heard | None:
        """The first packet that matches, from what has come or comes within a time. In real time it is awaited longer:
        whoever has a time to judge does so by when it came."""
        wanted = _of(match) if isinstance(match, type) else match
        for i, heard in enumerate(self.inbox):
            if wanted(heard):
                return self.inbox.pop(i)
        deadline = self.now + (within if self.exact or not within else within + WHILE)
        while (found := self._next(deadline)) is not None:
            if wanted(found):
                return found
            self.inbox.append(found)
        return None

    def let(self, duration: int) -> None:
        """Let time pass."""
        deadline = self.now + duration
        while (heard := self._next(deadline)) is not None:
            self.inbox.append(heard)

    def heard(self, match: Match | type) -> list[Heard]:
        """Everything that has come, was not taken, and matches."""
        wanted = _of(match) if isinstance(match, type) else match
        return [h for h in self.inbox if wanted(h)]

    def clear(self) -> None:
        """Forget what has come and was not taken."""
        while self.bench.arrivals:
            self._hear(self.bench.arrivals.pop(0))
        self.inbox.clear()

    def answer(self, asked: Asked) -> Heard | None:
        """The answer to a request: within tResponse, and for as long as PENDING comes in time."""
        timers = self.catalogue.timer
        patience, refresh = timers["tResponse"].max or 0, timers["tPendingRefresh"].max or 0
        slack = self.monitor.slack + MS
        if not self.exact:  # the monitor judges lateness; here it only matters whether anything comes
            patience, refresh = patience + WHILE, refresh + WHILE
        deadline, end = asked.time + patience + slack, asked.time + PATIENCE
        if asked.pending:
            deadline = asked.pending + refresh + slack
        for i, early in enumerate(self.inbox):  # it may have come before that of an earlier request
            if early.asked is asked and early.time >= asked.time:
                return self.inbox.pop(i)
        while (heard := self._next(min(deadline, end))) is not None:
            packet = heard.packet
            if packet is not None and packet.rsp and packet.txn == asked.txn:
                return heard
            if isinstance(heard.body, Pending) and heard.body.txn == asked.txn:
                deadline = heard.time + refresh + slack
            self.inbox.append(heard)
        return None

    # ── Probing ──

    def states(self) -> dict[int, tuple[int, int]]:
        """Where every machine is and since when. STATE_GET is legal wherever there is power, and the sideband needs no
        light: so it tells whether the implementation still works, too."""
        asked = self.request(StateGet(), lane=Lane.SIDEBAND)
        heard = self.answer(asked)
        if heard is None or heard.error is not None or heard.status != Status.OK:
            actual = "no answer" if heard is None else f"status {_name(heard.status)}"
            raise Fail("STATE_GET answered: the implementation goes on working", actual, ("R-WIRE-021",))
        return {m.machine: (m.state, m.entered) for m in heard.body.machines}

    def state(self, machine: MachineId) -> str:
        """The name of the state in which a machine is."""
        return self.state_name(machine, self.states().get(machine, (-1, 0))[0])

    def state_name(self, machine: MachineId, number: int) -> str:
        """The name of a state by its number on the wire."""
        declared = next(m for m in self.catalogue.machines if m.name == machine.name and m.role is self.monitor.role)
        return declared.states[number].name if 0 <= number < len(declared.states) else f"state {number}"

    def reaches(self, machine: MachineId, *names: str, within: int = EVENTUALLY) -> str:
        """The state of a machine as soon as it is one of these, or what it is when the time is over."""
        deadline = self.now + within
        while (found := self.state(machine)) not in names and self.now < deadline:
            self.let(_LOOK)
        return found

    def unmoved(self, before: dict[int, tuple[int, int]]) -> None:
        """No machine is in another state than before, those aside that move on by themselves."""
        after = self.states()
        for machine, (state, _) in before.items():
            if machine not in _RESTLESS and after.get(machine, (state, 0))[0] != state:
                name = getattr(machine, "name", machine)
                raise Fail(f"machine {name} to stay in state {state}", f"state {after[machine][0]}")

    def locked(self) -> Heard:
        """The TIME_STATUS that says LOCKED. A bench whose own way takes longer than any class of time allows cannot
        have a module's time locked."""
        heard = self.take(lambda h: isinstance(h.body, TimeStatus) and h.body.state == TimeState.LOCKED, EVENTUALLY)
        if heard is None and self.monitor.slack > max(CLASS_BOUND.values()):
            raise Coarse("It needs the module's time locked, which this bench cannot bring about in real time.")
        if heard is None:
            raise Fail("TIME_STATUS LOCKED", f"none within {EVENTUALLY} ns", ("R-TIM-008",))
        return heard

    def alive(self) -> None:
        """The implementation still works, if need be after the time that a restart takes."""
        heard = self.answer(self.request(StateGet(), lane=Lane.SIDEBAND))
        if heard is None:
            restart = self.catalogue.timer["tBeaconAfterPower"].max or 0
            self.let(restart)
            self.states()
        elif heard.packet is None:
            raise Fail("STATE_GET answered: the implementation goes on working", "bytes", ("R-WIRE-021",))

    def counters(self, groups: int = CounterGroup.PACKET) -> dict[int, int]:
        """The counters of some chapters."""
        body = self.asks(CountersGet(groups=groups))
        return {c.id: c.count for c in body.counters}

    # ── Concluding ──

    def expect(self, holds: bool, expected: str, actual: str, *charged: str) -> None:
        if not holds:
            raise Fail(expected, actual, charged)

    def should(self, requirement: str, holds: bool, expected: str, actual: str) -> None:
        """Note whether a SHOULD is kept. The test goes on either way: what is not kept is a warning."""
        self.monitor.judge(requirement, holds, expected, actual)

    def waited(self, time: int, limit: int, what: str, *charged: str, least: int | None = None) -> None:
        """Judge a time that the specification limits on one side or on both."""
        slack = self.monitor.slack
        in_time = time <= limit + slack and (least is None or time >= least - slack)
        if not in_time and self.monitor.burdened:
            raise Inconclusive(f"The bench carried too much to judge {what} by real time: it came after {time} ns.")
        span = f"within {limit} ns" if least is None else f"after {least} to {limit} ns"
        self.expect(in_time, f"{what} {span}", f"after {time} ns", *charged)

    def timer(self, name: str) -> int:
        """The latest that a timer may end, in nanoseconds."""
        return self.catalogue.timer[name].max or 0

    def expect_status(self, heard: Heard, *statuses: Status) -> None:
        wanted = " or ".join(s.name for s in statuses)
        self.expect(heard.status in statuses, f"status {wanted}", f"status {_name(heard.status)}")

    def fail(self, expected: str, actual: str, *charged: str) -> Never:
        raise Fail(expected, actual, charged)

    def record(self, name: str) -> Any:
        """A record of the descriptor; None if the descriptor does not have it."""
        self.need(self.known.descriptor is not None, "No descriptor could be read.")
        return self.known.record(name)

    def described(self, tag: int) -> PropertyDesc:
        """What PROP_DESC says of a property that the implementation's features bring along."""
        found = self.known.properties.get(tag)
        if found is None:
            raise Inconclusive(f"No description of the property {tag:#06x} could be read.")
        return found

    def need(self, holds: bool, reason: str) -> None:
        """What a preamble cannot do without."""
        if not holds:
            raise Inconclusive(reason)


def _of(cls: type) -> Match:
    return lambda heard: type(heard.body) is cls


def _name(status: int) -> str:
    return str(getattr(status, "name", status))


def _body(data: bytes) -> Any:
    """The value that a packet carries; None if it does not decode."""
    try:
        packet: Packet = codec.decode(data)
    except codec.DecodeError:
        return None
    return packet.body
