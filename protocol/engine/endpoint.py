"""One side of the link: bytes in, bytes out, the time is an argument; no socket, no thread, no clock.

An endpoint runs the declared machines of its role and judges every packet in the order of R-WIRE-025. What passes
reaches the machine that knows its type, or the service of its name. Whatever is particular to a role or to a chapter
is in the endpoint's parts.

Plan: departures · making it and starting over · the bench's side · the checks · answers · what it sends of its own
accord · signals.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, Final, TypeVar

from msgspec import Struct, structs

from opalink.protocol.codec import HOMES, DecodeError, Packet, Status, Tlv, VirtualChannel, decode, encode
from opalink.protocol.engine.checks import Checks, header, of_fault, other_version
from opalink.protocol.engine.clock import Clock
from opalink.protocol.engine.counters import OF_STATUS, Counters
from opalink.protocol.engine.dispatch import Kind, Later, Part, RefusedError, Reply, table
from opalink.protocol.engine.exchanges import Incoming, Outgoing, key_of
from opalink.protocol.engine.machine import Cause, Run, timed
from opalink.protocol.engine.values import Unknowns
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import CounterId, Lane, Outcome, Pending, Refusal
from opalink.protocol.runtime import Buffer
from opalink.spec.form import Event, Form, Line, Local, Role, met
from opalink.spec.limits import PACKET_OVERHEAD, SIDEBAND_PACKET

_REQUEST: Final = 0  # the place of a request in `HOMES`
_LANES: Final = (Lane.LASER, Lane.SIDEBAND)  # the one preferred first
_HEARD: Final = Local("heard")
_SENT: Final = Local("sent")

P = TypeVar("P", bound=Part)


class Departure(Struct, frozen=True, gc=False):
    """A packet that leaves."""

    time: int
    lane: Lane
    data: bytes


class Endpoint:
    """The half of an endpoint that both roles share; `module.Module` is one that is whole."""

    operations = 0  # of the upper tester: flags of Operation
    gate = ""  # the machine whose states say what is legal
    kept: tuple[CounterId, ...] = ()  # counters beside those that every side keeps
    attempts = 1  # at a request that gets no response
    once: frozenset[str] = frozenset()  # requests of which there is always one attempt

    def __init__(
        self, role: Role, name: str, features: Iterable[str], parts: Sequence[type[Part]], catalogue: ir.Catalogue
    ) -> None:
        self.role, self.name, self.catalogue = role, name, catalogue
        self.features = frozenset(features)
        self.clock = Clock()
        self.random = Random(0)
        self.counters = Counters(self.kept)
        self.source = role is Role.PHONE  # whether this side supplies power
        self.link_offset = 0  # link time less this side's own
        times = catalogue.timer
        self._patience = times["tResponse"].max or 0
        refresh = (times["tPendingRefresh"].max or 0) * 4 // 5  # in time even after a replay
        self.incoming = Incoming(self.clock, refresh, self._report_pending)
        self.outgoing = Outgoing(self.clock, self._patience, self._again, self._missed)
        self._success = {Status(s.value) for s in catalogue.statuses if s.success}
        self._out: list[Departure] = []
        self._signals: deque[Event] = deque()
        self._heard = self._sent = False
        self._in_hand: Cause | None = None
        machines = {m.name: m.within(self.features) for m in catalogue.machines if m.role is role}
        needs = {p: machines[p.machine].needs if p.machine else p.needs for p in parts}
        self._parts = [p(self) for p in parts if met(needs[p], self.features)]
        # A part is found by its class and by the one that it stands in for.
        self._by_class = {c: part for part in self._parts for c in type(part).__mro__ if issubclass(c, Part)}
        self.runs: dict[str, Run] = {}
        for part in self._parts:
            if part.machine:
                part.run = self.runs[part.machine] = Run(machines[part.machine], part, self, times)
        self._gate = self.runs[self.gate]
        self._once = self.once.union(*(timed(run.machine) for run in self.runs.values()))
        unknowns = Unknowns(catalogue)
        self.checks = Checks(self, self._gate, unknowns)
        self._kinds = table(self, self._parts, self.runs.values(), unknowns)
        self._code_of = {k.name: k.code for k in self._kinds.values()}
        self._hearers: dict[Event, tuple[Run, ...]] = {}
        self.start_over(0, 0)

    def find(self, part: type[P]) -> P | None:
        """A part of this side, if its features call for it."""
        found = self._by_class.get(part)
        return found if isinstance(found, part) else None

    def part(self, part: type[P]) -> P:
        """A part that is always there."""
        found = self.find(part)
        if found is None:
            raise KeyError(part.__name__)
        return found

    def start_over(self, seed: int, now: int) -> None:
        """As after the loss of all power, with the contacts open."""
        self.clock.reset(now)
        self.random.seed(seed or None)
        self.counters.reset()
        self.link_offset = 0
        self.incoming.reset()
        self.outgoing.reset()
        self._out.clear()
        self._signals.clear()
        self._heard = self._sent = False
        self._in_hand = None
        for run in self.runs.values():
            run.restart()
        self.restart_parts()

    def restart_parts(self) -> None:
        """Have every part forget what a loss of power forgets."""
        for part in self._parts:
            self.clock.stop_all(type(part).__name__.lower())
            part.restart()

    def carries(self, lane: Lane) -> bool:
        """Whether a lane carries anything now."""
        raise NotImplementedError

    # ── The bench's side ──

    def outbox(self) -> list[Departure]:
        """What is to be sent, in order; empties it."""
        out, self._out = self._out, []
        return out

    def deadline(self) -> int | None:
        """When this side next wants to run, if nothing arrives before."""
        return self.clock.deadline()

    def advance(self, now: int) -> None:
        """Run all timers that are due up to `now`."""
        self.clock.run(now, self.settle)

    def receive(self, lane: Lane, data: Buffer, now: int) -> None:
        """A packet arrives. Timers that were due before run first; one that is due right now loses to it."""
        self.clock.run(now - 1, self.settle)
        self.clock.now = max(self.clock.now, now)
        if not self.carries(lane):
            return
        error = None
        try:
            packet = decode(data)
        except DecodeError as found:
            if found.packet is None and not other_version(found):
                self.count(CounterId.BAD_CRC)
                return
            packet, error = found.packet or header(data), found
        self._heard = True
        self.count(CounterId.PACKETS_RECEIVED)
        if packet.rsp:
            self._on_response(lane, packet, error)
        elif packet.txn:
            self._on_request(lane, packet, error)
        else:
            self._on_event(lane, packet, error)
        self.settle()

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        """Carry out an operation of the upper tester."""
        self.clock.run(now - 1, self.settle)
        self.clock.now = max(self.clock.now, now)
        result = self.carry_out(operation)
        self.settle()
        return result

    def carry_out(self, operation: Tlv) -> tuple[Outcome, tuple[Tlv, ...]]:
        """What `operate` does between the timers before it and the signals that it raises."""
        raise NotImplementedError

    # ── What arrives ──

    def _on_request(self, lane: Lane, packet: Packet, error: DecodeError | None) -> None:
        cause = Cause(packet, lane)
        kind = self._kinds.get(packet.type)
        if error is not None and other_version(error):
            self.count(CounterId.BAD_VERSION)
            self._depart(lane, self._reply(cause, kind, Reply(Refusal(), Status.BAD_VERSION)))
            return
        key = key_of(packet)
        stored = self.incoming.stored.get(key)
        if stored is not None or key in self.incoming.held:
            self.count(CounterId.DUPLICATES)
            if stored is not None:
                self._depart(lane, stored)
            return
        self._in_hand = cause
        status, at = self.checks.judge(kind, Form.REQUEST, lane, packet, error)
        try:
            if status is not Status.OK or kind is None:
                raise RefusedError(status, at)
            self._deliver(kind, cause)
        except RefusedError as refused:
            self._finish(cause, kind, Reply(refused.body, refused.status))
        self._in_hand = None

    def _on_event(self, lane: Lane, packet: Packet, error: DecodeError | None) -> None:
        if error is not None and other_version(error):
            self.count(CounterId.BAD_VERSION)
            return
        kind = self._kinds.get(packet.type)
        status, _ = self.checks.judge(kind, Form.EVENT, lane, packet, error)
        if status is not Status.OK or kind is None:
            self._counted(status)
            return
        cause = Cause(packet, lane)
        for hear in kind.heard:
            hear(cause)
        for run, event in kind.runs.get(Form.EVENT, ()):
            run.fire(event, cause)

    # ── Answers ──

    def _deliver(self, kind: Kind, cause: Cause) -> None:
        self.before(kind, cause)
        runs = kind.runs.get(Form.REQUEST)
        if not runs:
            self._take(cause, kind, self._served(kind, cause))
            return
        for run, event in runs:
            run.fire(event, cause)
        if cause.reply is None:  # no guard held
            raise RefusedError(Status.BAD_STATE)

    def before(self, kind: Kind, cause: Cause) -> None:
        """A last word before a legal request takes effect: may raise RefusedError."""

    def answer(self, cause: Cause, status: Status) -> None:
        """Answer the request of a cause as a machine decided."""
        kind = self._kinds[cause.arrived.type]
        if status not in self._success:
            self._finish(cause, kind, Reply(Refusal(), status))
            return
        given = self._served(kind, cause)
        if status is not Status.OK and not isinstance(given, (Reply, Later)):
            given = Reply(given, status)
        self._take(cause, kind, given)

    @staticmethod
    def _served(kind: Kind, cause: Cause) -> Any:
        """What the service of a type answers; an empty response needs no service."""
        if kind.answer is not None:
            return kind.answer(cause)
        return kind.response() if kind.response else b""

    def _take(self, cause: Cause, kind: Kind, given: Any) -> None:
        if isinstance(given, Later):
            cause.reply = given
            self.incoming.hold(cause, given.wait, pending=given.wait > self._patience // 2)
        else:
            self._finish(cause, kind, given if isinstance(given, Reply) else Reply(given))

    def finish(self, cause: Cause, given: Any) -> None:
        """Answer a request that Later was said to; nothing if it has been answered meanwhile."""
        if self.incoming.release(cause):
            kind = self._kinds[cause.arrived.type]
            self._finish(cause, kind, given if isinstance(given, Reply) else Reply(given))

    def refuse(self, cause: Cause, status: Status) -> None:
        """Refuse a request that Later was said to."""
        self.finish(cause, Reply(Refusal(), status))

    def _finish(self, cause: Cause, kind: Kind | None, reply: Reply) -> None:
        self._counted(reply.status)
        cause.reply = reply
        data = self._reply(cause, kind, reply)
        self.incoming.store(key_of(cause.arrived), data)
        self._depart(Lane(cause.lane), data)

    def _reply(self, cause: Cause, kind: Kind | None, reply: Reply) -> bytes:
        ask, body = cause.arrived, reply.body
        if kind is not None and kind.error is not None and type(body) is Refusal:
            body = kind.refuse(cause, reply.status) if kind.refuse else kind.error()
        return encode(
            Packet(
                rsp=1,
                type=ask.type,
                vc=ask.vc if kind is None else kind.vc,
                instance=ask.instance,
                status=reply.status,
                txn=ask.txn,
                t_ns=self.link_time,
                body=body,
            )
        )

    def room(self, packet: str, cause: Cause) -> int:
        """Payload that a response may have where its request came from."""
        most = self.catalogue.channel[self.catalogue.packet[packet].channel].payload_max
        return min(most, SIDEBAND_PACKET - PACKET_OVERHEAD) if cause.lane == Lane.SIDEBAND else most

    def forget_exchanges(self) -> None:
        """Forget stored responses and open requests; that in hand will still have its response stored."""
        hand = key_of(self._in_hand.arrived) if self._in_hand else None
        for held in [h.cause for key, h in self.incoming.held.items() if key != hand]:
            self.refuse(held, Status.CANCELLED)
        self.incoming.stored = {k: v for k, v in self.incoming.stored.items() if k == hand}
        self.outgoing.drop_all()

    def _report_pending(self, txn: int, left: int, percent: int) -> None:
        self.send(Pending(txn=txn, eta=min(left // 1000, 0xFFFF_FFFF), percent=percent))

    # ── What this side sends of its own accord ──

    def send(self, body: Any, t_ns: int | None = None, vc: VirtualChannel | None = None) -> Packet | None:
        """Send a request or an event, if its type is legal now and a lane for it is up; returns it if so."""
        code, place, usual = HOMES[type(body)]
        kind = self._kinds[code]
        lane = next((x for x in _LANES if x in kind.lanes and self.carries(x)), None)
        if lane is None or not kind.supported or not self.checks.legal(code):
            return None
        txn = self.outgoing.number() if place == _REQUEST else 0
        packet = Packet(
            type=code,
            vc=usual if vc is None else vc,
            txn=txn,
            t_ns=self.link_time if t_ns is None else t_ns,
            body=body,
        )
        self._depart(lane, encode(packet))
        if txn:
            self.outgoing.add(Cause(packet, lane), 0 if kind.name in self._once else self.attempts - 1)
        return packet

    def _again(self, cause: Cause) -> bool:
        """Repeat a request: a peer that has had it gives the response that it has stored. Whether it could be sent."""
        packet = cause.arrived
        kind = self._kinds[packet.type]
        lane = next((x for x in _LANES if x in kind.lanes and self.carries(x)), None)
        if lane is None or not self.checks.legal(packet.type):
            return False
        self._depart(lane, encode(structs.replace(packet, t_ns=self.link_time)))
        return True

    def _on_response(self, lane: Lane, packet: Packet, error: DecodeError | None) -> None:
        asked = self.outgoing.find(packet)
        if asked is None:
            self.count(CounterId.STRAY_RESPONSES)
            return
        if error is not None:
            if other_version(error):
                self.count(CounterId.BAD_VERSION)
            else:
                self._counted(of_fault(error))
            return
        self.outgoing.drop(packet.txn)
        kind = self._kinds[packet.type]
        cause = Cause(packet, lane, asked=asked.packet)
        for tell in kind.told:
            tell(cause)
        form = Form.RESPONSE if packet.status in self._success else Form.ERROR
        for run, event in kind.runs.get(form, ()):
            run.fire(event, cause)

    def _missed(self, cause: Cause) -> None:
        self.count(CounterId.UNANSWERED)
        kind = self._kinds[cause.arrived.type]
        for tell in kind.unanswered:
            tell(cause)
        self.gave_up(kind)

    def gave_up(self, kind: Kind) -> None:
        """A request of this side's own has had no response, however often it was sent."""

    def asking(self, packet: str) -> bool:
        """Whether a request of this side's own of a type waits for its response."""
        return any(True for _ in self.outgoing.of_type(self._code_of[packet]))

    def forget(self, packet: str) -> None:
        """Take no notice any more of what answers this side's open requests of a type."""
        for txn in list(self.outgoing.of_type(self._code_of[packet])):
            self.outgoing.drop(txn)

    def _depart(self, lane: Lane, data: bytes) -> None:
        if self.carries(lane):
            self._sent = True
            self.count(CounterId.PACKETS_SENT)
            self._out.append(Departure(self.clock.now, lane, data))

    # ── Signals, time, counters ──

    def signal(self, name: str) -> None:
        """Raise a local event; it is delivered once what is being done is done."""
        self._signals.append(Local(name))

    def line(self, name: str) -> None:
        """Something has happened outside."""
        self._signals.append(Line(name))

    def settle(self) -> None:
        """Deliver what was raised, in order, until nothing is left. `heard` and `sent` stand for any number."""
        while True:
            if self._signals:
                event = self._signals.popleft()
                for run in self._hearing(event):
                    run.fire(event, Cause())
                self.raised(event)
            elif self._heard:
                self._heard = False
                self._gate.fire(_HEARD, Cause())
            elif self._sent:
                self._sent = False
                self._gate.fire(_SENT, Cause())
            else:
                return

    def raised(self, event: Event) -> None:
        """Sees every signal and line after the machines did."""

    def _hearing(self, event: Event) -> tuple[Run, ...]:
        found = self._hearers.get(event)
        if found is None:
            found = self._hearers[event] = tuple(r for r in self.runs.values() if r.knows(event))
        return found

    @property
    def now(self) -> int:
        return self.clock.now

    @property
    def link_time(self) -> int:
        """The phone's clock, as far as this side knows it."""
        return max(0, self.clock.now + self.link_offset)

    def count(self, what: CounterId) -> None:
        self.counters.add(what, self.link_time)

    def _counted(self, status: Status) -> None:
        what = OF_STATUS.get(status)
        if what is not None:
            self.count(what)
