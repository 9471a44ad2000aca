"""Scenarios of capture requests: the queue, settings, plans, patterns, flushing, the first frame.

Plan: the queue · flushing and the rest.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.capture import control, frame_time, state, still, whole_frame
from opalink.conformance.scenarios.properties import get, put
from opalink.conformance.tester.preambles import configured, resume, streaming
from opalink.conformance.tester.session import Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status, Tlv
from opalink.protocol.packets import FrameResult, Lane, MachineId, OperationTag, PropertyTag, StreamOp
from opalink.spec.form import MS, SECOND
from opalink.spec.limits import QUEUED_CAPTURES

_SENSOR = "SENSOR"

# ── The queue ────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "CAP/QUEUE/BV-still", "R-FRM-003", "R-FRM-005",
    given="a module with streams started", when="a still is asked for",
    then="a whole frame comes that names the request", needs=_SENSOR,
)  # fmt: skip
def a_still_is_taken(s: Session) -> None:
    configured(s)
    body = s.asks(p.CaptureQueue(request=7, mask=1, frames=1))
    s.expect(body.queued >= 1, "at least one queued", f"{body.queued}")
    control(s, StreamOp.START)
    leader = s.take(lambda h: isinstance(h.body, p.FrameLeader) and h.body.request == 7, 5 * SECOND)
    if leader is None:
        s.fail("a frame of request 7", "none within 5 s")
    s.expect(bool(leader.body.kind & p.FrameFlags.STILL), "a STILL", f"{leader.body.kind:#x}")
    ended = s.take(lambda h: isinstance(h.body, p.FrameTrailer) and h.body.frame == leader.body.frame, 5 * SECOND)
    s.expect(ended is not None, "its trailer", "none within 5 s")


@scenario(
    "CAP/QUEUE/BO-number", "R-CAP-006",
    given="a module with streams set up that has accepted request 5", when="request 5 or 3 comes",
    then="it answers BAD_STATE, and accepts 6", needs=_SENSOR,
)  # fmt: skip
def numbers_of_requests_rise(s: Session) -> None:
    configured(s)
    s.expect_status(still(s, 5), Status.OK)
    for number in (5, 3, 1):
        s.expect_status(still(s, number), Status.BAD_STATE)
    s.expect_status(still(s, 6), Status.OK)


@scenario(
    "CAP/QUEUE/BV-capacity", "R-CAP-007",
    given="a module with streams set up and none started", when="requests come until it answers BUSY",
    then="it has accepted queued_captures of them", needs=_SENSOR,
)  # fmt: skip
def the_queue_has_room(s: Session) -> None:
    configured(s)
    for number in range(1, QUEUED_CAPTURES + 1):
        heard = still(s, number)
        if heard.status == Status.BUFFER_FULL:
            raise Inapplicable("Its frame memory is full before its queue is.")
        s.expect_status(heard, Status.OK)
        s.expect(heard.body.queued == number, f"{number} queued", f"{heard.body.queued}")
    s.expect_status(still(s, QUEUED_CAPTURES + 1), Status.BUSY)


@scenario(
    "CAP/QUEUE/BI-late", "R-CAP-008",
    given="a module with streams set up", when="a request comes whose deadline has passed", then="it answers LATE",
    needs="SENSOR TIME",
)  # fmt: skip
def a_deadline_that_has_passed(s: Session) -> None:
    configured(s)
    s.locked()
    s.let(SECOND)
    s.expect_status(still(s, 1, deadline=1), Status.LATE)


@scenario(
    "CAP/QUEUE/BI-plan", "R-CAP-025",
    given="a module with streams set up", when="a request names a plan that is not set",
    then="it answers NO_SUCH_ID", needs=_SENSOR,
)  # fmt: skip
def a_plan_that_is_not_set(s: Session) -> None:
    configured(s)
    s.expect_status(still(s, 1, plan=0xFFFE), Status.NO_SUCH_ID)


@scenario(
    "CAP/QUEUE/BI-read_only", "R-CAP-026",
    given="a module with streams set up", when="a request wants to set a read-only property",
    then="it answers READ_ONLY", needs=_SENSOR,
)  # fmt: skip
def a_setting_that_is_read_only(s: Session) -> None:
    configured(s)
    settings = (Tlv(PropertyTag.BLACK_LEVEL, 64),)
    s.expect_status(still(s, 1, settings=settings), Status.READ_ONLY)


@scenario(
    "CAP/QUEUE/BV-settings", "R-CAP-009", "R-FRM-011",
    given="a module with streams set up and an exposure of its own", when="a still has another exposure",
    then="its frame has that one, and the property is as it was", needs=_SENSOR,
)  # fmt: skip
def settings_of_a_request(s: Session) -> None:
    configured(s)
    described = s.described(PropertyTag.EXPOSURE)
    put(s, (PropertyTag.EXPOSURE_MODE, p.ExposureControl.MANUAL))
    put(s, (PropertyTag.EXPOSURE, max(described.minimum, 10 * MS)))
    (before,) = get(s, PropertyTag.EXPOSURE)
    s.expect_status(still(s, 1, settings=(Tlv(PropertyTag.EXPOSURE, 5 * MS),)), Status.OK)
    control(s, StreamOp.START)
    leader = s.take(lambda h: isinstance(h.body, p.FrameLeader) and h.body.request == 1, 5 * SECOND)
    if leader is None:
        s.fail("a frame of request 1", "none within 5 s")
    taken = next((t.value for t in leader.body.settings if t.tag == PropertyTag.EXPOSURE), None)
    near = taken is not None and abs(taken - 5 * MS) <= max(described.step, MS // 10)
    s.expect(near, f"{5 * MS} ns", f"{taken} ns")
    s.let(frame_time(s))
    (after,) = get(s, PropertyTag.EXPOSURE)
    s.expect(after.value == before.value, f"{before.value} ns", f"{after.value} ns")


@scenario(
    "CAP/SETTING/BV-latency", "R-PROP-001",
    given="a module that streams", when="its exposure is set",
    then="every frame after the property's latency has it", needs="VIDEO",
)  # fmt: skip
def a_setting_takes_effect(s: Session) -> None:
    streaming(s)
    described = s.described(PropertyTag.EXPOSURE)
    put(s, (PropertyTag.EXPOSURE_MODE, p.ExposureControl.MANUAL))
    s.need(s.take(p.FrameTrailer, 3 * SECOND) is not None, "No frame came.")
    value = max(described.minimum, 3 * MS)
    s.clear()
    heard = s.ask(p.PropSet(settings=(Tlv(PropertyTag.EXPOSURE, value),)))
    s.expect_status(heard, Status.OK, Status.ADJUSTED)
    set_at = heard.packet.t_ns if heard.packet else 0  # by the module's clock, like the start of an exposure
    (now,) = get(s, PropertyTag.EXPOSURE)
    later: list[int | None] = []
    for _ in range(described.latency + 12):  # some may be exposed already, and on their way
        leader = whole_frame(s)[0]
        if leader.t_first_row > set_at:
            later.append(next((t.value for t in leader.settings if t.tag == PropertyTag.EXPOSURE), None))
        if len(later) == described.latency + 3:
            break
    s.need(len(later) == described.latency + 3, "Too few frames were exposed since.")
    late = later[described.latency :]
    s.expect(all(v == now.value for v in late), f"{now.value} ns from frame {described.latency} on", f"{later}")


@scenario(
    "CAP/PLAN/BV-steps", "R-CAP-018",
    given="a module with streams set up and a plan of three exposures", when="one round of the plan is asked for",
    then="its three frames have these exposures in this order", needs="SENSOR PLAN",
)  # fmt: skip
def a_plan_is_followed(s: Session) -> None:
    configured(s)
    times = (2 * MS, 8 * MS, 4 * MS)
    as_it_is = {
        name: s.known.properties[tag].initial
        for name, tag in (
            ("focus", PropertyTag.FOCUS_POSITION),
            ("aperture", PropertyTag.APERTURE),
            ("neutral_density", PropertyTag.NEUTRAL_DENSITY),
        )
        if tag in s.known.properties
    }
    s.asks(p.PlanSet(plan=3, steps=tuple(p.PlanStep(exposure=t, gain=100, **as_it_is) for t in times)))
    s.expect_status(still(s, 1, plan=3), Status.OK)
    control(s, StreamOp.START)
    found = []
    for step, wanted in enumerate(times):
        leader = s.take(lambda h: isinstance(h.body, p.FrameLeader) and h.body.request == 1, 5 * SECOND)
        if leader is None:
            s.fail(f"frame {step} of the plan", "none within 5 s")
        found.append((leader.body.step, leader.body.exposures[0].time))
        near = abs(found[-1][1] - wanted) <= MS // 10
        s.expect(found[-1][0] == step and near, f"step {step} of {wanted} ns", f"{found[-1]}")


@scenario(
    "CAP/PATTERN/BV-samples", "R-CAP-017",
    given="a module that streams", when="SOLID and RAMP are put in place of the scene, from several seeds",
    then="every sample of the next frames is that of the pattern", needs="VIDEO", plan=Plan.CI,
)  # fmt: skip
def patterns_are_patterns(s: Session) -> None:
    streaming(s)
    for kind, seed in ((p.PatternKind.SOLID, 0x1A5), (p.PatternKind.RAMP, 0), (p.PatternKind.RAMP, 999)):
        s.asks(p.TestPattern(kind=kind, seed=seed))
        s.clear()
        whole_frame(s)  # it may have been under way
        leader, blocks, _ = whole_frame(s)
        bits = leader.pixel_format >> 16 & 0xFF
        if leader.codec or leader.width * bits % 8 or leader.pixel_format >> 24 != 1:
            raise Inapplicable("Its frames are not rows of whole bytes of single samples.")
        row = _packed([(seed if kind == p.PatternKind.SOLID else x + seed) for x in range(leader.width)], bits)
        data = b"".join(bytes(b.data) for b in blocks)
        s.expect(data == row * leader.height, f"{kind.name} from {seed}", f"{data[:16].hex()} and so on")


def _packed(samples: list[int], bits: int) -> bytes:
    """Samples without gaps, from the least significant bit on."""
    word = 0
    for sample in reversed(samples):
        word = word << bits | sample % (1 << bits)
    return word.to_bytes(len(samples) * bits // 8, "little")


# ── Flushing ─────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "CAP/EXPOSURE/BV-first_row", "R-FRM-010",
    given="a module with streams set up", when="a still is exposed for a fifth of a second",
    then="`t_first_row` lies that long before its first data", needs=_SENSOR,
)  # fmt: skip
def the_first_row_starts_the_exposure(s: Session) -> None:
    configured(s)
    long = SECOND // 5
    if s.described(PropertyTag.EXPOSURE).maximum < long:
        raise Inapplicable("It cannot expose for so long.")
    s.expect_status(still(s, 1, settings=(Tlv(PropertyTag.EXPOSURE, long),)), Status.OK)
    control(s, StreamOp.START)
    leader = s.take(lambda h: isinstance(h.body, p.FrameLeader) and h.body.request == 1, 5 * SECOND)
    if leader is None:
        s.fail("a still", "none within 5 s")
    low = leader.body.frame & 0xFFFF_FFFF
    block = s.take(lambda h: isinstance(h.body, p.FrameBlock) and h.body.frame_lo == low, 5 * SECOND)
    if block is None or block.packet is None:
        s.fail("a block of it", "none within 5 s")
    exposed = leader.body.exposures[0].time
    # Link time and the bench's differ by what the module's time lacks; the block bears both.
    skew = block.time - block.packet.t_ns
    early = leader.body.t_first_row + skew + exposed
    s.expect(early <= block.time + s.monitor.slack, f"data after {early} ns", f"at {block.time} ns")


@scenario(
    "CAP/FLUSH/BV-cut", "R-CAP-012", "R-CAP-011",
    given="a module that streams, in the middle of a frame", when="FLUSH comes",
    then="the frame gets its trailer with CANCELLED before the answer, and nothing of the stream follows",
    needs="VIDEO",
)  # fmt: skip
def flushing_cuts_a_frame(s: Session) -> None:
    streaming(s)
    leader = s.take(p.FrameLeader, 3 * SECOND)
    if leader is None:
        s.need(False, "No frame came.")
        return
    heard = s.ask(p.Flush(mask=1))
    s.expect_status(heard, Status.OK)
    answered = heard.packet.t_ns if heard.packet else 0
    s.let(MS)  # what left before the answer may have been overtaken by it
    before = [h for h in s.inbox if h.packet and h.packet.t_ns <= answered]
    begun = {h.body.frame for h in before if isinstance(h.body, p.FrameLeader)} | {leader.body.frame}
    trailers = {h.body.frame: h.body for h in before if isinstance(h.body, p.FrameTrailer)}
    missing = begun - set(trailers)
    s.expect(not missing, "a trailer before the answer", f"none for {sorted(missing)}", "R-CAP-012")
    cut = [t for t in trailers.values() if t.result != FrameResult.COMPLETE]
    s.expect(all(t.reason == Status.CANCELLED for t in cut), "CANCELLED", f"{[t.reason for t in cut]}", "R-CAP-012")
    s.let(frame_time(s))
    frames = (p.FrameLeader, p.FrameBlock, p.FrameTrailer)
    rest = [h for h in s.inbox if isinstance(h.body, frames) and h.packet and h.packet.t_ns > answered]
    s.expect(not rest, "nothing of the stream", f"{len(rest)} packets", "R-CAP-011")
    s.expect(state(s) == "CONFIGURED", "CONFIGURED", state(s))


@scenario(
    "CAP/FLUSH/BV-queue", "R-CAP-011",
    given="a module with requests in its queue", when="FLUSH comes and the stream is started",
    then="no frame of those requests comes", needs=_SENSOR,
)  # fmt: skip
def flushing_empties_the_queue(s: Session) -> None:
    configured(s)
    for number in (1, 2, 3):
        s.expect_status(still(s, number), Status.OK)
    s.asks(p.Flush(mask=1))
    control(s, StreamOp.START)
    s.clear()
    s.let(frame_time(s))
    old = [h.body.request for h in s.heard(p.FrameLeader) if h.body.request in (1, 2, 3)]
    s.expect(not old, "no frame of a flushed request", f"of {old}")
    s.expect_status(still(s, 4), Status.OK)


@scenario(
    "CAP/LOST/BV-kept", "R-CAP-013", "R-CAP-014",
    given="a module that streams", when="its link is lost and the session resumed",
    then="the streams go on without being asked", needs="VIDEO LASER", operations=("lane_down", "lane_up"),
)  # fmt: skip
def streams_survive_a_lost_link(s: Session) -> None:
    streaming(s)
    whole_frame(s)
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
    s.light = False
    s.let(300 * MS)
    found = s.reaches(MachineId.CAPTURE, "PAUSED_LINK")
    s.expect(found == "PAUSED_LINK", "PAUSED_LINK", found)
    s.clear()
    resume(s)
    found = s.reaches(MachineId.CAPTURE, "STREAMING")
    s.expect(found == "STREAMING", "STREAMING", found, "R-CAP-014")
    s.clear()
    whole_frame(s)


@scenario(
    "CAP/EJECT/BV-quiet", "R-ATT-007",
    given="a module that streams", when="EJECT comes with PREPARE, and then with ABORT",
    then="it begins no frame between them", needs="VIDEO",
)  # fmt: skip
def no_frames_while_detaching(s: Session) -> None:
    streaming(s)
    whole_frame(s)
    s.asks(p.Eject(phase=p.EjectPhase.PREPARE, grace=1000))
    s.clear()
    s.let(frame_time(s))
    s.expect(not s.heard(p.FrameLeader), "no frames", "a leader")
    s.asks(p.Eject(phase=p.EjectPhase.ABORT))


@scenario(
    "CAP/FIRST/TI-warm", "R-CAP-020",
    given="a module with a session", when="a stream is set up and started",
    then="its own share of the first frame is within tFirstFrameWarm", needs="VIDEO",
)  # fmt: skip
def the_first_frame_in_time(s: Session) -> None:
    configured(s)
    begun = s.now
    control(s, StreamOp.START)
    trailer = s.take(p.FrameTrailer, 3 * SECOND)
    if trailer is None:
        s.fail("a frame", "none within 3 s")
    s.waited(trailer.time - begun, s.timer("tFirstFrameWarm"), "the end of its first frame")


@scenario(
    "CAP/FIRST/TI-cold", "R-CAP-019",
    given="a module that is not attached", when="it is attached, greeted, supplied, and a stream started at once",
    then="its own share of the first frame is within tFirstFrameCold", needs="VIDEO", operations=("attach",),
)  # fmt: skip
def the_first_frame_from_power(s: Session) -> None:
    streaming(s)
    trailer = s.take(p.FrameTrailer, 3 * SECOND)
    if trailer is None:
        s.fail("a frame", "none within 3 s")
    # In virtual time the tester takes none: all that passed is the module's.
    took = trailer.time - s.attached
    s.need(s.exact or took <= s.timer("tFirstFrameCold"), f"Of {took} ns an unknown share was the tester's.")
    s.waited(took, s.timer("tFirstFrameCold"), "the end of the first frame")
