"""Scenarios of the header: which way a packet goes, on which lane, and that a side is never silent for long.

Plan: lanes · directions · silence.
"""

from collections.abc import Iterator
from itertools import pairwise

from opalink.conformance.conclusions import Fail, Inapplicable
from opalink.conformance.purposes import Exchange, Oracle, any_of, unmet
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.exchanges import answered
from opalink.conformance.tester.preambles import ready
from opalink.conformance.tester.session import Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.obligations import peer
from opalink.protocol.ir.write import default, write
from opalink.protocol.packets import Lane, MachineId
from opalink.spec.form import MS, SECOND, Form, Role
from opalink.spec.limits import PACKET_OVERHEAD, SIDEBAND_PACKET

_OF_LANE = {"sideband": Lane.SIDEBAND, "laser": Lane.LASER}

# ── Lanes ────────────────────────────────────────────────────────────────────────────────────────────


def _plain(s: Session, packet: ir.Packet, form: Form) -> Exchange:
    """A packet with every field at its default."""
    layout = s.catalogue.layout[packet.forms[form]]
    payload = write(s.catalogue, layout, default(s.catalogue, layout))
    return Exchange(packet.code, payload, Oracle.REFUSED if form is Form.REQUEST else Oracle.SILENT, form)


def _astray(s: Session, form: Form) -> Iterator[tuple[ir.Packet, Exchange, Lane]]:
    """What an implementation takes on one lane alone, with the other lane."""
    side = s.monitor.role
    senders = {Role.BOTH, peer(side), Role.SOURCE if side is Role.MODULE else Role.SINK}
    for packet in s.catalogue.packets:
        comes = packet.sender in senders and form in packet.forms
        if not comes or packet.optional or len(packet.lanes) > 1 or unmet(any_of(packet.needs), s.known.features):
            continue
        lane = Lane.LASER if packet.lanes == ("sideband",) else Lane.SIDEBAND
        stimulus = _plain(s, packet, form)
        if lane is Lane.LASER or len(stimulus.payload) + PACKET_OVERHEAD <= SIDEBAND_PACKET:
            yield packet, stimulus, lane


@scenario(
    "WIRE/LANE/BI-request", "R-WIRE-028",
    given="a module with a laser in READY", when="it receives requests on another lane than their types declare",
    then="it answers BAD_STATE to each", needs="LASER",
)  # fmt: skip
def requests_on_the_wrong_lane(s: Session) -> None:
    ready(s)
    for packet, stimulus, lane in _astray(s, Form.REQUEST):
        asked, _ = s.stimulate(stimulus, lane)
        found = answered(s, asked).status
        s.expect(found == Status.BAD_STATE, f"BAD_STATE to {packet.name} on {lane.name}", f"{found!r}")
    s.asks(p.CountersGet())  # positive control: on its own lane a request is answered


@scenario(
    "WIRE/LANE/BI-event", "R-WIRE-029",
    given="a module with a laser in READY", when="it receives events on another lane than their types declare",
    then="they change nothing", needs="LASER",
)  # fmt: skip
def events_on_the_wrong_lane(s: Session) -> None:
    ready(s)
    _ignored(s, _astray(s, Form.EVENT))


def _ignored(s: Session, events: Iterator[tuple[ir.Packet, Exchange, Lane]]) -> None:
    before = s.states()
    sent = []
    for packet, stimulus, lane in events:
        s.stimulate(stimulus, lane)
        sent.append(packet.name)
    if not sent:
        raise Inapplicable("There is no such event.")
    s.let(MS)
    after = s.states()
    for machine, (state, _) in before.items():
        if machine != MachineId.TIME and after[machine][0] != state:
            raise Fail(f"machine {machine} to stay in state {state}", f"state {after[machine][0]} after {sent}")


# ── Directions ───────────────────────────────────────────────────────────────────────────────────────


def _own(s: Session) -> Iterator[tuple[ir.Packet, Exchange, Lane]]:
    """The events that only the implementation's side sends."""
    for packet in s.catalogue.packets:
        if packet.sender is s.monitor.role and Form.EVENT in packet.forms:
            stimulus = _plain(s, packet, Form.EVENT)
            lane = _OF_LANE[packet.lanes[0]]
            fits = len(stimulus.payload) + PACKET_OVERHEAD <= SIDEBAND_PACKET
            if lane is Lane.LASER if s.light else fits:
                yield packet, stimulus, lane if s.light else Lane.SIDEBAND


@scenario(
    "WIRE/DIRECTION/BI-event", "R-WIRE-029",
    given="a module in READY", when="it receives events of every type that only modules send",
    then="they change nothing",
)  # fmt: skip
def events_of_its_own(s: Session) -> None:
    ready(s)
    _ignored(s, _own(s))


# ── Silence ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/KEEPALIVE/TI-silence", "R-MGT-050",
    given="a module in READY", when="two seconds pass in which the phone sends what keeps the session alive",
    then="it is never silent for longer than tKeepAlive",
)  # fmt: skip
def never_silent(s: Session) -> None:
    ready(s)
    times = [s.now]
    limit = (s.catalogue.timer["tKeepAlive"].max or 0) + s.monitor.slack
    s.clear()
    for _ in range(4):
        s.tell(p.SeatStatus())  # what needs no answer, so that every packet that comes is the module's own doing
        s.let(SECOND // 2)
    times += [h.time for h in s.inbox]
    times.append(s.now)
    longest = max(b - a for a, b in pairwise(times))
    s.expect(longest <= limit, f"at most {limit} ns between packets", f"{longest} ns")
