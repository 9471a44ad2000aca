"""Scenarios of what users suffered: a module that is taken off, knocked, starved, turned at and reset in the middle of
something else.

Each crosses chapters, because what is forgotten is forgotten between them: a queue that outlives its session, a motor
that outlives its supply, an image that outlives its power.

Plan: helpers · taken off · knocked · starved · at odds · reset.
"""

import hashlib
from collections.abc import Callable, Iterator

from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.capture import control, state, still, whole_frame
from opalink.conformance.scenarios.lens import FOCUS, move, own, ring_of, span_of, turn
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import configured, contract, greet, ready, resume, streaming
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.conformance.wiring.probe import object_bytes
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import ControlId, DescriptorObject, Lane, MachineId, OperationTag, OwnerPolicy, StreamOp
from opalink.spec.form import MS, SECOND

_REMOVAL = ("attach", "detach")
_LIGHT = ("lane_down", "lane_up")
_GRACE = 100 * MS  # that a shrinking budget leaves

# ── Helpers ──────────────────────────────────────────────────────────────────────────────────────────


def take_off(s: Session) -> None:
    """The module is taken off, and forgotten what it said."""
    s.operate(OperationTag.DETACH, p.DetachOperation())
    s.light = False
    s.let(50 * MS)
    s.clear()


def dark(s: Session, span: int = 50 * MS) -> None:
    """The light goes, for so long, and what was said is forgotten."""
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
    s.light = False
    s.let(span)
    s.clear()


def knock(s: Session, span: int = 50 * MS) -> None:
    """The light goes for so long and comes back, and the session is resumed."""
    session = s.greeting.session
    dark(s, span)
    found = resume(s).session
    s.expect(found == session, f"session {session}", f"{found}", "R-ATT-004")
    s.need(s.take(in_l0, EVENTUALLY) is not None, "The link did not come back to L0.")


def in_l0(heard: Heard) -> bool:
    """Whether the link is up."""
    return isinstance(heard.body, p.LinkEvent) and heard.body.state == p.LinkState.L0


def _until_leader(s: Session) -> None:
    s.need(s.take(p.FrameLeader, 5 * SECOND) is not None, "No frame came.")


def _until_block(s: Session) -> None:
    s.need(s.take(p.FrameBlock, 5 * SECOND) is not None, "No block came.")


def _until_trailer(s: Session) -> None:
    s.need(s.take(p.FrameTrailer, 5 * SECOND) is not None, "No trailer came.")


def _queue(s: Session) -> None:
    s.expect_status(still(s, 1), Status.OK)


def _start(s: Session) -> None:
    control(s, StreamOp.START)


_OF_A_STILL: tuple[Callable[[Session], None], ...] = (configured, _queue, _start, _until_leader, _until_block)
_OF_A_VIDEO: tuple[Callable[[Session], None], ...] = (configured, _start, _until_leader, _until_block, _until_trailer)


def _cut_short(s: Session, steps: tuple[Callable[[Session], None], ...]) -> Iterator[int]:
    """Go so many of the steps, in one life of the module, and take it off there."""
    for last in range(1, len(steps) + 1):
        for step in steps[:last]:
            step(s)
        take_off(s)
        yield last


def _nothing_set_up(s: Session, when: str) -> None:
    """A session begins anew: no stream, no queue, no frame of before."""
    contract(s)
    s.expect(state(s) == "UNCONFIGURED", f"UNCONFIGURED after it was taken off {when}", state(s), "R-CAP-013")
    control(s, StreamOp.START, Status.BAD_STATE)
    s.let(200 * MS)
    s.expect(not s.heard(p.FrameLeader), "no frame of the session before", "a leader", "R-CAP-013")


# ── Taken off ────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "CAP/REMOVAL/BV-still", "R-CAP-013", "R-FRM-003",
    given="a module that takes a still", when="it is taken off at each step of that, and put on again",
    then="nothing of before is set up, queued or sent, and the next still comes whole",
    needs="SENSOR", operations=_REMOVAL, suffering="pairing",
)  # fmt: skip
def removal_at_every_step_of_a_still(s: Session) -> None:
    for last in _cut_short(s, _OF_A_STILL):
        _nothing_set_up(s, f"at step {last} of a still")
        take_off(s)
    configured(s)
    s.expect_status(still(s, 1), Status.OK)  # requests are numbered from the beginning of a session on
    _start(s)
    leader, _, _ = whole_frame(s, 5 * SECOND)
    s.expect(leader.request == 1, "the frame of request 1", f"request {leader.request}")


@scenario(
    "CAP/REMOVAL/BV-video", "R-CAP-013", "R-FRM-003",
    given="a module that takes a video", when="it is taken off at each step of that, and put on again",
    then="nothing of before is set up or sent, and the next video comes", needs="VIDEO", operations=_REMOVAL,
    suffering="pairing",
)  # fmt: skip
def removal_at_every_step_of_a_video(s: Session) -> None:
    for last in _cut_short(s, _OF_A_VIDEO):
        _nothing_set_up(s, f"at step {last} of a video")
        take_off(s)
    streaming(s)
    whole_frame(s, 5 * SECOND)
    whole_frame(s, 5 * SECOND)


@scenario(
    "SEC/FW/BV-every_block", "R-SEC-012",
    given="a module whose firmware is updated", when="it is taken off after each block of the image, and put on again",
    then="it runs what ran before, no update is under way, and the next one begins at the first byte",
    needs="FIRMWARE", operations=_REMOVAL, suffering="genuine",
)  # fmt: skip
def an_update_cut_off_at_every_block(s: Session) -> None:
    for blocks in range(4):
        ready(s)
        before = s.asks(p.FwQuery()).components[0]
        pulled: list[int] = []
        _serve(s, pulled, blocks)
        image = bytes(100_000)
        digest = hashlib.sha256(image).digest()
        begin = p.FwBegin(component=before.component, size=len(image), version=before.active + 1, digest=digest)
        s.expect_status(s.ask(begin), Status.OK)
        deadline = s.now + EVENTUALLY
        while len(pulled) <= blocks and s.now < deadline:
            s.let(10 * MS)
        s.need(len(pulled) > blocks, f"It pulled {len(pulled)} blocks, not {blocks + 1}.")
        s.expect(pulled[0] == 0, "the first byte to be pulled first", f"byte {pulled[0]}")
        take_off(s)
        ready(s)
        after = s.asks(p.FwQuery()).components[0]
        kept = (after.active, after.digest) == (before.active, before.digest)
        s.expect(kept, f"version {before.active:#x} after {blocks} blocks", f"{after.active:#x}")
        s.expect(s.state(MachineId.FIRMWARE) == "IDLE", "IDLE", s.state(MachineId.FIRMWARE))
        take_off(s)


def _serve(s: Session, pulled: list[int], blocks: int) -> None:
    """Answer so many pulls, and note where each begins."""

    def serve(heard: Heard) -> None:
        pulled.append(heard.body.offset)
        if len(pulled) <= blocks:
            s.reply(heard, p.FwPullResponse(offset=heard.body.offset, data=bytes(heard.body.length)))

    s.phone.answers[p.FwPull] = serve


# ── Knocked ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "CAP/KNOCK/BV-video", "R-CAP-014", "R-FRM-003", "R-ATT-004",
    given="a module that streams", when="the light goes six times, wherever a frame then is, and comes back",
    then="the session is resumed each time, and whole frames come without being asked for",
    needs="VIDEO LASER", operations=_LIGHT, suffering="knock",
)  # fmt: skip
def a_video_that_is_knocked(s: Session) -> None:
    streaming(s)
    for _ in range(6):
        whole_frame(s, 5 * SECOND)
        s.let(s.random.randrange(40 * MS))
        knock(s, s.random.randrange(20, 400) * MS)
        s.clear()
    s.reaches(MachineId.CAPTURE, "STREAMING")
    whole_frame(s, 5 * SECOND)


# ── Starved ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "LEN/FOCUS/BV-brown_out", "R-WIRE-023",
    given="a module whose focus is on its way", when="its voltage falls below the limit",
    then="it reports that, and answers the move all the same", needs="FOCUS_MOTOR CONTRACT", operations=("condition",),
    suffering="supply",
)  # fmt: skip
def a_motor_that_browns_out(s: Session) -> None:
    contract(s)
    _, near = span_of(s)
    s.clear()
    asked = s.request(move(near, speed=2000))
    s.let(5 * MS)
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.UNDERVOLTAGE, present=1))
    s.need(s.take(p.PwrFault, EVENTUALLY) is not None, "It did not take the voltage for a fault.")
    s.expect(s.answer(asked) is not None, "an answer to the move", "none")
    s.alive()


@scenario(
    "PWR/BUDGET/BV-video", "R-PWR-002",
    given="a module that streams", when="the budget shrinks step by step to what READY takes, and is restored",
    then="it answers each step with what it will draw, at most what it was left", needs="CONTRACT VIDEO",
    suffering="supply",
)  # fmt: skip
def a_video_that_is_starved(s: Session) -> None:
    streaming(s)
    caps = s.known.caps
    if caps is None:
        s.fail("an answer to PWR_SINK_CAPS", "none")
    for share in (3, 2, 1, 0):
        budget = caps.min_ready + (caps.max - caps.min_ready) * share // 4
        body = s.asks(p.PwrBudget(max=budget, grace=_GRACE // MS, cause=p.BudgetCause.THERMAL))
        s.expect(body.power <= budget, f"at most {budget} mW", f"{body.power} mW")
        s.let(3 * _GRACE)
    s.asks(p.PwrBudget(max=0xFFFF, grace=0, cause=p.BudgetCause.RESTORED))
    s.alive()


# ── At odds ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "LEN/OWNER/BV-duel", "R-LEN-009", "R-LEN-021", "R-WIRE-023",
    given="a module whose focus the phone follows a subject with", when="the user turns the ring again and again",
    then="every move is answered once, every turn is told, and the phone has the focus once the ring has rested",
    needs="FOCUS_MOTOR CONTROLS", operations=("ring",), suffering="focus",
)  # fmt: skip
def the_ring_against_autofocus(s: Session) -> None:
    contract(s)
    ring_of(s, ControlId.FOCUS_RING)
    s.expect_status(own(s, ControlId.FOCUS_RING, OwnerPolicy.RING_WINS, hold=100), Status.OK)
    far, near = span_of(s)
    fair = (Status.OK, Status.ADJUSTED, Status.RING_OWNED, Status.CANCELLED)
    asked, turned = [], 0
    s.clear()
    for round_ in range(12):
        asked.append(s.request(move(near if round_ % 2 else far)))
        s.let(s.random.randrange(1, 15) * MS)
        if round_ % 3 == 0:
            turn(s, ControlId.FOCUS_RING, 2)
            turned += 2
        s.let(s.random.randrange(20, 60) * MS)
    last = s.answer(asked[-1])
    s.expect(last is not None, "an answer to each move", "none to the last", "R-WIRE-023")
    s.let(SECOND)
    s.inbox += [last] if last else []
    for one in asked:
        answers = [h for h in s.inbox if h.asked is one]
        s.expect(len(answers) == 1, "one answer to each move", f"{len(answers)}", "R-WIRE-023")
        s.expect_status(answers[0], *fair)
    told = sum(h.body.delta for h in s.heard(p.ControlEvent) if h.body.control == ControlId.FOCUS_RING)
    s.expect(told == turned, f"{turned} counts", f"{told}", "R-LEN-021")
    heard = s.ask(move(near, settle=1))
    s.expect_status(heard, Status.OK)
    s.expect(abs(heard.body.position - near) <= 10, f"{near} within 0.01 D", f"{heard.body.position}")


@scenario(
    "MGT/DESC_READ/BV-under_way", "R-MGT-015", "R-MGT-017",
    given="a module that sees a stack", when="an element is put on and taken off while its descriptor is being read",
    then="it reports the stack all the same, and announces whatever of the descriptor changed by it",
    needs="STACK", operations=("stack",), suffering="stack",
)  # fmt: skip
def a_descriptor_that_changes_under_way(s: Session) -> None:
    ready(s)
    s.need(s.take(p.StackReport, EVENTUALLY) is not None, "STACK_REPORT did not come when the session began.")
    for elements in (1, 0, 1):
        before = object_bytes(s, DescriptorObject.DESCRIPTOR)
        s.clear()
        s.asks(p.DescRead(object=DescriptorObject.DESCRIPTOR, offset=0, length=64))
        s.operate(OperationTag.STACK, p.StackOperation(elements=elements))
        s.ask(p.DescRead(object=DescriptorObject.DESCRIPTOR, offset=64, length=64))
        told = s.take(p.StackReport, EVENTUALLY)
        s.expect(told is not None, "STACK_REPORT", "none", "R-MGT-017")
        changed = object_bytes(s, DescriptorObject.DESCRIPTOR) != before
        s.expect(not changed or bool(s.heard(p.DescChanged)), "DESC_CHANGED", "none", "R-MGT-015")


# ── Reset ────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "ATT/RESET/BV-busy", "R-ATT-009", "R-CAP-013",
    given="a module that streams, has a still in its queue and moves its focus", when="RESET comes with PROTOCOL",
    then="it answers, and in the session that follows nothing of that goes on", needs=f"VIDEO {FOCUS}",
    suffering="pairing",
)  # fmt: skip
def a_reset_in_the_middle_of_everything(s: Session) -> None:
    streaming(s)
    s.expect_status(still(s, 5), Status.OK)
    _, near = span_of(s)
    asked = s.request(move(near, speed=2000))
    s.let(MS)
    heard = s.ask(p.Reset(level=p.ResetLevel.PROTOCOL), lane=Lane.SIDEBAND)
    s.expect_status(heard, Status.OK)
    s.let(50 * MS)
    s.clear()
    greet(s)
    s.let(500 * MS)
    s.expect(not s.heard(p.FrameLeader), "no frame of the session before", "a leader", "R-CAP-013")
    s.expect(state(s) == "UNCONFIGURED", "UNCONFIGURED", state(s), "R-CAP-013")
    waiting = {x.txn for x in s.asks(p.StateGet()).open}
    s.expect(asked.txn not in waiting, "no move under way", f"transaction {asked.txn}", "R-ATT-009")
