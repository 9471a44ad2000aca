"""How a single exchange is run and judged.

Preamble, stimulus, oracle, state probe, positive control. The control, a legal request of the same type, comes last:
it may do something. Where it is refused like the stimulus the test shows nothing, so a module that refuses everything
passes no test of refusals. The state probe is the proof of life, too.

Plan: running · oracles.
"""

from functools import cache

from opalink.conformance.bundle.results import Actor
from opalink.conformance.conclusions import Fail, Inapplicable, Inconclusive
from opalink.conformance.purposes import Exchange, Oracle
from opalink.conformance.tester.ledger import Asked, Heard
from opalink.conformance.tester.matrix import BRIEF, STATES, Matrix
from opalink.conformance.tester.preambles import reach
from opalink.conformance.tester.session import Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.ir.legality import REFUSAL
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import CounterId, Lane, MachineId
from opalink.spec.form import MS, Role
from opalink.spec.limits import PACKET_OVERHEAD, SIDEBAND_PACKET

_COMPLAINTS = (Status.BAD_LENGTH, Status.BAD_VALUE, Status.NOT_SUPPORTED)
_FLEETING = frozenset({"HARD_RESET"})  # lasts no longer than a slow answer to a state probe
_DEFINING = {
    "TRUSTED": ("ATTACH", "AUTH"),
    "BEACON": ("ATTACH",),
    "HELLO": ("ATTACH",),
    "NEGOTIATE": ("LINK",),
    "CONFIGURED": ("CAPTURE",),
    "STREAMING": ("CAPTURE",),
    "DRAINING": ("CAPTURE",),
    "PAUSED": ("CAPTURE",),
    "DOWNLOAD": ("FIRMWARE",),
    "REQUESTED": ("POWER",),
    "TRANSITION": ("POWER",),
    "SOURCE": ("POWER",),
    "POWER_FAULT": ("POWER",),
    "DETACHING": ("ATTACH",),
    "LINK_LOST": ("ATTACH",),
    "PAUSED_LINK": ("ATTACH", "CAPTURE"),
}


def run(s: Session, x: Exchange) -> None:
    """Run an exchange; returns if it passed."""
    (s.preamble or reach)(s, x.state)
    lane = s.lane(x.packet)
    if lane is Lane.SIDEBAND and len(x.payload) + PACKET_OVERHEAD > SIDEBAND_PACKET:
        raise Inapplicable("It does not fit a packet of the sideband, and there is no other lane.")
    before: dict[int, tuple[int, int]] = {}
    if x.state not in _FLEETING:
        try:
            before = s.states()
        except Fail as fail:
            raise Inconclusive(f"Before the stimulus: {fail}.") from None
        if elsewhere := _elsewhere(s, x.state, before):
            left = f"The preamble to {x.state} left {elsewhere}."
            raise Inapplicable(left) if x.state in BRIEF else Inconclusive(left)
    try:
        _ORACLES[x.oracle](s, x, before)
    except Fail:
        if x.state in BRIEF and (elsewhere := _elsewhere(s, x.state, s.states())):
            raise Inapplicable(f"By the time of the stimulus it may have left {x.state}: {elsewhere}.") from None
        raise


def _elsewhere(s: Session, state: str, places: dict[int, tuple[int, int]]) -> str:
    """Which of the machines that make a state what it is are not where they then are; empty if they are."""
    for name in _DEFINING.get(state, ()):
        machine, wanted = MachineId[name], STATES[state][name]
        found = s.state_name(machine, places[machine][0]) if machine in places else "no such machine"
        if found != wanted:
            return f"the machine {name} in {found}, not in {wanted}"
    return ""


# ── Oracles ──────────────────────────────────────────────────────────────────────────────────────────


def answered(s: Session, asked: Asked) -> Heard:
    heard = s.answer(asked)
    if heard is None:
        s.states()  # a module that has gone is another matter than one that keeps silent
        raise Fail("an answer within tResponse, or PENDING", "none")
    return heard


def _refused(s: Session, x: Exchange, before: dict[int, tuple[int, int]]) -> None:
    asked, _ = s.stimulate(x)
    heard = answered(s, asked)
    if x.optional and heard.status == Status.NOT_SUPPORTED and "NOT_SUPPORTED" not in x.statuses:
        raise Inapplicable("This packet type is optional, and not supported here.")
    s.expect_status(heard, *(Status[name] for name in x.statuses))
    s.unmoved(before)
    if x.control is not None:
        _control(s, x)


def _control(s: Session, x: Exchange) -> None:
    """The same request without its fault is not refused for a fault."""
    s.note(Actor.SUITE, "positive control: the request without its fault")
    asked, _ = s.stimulate(Exchange(x.packet, x.control or b"", Oracle.ACCEPTED))
    heard = s.answer(asked)
    if heard is None or heard.status in _COMPLAINTS:
        found = "not answered" if heard is None else f"answered {heard.status!r}"
        raise Inconclusive(f"The request without its fault is {found} too.")


def _accepted(s: Session, x: Exchange, _: dict[int, tuple[int, int]]) -> None:
    asked, _data = s.stimulate(x)
    heard = s.answer(asked)
    if heard is None and asked.pending:
        heard = _give_up(s, asked)
    if heard is None:
        s.alive()
        raise Fail("an answer within tResponse, or PENDING", "none", ("R-WIRE-023",))
    if x.optional and heard.status == Status.NOT_SUPPORTED:
        raise Inapplicable("This packet type is optional, and not supported here.")
    if heard.status in _COMPLAINTS:
        raise Fail("no complaint about the payload", f"status {heard.status!r}")
    if heard.status == Status.BAD_STATE and not _may_refuse(s.monitor.role, x.packet, x.state):
        raise Fail(f"an answer to a request that is legal in {x.state}", "status BAD_STATE")
    s.alive()


@cache
def _may_refuse(role: Role, code: int, state: str) -> bool:
    """Whether BAD_STATE is what the machines may declare for a request that is legal in a state."""
    return Matrix(catalogue(), role).may_refuse(catalogue().by_code[code], state)


def _give_up(s: Session, asked: Asked) -> Heard | None:
    """End a request that takes longer than a test can wait."""
    s.note(Actor.SUITE, "takes long: cancelled")
    s.ask(p.Cancel(txn=asked.txn))
    return s.answer(asked)


def _silent(s: Session, x: Exchange, _: dict[int, tuple[int, int]]) -> None:
    needs = catalogue().by_code[x.packet].needs if x.statuses else ()  # of what is not supported something else counts
    judged = bool(x.statuses) and (not needs or not s.known.features.isdisjoint(needs))
    known = _illegal(s) if judged else 0
    s.stimulate(x)
    silence(s)
    s.alive()
    if judged:
        wanted, found = known + (REFUSAL in x.statuses), _illegal(s)
        s.expect(found == wanted, f"BAD_STATE to be {wanted}", f"{found}", "R-LNK-014")


def _illegal(s: Session) -> int:
    """How many packets were not legal in the state in which they came."""
    heard = s.answer(s.request(p.CountersGet(groups=p.CounterGroup.PACKET), lane=Lane.SIDEBAND))
    if heard is None or not isinstance(heard.body, p.CountersGetResponse):
        raise Inconclusive("COUNTERS_GET was not answered.")
    return next((c.count for c in heard.body.counters if c.id == CounterId.BAD_STATE), 0)


def silence(s: Session) -> None:
    """Nothing answers within tResponse. What the monitor takes for a stray response is the failure itself."""
    known = len(s.monitor.violations)
    s.let((s.catalogue.timer["tResponse"].max or 0) + MS)
    answers = s.heard(lambda h: h.packet is not None and bool(h.packet.rsp) and h.asked is None)
    if answers:
        del s.monitor.violations[known:]
        raise Fail("no answer", f"an answer with status {answers[0].status!r}")


def _dropped(s: Session, x: Exchange, _: dict[int, tuple[int, int]]) -> None:
    counted = s.counters().get(CounterId.BAD_CRC, 0)
    s.stimulate(x)
    silence(s)
    after = s.counters().get(CounterId.BAD_CRC, 0)
    if after != counted + 1:
        raise Fail(f"BAD_CRC to be {counted + 1}", f"{after}", ("R-WIRE-002",))


def _repeated(s: Session, x: Exchange, _: dict[int, tuple[int, int]]) -> None:
    asked, data = s.stimulate(x)
    first = answered(s, asked)
    before = s.states()
    second = s.repeat(asked, data)
    if second is None:
        raise Fail("the stored response", "none")
    if second.data != first.data:
        raise Fail("the stored response", f"status {second.status!r} and other bytes")
    s.unmoved(before)


_ORACLES = {
    Oracle.REFUSED: _refused,
    Oracle.ACCEPTED: _accepted,
    Oracle.SILENT: _silent,
    Oracle.DROPPED: _dropped,
    Oracle.REPEATED: _repeated,
}
