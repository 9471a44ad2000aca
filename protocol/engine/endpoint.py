"""One side of the link: bytes in, bytes out, the time is an argument; no socket, no thread, no clock.

An endpoint judges every packet in the order of R-WIRE-025. What passes reaches the machine that knows its type, or the
service of its name. Whatever is particular to a role or to a chapter is in the endpoint's parts; machines, timers and
signals, which run whether packets come or not, are in `running`.

Plan: departures · making it and starting over · the bench's side · what arrives · answers · what it sends of its own
accord.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct, structs

from opalink.protocol.codec import HOMES, DecodeError, Packet, Status, VirtualChannel, decode, encode
from opalink.protocol.engine.checks import Checks, header, of_fault, other_version
from opalink.protocol.engine.counters import OF_STATUS
from opalink.protocol.engine.dispatch import Kind, Later, Part, RefusedError, Reply, table
from opalink.protocol.engine.exchanges import Incoming, Outgoing, key_of
from opalink.protocol.engine.machine import Cause, timed
from opalink.protocol.engine.running import Running
from opalink.protocol.engine.values import Unknowns
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import CounterId, Lane, Pending, Refusal
from opalink.protocol.runtime import Buffer
from opalink.spec.form import Form, Role
from opalink.spec.limits import PACKET_OVERHEAD, SIDEBAND_PACKET

_REQUEST: Final = 0  # the place of a request in `HOMES`
_LANES: Final = (Lane.LASER, Lane.SIDEBAND)  # the one preferred first


class Departure(Struct, frozen=True, gc=False):
    """A packet that leaves."""

    time: int
    lane: Lane
    data: bytes


class Endpoint(Running):
    """The half of an endpoint that both roles share; `module.Module` is one that is whole."""

    attempts = 1  # at a request that gets no response
    once: frozenset[str] = frozenset()  # requests of which there is always one attempt

    def __init__(
        self, role: Role, name: str, features: Iterable[str], parts: Sequence[type[Part]], catalogue: ir.Catalogue
    ) -> None:
        super().__init__(role, name, features, parts, catalogue)
        times = catalogue.timer
        self._patience = times["tResponse"].max or 0
        refresh = (times["tPendingRefresh"].max or 0) * 4 // 5  # in time even after a replay
        self.incoming = Incoming(self.clock, refresh, self._report_pending)
        self.outgoing = Outgoing(self.clock, self._patience, self._again, self._missed)
        self._success = {Status(s.value) for s in catalogue.statuses if s.success}
        self._out: list[Departure] = []
        self._in_hand: Cause | None = None
        self._once = self.once.union(*(timed(run.machine) for run in self.runs.values()))
        unknowns = Unknowns(catalogue)
        self.checks = Checks(self, self.runs[self.gate], unknowns)
        self._kinds = table(self, self._parts, self.runs.values(), unknowns)
        self._code_of = {k.name: k.code for k in self._kinds.values()}
        self.start_over(0, 0)

    def start_over(self, seed: int, now: int) -> None:
        """As after the loss of all power, with the contacts open."""
        self.incoming.reset()
        self.outgoing.reset()
        self._out.clear()
        self._in_hand = None
        super().start_over(seed, now)

    def carries(self, lane: Lane) -> bool:
        """Whether a lane carries anything now."""
        raise NotImplementedError

    # ── The bench's side ──

    def outbox(self) -> list[Departure]:
        """What is to be sent, in order; empties it."""
        out, self._out = self._out, []
        return out

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
        self._depart(cause.lane, data)

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
        lane = self._lane(kind)
        if lane is None or not kind.supported:
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

    def _lane(self, kind: Kind) -> Lane | None:
        """The lane on which a packet of a type may leave now."""
        if not self.checks.legal(kind.code):
            return None
        for lane in _LANES:
            if lane in kind.lanes and self.carries(lane):
                return lane
        return None

    def _again(self, cause: Cause) -> bool:
        """Repeat a request: a peer that has had it gives the response that it has stored. Whether it could be sent."""
        packet = cause.arrived
        lane = self._lane(self._kinds[packet.type])
        if lane is None:
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

    def _counted(self, status: Status) -> None:
        what = OF_STATUS.get(status)
        if what is not None:
            self.count(what)
