"""Scenarios of frames: repair, stills that are held, the store.

Plan: repair · stills that are held · the store.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.capture import blocks_of, control, frame_time, still, whole_frame
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import configured, ready, resume, streaming
from opalink.conformance.tester.session import Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import BlockFate, BlockFlags, Lane, OperationTag, StreamOp
from opalink.spec.form import MS, SECOND

_REPORTED = 100 * MS  # R-CAP-016
_DARK = 1500 * MS  # well below tHoldover
_MOST = 1 << 16  # stills that are listed, however many there are said to be

# ── Repair ───────────────────────────────────────────────────────────────────────────────────────────


def _nak(s: Session, frame: int, *ranges: tuple[int, int], deadline: int = 100_000) -> Heard:
    spans = tuple(p.BlockRange(first=f, count=n) for f, n in ranges)
    return s.ask(p.BlockNak(frame=frame, stream=0, deadline=deadline, ranges=spans))


@scenario(
    "FRM/NAK/BV-resent", "R-FRM-016", "R-FRM-017", "R-FRM-014", "R-FRM-015",
    given="a module with a frame memory that has just sent a frame", when="two of its blocks are asked for again",
    then="they come before the deadline, marked RESENT, with the data that they had", needs="BUFFER VIDEO",
)  # fmt: skip
def blocks_are_sent_again(s: Session) -> None:
    streaming(s)
    leader, blocks, _ = whole_frame(s)
    if len(blocks) < 3:
        raise Inapplicable("Its frames have fewer than three blocks.")
    begun = s.now
    heard = _nak(s, leader.frame, (0, 1), (2, 1))
    s.expect_status(heard, Status.OK)
    s.expect(len(heard.body.answers) == 2, "two answers", f"{len(heard.body.answers)}", "R-FRM-015")
    coming = [a.result for a in heard.body.answers]
    s.expect(coming == [BlockFate.COMING] * 2, "COMING twice", f"{coming}", "R-FRM-018")
    s.let(100 * MS)
    again = {
        h.body.block: h
        for h in s.heard(p.FrameBlock)
        if h.body.frame_lo == leader.frame & 0xFFFF_FFFF
        and h.time >= begun
        and (h.body.flags & BlockFlags.RESENT or h.body.block in (0, 2))  # unmarked ones the monitor judges
    }
    s.expect(set(again) == {0, 2}, "blocks 0 and 2", f"{sorted(again)}", "R-FRM-016")
    for number, found in again.items():
        s.expect(found.time <= begun + 100 * MS, "before the deadline", f"{found.time - begun} ns", "R-FRM-016")
        first = next((b.data for b in blocks if b.block == number), None)
        s.expect(found.body.data == first, "the data of before", "other data", "R-FRM-017")


@scenario(
    "FRM/NAK/BV-many", "R-FRM-015", "R-FRM-018",
    given="a module with a frame memory that has just sent a frame", when="32 ranges are asked for again",
    then="it answers 32", needs="BUFFER VIDEO",
)  # fmt: skip
def every_range_is_answered(s: Session) -> None:
    streaming(s)
    leader, _, _ = whole_frame(s)
    ranges = [(2 * i, 1) for i in range(32) if 2 * i < leader.blocks]
    heard = _nak(s, leader.frame, *ranges)
    s.expect_status(heard, Status.OK)
    found = len(heard.body.answers)
    s.expect(found == len(ranges), f"{len(ranges)} answers", f"{found}", "R-FRM-015")


@scenario(
    "FRM/NAK/BI-no_frame", "R-FRM-032",
    given="a module with a frame memory that streams", when="blocks of a frame are asked for that was never sent",
    then="it answers NO_SUCH_ID, or that they are gone", needs="BUFFER VIDEO",
)  # fmt: skip
def blocks_of_no_frame(s: Session) -> None:
    streaming(s)
    whole_frame(s)
    heard = _nak(s, 1 << 60, (0, 1))
    s.expect_status(heard, Status.OK, Status.NO_SUCH_ID)
    if heard.status == Status.OK:
        s.expect([a.result for a in heard.body.answers] == [BlockFate.GONE], "GONE", f"{heard.body.answers}")


@scenario(
    "FRM/NAK/BV-still", "R-FRM-029",
    given="a module with a frame memory that has just sent a still", when="all its blocks are asked for again",
    then="none is GONE for being one too many", needs="BUFFER SENSOR",
)  # fmt: skip
def a_still_is_repaired_whole(s: Session) -> None:
    configured(s)
    control(s, StreamOp.START)
    s.expect_status(still(s), Status.OK)
    leader = s.take(lambda h: isinstance(h.body, p.FrameLeader) and h.body.request == 1, 5 * SECOND)
    if leader is None:
        s.fail("a still", "none within 5 s")
    frame = leader.body
    s.need(s.take(lambda h: _ends(h, frame.frame), 5 * SECOND) is not None, "The still has no trailer.")
    whole = (0, min(frame.blocks, 0xFFFF))
    heard = _nak(s, frame.frame, whole, deadline=1_000_000)
    s.expect_status(heard, Status.OK)
    s.expect([a.result for a in heard.body.answers] == [BlockFate.COMING], "COMING", f"{heard.body.answers}")


def _ends(heard: Heard, frame: int) -> bool:
    return isinstance(heard.body, p.FrameTrailer) and heard.body.frame == frame


# ── Stills that are held ─────────────────────────────────────────────────────────────────────────────


def _take_still(s: Session, number: int = 1) -> tuple[int, int]:
    """Take one still; its frame number and data."""
    s.expect_status(still(s, number), Status.OK)
    leader = s.take(lambda h: isinstance(h.body, p.FrameLeader) and h.body.request == number, 5 * SECOND)
    s.need(leader is not None, "No still came.")
    frame = leader.body.frame if leader else 0
    trailer = s.take(lambda h: isinstance(h.body, p.FrameTrailer) and h.body.frame == frame, 5 * SECOND)
    s.need(trailer is not None, "The still has no trailer.")
    return frame, trailer.body.frame_crc if trailer else 0


def _of_frame(s: Session, frame: int) -> list[Heard]:
    """What has come of a frame."""
    low = frame & 0xFFFF_FFFF
    parts = [h for h in s.inbox if isinstance(h.body, p.FrameLeader | p.FrameTrailer) and h.body.frame == frame]
    return parts + [h for h in s.heard(p.FrameBlock) if h.body.frame_lo == low]


@scenario(
    "FRM/FETCH/BV-again", "R-FRM-030", "R-FRM-017",
    given="a module that holds a still", when="FRAME_FETCH asks for it",
    then="leader, blocks and trailer follow the answer, with the data that it had", needs="BUFFER|STORAGE SENSOR",
)  # fmt: skip
def a_still_is_fetched(s: Session) -> None:
    configured(s)
    control(s, StreamOp.START)
    frame, crc = _take_still(s)
    control(s, StreamOp.STOP)
    s.let(frame_time(s))
    s.clear()
    heard = s.ask(p.FrameFetch(frame=frame, keep=1))
    if heard.status in (Status.NO_SUCH_ID, Status.BLOCK_GONE):
        raise Inapplicable("It holds no still that was sent whole.")
    s.expect_status(heard, Status.OK)
    before = _of_frame(s, frame)
    s.expect(not before, "nothing before the answer", f"{len(before)} packets", "R-FRM-030")
    trailer = s.take(lambda h: isinstance(h.body, p.FrameTrailer) and h.body.frame == frame, 5 * SECOND)
    if trailer is None:
        s.fail("its trailer", "none within 5 s", "R-FRM-030")
    leaders = [h for h in s.heard(p.FrameLeader) if h.body.frame == frame]
    s.expect(len(leaders) == 1, "one leader", f"{len(leaders)}", "R-FRM-030")
    s.expect(trailer.body.frame_crc == crc, f"{crc:#010x}", f"{trailer.body.frame_crc:#010x}", "R-FRM-017")


@scenario(
    "FRM/FETCH/BI-no_frame", "R-FRM-031",
    given="a module that can hold stills, and holds none", when="FRAME_FETCH asks for the oldest, and for another",
    then="it answers NO_SUCH_ID", needs="BUFFER|STORAGE",
)  # fmt: skip
def nothing_to_fetch(s: Session) -> None:
    ready(s)
    s.expect_status(s.ask(p.FrameFetch(frame=1 << 60)), Status.NO_SUCH_ID)


@scenario(
    "FRM/HELD/BV-resumed", "R-CAP-015", "R-CAP-013",
    given="a module with a frame memory and a still in its queue", when="its link is lost while it takes the still",
    then="it holds the still through a resume, and sends it", needs="BUFFER SENSOR LASER",
    operations=("lane_down", "lane_up"),
)  # fmt: skip
def a_still_survives_a_lost_link(s: Session) -> None:
    configured(s)
    control(s, StreamOp.START)
    s.let(50 * MS)
    s.expect_status(still(s, 1, frames=8), Status.OK)  # some are left, however late that is answered
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
    s.light = False
    s.let(frame_time(s))
    s.clear()
    resume(s)
    leader = s.take(lambda h: isinstance(h.body, p.FrameLeader) and h.body.request == 1, 5 * SECOND)
    if leader is None:
        s.fail("the still", "none within 5 s", "R-CAP-015")
    frame = leader.body.frame
    s.expect(s.take(lambda h: _ends(h, frame), 5 * SECOND) is not None, "its trailer", "none", "R-CAP-013")


def _held_in_the_dark(s: Session, count: int = 3) -> p.BufferStatus:
    """Have stills taken while there is no light, go on without sending them, and return what is said of them."""
    configured(s)
    control(s, StreamOp.START)
    s.expect_status(still(s, 1, frames=count), Status.OK)
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
    s.light = False
    s.let(min(count * frame_time(s), _DARK))
    s.clear()
    resume(s)
    control(s, StreamOp.STOP)
    s.let(max(frame_time(s), _REPORTED))
    told = s.heard(p.BufferStatus)
    s.clear()
    if told:
        last: p.BufferStatus = told[-1].body
        return last
    heard = s.ask(p.FrameFetch(frame=0, keep=1))
    s.expect(heard.status != Status.OK, "BUFFER_STATUS of what can be fetched", "none", "R-CAP-016")
    raise Inapplicable("It takes no stills without light, or has sent them all.")


def _fetched(s: Session, frame: int) -> tuple[int, int]:
    """Fetch a still with `keep`; the number and the CRC that come."""
    s.clear()
    body = s.asks(p.FrameFetch(frame=frame, keep=1))
    before = _of_frame(s, body.frame)
    s.expect(not before, "nothing before the answer", f"{len(before)} packets", "R-FRM-030")
    trailer = s.take(lambda h: _ends(h, body.frame), 5 * SECOND)
    if trailer is None:
        s.fail("its trailer", "none within 5 s", "R-FRM-030")
    leaders = [h for h in s.heard(p.FrameLeader) if h.body.frame == body.frame]
    s.expect(len(leaders) == 1, "one leader", f"{len(leaders)}", "R-FRM-030")
    blocks = blocks_of(s, trailer.body)
    s.expect(len(blocks) == body.blocks, f"{body.blocks} blocks", f"{len(blocks)}", "R-FRM-030")
    return body.frame, trailer.body.frame_crc


@scenario(
    "FRM/HELD/BV-fetched", "R-FRM-022", "R-FRM-023", "R-FRM-030", "R-CAP-016",
    given="a module that holds stills which it took while its link was lost", when="the oldest is fetched with `keep`",
    then="it comes, is still held, and comes again, until FRAME_RELEASE names it", needs="BUFFER SENSOR LASER",
    operations=("lane_down", "lane_up"),
)  # fmt: skip
def the_oldest_still_is_kept(s: Session) -> None:
    told = _held_in_the_dark(s)
    if not told.frames:
        raise Inapplicable("It has sent every still.")
    frame, crc = _fetched(s, 0)
    s.expect(frame == told.oldest, f"frame {told.oldest}", f"{frame}", "R-FRM-022")
    again = _fetched(s, frame)
    s.expect(again == (frame, crc), f"the still with CRC {crc:#010x}", f"{again}", "R-FRM-023")
    s.clear()
    left = s.asks(p.FrameRelease(stills=(p.ReleasedFrame(frame=frame),))).total
    s.expect(left == told.frames - 1, f"{told.frames - 1} left", f"{left}", "R-CAP-016")
    less = s.take(p.BufferStatus, _REPORTED)
    s.expect(less is not None, "BUFFER_STATUS with one frame less", "none within 100 ms", "R-CAP-016")
    s.expect_status(s.ask(p.FrameFetch(frame=frame)), Status.NO_SUCH_ID)


@scenario(
    "FRM/HELD/BI-release", "R-FRM-025",
    given="a module that holds stills which it took while its link was lost",
    when="FRAME_RELEASE names one of them and one that is not there", then="it refuses and forgets neither",
    needs="BUFFER SENSOR LASER", operations=("lane_down", "lane_up"),
)  # fmt: skip
def a_still_that_is_not_released(s: Session) -> None:
    told = _held_in_the_dark(s)
    if not told.frames:
        raise Inapplicable("It has sent every still.")
    stills = (p.ReleasedFrame(frame=told.oldest), p.ReleasedFrame(frame=1 << 60))
    s.expect_status(s.ask(p.FrameRelease(stills=stills)), Status.NO_SUCH_ID)
    _fetched(s, told.oldest)


@scenario(
    "FRM/EJECT/BV-pending", "R-MGT-039",
    given="a module with a frame memory that has nothing to send", when="EJECT comes with PREPARE",
    then="it counts no pending frames", needs="BUFFER",
)  # fmt: skip
def nothing_is_pending(s: Session) -> None:
    ready(s)
    body = s.asks(p.Eject(phase=p.EjectPhase.PREPARE, grace=100))
    s.expect(body.pending_frames == 0, "0 pending frames", f"{body.pending_frames}")
    s.expect(body.pending_bytes == 0, "0 pending bytes", f"{body.pending_bytes}")


# ── The store ────────────────────────────────────────────────────────────────────────────────────────


def _list(s: Session) -> list[p.StoredFrame]:
    """Every page of the store."""
    found: list[p.StoredFrame] = []
    while len(found) < _MOST:
        after = found[-1].frame if found else 0
        page = s.asks(p.StoreList(after=after)).stills
        if not page:
            break
        numbers = [x.frame for x in page]
        rising = numbers == sorted(set(numbers)) and numbers[0] > after
        s.expect(rising, f"rising numbers above {after}, each once", f"{numbers}", "R-FRM-024")
        found += page
    return found


def _shoot_detached(s: Session, count: int = 3) -> None:
    """Take stills with the module off the phone."""
    if not s.offers(OperationTag.BUTTON):
        raise Inapplicable("Nobody can press its shutter from outside.")
    s.operate(OperationTag.DETACH, p.DetachOperation())
    s.light = False
    for _ in range(count):
        s.operate(OperationTag.BUTTON, p.ButtonOperation())
        s.let(SECOND)


@scenario(
    "FRM/STORE/BV-pages", "R-FRM-024", "R-FRM-026",
    given="a module with a memory of its own", when="stills are taken while it is detached",
    then="each is listed on exactly one page, by rising number", needs="STORAGE SENSOR",
    operations=("attach", "detach", "button"),
)  # fmt: skip
def stills_are_listed(s: Session) -> None:
    ready(s)
    before = len(_list(s))
    _shoot_detached(s)
    ready(s)
    found = _list(s)
    s.expect(len(found) == before + 3, f"{before + 3} stills", f"{len(found)}", "R-FRM-026")
    total = s.asks(p.StoreList()).total
    s.expect(total == len(found), f"a total of {len(found)}", f"{total}", "R-FRM-024")


@scenario(
    "FRM/STORE/BV-oldest", "R-FRM-022", "R-FRM-023", "R-FRM-030", "R-CAP-016",
    given="a module that holds stills taken while it was detached", when="the oldest is fetched with `keep`",
    then="it comes, and is still held, until FRAME_RELEASE names it", needs="STORAGE SENSOR",
    operations=("attach", "detach", "button"),
)  # fmt: skip
def the_oldest_is_fetched(s: Session) -> None:
    ready(s)
    _shoot_detached(s)
    ready(s)
    stills = _list(s)
    s.expect(bool(stills), "the stills that were taken while it was detached", "none", "R-FRM-026")
    body = s.asks(p.FrameFetch(frame=0, keep=1))
    s.expect(body.frame == stills[0].frame, f"frame {stills[0].frame}", f"{body.frame}", "R-FRM-022")
    trailer = s.take(lambda h: isinstance(h.body, p.FrameTrailer) and h.body.frame == body.frame, 30 * SECOND)
    s.expect(trailer is not None, "its trailer", "none within 30 s", "R-FRM-030")
    s.expect(body.frame in [x.frame for x in _list(s)], "the still among those held", "it is gone", "R-FRM-023")
    s.clear()
    s.asks(p.FrameRelease(stills=(p.ReleasedFrame(frame=body.frame),)))
    told = s.take(p.BufferStatus, 100 * MS)
    s.expect(told is not None, "BUFFER_STATUS with one frame less", "none within 100 ms", "R-CAP-016")
    s.expect(body.frame not in [x.frame for x in _list(s)], "the still forgotten", "it is held")


@scenario(
    "FRM/STORE/BI-release", "R-FRM-025",
    given="a module that holds stills", when="FRAME_RELEASE names one of them and one that is not there",
    then="it refuses and forgets neither", needs="STORAGE SENSOR", operations=("attach", "detach", "button"),
)  # fmt: skip
def a_release_that_is_refused(s: Session) -> None:
    ready(s)
    _shoot_detached(s, 1)
    ready(s)
    held = [x.frame for x in _list(s)]
    s.expect(bool(held), "the still that was taken while it was detached", "none", "R-FRM-026")
    stills = (p.ReleasedFrame(frame=held[0]), p.ReleasedFrame(frame=1 << 60))
    heard = s.ask(p.FrameRelease(stills=stills))
    s.expect_status(heard, Status.NO_SUCH_ID)
    s.expect([x.frame for x in _list(s)] == held, f"{held}", "others")
