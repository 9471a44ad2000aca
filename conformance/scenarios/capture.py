"""Scenarios of capture: modes, streams set up and controlled.

What every leader, block and trailer must be the watches judge, in each of these.

Plan: helpers · setting up · control.
"""

from msgspec import structs

from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import configured, contract, paused, quickest, ready, setup, streaming
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.conformance.tester.watches import CLASS_BOUND
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import FrameResult, MachineId, StreamOp
from opalink.spec.form import MS, SECOND

_SENSOR = "SENSOR"

# ── Helpers ──────────────────────────────────────────────────────────────────────────────────────────


def state(s: Session) -> str:
    return s.state(MachineId.CAPTURE)


_LOOK = 5 * MS  # from one look at the blocks that have come to the next


def control(s: Session, op: StreamOp, status: Status = Status.OK, mask: int = 1) -> Heard:
    heard = s.ask(p.StreamControl(op=op, mask=mask))
    s.expect_status(heard, status)
    return heard


def frame_time(s: Session) -> int:
    """A time in which the mode that `setup` chooses has sent a frame, whatever the exposure is."""
    mode = quickest(s)
    return mode.min_frame_time * 1000 + mode.start_latency * MS + SECOND // 5


def still(s: Session, number: int = 1, **more: object) -> Heard:
    """Ask for one still, or as said."""
    return s.ask(p.CaptureQueue(**{"request": number, "mask": 1, "frames": 1, **more}))  # type: ignore[arg-type]


def whole_frame(s: Session, within: int = 3 * SECOND) -> tuple[p.FrameLeader, list[p.FrameBlock], p.FrameTrailer]:
    """The next frame, from leader to trailer."""
    leader = s.take(p.FrameLeader, within)
    if leader is None:
        s.fail("a frame", f"none within {within // MS} ms")
    trailer = s.take(lambda h: isinstance(h.body, p.FrameTrailer) and h.body.frame == leader.body.frame, within)
    if trailer is None:
        s.fail("a trailer", f"none within {within // MS} ms of the leader", "R-FRM-003")
    return leader.body, blocks_of(s, trailer.body), trailer.body


def blocks_of(s: Session, trailer: p.FrameTrailer) -> list[p.FrameBlock]:
    """The blocks of a frame, resent ones aside, as they came. Its trailer may have overtaken them on the way."""
    low, sent = trailer.frame & 0xFFFF_FFFF, trailer.blocks - trailer.missing
    deadline = s.now + EVENTUALLY
    while True:
        blocks: list[p.FrameBlock] = [h.body for h in s.heard(p.FrameBlock) if h.body.frame_lo == low]
        blocks = [b for b in blocks if not b.flags & p.BlockFlags.RESENT]
        if len(blocks) >= sent or s.now >= deadline:
            return blocks
        s.let(_LOOK)


# ── Setting up ───────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "CAP/MODES/CA-modes", "R-CAP-022",
    given="a module with a sensor in READY", when="its modes are read twice",
    then="they are the same, and each can be set up", needs=_SENSOR,
)  # fmt: skip
def modes_can_be_set_up(s: Session) -> None:
    contract(s)
    first, second = s.asks(p.ModeTable()).modes, s.asks(p.ModeTable()).modes
    s.expect(first == second, "the same modes", "others")
    for mode in first:
        heard = s.ask(p.StreamConfigure(test_only=1, streams=(p.StreamSetup(mode=mode.mode, codec=mode.codec),)))
        fits = (Status.OK, Status.ADJUSTED, Status.BANDWIDTH, Status.PWR_LIMIT)
        s.expect_status(heard, *fits)


@scenario(
    "CAP/CONFIGURE/BV-test_only", "R-CAP-001",
    given="a module with a sensor in READY", when="STREAM_CONFIGURE comes with `test_only`",
    then="nothing is set up by it", needs=_SENSOR,
)  # fmt: skip
def asking_changes_nothing(s: Session) -> None:
    contract(s)
    s.expect_status(s.ask(p.StreamConfigure(test_only=1, streams=(setup(s),))), Status.OK, Status.ADJUSTED)
    s.expect(state(s) == "UNCONFIGURED", "UNCONFIGURED", state(s))
    control(s, StreamOp.START, Status.BAD_STATE)


@scenario(
    "CAP/CONFIGURE/BV-test_only_configured", "R-CAP-001",
    given="a module with streams set up", when="STREAM_CONFIGURE with `test_only` asks what no streams would cost",
    then="the streams stay", needs=_SENSOR,
)  # fmt: skip
def asking_keeps_the_streams(s: Session) -> None:
    configured(s)
    s.expect_status(s.ask(p.StreamConfigure(test_only=1)), Status.OK, Status.ADJUSTED)
    s.expect(state(s) == "CONFIGURED", "CONFIGURED", state(s))
    control(s, StreamOp.START)


@scenario(
    "CAP/CONFIGURE/BV-test_only_streaming", "R-CAP-001",
    given="a module that streams", when="STREAM_CONFIGURE comes with `test_only`",
    then="it answers, and the streams go on", needs=_SENSOR,
)  # fmt: skip
def asking_while_streaming(s: Session) -> None:
    streaming(s)
    heard = s.ask(p.StreamConfigure(test_only=1, streams=(setup(s),)))
    s.expect(heard.status != Status.BAD_STATE, "an answer", "BAD_STATE")
    s.expect(state(s) == "STREAMING", "STREAMING", state(s))
    s.clear()
    whole_frame(s)


@scenario(
    "CAP/CONFIGURE/BV-same_answer", "R-CAP-002",
    given="a module with a sensor in READY", when="streams are asked for with `test_only` and then without",
    then="both answers are the same", needs=_SENSOR,
)  # fmt: skip
def asking_tells_the_truth(s: Session) -> None:
    contract(s)
    odd = structs.replace(setup(s), x=1, y=1, width=33, height=31)
    for streams in ((setup(s),), (), (odd,), (structs.replace(setup(s), mode=0xFFFE),)):
        asked = s.ask(p.StreamConfigure(test_only=1, streams=streams))
        done = s.ask(p.StreamConfigure(streams=streams))
        s.expect(asked.status == done.status, f"{asked.status!r}", f"{done.status!r}")
        same = asked.status not in (Status.OK, Status.ADJUSTED) or asked.body == done.body
        s.expect(same, f"{asked.body}", f"{done.body}")


@scenario(
    "CAP/CONFIGURE/BV-adjusted", "R-CAP-003",
    given="a module with a sensor in READY", when="the streams of an ADJUSTED answer are asked for unchanged",
    then="it answers OK", needs=_SENSOR,
)  # fmt: skip
def adjusted_streams_are_had(s: Session) -> None:
    contract(s)
    base = setup(s)
    tried = [
        structs.replace(base, x=x, y=y, width=w, height=h)
        for x, y, w, h in ((1, 1, 33, 31), (3, 5, 101, 77), (7, 0, 1, 1), (0, 9, 640, 479))
    ]
    for wanted in tried:
        heard = s.ask(p.StreamConfigure(streams=(wanted,)))
        if heard.status == Status.ADJUSTED:
            again = s.ask(p.StreamConfigure(streams=heard.body.streams))
            s.expect_status(again, Status.OK)


@scenario(
    "CAP/CONFIGURE/BI-no_mode", "R-CAP-023",
    given="a module with a sensor in READY", when="a stream is to have a mode that is not there",
    then="it answers NO_SUCH_ID", needs=_SENSOR,
)  # fmt: skip
def a_mode_that_is_not_there(s: Session) -> None:
    contract(s)
    unknown = next(n for n in range(0xFFFF, 0, -1) if n not in {m.mode for m in s.known.modes})
    s.expect_status(s.ask(p.StreamConfigure(streams=(p.StreamSetup(mode=unknown),))), Status.NO_SUCH_ID)


@scenario(
    "CAP/CONFIGURE/BI-rate", "R-CAP-004",
    given="a module with a sensor in READY", when="a stream is to have twice the rate of its mode",
    then="it refuses, or gives the rate", needs=_SENSOR,
)  # fmt: skip
def a_rate_beyond_the_mode(s: Session) -> None:
    contract(s)
    mode = quickest(s)
    rate = min(0xFFFF, 2 * 100 * 1_000_000 // mode.min_frame_time)
    heard = s.ask(p.StreamConfigure(streams=(structs.replace(setup(s), min_rate=rate),)))
    refused = (Status.RANGE_LIMIT, Status.BANDWIDTH, Status.PWR_LIMIT)
    s.expect(heard.status in refused, "a refusal", f"{heard.status!r}")


@scenario(
    "CAP/QUEUE/BV-overtaken", "R-CAP-008",
    given="a module that streams, with synchronised time and stills to take",
    when="further ones are to begin within 2 ms", then="none is begun later", needs="SENSOR TIME",
)  # fmt: skip
def a_deadline_that_passes_in_the_queue(s: Session) -> None:
    streaming(s)
    s.locked()
    s.expect_status(s.ask(p.CaptureQueue(request=1, mask=1, frames=3)), Status.OK)
    deadlines = {}
    for number in (2, 3):
        deadlines[number] = s.now + 2 * MS
        s.expect_status(still(s, number, deadline=deadlines[number]), Status.OK, Status.LATE)
    s.let(5 * frame_time(s))
    for leader in (h.body for h in s.heard(p.FrameLeader) if h.body.request in deadlines):
        late = leader.t_first_row - deadlines[leader.request]
        s.expect(late <= CLASS_BOUND[p.TimeClass.T0], "an exposure begun by its deadline", f"one {late} ns later")


# ── Control ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "CAP/STREAM/BV-frames", "R-FRM-003", "R-FRM-001", "R-FRM-002", "R-FRM-005",
    given="a module with streams set up", when="a stream is started", then="whole frames come, one after the other",
    needs="VIDEO",
)  # fmt: skip
def a_stream_sends_frames(s: Session) -> None:
    streaming(s)
    numbers = []
    for _ in range(3):
        leader, blocks, trailer = whole_frame(s)
        numbers.append(leader.frame)
        if trailer.result == FrameResult.COMPLETE:
            s.expect(len(blocks) == leader.blocks or leader.codec != 0, f"{leader.blocks} blocks", f"{len(blocks)}")
            size = sum(len(b.data) for b in blocks)
            s.expect(size == leader.size or leader.codec != 0, f"{leader.size} bytes", f"{size}")
    s.expect(numbers == sorted(set(numbers)), "rising numbers", f"{numbers}", "R-FRM-004")


@scenario(
    "CAP/STREAM/BV-stop", "R-CAP-010",
    given="a module that streams", when="the stream is stopped in the middle of a frame",
    then="every begun frame gets its trailer, and then nothing more comes", needs="VIDEO",
)  # fmt: skip
def stopping_ends_frames(s: Session) -> None:
    streaming(s)
    leader = s.take(p.FrameLeader, 3 * SECOND)
    s.need(leader is not None, "No frame came.")
    control(s, StreamOp.STOP)
    s.let(frame_time(s))
    _all_ended(s, {leader.body.frame} if leader else set())
    s.expect(state(s) == "CONFIGURED", "CONFIGURED", state(s))
    s.clear()
    s.let(frame_time(s))
    s.expect(not s.heard(p.FrameLeader), "no frames", "a leader")


def _all_ended(s: Session, begun: set[int]) -> None:
    begun = begun | {h.body.frame for h in s.heard(p.FrameLeader)}
    ended = {h.body.frame for h in s.heard(p.FrameTrailer)}
    s.expect(begun <= ended, "a trailer for each frame", f"none for {sorted(begun - ended)}")


@scenario(
    "CAP/STREAM/BV-pause", "R-CAP-010",
    given="a module that streams", when="the stream is paused and resumed",
    then="every begun frame gets its trailer, none comes while it is paused, and then frames come again",
    needs="VIDEO",
)  # fmt: skip
def pausing_and_resuming(s: Session) -> None:
    streaming(s)
    s.need(s.take(p.FrameLeader, 3 * SECOND) is not None, "No frame came.")
    control(s, StreamOp.PAUSE)
    s.let(frame_time(s))
    _all_ended(s, set())
    s.expect(state(s) == "PAUSED", "PAUSED", state(s))
    s.clear()
    s.let(2 * frame_time(s))
    s.expect(not s.heard(p.FrameLeader), "no frames", "a leader")
    control(s, StreamOp.RESUME)
    whole_frame(s)


@scenario(
    "CAP/STREAM/BO-pause", "R-WIRE-027",
    given="a module with streams set up and none started", when="one is to be paused or resumed",
    then="it answers BAD_STATE", needs=_SENSOR,
)  # fmt: skip
def pausing_what_is_not_started(s: Session) -> None:
    configured(s)
    control(s, StreamOp.PAUSE, Status.BAD_STATE)
    control(s, StreamOp.RESUME, Status.BAD_STATE)
    control(s, StreamOp.STOP)


@scenario(
    "CAP/STREAM/BI-mask", "R-CAP-024",
    given="a module with one stream set up", when="another is to be started", then="it answers NO_SUCH_ID",
    needs=_SENSOR,
)  # fmt: skip
def a_stream_that_is_not_there(s: Session) -> None:
    configured(s)
    for mask in (2, 8, 3):
        control(s, StreamOp.START, Status.NO_SUCH_ID, mask)


@scenario(
    "CAP/STREAM/BO-configure", "R-WIRE-027",
    given="a module that streams", when="other streams are to be set up", then="it answers BAD_STATE",
    needs=_SENSOR,
)  # fmt: skip
def configuring_while_streaming(s: Session) -> None:
    for reach in (streaming, paused):
        s.rebind()
        reach(s)
        s.expect_status(s.ask(p.StreamConfigure(streams=(setup(s),))), Status.BAD_STATE)


@scenario(
    "CAP/STREAM/BV-trust", "R-SEC-005",
    given="a module that the phone rejects", when="streams are set up, started and flushed",
    then="none of this is refused", needs="SECURITY SENSOR",
)  # fmt: skip
def capture_needs_no_trust(s: Session) -> None:
    ready(s)
    s.tell(p.TrustPolicy(level=p.TrustLevel.REJECTED, max_power=3000))
    s.rebind()
    configured(s)
    s.tell(p.TrustPolicy(level=p.TrustLevel.REJECTED, max_power=3000))
    control(s, StreamOp.START)
    s.expect_status(still(s), Status.OK)
    s.asks(p.Flush(mask=1))
