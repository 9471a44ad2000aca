"""The tester's verbs over a bench: bind, operate, ask, tell, wait, and what the test concludes.

A session is the phone of one test. Everything that comes from the implementation passes the monitor before the test
sees it, and what a phone owes the module in passing (an answer to KEEPALIVE or TIME_SYNC, a supply) the tester's
phone does by itself, unless a test tells it otherwise.

Plan: what is known of an implementation · the session: binding, asking, probing, concluding.
"""

import time
from collections.abc import Callable
from random import Random
from typing import Any, Never

from msgspec import Struct

from opalink.conformance.bundle.results import Actor, Step, Timed
from opalink.conformance.conclusions import Coarse, Fail, Inconclusive, Unavailable
from opalink.conformance.tester.flit_bench import FlitBench, Travelled
from opalink.conformance.tester.flit_phone import FlitPhone
from opalink.conformance.tester.ledger import Asked, Heard
from opalink.conformance.tester.line import Line
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.tester.phone import Phone
from opalink.conformance.tester.watches import CLASS_BOUND
from opalink.protocol.codec import Status
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
    PropertyDesc,
    PwrSinkCapsResponse,
    SensorMode,
    StateGet,
    StateGetResponse,
    TimeState,
    TimeStatus,
)
from opalink.protocol.transport import Bench
from opalink.protocol.transport.journal import lane_changes
from opalink.spec.form import MS, SECOND

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

EVENTUALLY = 5 * SECOND  # for what must come and has no time of its own in the specification
_LOOK = 10 * MS  # from one look at a machine to the next
_RESTLESS = frozenset({MachineId.TIME})  # moves on by itself as time is synchronised
_MASK = (1 << 64) - 1


class Session(Line):
    """One tester, one implementation, one test after the other."""

    def __init__(self, bench: Bench, monitor: Monitor, known: Known) -> None:
        super().__init__(bench, monitor)
        self.known = known
        self.preamble: Callable[[Session, str], None] | None = None  # in place of the usual ones
        self.timings: dict[str, Timed] = {}  # of each kind the one nearest to its limit

    def hang_up(self) -> None:
        super().hang_up()
        self.beacon: Any = None
        self.shown: Any = None  # the last BEACON of the tester's phone
        self.greeting: Any = None  # the response to the last HELLO, and the HELLO
        self.hello: Any = None
        self.attached = 0
        self.spent = False  # the test has ended the connection
        self.phone = Phone(self)
        self.attend = self.phone.hear
        self.flits: FlitPhone | None = None  # where the tester does the link layer itself
        if isinstance(self.bench, FlitBench):
            self.flits = FlitPhone(self, self.bench)
            self.attend = self._attend
            self.bench.tap = self._travelled

    def _attend(self, heard: Heard) -> None:
        if self.flits is not None:
            self.flits.hear(heard)
        self.phone.hear(heard)

    def _travelled(self, t: Travelled) -> None:
        """Take down what a lane itself has carried."""
        actor = Actor.TESTER if t.sent else Actor.IUT
        self.steps.append(Step(t.time, actor, t.lane, t.data, on_lane=True))

    @property
    def up(self) -> bool:
        """Whether the channels of the laser are open, where the tester does the link layer itself."""
        return self.flits is not None and self.flits.up

    # ── Binding and operations ──

    def begin(self, seed: int) -> None:
        """A cold start: the contacts are open, the time is 0, nothing is open."""
        self.random = Random(seed)
        self.timings.clear()
        self.hang_up()
        self.txn = self.random.randrange(1, 0x10000)
        self.monitor.begin()
        self.bench.seed = seed & _MASK or 1
        self.allow()
        self.bench.bind()
        self.note(Actor.BENCH, "binds: a cold start with the contacts open")

    def rebind(self) -> None:
        """A cold start within a test."""
        kept = self.steps
        violations = self.monitor.violations
        self.hang_up()
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
        if lane_changes(operation, value)[0]:
            self.monitor.severed()
        if operation not in self.bench.assistants:
            return self.bench.control(operation, value)
        begun = time.monotonic_ns()
        result = self.bench.control(operation, value)
        self.bench.run(self.bench.now)
        self.settle()  # what came meanwhile is of before, as far as anybody knows
        taken = time.monotonic_ns() - begun
        self.monitor.slack = max(self.monitor.slack, taken)
        self._until += taken / SECOND
        return result

    # ── Asking ──

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

    def repeat(self, asked: Asked, data: bytes) -> Heard | None:
        """Send the bytes of a request once more, and return what answers them: it is as punctual as the first."""
        self.settle()
        asked.time, asked.answers, asked.pending = self.now, 0, 0
        self.send(data, asked.lane, "the same request again")
        return self.answer(asked)

    # ── Probing ──

    def states(self) -> dict[int, tuple[int, int]]:
        """Where every machine is and since when. STATE_GET is legal wherever there is power, and the sideband needs no
        light: so it tells whether the implementation still works, too."""
        asked = self.request(StateGet(), lane=Lane.SIDEBAND)
        heard = self.answer(asked)
        if heard is None or heard.error is not None or heard.status != Status.OK:
            actual = "no answer" if heard is None else f"status {_name(heard.status)}"
            raise Fail("STATE_GET answered: the implementation goes on working", actual, ("R-WIRE-021",))
        if not isinstance(heard.body, StateGetResponse):
            raise Fail("an answer of the request's type", "another type", ("R-WIRE-010",))
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
        hopeless = self.monitor.slack > max(CLASS_BOUND.values())
        if hopeless:
            self.let(SECOND)
        heard = self.take(_locks, 0 if hopeless else EVENTUALLY)
        if heard is None and hopeless:
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
        timed = Timed(what, time, limit, least, slack)
        self.timings[what] = min(timed, self.timings.get(what, timed), key=lambda t: t.margin)
        in_time = time <= limit and (least is None or time >= least)
        sure = time > limit + slack or (least is not None and time < least - slack) or not slack
        if not in_time and not sure and slack > limit:
            raise Coarse(f"It needs {what} within {limit} ns, and the bench itself takes up to {slack} ns.")
        if not in_time and (self.monitor.burdened or not sure):
            raise Inconclusive(f"The bench is too slow or too burdened to judge {what} that came after {time} ns.")
        span = f"within {limit} ns" if least is None else f"after {least} to {limit} ns"
        self.expect(in_time, f"{what} {span}", f"after {time} ns", *charged)

    def reports(self, kind: type, what: str, since: int, *charged: str) -> None:
        """Expect a packet within tReport of what calls for it."""
        heard = self.take(kind, EVENTUALLY)
        if heard is None:
            self.fail(what, "none", *charged)
        self.waited(heard.time - since, self.timer("tReport"), what, *charged)

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


def _locks(heard: Heard) -> bool:
    return isinstance(heard.body, TimeStatus) and heard.body.state == TimeState.LOCKED


def _name(status: int) -> str:
    return str(getattr(status, "name", status))
