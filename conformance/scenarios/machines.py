"""Scenarios of what outlives a request: stored responses, counts of KEEPALIVE, reasons that a frame or a fetch gives;
and of what is legal by the state of one machine while another is not where it then usually is.

Plan: stored responses · keep-alive · what is legal · frames.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Exchange, Oracle
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.preambles import (
    configured,
    contract,
    greet,
    light,
    link_lost,
    next_keepalive,
    offer,
    ready,
    show,
    silent,
    testing,
    train,
)
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.packets import CounterId, FrameResult, Lane, MachineId, OperationTag, StreamOp
from opalink.spec.form import SECOND
from opalink.spec.limits import OUTSTANDING_MAX

# ── Stored responses ─────────────────────────────────────────────────────────────────────────────────

_GET = Exchange(PacketType.STATE_GET, b"", Oracle.ACCEPTED)


@scenario(
    "ATT/STORED/CA-last", "R-ATT-013",
    given="a module in READY that has answered outstanding_max requests", when="it receives the first of them again",
    then="it answers with the same bytes, and counts a repetition",
)  # fmt: skip
def as_many_are_stored_as_may_be_open(s: Session) -> None:
    ready(s)
    asked, data = s.stimulate(_GET, s.lane(PacketType.STATE_GET))
    first = s.answer(asked)
    if first is None:
        s.fail("an answer", "none", "R-WIRE-023")
    for _ in range(OUTSTANDING_MAX - 1):
        s.asks(p.StateGet())
    again = s.repeat(asked, data)
    if again is None:
        s.fail("the stored response", "none")
    s.expect(again.data == first.data, "the stored response", "other bytes")


@scenario(
    "ATT/STORED/BI-version", "R-ATT-014",
    given="a module in READY that has answered a request with BAD_VERSION",
    when="a request of its own version comes under the same transaction number", then="it answers OK",
)  # fmt: skip
def bad_version_is_not_stored(s: Session) -> None:
    ready(s)
    other = Exchange(PacketType.STATE_GET, b"", Oracle.REFUSED, statuses=("BAD_VERSION",), header=(("major", 2),))
    asked, _ = s.stimulate(other, s.lane(PacketType.STATE_GET))
    heard = s.answer(asked)
    if heard is None:
        s.fail("an answer", "none", "R-WIRE-023")
    s.need(heard.status == Status.BAD_VERSION, f"It was answered {heard.status!r}.")
    again = s.repeat(asked, codec.encode(codec.request(p.StateGet(), asked.txn, t_ns=s.now)))
    if again is None:
        s.fail("an answer", "none")
    s.expect_status(again, Status.OK)


@scenario(
    "ATT/STORED/BV-session", "R-ATT-015",
    given="a module in READY", when="a request of the session before comes again, bit by bit",
    then="it is answered as a new one: no repetition is counted",
)  # fmt: skip
def a_session_stores_anew(s: Session) -> None:
    ready(s)
    asked, data = s.stimulate(_GET, s.lane(PacketType.STATE_GET))
    if s.answer(asked) is None:
        s.fail("an answer", "none", "R-WIRE-023")
    greet(s)
    before = s.counters()[CounterId.DUPLICATES]
    if s.repeat(asked, data) is None:
        s.fail("an answer", "none", "R-WIRE-023")
    after = s.counters()[CounterId.DUPLICATES]
    s.expect(after == before, f"{before} repetitions", f"{after}")


# ── Keep-alive ───────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "ATT/KEEPALIVE/BV-count", "R-ATT-016",
    given="a module that has just started, in READY, its link asleep if it has one",
    when="there is silence three times, and a new session in between", then="its KEEPALIVE count 1, 2, 3",
)  # fmt: skip
def keepalives_are_counted_from_the_start(s: Session) -> None:
    silent(s)
    found = []
    for n in range(3):
        found.append(next_keepalive(s).body.seq)
        if n == 1:
            greet(s)
    s.expect(found == [1, 2, 3], "1, 2, 3", f"{found}")


# ── What is legal ────────────────────────────────────────────────────────────────────────────────────

_BERT = p.BertRun()


def _leave(s: Session, *phases: p.EjectPhase) -> None:
    for phase in phases:
        heard = s.ask(p.Eject(phase=phase, grace=1000), lane=Lane.SIDEBAND)
        s.need(heard.status == Status.OK, f"EJECT was answered {heard.status!r}.")


@scenario(
    "ATT/LEGAL/BO-configured", "R-WIRE-027", "R-CAP-126", "R-CAP-134", "R-CAP-143",
    given="a module with a stream set up, in DETACHING", when="STREAM_CONTROL, CAPTURE_QUEUE and FLUSH come",
    then="the first two are answered BAD_STATE, FLUSH is not", needs="SENSOR",
)  # fmt: skip
def what_was_set_up_is_not_used_in_leaving(s: Session) -> None:
    configured(s)
    _leave(s, p.EjectPhase.PREPARE)
    for asked in (p.StreamControl(op=StreamOp.START, mask=1), p.CaptureQueue(request=1, mask=1, frames=1)):
        s.expect_status(s.ask(asked), Status.BAD_STATE)
    found = s.ask(p.Flush(mask=1)).status
    s.expect(found != Status.BAD_STATE, "an answer to a request that is legal", "BAD_STATE", "R-CAP-143")


@scenario(
    "LNK/LINK/BV-up", "R-MGT-042",
    given="a module with a laser, before any session", when="its link comes to L0", then="it says so with LINK_EVENT",
)  # fmt: skip
def a_link_that_is_up_is_told_of(s: Session) -> None:
    light(s)
    if not s.light:
        raise Inapplicable("It has no laser.")
    s.need(s.reaches(MachineId.LINK, "L0") == "L0", "The link did not come to L0.")
    told = s.take(lambda h: isinstance(h.body, p.LinkEvent) and h.body.state == p.LinkState.L0, EVENTUALLY)
    s.expect(told is not None, "LINK_EVENT of L0", "none")


def _counts_errors(s: Session) -> None:
    """BERT_RUN is not refused for the state."""
    found = s.ask(_BERT).status
    s.expect(found != Status.BAD_STATE, "an answer to a request that is legal", "BAD_STATE")


@scenario(
    "LNK/BERT_RUN/BV-hello", "R-LNK-173",
    given="a module in HELLO whose laser's mode is TEST", when="BERT_RUN comes", then="it is not refused for the state",
    needs="LASER",
)  # fmt: skip
def errors_are_counted_before_a_session(s: Session) -> None:
    light(s)
    s.reaches(MachineId.LINK, "L0")
    s.asks(p.LaserSafety(op=p.LaserOp.SET, mode=p.LaserMode.TEST))
    _counts_errors(s)


@scenario(
    "LNK/BERT_RUN/BV-detaching", "R-LNK-173",
    given="a module in DETACHING whose laser's mode is TEST", when="BERT_RUN comes",
    then="it is not refused for the state", needs="LASER",
)  # fmt: skip
def errors_are_counted_in_leaving(s: Session) -> None:
    testing(s)
    _leave(s, p.EjectPhase.PREPARE)
    _counts_errors(s)


@scenario(
    "LNK/BERT_RUN/BV-beacon", "R-LNK-173",
    given="a module that was told to go, and is greeted by BEACON with the link still in L0, its laser's mode TEST",
    when="BERT_RUN comes", then="it is not refused for the state", needs="LASER",
)  # fmt: skip
def errors_are_counted_after_a_session(s: Session) -> None:
    testing(s)
    _leave(s, p.EjectPhase.PREPARE, p.EjectPhase.COMMIT)
    show(s)
    s.need((s.state(MachineId.ATTACH), s.state(MachineId.LINK)) == ("BEACON", "L0"), "It did not come to BEACON in L0.")
    _counts_errors(s)


@scenario(
    "LNK/BERT_RUN/BO-lost", "R-WIRE-025",
    given="a module in LINK_LOST whose light is back, its link in L0", when="a BERT_RUN that is cut short comes",
    then="it answers BAD_STATE: the payload is not looked at", needs="LASER",
)  # fmt: skip
def the_state_is_checked_before_the_payload(s: Session) -> None:
    link_lost(s)
    s.operate(OperationTag.LANE_UP, p.LaneUpOperation(lane=Lane.LASER))
    show(s)
    s.light = True
    train(s)
    s.reaches(MachineId.LINK, "L0")
    s.need(s.state(MachineId.ATTACH) == "LINK_LOST", "It did not wait in LINK_LOST.")
    asked, _ = s.stimulate(Exchange(PacketType.BERT_RUN, b"", Oracle.REFUSED), Lane.SIDEBAND)
    heard = s.answer(asked)
    if heard is None:
        s.fail("an answer", "none", "R-WIRE-023")
    s.expect_status(heard, Status.BAD_STATE)


@scenario(
    "PWR/PWR_REQUEST/BO-beacon", "R-WIRE-027",
    given="a module that was told to go, has become a source since, and is greeted by BEACON",
    when="PWR_REQUEST comes in BEACON, and in HELLO", then="it answers BAD_STATE", needs="ROLE_SWAP LASER",
    operations=("lane_down", "lane_up"),
)  # fmt: skip
def nobody_is_supplied_without_a_session(s: Session) -> None:
    contract(s)
    _leave(s, p.EjectPhase.PREPARE, p.EjectPhase.COMMIT)
    swap = p.PwrRoleSwap(direction=p.PowerDirection.TO_PHONE, voltage=5000, current=100)
    s.need(s.ask(swap, lane=Lane.SIDEBAND).status == Status.OK, "It does not become a source.")
    s.reaches(MachineId.POWER, "SOURCE")
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
    s.light = False
    show(s)
    for place in ("BEACON", "HELLO"):
        s.need(s.state(MachineId.ATTACH) == place, f"It did not come to {place}.")
        s.need(s.state(MachineId.POWER) == "SOURCE", "It is no source.")
        s.expect_status(s.ask(p.PwrRequest(generation=1, object=1), lane=Lane.SIDEBAND), Status.BAD_STATE)
        s.operate(OperationTag.LANE_UP, p.LaneUpOperation(lane=Lane.LASER))


def _asks_for_newer(s: Session) -> None:
    """A module with a contract asks anew where offers come."""
    s.clear()
    offer(s, generation=2)
    heard = s.take(p.PwrRequest, EVENTUALLY)
    if heard is None:
        s.fail("PWR_REQUEST for the newer offers", f"none within {EVENTUALLY} ns")
    s.expect(heard.body.generation == 2, "generation 2", f"{heard.body.generation}")


@scenario(
    "PWR/CONTRACT/BV-detaching", "R-PWR-019",
    given="a module with a contract in DETACHING", when="newer offers come", then="it asks for one of them",
    needs="CONTRACT",
)  # fmt: skip
def power_is_asked_for_in_leaving(s: Session) -> None:
    contract(s)
    _leave(s, p.EjectPhase.PREPARE)
    _asks_for_newer(s)


@scenario(
    "PWR/CONTRACT/BV-lost", "R-PWR-019",
    given="a module with a contract in LINK_LOST", when="newer offers come", then="it asks for one of them",
    needs="CONTRACT LASER", operations=("lane_down",),
)  # fmt: skip
def power_is_asked_for_without_light(s: Session) -> None:
    contract(s)
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
    s.light = False
    s.reaches(MachineId.ATTACH, "LINK_LOST")
    _asks_for_newer(s)


# ── Frames ───────────────────────────────────────────────────────────────────────────────────────────


def _condition(s: Session, status: Status) -> None:
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=p.Condition(int(status)), present=1))


@scenario(
    "FRM/TRAILER/BV-dropped", "R-FRM-060",
    given="a module that cannot go on with its frames", when="a stream is started",
    then="a trailer gives FRAME_DROPPED as the reason", needs="VIDEO SENSOR", operations=("condition",),
)  # fmt: skip
def a_dropped_frame_says_so(s: Session) -> None:
    configured(s)
    _condition(s, Status.FRAME_DROPPED)
    s.asks(p.StreamControl(op=StreamOp.START, mask=1))
    heard = s.take(p.FrameTrailer, 5 * SECOND)
    if heard is None:
        s.fail("FRAME_TRAILER", "none within 5 s")
    s.expect(heard.body.result != FrameResult.COMPLETE, "an incomplete frame", "COMPLETE")
    s.expect(heard.body.reason == Status.FRAME_DROPPED, "FRAME_DROPPED", f"{heard.body.reason}")


@scenario(
    "FRM/FETCH/BI-gone", "R-FRM-061",
    given="a module that has taken a still while it was detached, and no longer holds all of it",
    when="FRAME_FETCH asks for it", then="it answers BLOCK_GONE", needs="STORAGE SENSOR",
    operations=("attach", "detach", "button", "condition"),
)  # fmt: skip
def blocks_that_are_gone_cannot_be_fetched(s: Session) -> None:
    ready(s)
    s.operate(OperationTag.DETACH, p.DetachOperation())
    s.light = False
    s.operate(OperationTag.BUTTON, p.ButtonOperation())
    s.let(SECOND)
    ready(s)
    if not s.asks(p.StoreList()).stills:
        raise Inapplicable("It has kept no still.")
    _condition(s, Status.BLOCK_GONE)
    s.expect_status(s.ask(p.FrameFetch()), Status.BLOCK_GONE)
