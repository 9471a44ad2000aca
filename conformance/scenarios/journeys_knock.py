"""Scenarios of knocks: light that goes and comes back, contacts that open, a phone that falls silent, again and again.

What a module does once, any test of one packet sees. These go on until what is kept from one round to the next shows.

Plan: put on and taken off · the light that comes back.
"""

import hashlib

from msgspec import structs

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.capture import control, state, still, whole_frame
from opalink.conformance.scenarios.journeys import dark, knock, take_off
from opalink.conformance.scenarios.lens import FOCUS, move, span_of
from opalink.conformance.tester.preambles import (
    attach,
    configured,
    contract,
    greet,
    hello,
    light,
    offer,
    paused,
    ready,
    resume,
    show,
    streaming,
    train,
)
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import Lane, MachineId, OperationTag, StreamOp
from opalink.spec.form import MS, SECOND

_REMOVAL = ("attach", "detach")
_LIGHT = ("lane_down", "lane_up")

# ── Put on and taken off ─────────────────────────────────────────────────────────────────────────────


@scenario(
    "ATT/DETACH/BV-often", "R-LNK-003", "R-LNK-004",
    given="a module", when="it is put on and taken off twelve times",
    then="its BEACON comes in time each time, with a nonce that it has not had", operations=_REMOVAL,
    suffering="pairing", plan=Plan.CI,
)  # fmt: skip
def put_on_again_and_again(s: Session) -> None:
    seen: set[int] = set()
    limit = s.timer("tBeaconAfterPower")
    for _ in range(12):
        attach(s)
        heard = s.take(p.Beacon, limit + s.monitor.slack)
        if heard is None:
            s.fail("BEACON within tBeaconAfterPower", "none", "R-LNK-003")
        s.expect(heard.body.nonce not in seen, "another nonce", "one that it had", "R-LNK-004")
        seen.add(heard.body.nonce)
        take_off(s)


@scenario(
    "ATT/EJECT/BV-often", "R-MGT-042",
    given="a module in READY", when="it is ejected, taken off and put on five times",
    then="it answers each EJECT, and each session begins", operations=_REMOVAL, suffering="pairing", plan=Plan.CI,
)  # fmt: skip
def ejected_again_and_again(s: Session) -> None:
    for _ in range(5):
        ready(s)
        s.asks(p.Eject(phase=p.EjectPhase.PREPARE, grace=1000))
        s.asks(p.Eject(phase=p.EjectPhase.COMMIT))
        take_off(s)
    ready(s)
    s.alive()


@scenario(
    "CAP/EJECT/BV-again", "R-ATT-007", "R-FRM-003",
    given="a module that streams", when="EJECT is prepared and given up four times",
    then="no frame begins between the two, and frames come after each", needs="VIDEO", suffering="pairing",
    plan=Plan.CI,
)  # fmt: skip
def a_take_that_is_nearly_ejected(s: Session) -> None:
    streaming(s)
    for _ in range(4):
        whole_frame(s)
        s.asks(p.Eject(phase=p.EjectPhase.PREPARE, grace=1000))
        s.clear()
        s.let(SECOND // 5)
        s.expect(not s.heard(p.FrameLeader), "no frame", "a leader", "R-ATT-007")
        s.asks(p.Eject(phase=p.EjectPhase.ABORT))
        if state(s) != "STREAMING":  # whether it goes on by itself no rule says
            control(s, StreamOp.START)
    whole_frame(s)


@scenario(
    "CAP/PHONES/BV-after", "R-CAP-013", "R-PWR-016",
    given="a module that streams for one phone", when="it is taken off and put on another, twice",
    then="the other finds no stream, no contract and no trust", needs="VIDEO", operations=_REMOVAL, suffering="family",
    plan=Plan.CI,
)  # fmt: skip
def the_next_phone_finds_nothing(s: Session) -> None:
    for _ in range(2):
        streaming(s)
        whole_frame(s)
        if "SECURITY" in s.known.features:
            s.tell(p.TrustPolicy(level=p.TrustLevel.GENUINE, max_power=10_000))
            s.reaches(MachineId.AUTH, "GENUINE")
        take_off(s)
        ready(s)
        s.expect(state(s) == "UNCONFIGURED", "UNCONFIGURED", state(s), "R-CAP-013")
        if "CONTRACT" in s.known.features:
            power = s.state(MachineId.POWER)
            s.expect(power not in ("CONTRACT", "LIMITED", "TRANSITION"), "no contract", power, "R-PWR-016")
        if "SECURITY" in s.known.features:
            found = s.state(MachineId.AUTH)
            s.expect(found == "NONE", "NONE", found, "R-SEC-007")
        take_off(s)


@scenario(
    "ATT/HELLO/BV-phones", "R-MGT-005", "R-MGT-007", "R-MGT-008", "R-ATT-006",
    given="a module", when="eight phones greet it one after the other, each with features of its own",
    then="each has a session that nobody had, the same features and the same descriptor, and can resume no other",
    suffering="family", plan=Plan.CI,
)  # fmt: skip
def a_family_of_phones(s: Session) -> None:
    light(s)
    sessions: list[int] = []
    first: p.HelloResponse | None = None
    for wanted in (0, 1, (1 << 64) - 1, 0xFF, 0, 0xAAAA, 3, (1 << 64) - 1):
        asked = structs.replace(hello(s), features=wanted)
        body = s.asks(asked, lane=Lane.SIDEBAND)
        first = first or body
        s.expect(body.session not in sessions, "another session", f"{body.session} again", "R-MGT-005")
        s.expect(body.features == first.features, f"{first.features:#x}", f"{body.features:#x}", "R-MGT-007")
        s.expect(body.desc_sha256 == first.desc_sha256, "the same descriptor", "another", "R-MGT-008")
        sessions.append(body.session)
        s.hello, s.greeting = asked, body
    old = structs.replace(hello(s, resume=True), resume_session=sessions[0])
    s.expect_status(s.ask(old, lane=Lane.SIDEBAND), Status.NEEDS_SESSION)


@scenario(
    "LEN/REMOVAL/BV-focus", "R-MGT-044", "R-LEN-009",
    given="a module whose focus is on its way", when="it is taken off and put on, three times",
    then="nothing of before is open, and the next move is carried out", needs=FOCUS, operations=_REMOVAL,
    suffering="pairing", plan=Plan.CI,
)  # fmt: skip
def a_motor_that_loses_its_phone(s: Session) -> None:
    _, near = span_of(s)
    for _ in range(3):
        contract(s)
        asked = s.request(move(near, speed=2000))
        s.let(5 * MS)
        take_off(s)
        contract(s)
        waiting = {x.txn for x in s.asks(p.StateGet()).open}
        s.expect(asked.txn not in waiting, "no move under way", f"transaction {asked.txn}", "R-MGT-044")
        _there(s, near)
        take_off(s)


def _there(s: Session, target: int) -> None:
    """The focus can be moved to a place."""
    heard = s.ask(move(target, settle=1))
    s.expect_status(heard, Status.OK)
    s.expect(abs(heard.body.position - target) <= 10, f"{target} within 0.01 D", f"{heard.body.position}", "R-LEN-009")


# ── The light that comes back ────────────────────────────────────────────────────────────────────────


@scenario(
    "CAP/KNOCK/BV-paused", "R-CAP-013", "R-FRM-003",
    given="a module whose stream is paused", when="the light goes and comes back three times",
    then="the stream is paused still, and goes on when it is started", needs="VIDEO LASER", operations=_LIGHT,
    suffering="knock", plan=Plan.CI,
)  # fmt: skip
def a_pause_that_is_knocked(s: Session) -> None:
    paused(s)
    for _ in range(3):
        knock(s, 100 * MS)
        found = s.reaches(MachineId.CAPTURE, "PAUSED")
        s.expect(found == "PAUSED", "PAUSED", found, "R-CAP-013")
    control(s, StreamOp.START)
    whole_frame(s)


@scenario(
    "CAP/KNOCK/BV-queue", "R-CAP-013", "R-FRM-003",
    given="a module with two stills in its queue", when="the light goes and comes back three times, then it is started",
    then="both stills come", needs="SENSOR LASER", operations=_LIGHT, suffering="knock", plan=Plan.CI,
)  # fmt: skip
def a_queue_that_is_knocked(s: Session) -> None:
    configured(s)
    for number in (1, 2):
        heard = still(s, number)
        if heard.status == Status.BUFFER_FULL:
            raise Inapplicable("Its memory holds no two stills.")
        s.expect_status(heard, Status.OK)
    for _ in range(3):
        knock(s)
    control(s, StreamOp.START)
    for number in (1, 2):
        leader = s.take(lambda h: isinstance(h.body, p.FrameLeader) and h.body.request == number, 5 * SECOND)  # noqa: B023
        s.expect(leader is not None, f"the still of request {number}", "none", "R-CAP-013")


@scenario(
    "MGT/KNOCK/BV-reading", "R-MGT-008", "R-MGT-013",
    given="a module whose descriptor is read piece by piece", when="the light goes and comes back after every piece",
    then="the pieces make up the descriptor that it announced", needs="LASER", operations=_LIGHT, suffering="knock",
    plan=Plan.CI,
)  # fmt: skip
def a_descriptor_that_is_read_in_knocks(s: Session) -> None:
    ready(s)
    size, digest = s.greeting.desc_size, s.greeting.desc_sha256
    piece = -(-size // 5)
    data = b""
    for offset in range(0, size, piece):
        data += bytes(s.asks(p.DescRead(offset=offset, length=piece)).data)
        knock(s)
    s.expect(len(data) == size, f"{size} bytes", f"{len(data)}", "R-MGT-013")
    s.expect(hashlib.sha256(data).digest() == digest, "the descriptor of HELLO", "another", "R-MGT-008")


@scenario(
    "TIM/KNOCK/BV-synchronised", "R-TIM-025",
    given="a module that keeps time", when="the light goes and comes back four times",
    then="it synchronises its time each time, and comes to LOCKED", needs="TIME LASER", operations=_LIGHT,
    suffering="focus", plan=Plan.CI,
)  # fmt: skip
def time_that_is_knocked(s: Session) -> None:
    ready(s)
    s.locked()
    for _ in range(4):
        knock(s, 200 * MS)
        s.clear()
        s.let(SECOND // 2)
        s.expect(len(s.heard(p.TimeSync)) > 1, "TIME_SYNC again and again", f"{len(s.heard(p.TimeSync))}")
        found = s.reaches(MachineId.TIME, "LOCKED")
        s.expect(found == "LOCKED", "LOCKED", found)


@scenario(
    "PWR/KNOCK/BV-contract", "R-PWR-018", "R-PWR-019", "R-PWR-030",
    given="a module with a contract", when="the light goes and comes back four times, and the phone offers again",
    then="it asks for what is offered each time, and a contract holds", needs="CONTRACT LASER", operations=_LIGHT,
    suffering="supply", plan=Plan.CI,
)  # fmt: skip
def a_contract_that_is_knocked(s: Session) -> None:
    contract(s)
    for generation in range(2, 6):
        knock(s)
        offer(s, generation=generation)
        asked = s.take(p.PwrRequest, EVENTUALLY)
        if asked is None:
            s.fail("PWR_REQUEST", "none", "R-PWR-018")
        s.expect(asked.body.generation == generation, f"{generation}", f"{asked.body.generation}", "R-PWR-019")
        s.expect(s.take(p.PwrStatus, EVENTUALLY) is not None, "PWR_STATUS", "none", "R-PWR-030")


@scenario(
    "LEN/KNOCK/BV-focus", "R-LEN-009", "R-WIRE-023",
    given="a module whose focus is on its way", when="the light goes and comes back, four times",
    then="the focus can be moved each time, and comes to where it is sent", needs="FOCUS_MOTOR LASER",
    operations=_LIGHT, suffering="focus", plan=Plan.CI,
)  # fmt: skip
def a_motor_that_is_knocked(s: Session) -> None:
    contract(s)
    far, near = span_of(s)
    for _ in range(4):
        s.request(move(near, speed=2000))
        s.let(5 * MS)
        knock(s, 20 * MS)
        _there(s, far)


@scenario(
    "ATT/SILENCE/BV-again", "R-LNK-006", "R-ATT-004",
    given="a module with a laser in READY", when="the phone falls silent for too long and comes back, three times",
    then="it repeats BEACON meanwhile, and the session is resumed", needs="LASER", suffering="knock", plan=Plan.CI,
    planes=("packet",),
)  # fmt: skip
def a_phone_that_falls_silent(s: Session) -> None:
    ready(s)
    for _ in range(3):
        s.phone.mute |= {p.Keepalive, p.TimeSync}
        s.let(s.timer("tKeepAliveLoss") + 10 * MS + s.monitor.slack)
        found = s.reaches(MachineId.ATTACH, "LINK_LOST")
        s.expect(found == "LINK_LOST", "LINK_LOST", found)
        s.light = False
        s.clear()
        beacon = s.take(p.Beacon, 2 * s.timer("tLaserRestartInterval"))
        s.expect(beacon is not None, "BEACON", "none", "R-LNK-006")
        s.phone.mute.clear()
        session = s.greeting.session
        s.expect(resume(s).session == session, f"session {session}", f"{s.greeting.session}", "R-ATT-004")


@scenario(
    "CAP/LOST/BV-too_long", "R-ATT-005", "R-CAP-013",
    given="a module that streams", when="the light goes for longer than tHoldover, twice",
    then="the session cannot be resumed, and a new one begins without streams", needs="VIDEO LASER",
    operations=_LIGHT + _REMOVAL, suffering="knock", plan=Plan.CI,
)  # fmt: skip
def a_take_that_is_lost_for_good(s: Session) -> None:
    for _ in range(2):
        streaming(s)
        whole_frame(s)
        dark(s, s.timer("tHoldover") + 10 * MS)
        s.operate(OperationTag.LANE_UP, p.LaneUpOperation(lane=Lane.LASER))
        show(s)
        s.light = True
        train(s)
        s.expect_status(s.ask(hello(s, resume=True), lane=Lane.SIDEBAND), Status.NEEDS_SESSION)
        greet(s)
        s.expect(state(s) == "UNCONFIGURED", "UNCONFIGURED", state(s), "R-CAP-013")
        take_off(s)
