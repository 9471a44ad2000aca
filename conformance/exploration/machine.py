"""Stateful machines for Hypothesis, one for each machine that a module declares, made from its table.

Each packet that the table knows becomes a rule for where it has a row, and all of them together one for where it has
none; what else a phone may send is a rule, what the phone answers when the table waits for that, and time, light,
removal and surroundings, as far as the upper tester reaches. Every example begins with a cold start, also each that is
tried while one is made smaller, and a preamble to one of the states in which the machine is somewhere else.

    class = machine_of(plan)      # of RuleBasedStateMachine; it raises `Broken` for what the judge finds

Plan: the plan of a machine · an example · rules of packets · rules of the upper tester · the machine.
"""

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, Final

from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.strategies import DrawFn, SearchStrategy
from msgspec import Struct

from opalink.conformance.bundle.results import Actor, Step
from opalink.conformance.conclusions import Conclusive
from opalink.conformance.exploration.draws import Learned, payloads
from opalink.conformance.exploration.judge import Finding
from opalink.conformance.exploration.session import Meeting, layout_of
from opalink.conformance.purposes import Exchange, Oracle, unmet
from opalink.conformance.tester import preambles
from opalink.conformance.tester.finders import Finders
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.matrix import GATEWAY, NEEDS, STATES, TRAINING
from opalink.conformance.tester.stimuli import stimulus
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.legality import received
from opalink.protocol.packets import Lane, OperationTag
from opalink.spec.form import MS, SECOND, Expired, Form, Machine, Received, Role, met
from opalink.spec.limits import PACKET_OVERHEAD, SIDEBAND_PACKET

Message = tuple[str, Form]
_REPLIES: Final = (Form.RESPONSE, Form.ERROR)
_SURROUNDINGS: Final = ("TEMPERATURE", "BATTERY", "RING", "BUTTON", "STACK")
_LONGEST: Final = 5 * SECOND  # that an example lets pass at once
_LEAST: Final = (MS, 10 * MS)
_REAL: Final = SECOND // 5  # in real time

# ── The plan of a machine ────────────────────────────────────────────────────────────────────────────


class Broken(AssertionError):  # noqa: N818  an observation, not an error
    """Ends an example: the judge has found something."""


class Enough(KeyboardInterrupt):
    """Ends a round: an example has been made as small as the number of attempts allows. Hypothesis lets nothing else
    through."""


class Failed(Struct, frozen=True):
    """An example that has shown a finding: its exchange, and when it was over."""

    finding: Finding
    steps: tuple[Step, ...]
    end: int

    @property
    def size(self) -> tuple[int, int, int]:
        """Fewer messages, then less time, then fewer bytes are smaller."""
        ours = [s for s in self.steps if s.actor in (Actor.TESTER, Actor.BENCH)]
        return len(ours), self.end, sum(len(s.data) for s in ours)


class Plan:
    """What is explored: a machine of the module that a session meets. `failed` holds the smallest example of each kind
    of finding."""

    def __init__(self, meeting: Meeting, machine: Machine, learned: Learned, seed: int, attempts: int) -> None:
        self.meeting, self.machine, self.learned, self.seed = meeting, machine, learned, seed
        self.session = session = meeting.session
        self.examples = 0
        self.stuck: dict[str, int] = {}
        self.failed: dict[tuple[str, str], Failed] = {}
        self._left = attempts  # to make examples smaller
        self._kinds: dict[tuple[str, str], type[Broken]] = {}
        self._strategies: dict[Message, SearchStrategy[bytes]] = {}
        self.catalogue = session.catalogue
        self._features = session.known.features

    def begin(self) -> None:
        """One example more. Raises Enough."""
        if self.failed:
            if not self._left:
                raise Enough
            self._left -= 1
        self.examples += 1

    def fail(self, failed: Failed) -> Broken:
        """Keep an example that has failed; returns what ends it. Hypothesis takes failures for one that are of one
        type."""
        kind = failed.finding.kind
        before = self.failed.get(kind)
        if before is None or failed.size < before.size:
            self.failed[kind] = failed
        return self._kinds.setdefault(kind, type("Broken", (Broken,), {}))(str(failed.finding))

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Preambles to where the machine is somewhere else, READY first."""
        reached = [s for s in ("READY", *STATES) if s not in TRAINING and not unmet(NEEDS.get(s, ()), self._features)]
        places = {STATES[s].get(self.machine.name): s for s in reversed(reached)}
        return tuple(sorted(places.values(), key=reached.index))

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        """What a phone may send to such a module."""
        return tuple(
            (packet.name, form)
            for packet, form in received(self.catalogue, Role.MODULE)
            if packet.name not in GATEWAY and packet.name != "STATE_GET" and met(packet.needs, self._features)
        )

    @cached_property
    def known(self) -> tuple[Message, ...]:
        """Those of which the table has rows."""
        events = {r.event for r in self.machine.rows}
        return tuple(m for m in self.messages if Received(*m) in events)

    @cached_property
    def replies(self) -> tuple[Message, ...]:
        """The answers of a phone for which the table has rows."""
        events = dict.fromkeys(r.event for r in self.machine.rows if met(r.needs, self._features))
        return tuple((e.packet, e.form) for e in events if isinstance(e, Received) and e.form in _REPLIES)

    @cached_property
    def times(self) -> tuple[int, ...]:
        """How long an example lets time pass: for nothing much, and over the edges of the timers of the table."""
        timers = [self.catalogue.timer[r.event.timer] for r in self.machine.rows if isinstance(r.event, Expired)]
        edges = {t for timer in timers for t in (timer.min, timer.nominal, timer.max) if t}
        longest = _LONGEST if self.session.exact else _REAL
        return tuple(sorted({*_LEAST, *(t + x for t in edges for x in (-MS, MS) if 0 < t + x <= longest)}))

    def strategy(self, name: str, form: Form) -> SearchStrategy[bytes]:
        """Payloads of a type and form."""
        if (name, form) not in self._strategies:
            packet = self.catalogue.packet[name]
            layout = packet.forms.get(form) or self.catalogue.error_layout(packet)
            samples = self.learned.samples.get((name, form), [])
            self._strategies[name, form] = payloads(
                self.catalogue, self.catalogue.layout[layout], samples, self.learned
            )
        return self._strategies[name, form]

    def __repr__(self) -> str:
        return self.machine.name  # Hypothesis wants words for whatever is drawn


@st.composite
def _payload(draw: DrawFn, plan: Plan, name: str, form: Form) -> bytes:
    return draw(plan.strategy(name, form))


@st.composite
def _message(draw: DrawFn, plan: Plan, *, known: bool) -> tuple[Message, bytes]:
    """A message that the table knows, or any."""
    message = draw(st.sampled_from(plan.known if known else plan.messages))
    return message, draw(plan.strategy(*message))


# ── An example ───────────────────────────────────────────────────────────────────────────────────────


class Example(RuleBasedStateMachine):
    """One example. `asks` are the requests of the implementation that the phone has not answered."""

    plan: ClassVar[Plan]

    def __init__(self) -> None:
        super().__init__()
        self.s = self.plan.session
        self.over = False
        self.asks: list[Heard] = []
        self.plan.begin()
        with self.judged():
            self.s.begin(self.plan.seed)

    @contextlib.contextmanager
    def judged(self) -> Iterator[None]:
        """Something is done to the implementation; whatever that shows ends the example."""
        judge = self.s.judge
        try:
            with self.plan.meeting.judged():
                yield
        except Conclusive as why:
            self.over = True
            self.plan.stuck[str(why)] = self.plan.stuck.get(str(why), 0) + 1
            reject()
        if judge.findings:
            self.over = True
            steps = tuple(self.s.steps)
            end = max(self.s.now, steps[-1].time)  # a connection that was opened again begins at 0
            raise self.plan.fail(Failed(judge.findings[0], steps, end))

    def teardown(self) -> None:
        if not self.over:
            with self.judged():
                self.s.finish()

    def reach(self, state: str) -> None:
        """Bring the implementation to a state, from where on the phone answers by rules what the table waits for."""
        with self.judged():
            preambles.reach(self.s, state)
            for name, _ in self.plan.replies:
                self.s.phone.answers[_class_of(self.plan.catalogue, name)] = self.asks.append
            self.s.look()

    def legal(self, message: Message) -> bool:
        """Whether a packet gets to rows of the table now."""
        places = self.s.judge.places
        return places is not None and self.s.judge.tables.legal(self.plan.machine.name, places, Received(*message))

    def asked(self, name: str) -> Heard | None:
        """The last request of a type that the implementation waits to be answered."""
        code = self.plan.catalogue.packet[name].code
        return next((h for h in reversed(self.asks) if h.packet is not None and h.packet.type == code), None)

    def by_itself(self, heard: Heard) -> None:
        """The tester's phone answers as it does when nobody tells it otherwise."""
        phone, kind = self.s.phone, type(heard.body)
        held = phone.answers.pop(kind)
        phone.hear(heard)
        phone.answers[kind] = held

    def say(self, message: Message, payload: bytes) -> None:
        """Send a message around a payload."""
        (name, form), s = message, self.s
        packet = self.plan.catalogue.packet[name]
        lane = s.lane(packet.code)
        if len(payload) + PACKET_OVERHEAD > SIDEBAND_PACKET:
            if not s.light:
                return  # no lane carries it
            lane = Lane.LASER
        with self.judged():
            if not s.judge.knows(s.now):
                s.look()
            txn = 0 if form is Form.EVENT else s.next_txn()
            s.say(stimulus(Exchange(packet.code, payload, Oracle.ACCEPTED, form), txn, s.now), lane)

    def pass_time(self, duration: int) -> None:
        with self.judged():
            self.s.let(duration)
            self.s.look()


def _class_of(catalogue: ir.Catalogue, name: str) -> type:
    """The value class of a request."""
    found: type = getattr(p, catalogue.packet[name].forms[Form.REQUEST])
    return found


# ── Rules of packets ─────────────────────────────────────────────────────────────────────────────────

Rules = dict[str, Any]  # by the name of their method


def _of_packets(plan: Plan) -> Rules:
    """Rows in the states in which they are, the same packets elsewhere, and what else a phone sends."""
    rules: Rules = {f"{name}_{form}".lower(): _row(plan, (name, form)) for name, form in plan.known}
    rules |= {f"{name}_{form}".lower(): _reply(plan, name, form) for name, form in plan.replies}

    def inopportune(self: Example, drawn: tuple[Message, bytes]) -> None:
        self.say(*drawn)

    def elsewhere(self: Example, drawn: tuple[Message, bytes]) -> None:
        self.say(*drawn)

    def resumes(self: Example) -> None:
        body = preambles.hello(self.s, resume=True)
        self.say(("HELLO", Form.REQUEST), codec.encode_layout(plan.catalogue.packet["HELLO"].forms[Form.REQUEST], body))

    rules["resumes"] = precondition(lambda self: self.s.greeting is not None)(rule()(resumes))
    if plan.known:
        refused = precondition(lambda self: not all(map(self.legal, plan.known)))
        rules["inopportune"] = refused(rule(drawn=_message(plan, known=True))(inopportune))
    rules["elsewhere"] = rule(drawn=_message(plan, known=False))(elsewhere)
    return rules


def _row(plan: Plan, message: Message) -> Any:
    def row(self: Example, payload: bytes) -> None:
        self.say(message, payload)

    row.__name__ = "_".join(message).lower()
    return precondition(lambda self: self.legal(message))(rule(payload=_payload(plan, *message))(row))


def _reply(plan: Plan, name: str, form: Form) -> Any:
    packet = plan.catalogue.packet[name]
    layout = packet.forms.get(form) or plan.catalogue.error_layout(packet)
    known = [plan.catalogue.status[s] for s in dict.fromkeys((*packet.statuses, *plan.catalogue.general))]
    statuses = [s.value for s in known if s.success is (form is Form.RESPONSE)] or [Status.OK]

    def reply(self: Example, payload: bytes, status: int, own: bool) -> None:
        heard = self.asked(name)
        if heard is None or (not own and len(payload) + PACKET_OVERHEAD > SIDEBAND_PACKET):
            return
        self.asks.remove(heard)
        with self.judged():
            if own:
                self.by_itself(heard)
            else:
                self.s.reply(heard, codec.decode_layout(layout, payload), Status(status))
            self.s.look()

    reply.__name__ = f"{name}_{form}".lower()
    made = rule(payload=_payload(plan, name, form), status=st.sampled_from(statuses), own=st.booleans())(reply)
    return precondition(lambda self: self.asked(name) is not None)(made)


# ── Rules of the upper tester ────────────────────────────────────────────────────────────────────────


def _of_bench(plan: Plan) -> Rules:
    """Time, and what the upper tester can do."""
    s = plan.session

    def time_passes(self: Example, duration: int) -> None:
        self.pass_time(duration)

    def light_goes(self: Example) -> None:
        with self.judged():
            self.s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
            self.s.light = False
            self.s.look()

    def light_comes(self: Example) -> None:
        with self.judged():
            self.s.operate(OperationTag.LANE_UP, p.LaneUpOperation(lane=Lane.LASER))
            preambles.show(self.s)
            self.s.light = True
            self.s.look()

    def removed(self: Example, duration: int, state: str) -> None:
        with self.judged():
            self.s.operate(OperationTag.DETACH, p.DetachOperation())
            self.s.light = False
            self.asks.clear()
            self.s.phone.answers.clear()
            self.s.let(duration)
        self.reach(state)

    def surroundings(self: Example, drawn: tuple[OperationTag, Any]) -> None:
        with self.judged():
            self.s.attempt(*drawn)
            self.s.look()

    rules: Rules = {"time_passes": rule(duration=st.sampled_from(plan.times))(time_passes)}
    if "LASER" in s.known.features and s.offers(OperationTag.LANE_DOWN) and s.offers(OperationTag.LANE_UP):
        rules["light_goes"] = precondition(lambda self: self.s.light)(rule()(light_goes))
        dark = precondition(lambda self: not self.s.light and self.s.beacon is not None)
        rules["light_comes"] = dark(rule()(light_comes))
    if s.offers(OperationTag.ATTACH) and s.offers(OperationTag.DETACH):
        states = st.sampled_from(plan.states)
        rules["removed"] = rule(duration=st.sampled_from(plan.times), state=states)(removed)
    if offered := tuple(OperationTag[x] for x in _SURROUNDINGS if s.offers(OperationTag[x])):
        rules["surroundings"] = rule(drawn=_operation(plan, offered))(surroundings)
    return rules


@st.composite
def _operation(draw: DrawFn, plan: Plan, offered: tuple[OperationTag, ...]) -> tuple[OperationTag, Any]:
    operation = draw(st.sampled_from(offered))
    return operation, draw(_value(plan, operation))


def _value(plan: Plan, operation: OperationTag) -> SearchStrategy[Any]:
    """Values of an operation, of members that there are."""
    layout = plan.catalogue.layout[layout_of(operation)]
    unknown = Finders(plan.catalogue).of(layout.name)
    drawn = payloads(plan.catalogue, layout, [], plan.learned).map(lambda data: codec.decode_layout(layout.name, data))
    return drawn.filter(lambda value: unknown is None or not any(unknown(value)))


# ── The machine ──────────────────────────────────────────────────────────────────────────────────────


def machine_of(plan: Plan) -> type[Example]:
    """The stateful machine of a plan."""

    def begins(self: Example, state: str) -> None:
        self.reach(state)

    body = {"plan": plan, "begins": initialize(state=st.sampled_from(plan.states))(begins)}
    return type(plan.machine.name, (Example,), body | _of_packets(plan) | _of_bench(plan))
